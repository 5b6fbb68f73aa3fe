package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/peering/peering/internal/httpapi"
)

// A silent stop must be seen within ten seconds: a check runs again
// checkEvery after it has answered, and one that does not answer within
// checkTimeout has failed.
const (
	checkEvery   = 2 * time.Second
	checkTimeout = 3 * time.Second
)

// finding is what a check found.
type finding struct {
	level   httpapi.Level
	message string
}

func green(format string, args ...any) finding {
	return finding{httpapi.Green, fmt.Sprintf(format, args...)}
}

func amber(format string, args ...any) finding {
	return finding{httpapi.Amber, fmt.Sprintf(format, args...)}
}

func red(format string, args ...any) finding {
	return finding{httpapi.Red, fmt.Sprintf(format, args...)}
}

// health runs the checks of a process in the background and keeps what each
// found last, so that whoever asks never waits for what hangs.
type health struct {
	mu     sync.Mutex
	checks []*check
	now    func() time.Time
}

type check struct {
	httpapi.Check
	find func(context.Context) finding
}

func newHealth() *health { return &health{now: time.Now} }

// add makes a check known; until it has run it is red. A required check keeps
// the program from being ready while it is red.
func (h *health) add(name string, required bool, find func(context.Context) finding) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, &check{
		Check: httpapi.Check{Name: name, Level: httpapi.Red, Message: "starting", Since: h.now().UTC(), Required: required},
		find:  find,
	})
}

// Report implements httpapi.HealthSource.
func (h *health) Report(context.Context) httpapi.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	var r httpapi.Report
	for _, c := range h.checks {
		r.Checks = append(r.Checks, c.Check)
	}
	return r
}

// run repeats the checks that were added before until ctx ends.
func (h *health) run(ctx context.Context) {
	h.mu.Lock()
	checks := slices.Clone(h.checks)
	h.mu.Unlock()
	var running sync.WaitGroup
	for _, c := range checks {
		running.Go(func() { h.repeat(ctx, c) })
	}
	running.Wait()
}

func (h *health) repeat(ctx context.Context, c *check) {
	for ctx.Err() == nil {
		h.set(c, h.ask(ctx, c))
		select {
		case <-ctx.Done():
		case <-time.After(h.pause(c)):
		}
	}
}

// pause is short while a check is red, so that recovery is seen at once.
func (h *health) pause(c *check) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.Level == httpapi.Red {
		return checkEvery / 10
	}
	return checkEvery
}

// ask runs one check. One that does not honour its deadline is reported red
// meanwhile, and waited for: it never runs twice at once.
func (h *health) ask(ctx context.Context, c *check) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answer := make(chan finding, 1)
	go func() { answer <- c.find(ctx) }()
	select {
	case f := <-answer:
		return f
	case <-ctx.Done():
	}
	select {
	case f := <-answer:
		return f
	case <-time.After(checkTimeout / 10):
		h.set(c, red("does not answer within %s", checkTimeout))
		return <-answer
	}
}

func (h *health) set(c *check, f finding) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.Level != f.level {
		c.Since = h.now().UTC()
	}
	c.Level, c.Message = f.level, f.message
}
