package prober

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// deafMessage says that this process cannot know.
const deafMessage = "The probers cannot be heard from here: the log does not answer."

// grace is how long after its beginning a roll takes it that probers are there:
// they may be starting too.
const grace = 10 * time.Second

// Absence says that peers are not probed, since when, and why. Since is zero
// when that is not known.
type Absence struct {
	Since time.Time
	Cause events.Cause
}

// Roll knows from the registry which probers are there, for who only reads. It
// is safe for concurrent use.
type Roll struct {
	mu      sync.Mutex
	begun   time.Time
	reached time.Time // when something was heard from the registry last
	members map[string]Member
	heard   map[string]time.Time
}

// NewRoll returns a roll that has heard nobody yet.
func NewRoll() *Roll {
	return &Roll{begun: time.Now(), members: map[string]Member{}, heard: map[string]time.Time{}}
}

// Run hears what probers say until ctx ends and returns ctx's error. open opens
// the registry; it is called again after trouble, and after silence. Why a watch
// ended is no matter: whoever is not heard is absent, and that says it all.
func (r *Roll) Run(ctx context.Context, open func(context.Context) (Registry, error)) error {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 2 * time.Second
	for {
		registry, err := open(ctx)
		if err == nil {
			wait.Reset()
			r.reach()
			_ = registry.Watch(ctx, r.hear)
		}
		if err := sleep(ctx, wait.NextBackOff()); err != nil {
			return err
		}
	}
}

// reach notes that the registry answers.
func (r *Roll) reach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reached = time.Now()
}

func (r *Roll) hear(m Member, old time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.members[m.ID], r.heard[m.ID], r.reached = m, now.Add(-old), now
}

// Members lists the probers that are there.
func (r *Roll) Members() []Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live(time.Now())
}

func (r *Roll) live(now time.Time) []Member {
	var out []Member
	for id, m := range r.members {
		if !m.Left && now.Sub(r.heard[id]) < silentAfter {
			out = append(out, m)
		}
	}
	return out
}

// Absence reports whether the peers of an enterprise are not probed.
func (r *Roll) Absence(ent events.EnterpriseID) (Absence, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Sub(r.begun) < grace {
		return Absence{}, false
	}
	if now.Sub(r.reached) >= silentAfter {
		return absence(r.reached, deafMessage), true
	}
	live := r.live(now)
	ready := slices.DeleteFunc(slices.Clone(live), func(m Member) bool { return m.Starting })
	if len(ready) == 0 {
		return r.nobody(len(live) > 0), true
	}
	return withheld(ready, ent)
}

// withheld reports whether each of those that are there says why it does not
// report on the peers of an enterprise; the last reason counts.
func withheld(ready []Member, ent events.EnterpriseID) (out Absence, absent bool) {
	for _, m := range ready {
		var a Absence
		since, held := m.Held[ent]
		switch {
		case held:
			a = absence(since, "An event of the enterprise cannot be read, so that its peers are not probed.")
		case m.Muted:
			a = absence(m.MutedSince, "The log is nearly full, so that changes of status are not written any more.")
		default:
			return Absence{}, false
		}
		if !absent || out.Since.Before(a.Since) {
			out, absent = a, true
		}
	}
	return out, absent
}

// nobody says since when no prober has been there.
func (r *Roll) nobody(starting bool) Absence {
	var last time.Time
	for _, m := range r.members {
		if !m.Starting && m.At.After(last) {
			last = m.At
		}
	}
	switch {
	case starting:
		return absence(last, "The probers are starting: they read the log.")
	case last.IsZero():
		return absence(last, "No prober is running.")
	}
	return absence(last, "No prober is running any more.")
}

func absence(since time.Time, message string) Absence {
	return Absence{Since: since, Cause: events.Cause{Layer: events.LayerPolicy, Code: domain.CauseNotProbed, Message: message}}
}
