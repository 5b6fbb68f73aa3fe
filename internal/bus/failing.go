package bus

import (
	"sync"
	"time"

	"github.com/peering/peering/internal/events"
)

const (
	// failingFor is how long an enterprise counts as one whose commands fail.
	failingFor = time.Minute
	// shortTry is how long an attempt at a command of such an enterprise may take,
	// and failingBudget how long all of them in that time: so a backlog of them
	// delays the partition once, and not for each.
	shortTry      = time.Second
	failingBudget = 5 * time.Second
	// maxFailing is how many enterprises are remembered.
	maxFailing = 4096
)

// failing remembers for a while the enterprises whose commands could not be
// carried out though everything else works.
type failing struct {
	now func() time.Time

	mu  sync.Mutex
	all map[events.EnterpriseID]*failure
}

type failure struct {
	until time.Time
	left  time.Duration // of failingBudget
}

func newFailing(now func() time.Time) *failing {
	return &failing{now: now, all: map[events.EnterpriseID]*failure{}}
}

// limit is how long an attempt at a command of ent may take; known: it is failing.
// 0: there is no time left to try.
func (f *failing) limit(ent events.EnterpriseID) (limit time.Duration, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.all[ent]
	switch {
	case e == nil:
		return handlerLimit, false
	case !f.now().Before(e.until):
		delete(f.all, ent)
		return handlerLimit, false
	}
	return max(min(shortTry, e.left), 0), true
}

// failed notes that an attempt that took so long was in vain.
func (f *failing) failed(ent events.EnterpriseID, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.all[ent]; e != nil {
		e.left -= took
		return
	}
	now := f.now()
	if len(f.all) >= maxFailing {
		f.forget(now)
	}
	f.all[ent] = &failure{until: now.Add(failingFor), left: failingBudget}
}

// works notes that a command of ent came to an end.
func (f *failing) works(ent events.EnterpriseID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, ent)
}

// forget makes room.
func (f *failing) forget(now time.Time) {
	for ent, e := range f.all {
		if !now.Before(e.until) || len(f.all) >= maxFailing {
			delete(f.all, ent)
		}
	}
}
