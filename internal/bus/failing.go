package bus

import (
	"sync"
	"time"

	"github.com/peering/peering/internal/events"
)

const (
	// failingFor is how long an enterprise counts as one whose commands fail,
	// after the last time.
	failingFor = 5 * time.Minute
	// shortTry is how long an attempt at a command of such an enterprise may take;
	// the attempts of each failingWindow may take no longer together. So a backlog
	// of them delays their partition once, and hardly afterwards.
	shortTry      = time.Second
	failingWindow = 15 * time.Second
	// doubtFor is how long a command is tried again and again, because others fail
	// too and none succeeds; failedLately is how long ago the others may have failed.
	// aloneFor is that for one that no other is there to be compared with: longer
	// than a cluster takes for another leader.
	doubtFor     = 30 * time.Second
	aloneFor     = 15 * time.Second
	failedLately = 30 * time.Second
	// maxFailing is how many enterprises are remembered.
	maxFailing = 4096
)

// failing remembers for a while the enterprises whose commands could not be
// carried out though everything else works.
type failing struct {
	now func() time.Time

	mu         sync.Mutex
	all        map[events.EnterpriseID]*failure
	good, vain latest // attempts
}

type failure struct {
	until  time.Time     // it is forgotten then
	window time.Time     // there is new time to try then
	left   time.Duration // of shortTry, until window
}

// latest is when something last happened, for one enterprise and for another.
type latest [2]struct {
	ent events.EnterpriseID
	at  time.Time
}

func (l *latest) note(ent events.EnterpriseID, at time.Time) {
	if l[0].ent != ent {
		l[1] = l[0]
	}
	l[0].ent, l[0].at = ent, at
}

// besides is when it last happened for an enterprise that is not ent.
func (l *latest) besides(ent events.EnterpriseID) time.Time {
	if l[0].ent != ent {
		return l[0].at
	}
	return l[1].at
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
	if now := f.now(); !now.Before(e.window) {
		e.window, e.left = now.Add(failingWindow), shortTry
	}
	return max(e.left, 0), true
}

// doubt notes that an attempt at a command of ent was in vain though everything
// seems to work, and returns for how long after the first one that may be taken for
// the deployment's fault all the same: not at all when a command of another
// enterprise came to an end during this attempt, or since the first one while no
// other fails. Servers that restart look like that.
func (f *failing) doubt(ent events.EnterpriseID, first, attempt time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.vain.note(ent, now)
	good, othersFail := f.good.besides(ent), now.Sub(f.vain.besides(ent)) < failedLately
	switch {
	case good.After(attempt), good.After(first) && !othersFail:
		return 0
	case othersFail:
		return doubtFor
	}
	return aloneFor
}

// failed notes that an attempt that took so long was in vain.
func (f *failing) failed(ent events.EnterpriseID, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	e := f.all[ent]
	if e == nil {
		f.makeRoom(now)
		e = &failure{window: now.Add(failingWindow), left: shortTry}
		f.all[ent] = e
	} else {
		e.left -= took
	}
	e.until = now.Add(failingFor)
}

// works notes that a command of ent came to an end.
func (f *failing) works(ent events.EnterpriseID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.good.note(ent, f.now())
	delete(f.all, ent)
}

// makeRoom forgets those whose time is over, and any when there are too many.
func (f *failing) makeRoom(now time.Time) {
	if len(f.all) < maxFailing {
		return
	}
	for ent, e := range f.all {
		if !now.Before(e.until) || len(f.all) >= maxFailing {
			delete(f.all, ent)
		}
	}
}
