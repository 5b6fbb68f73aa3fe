package prober

import (
	"context"
	"sync"
	"time"
)

// memoryRegistry is the twin of KV: what each member said last, for all who are
// connected to it. It passes the same suite.
type memoryRegistry struct {
	mu       sync.Mutex
	revision int
	said     map[string]saying
	changed  chan struct{} // closed and replaced by every change
}

type saying struct {
	member   Member
	revision int
}

func newMemoryRegistry() *memoryRegistry {
	return &memoryRegistry{said: map[string]saying{}, changed: make(chan struct{})}
}

func (r *memoryRegistry) rouse() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// say stores what a member says at a time.
func (r *memoryRegistry) say(m Member, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revision++
	m.At = at
	r.said[m.ID] = saying{m, r.revision}
	r.rouse()
}

// Beat is described at Registry.
func (r *memoryRegistry) Beat(ctx context.Context, m Member) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.say(m, time.Now())
	return nil
}

// Forget is described at Registry.
func (r *memoryRegistry) Forget(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.said, id)
	r.rouse()
	return nil
}

// Watch is described at Registry.
func (r *memoryRegistry) Watch(ctx context.Context, fn func(m Member, old time.Duration)) error {
	return r.watch(ctx, func(context.Context) error { return nil }, fn)
}

// watch is Watch for a line to the registry that is open when passes returns.
func (r *memoryRegistry) watch(ctx context.Context, passes func(context.Context) error, fn func(m Member, old time.Duration)) error {
	for seen, initial := 0, true; ; initial = false {
		if err := passes(ctx); err != nil {
			return err
		}
		news, changed := r.since(seen)
		for _, s := range news {
			seen = max(seen, s.revision)
			if initial {
				fn(s.member, time.Since(s.member.At))
			} else {
				fn(s.member, 0)
			}
		}
		silence := time.NewTimer(deafAfter)
		select {
		case <-changed:
			silence.Stop()
		case <-silence.C:
			return errSilent
		case <-ctx.Done():
			silence.Stop()
			return ctx.Err()
		}
	}
}

// since lists what was said after a revision, and what tells of more.
func (r *memoryRegistry) since(revision int) (news []saying, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.said {
		if s.revision > revision {
			news = append(news, s)
		}
	}
	return news, r.changed
}

// gate is open, or holds up whoever comes.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // nil: open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

// pass waits until the gate is open or ctx has ended.
func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		opened := g.opened
		g.mu.Unlock()
		if opened == nil {
			return ctx.Err()
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wait is pass without an end: what a process that is stopped does.
func (g *gate) wait() { _ = g.pass(context.Background()) }
