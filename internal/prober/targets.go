package prober

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// Target is a peer that is to be probed: how it is reached, and what the log
// says of it.
type Target struct {
	Enterprise events.EnterpriseID
	Peer       events.PeerID
	Hostname   string // what the peer's certificate must name
	Port       int
	Address    string // that its trusted-server entry names; empty: it follows the hostname

	// Connection is its status. A verdict that does not count there says nothing
	// about the peer as it is now.
	Connection events.Connection
	StatusSeq  events.Seq // of the last event about its status
	history
}

// Key names the peer.
func (t *Target) Key() domain.PeerKey {
	return domain.PeerKey{Enterprise: t.Enterprise, Peer: t.Peer}
}

// Targets is the set of peers to be probed: the enabled MiCollab peers. It is
// safe for concurrent use.
type Targets struct {
	mu      sync.RWMutex
	seq     events.Seq
	peers   map[events.EnterpriseID]map[events.PeerID]*Target
	enabled map[events.EnterpriseID]int
	held    map[events.EnterpriseID]events.Seq // first event that could not be read
}

// NewTargets returns an empty set, as before the first event.
func NewTargets() *Targets {
	t := &Targets{}
	t.Reset()
	return t
}

// Reset forgets everything.
func (t *Targets) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq = 0
	t.peers = map[events.EnterpriseID]map[events.PeerID]*Target{}
	t.enabled = map[events.EnterpriseID]int{}
	t.held = map[events.EnterpriseID]events.Seq{}
}

// Seq is the position in the log up to which the set is right.
func (t *Targets) Seq() events.Seq {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.seq
}

// Len counts the peers to be probed.
func (t *Targets) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := 0
	for ent, count := range t.enabled {
		if t.held[ent] == 0 {
			n += count
		}
	}
	return n
}

// Held lists the enterprises that are not probed because an event of theirs
// cannot be read, with the sequence of the first such event.
func (t *Targets) Held() map[events.EnterpriseID]events.Seq {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return maps.Clone(t.held)
}

// Of returns the targets of one enterprise as they are now, in the order of
// their ids.
func (t *Targets) Of(ent events.EnterpriseID) iter.Seq[Target] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []Target
	if t.held[ent] == 0 {
		for _, p := range t.peers[ent] {
			if p.Connection.Enabled {
				out = append(out, *p)
			}
		}
	}
	slices.SortFunc(out, func(a, b Target) int { return cmp.Compare(a.Peer, b.Peer) })
	return slices.Values(out)
}

// Get returns a target as it is now; false when the peer is not to be probed.
func (t *Targets) Get(key domain.PeerKey) (Target, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p := t.peers[key.Enterprise][key.Peer]
	if p == nil || !p.Connection.Enabled || t.held[key.Enterprise] != 0 {
		return Target{}, false
	}
	return *p, true
}

// All returns the keys of all targets as they are now.
func (t *Targets) All() []domain.PeerKey {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []domain.PeerKey
	for ent, peers := range t.peers {
		if t.held[ent] != 0 {
			continue
		}
		for id, p := range peers {
			if p.Connection.Enabled {
				out = append(out, domain.PeerKey{Enterprise: ent, Peer: id})
			}
		}
	}
	return out
}

// Skip passes an event that cannot be read. A status event takes nothing away
// from the targets, and what is reported next of the peer comes behind it;
// behind any other the enterprise is no longer probed: what is known of its peers
// may be wrong.
func (t *Targets) Skip(seq events.Seq, ent events.EnterpriseID, peer events.PeerID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq = max(t.seq, seq)
	if p := t.peers[ent][peer]; p != nil {
		p.StatusSeq = max(p.StatusSeq, seq)
	}
	if t.held[ent] == 0 && peer == "" && ent != "" {
		t.held[ent] = seq
	}
}

// Apply folds one event. Events at or before Seq change nothing.
func (t *Targets) Apply(r events.Recorded) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Seq <= t.seq {
		return
	}
	t.seq = r.Seq
	switch e := r.Event.(type) {
	case events.PeerAdded:
		t.add(r, e)
	case events.EnterpriseRemoved:
		delete(t.peers, r.Enterprise)
		delete(t.enabled, r.Enterprise)
	case events.PeerEvent:
		t.change(r, e)
	}
}

func (t *Targets) add(r events.Recorded, e events.PeerAdded) {
	if e.PeerType != events.PeerMiCollab {
		return
	}
	peers := t.peers[r.Enterprise]
	if peers == nil {
		peers = map[events.PeerID]*Target{}
		t.peers[r.Enterprise] = peers
	}
	p := &Target{
		Enterprise: r.Enterprise, Peer: e.Peer,
		Hostname: e.Hostname, Port: e.Port, Address: e.Address,
	}
	p.Connection.Apply(r)
	peers[e.Peer] = p
	t.enabled[r.Enterprise]++
}

// change edits a peer that is known; an external one is not.
func (t *Targets) change(r events.Recorded, e events.PeerEvent) {
	p := t.peers[r.Enterprise][e.PeerID()]
	if p == nil {
		return
	}
	was := p.Connection.Enabled
	p.apply(r)
	is := p.Connection.Enabled
	if _, deleted := e.(events.PeerDeleted); deleted {
		delete(t.peers[r.Enterprise], p.Peer)
		is = false
	}
	switch {
	case was && !is:
		t.enabled[r.Enterprise]--
	case !was && is:
		t.enabled[r.Enterprise]++
	}
}

// apply folds an event of the peer.
func (t *Target) apply(r events.Recorded) {
	switch e := r.Event.(type) {
	case events.PeerHostnameChanged:
		t.Hostname, t.Port = e.To, e.ToPort
		t.history = history{}
	case events.PeerAddressChanged:
		t.Address = e.To
		t.AddressSeen, t.NameCovered = false, false
	case events.PeerVersionDetected, events.PeerCertificateSeen, events.PeerStatusChanged:
		t.StatusSeq = r.Seq
		t.remember(r, t.Connection, t.Address)
	}
	t.Connection.Apply(r)
}
