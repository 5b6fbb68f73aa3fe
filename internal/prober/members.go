package prober

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// Who probes what (ADR 0020). Every prober says each beatEvery that it is there.
// One that has not been heard for silentAfter counts as gone, and what it owned
// is shared out among the others; it has given up by itself before that, leaseFor
// after its last beat that was acknowledged began.
const (
	beatEvery   = time.Second
	deafAfter   = 3 * time.Second // a watch that hears nobody
	leaseFor    = 4 * time.Second
	silentAfter = 6 * time.Second
	forgetAfter = 24 * time.Hour
)

// Member is what a prober says of itself.
type Member struct {
	ID       string    `json:"id"`
	Started  time.Time `json:"started"`
	Targets  int       `json:"targets"` // it knows
	Owned    int       `json:"owned"`   // it probes
	Isolated bool      `json:"isolated,omitempty"`
	// Muted says that it reports nothing because the log is nearly full.
	Muted      bool      `json:"muted,omitempty"`
	MutedSince time.Time `json:"muted_since,omitzero"`
	// Starting says that it does not know yet what is to be probed, or not any
	// more: it cannot follow the log. It is no member until it can.
	Starting bool `json:"starting,omitempty"`
	// Left says that it stopped in order: nobody has to wait for it.
	Left bool `json:"left,omitempty"`
	// Held are enterprises whose peers it does not probe, because an event of
	// theirs cannot be read, and since when.
	Held map[events.EnterpriseID]time.Time `json:"held,omitempty"`

	// At is when the registry took it, by the registry's clock.
	At time.Time `json:"-"`
}

// Registry is where probers say that they are there.
type Registry interface {
	// Beat says what m says of itself. It returns when that was acknowledged.
	Beat(ctx context.Context, m Member) error
	// Watch calls fn with what each member said last, and then with whatever is
	// said, until ctx ends. old is how long ago that was for what had been said
	// before, by the registry's clock; 0: it was said just now. Any error but ctx's
	// is worth trying again. It ends with errSilent when nothing was said for
	// deafAfter: either nobody is there, or it cannot hear, and only a new watch
	// tells.
	Watch(ctx context.Context, fn func(m Member, old time.Duration)) error
	// Forget removes what a member said.
	Forget(ctx context.Context, id string) error
}

// errSilent ends a watch that heard nothing.
var errSilent = errors.New("prober: nothing was heard from the registry")

// roster knows who is there, by this process's own clock. It is safe for
// concurrent use.
type roster struct {
	self string

	mu      sync.Mutex
	members map[string]Member
	heard   map[string]time.Time
	beat    time.Time // when the last acknowledged beat began; zero: none was
	since   time.Time // since when beats have been acknowledged without a gap
	before  time.Time // the last beat before that gap; zero: there was none
}

func newRoster(self string) *roster {
	return &roster{self: self, members: map[string]Member{}, heard: map[string]time.Time{}}
}

// hear notes what a member said, at a time.
func (r *roster) hear(m Member, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[m.ID], r.heard[m.ID] = m, at
	if m.Left || m.Starting && m.ID != r.self {
		delete(r.heard, m.ID)
	}
}

// acknowledged notes that a beat of ours, which began at a time, was taken. When
// the one before is too long ago, everybody who was there then gets time to be
// heard again too: it may have been the registry that was away.
func (r *roster) acknowledged(began, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.leased(now) {
		r.since, r.before = began, r.beat
		for id, at := range r.heard {
			if id != r.self && r.heard[r.self].Sub(at) < silentAfter {
				r.heard[id] = now
			}
		}
	}
	r.beat = began
}

// lease reports whether this prober may speak for what it owns, since when
// without a gap, and until when. What was seen before that, others may have seen
// otherwise.
func (r *roster) lease(now time.Time) (since, until time.Time, held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since, r.beat.Add(leaseFor), r.leased(now)
}

// leased goes by both clocks: the monotonic one stands still while the machine is
// suspended, and the other may be set.
func (r *roster) leased(now time.Time) bool {
	return !r.beat.IsZero() && now.Sub(r.beat) < leaseFor && now.Round(0).Sub(r.beat.Round(0)) < leaseFor
}

// live lists who is there, in order; this prober is, as long as it has its lease.
// Without it, or before it has heard itself, nobody is known to be there. Others
// are silent when they were not heard while this prober heard itself.
func (r *roster) live(now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	own, heard := r.heard[r.self]
	if !heard || !r.leased(now) {
		return nil
	}
	out := []string{r.self}
	for id, at := range r.heard {
		if id != r.self && own.Sub(at) < silentAfter {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// lastHeard is when any prober was there last before this one's lease began, by
// the registry's clock.
func (r *roster) lastHeard() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.before.Round(0)
	for id, m := range r.members {
		if id != r.self && !m.Starting && m.At.After(last) {
			last = m.At
		}
	}
	return last
}

// forgotten lists members that left or fell silent long ago.
func (r *roster) forgotten(now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for id, m := range r.members {
		if id != r.self && now.Sub(m.At) > forgetAfter {
			out = append(out, id)
			delete(r.members, id)
			delete(r.heard, id)
		}
	}
	return out
}

// owner is the member that a peer belongs to: the one with the highest hash, so
// that a member that comes or goes moves no more peers than its own share
// (rendezvous hashing). It is empty when there are no members.
func owner(members []string, key domain.PeerKey) string {
	var best string
	var most uint64
	for _, id := range members {
		h := fnv.New64a()
		_, _ = h.Write([]byte(id + "\x00" + string(key.Enterprise) + "\x00" + string(key.Peer))) // it never fails
		if n := scramble(h.Sum64()); best == "" || n > most {
			best, most = id, n
		}
	}
	return best
}

// scramble spreads the bits of n over all of it: of texts that differ at the
// beginning alone, the plain hash does not.
func scramble(n uint64) uint64 {
	n = (n ^ n>>33) * 0xff51afd7ed558ccd
	n = (n ^ n>>33) * 0xc4ceb9fe1a85ec53
	return n ^ n>>33
}
