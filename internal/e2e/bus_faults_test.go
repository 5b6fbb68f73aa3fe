package e2e_test

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ackWait is how long a command is left with a process that tells nothing of it.
const ackWait = 11 * time.Second

// span is a time in which something was not as usual.
type span struct {
	what     string
	from, to time.Time
}

func (s span) overlaps(from, to time.Time) bool { return s.from.Before(to) && from.Before(s.to) }

// faults does to two api processes and their broker what may happen to them.
type faults struct {
	t        *testing.T
	random   *rand.Rand
	d        deployment
	broker   *broker
	observer *observer
	apis     [2]*process

	counts map[string]int
	broken []span // in which the broker was not whole, or a process was paused
	paused time.Time
	resume time.Time // zero: nobody is paused
}

// until lets things happen until the end, but each of them as often as asked for.
func (f *faults) until(end <-chan struct{}, plan []func()) {
	f.t.Helper()
	for round := 0; ; round++ {
		select {
		case <-end:
			f.wake(true)
			return
		case <-time.After(time.Duration(200+f.random.IntN(700)) * time.Millisecond):
		}
		f.wake(false)
		if round%4 == 3 && len(plan) > 0 {
			plan[0]()
			plan = plan[1:]
			continue
		}
		f.killAPI()
	}
}

// killAPI ends a process, every other time a moment after a command was begun, and
// starts another. Were it always so, it would meet what is delivered again, which
// is what comes when all else waits, every time.
func (f *faults) killAPI() {
	f.t.Helper()
	i := f.random.IntN(2)
	if !f.resume.IsZero() {
		i = 1 // the other is paused
	}
	if f.random.IntN(2) == 0 {
		f.observer.untilWorking(time.Second)
		time.Sleep(time.Duration(f.random.IntN(6000)) * time.Microsecond)
	}
	f.apis[i].Kill()
	f.counts["kill -9 of an api"]++
	f.apis[i] = f.d.start("api")
}

// follows reports whether a process takes commands.
func follows(p *process) bool {
	return strings.Contains(p.Log(), "commands of the bus are followed")
}

// stopAPI has a process end in order, and starts another.
func (f *faults) stopAPI() {
	f.t.Helper()
	i := 1
	if f.resume.IsZero() {
		i = f.random.IntN(2)
	}
	f.observer.untilWorking(time.Second)
	began := time.Now()
	if code := f.apis[i].Stop(); code != 0 {
		f.t.Errorf("an api stopped with code %d", code)
	}
	f.counts["stop of an api"]++
	f.t.Logf("an api stopped within %s", time.Since(began).Round(time.Millisecond))
	f.apis[i] = f.d.start("api")
}

// pauseAPI stops a process with no warning for longer than AckWait, and leaves it
// so while other things happen.
func (f *faults) pauseAPI() {
	f.t.Helper()
	f.observer.untilWorking(time.Second)
	signal(f.t, f.apis[0], syscall.SIGSTOP)
	f.paused = time.Now()
	f.resume = f.paused.Add(ackWait + 2*time.Second)
	f.counts["pause of an api"]++
}

// wake has a paused process go on when it is time; now waits for that.
func (f *faults) wake(now bool) {
	f.t.Helper()
	if f.resume.IsZero() {
		return
	}
	if now {
		time.Sleep(time.Until(f.resume))
	}
	if time.Now().Before(f.resume) {
		return
	}
	signal(f.t, f.apis[0], syscall.SIGCONT)
	f.resume = time.Time{}
	f.broken = append(f.broken, span{"an api paused", f.paused, time.Now()})
}

// killBroker ends a node of the broker and starts it again.
func (f *faults) killBroker() {
	f.t.Helper()
	i := f.random.IntN(len(f.broker.nodes))
	f.observer.untilWorking(time.Second)
	began := time.Now()
	f.broker.kill(i, time.Duration(100+f.random.IntN(900))*time.Millisecond)
	f.counts["kill -9 of a node of the broker"]++
	f.broken = append(f.broken, span{"a node of the broker killed", began, time.Now()})
}

// was says what was not as usual between two times.
func (f *faults) was(from, to time.Time) string {
	for _, s := range f.broken {
		if s.overlaps(from, to) {
			return s.what
		}
	}
	return ""
}
