package prober

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/peering/peering/internal/events"
)

// CauseNotProbed is the code of the cause of a status that is unknown because
// nobody probes.
const CauseNotProbed = "not_probed"

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
	members map[string]Member
	heard   map[string]time.Time
}

// NewRoll returns a roll that has heard nobody yet.
func NewRoll() *Roll {
	return &Roll{begun: time.Now(), members: map[string]Member{}, heard: map[string]time.Time{}}
}

// Run hears what probers say until ctx ends and returns ctx's error. open opens
// the registry; it is called again after trouble.
func (r *Roll) Run(ctx context.Context, open func(context.Context) (Registry, error)) error {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 5 * time.Second
	for {
		registry, err := open(ctx)
		if err == nil {
			wait.Reset()
			_ = registry.Watch(ctx, r.hear) // whoever is not heard is absent: that says it all
		}
		if err := sleep(ctx, wait.NextBackOff()); err != nil {
			return err
		}
	}
}

func (r *Roll) hear(m Member, old time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[m.ID], r.heard[m.ID] = m, time.Now().Add(-old)
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
	live := r.live(now)
	if len(live) == 0 {
		return r.nobody(), now.Sub(r.begun) >= grace
	}
	var heldSince time.Time
	for _, m := range live {
		since, held := m.Held[ent]
		switch {
		case m.Muted:
		case !held:
			return Absence{}, false
		case heldSince.Before(since):
			heldSince = since
		}
	}
	if !heldSince.IsZero() {
		return absence(heldSince, "An event of the enterprise cannot be read, so that its peers are not probed."), true
	}
	return absence(time.Time{}, "The log is nearly full, so that changes of status are not written any more."), true
}

// nobody says since when no prober has been there.
func (r *Roll) nobody() Absence {
	var last time.Time
	for _, m := range r.members {
		if m.At.After(last) {
			last = m.At
		}
	}
	if last.IsZero() {
		return absence(last, "No prober is running.")
	}
	return absence(last, "No prober is running any more.")
}

func absence(since time.Time, message string) Absence {
	return Absence{Since: since, Cause: events.Cause{Layer: events.LayerPolicy, Code: CauseNotProbed, Message: message}}
}
