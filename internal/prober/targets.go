package prober

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/peering/peering/internal/events"
)

// Target is a peer that is to be probed and how it is reached.
type Target struct {
	Enterprise       events.EnterpriseID
	Peer             events.PeerID
	Hostname         string // what the peer's certificate must name
	Port             int
	PeerEnterpriseID events.EnterpriseID
	// Config is the configuration event these values come from: a verdict about
	// an older one says nothing about the peer as it is now.
	Config events.Seq

	enabled bool
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
			if p.enabled {
				out = append(out, *p)
			}
		}
	}
	slices.SortFunc(out, func(a, b Target) int { return cmp.Compare(a.Peer, b.Peer) })
	return slices.Values(out)
}

// Skip passes an event that cannot be read. A status event takes nothing away
// from the targets; behind any other the enterprise is no longer probed: what
// is known of its peers may be wrong.
func (t *Targets) Skip(seq events.Seq, ent events.EnterpriseID, peer events.PeerID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq = max(t.seq, seq)
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
	case events.PeerHostnameChanged:
		t.change(r, e.Peer, func(p *Target) { p.Hostname, p.Port = e.To, e.ToPort })
	case events.PeerEnterpriseChanged:
		t.change(r, e.Peer, func(p *Target) { p.PeerEnterpriseID = e.To })
	case events.PeerDisabled:
		t.change(r, e.Peer, func(p *Target) { p.enabled = false })
	case events.PeerEnabled:
		t.change(r, e.Peer, func(p *Target) { p.enabled = true })
	case events.PeerDeleted:
		t.change(r, e.Peer, func(p *Target) { p.enabled = false })
		delete(t.peers[r.Enterprise], e.Peer)
	case events.EnterpriseRemoved:
		delete(t.peers, r.Enterprise)
		delete(t.enabled, r.Enterprise)
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
	peers[e.Peer] = &Target{
		Enterprise: r.Enterprise, Peer: e.Peer,
		Hostname: e.Hostname, Port: e.Port, PeerEnterpriseID: e.PeerEnterpriseID,
		Config: r.Seq, enabled: true,
	}
	t.enabled[r.Enterprise]++
}

// change edits a peer that is known; an external one is not.
func (t *Targets) change(r events.Recorded, id events.PeerID, edit func(*Target)) {
	p := t.peers[r.Enterprise][id]
	if p == nil {
		return
	}
	was := p.enabled
	edit(p)
	p.Config = r.Seq
	switch {
	case was && !p.enabled:
		t.enabled[r.Enterprise]--
	case !was && p.enabled:
		t.enabled[r.Enterprise]++
	}
}
