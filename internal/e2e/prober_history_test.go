package e2e_test

import (
	"encoding/json"
	"slices"

	"github.com/peering/peering/client"
	"github.com/peering/peering/internal/events"
)

// history reads all that happened and holds it to what the test did: each change
// of a status follows from the one before, no two are the same, each was found
// while the server was so, and there are no more of them than there were
// absences, nor fewer.
func (p *probing) history() (list []client.Event) {
	p.t.Helper()
	status := map[client.PeerID]events.Status{}
	changes := map[client.PeerID]int{}
	for e, err := range p.api.AllEvents(p.t.Context(), client.EventQuery{Enterprise: probed}) {
		if err != nil {
			p.t.Fatal(err)
		}
		list = append(list, e)
		if e.Type != string(events.PeerStatusChanged{}.Type()) {
			continue
		}
		var c events.PeerStatusChanged
		if err := json.Unmarshal(e.Data, &c); err != nil {
			p.t.Fatal(err)
		}
		before, known := status[e.Peer]
		if !known {
			before = events.StatusUnknown
		}
		if c.From != before || c.To == before {
			p.t.Errorf("%s: from %s to %s, but it was %s before: %+v", p.peers[e.Peer].hostname, c.From, c.To, before, e)
		}
		if away := p.wasAway(e.Peer, c); away != (c.To == events.StatusDown) {
			p.t.Errorf("%s: from %s to %s by a probe of %s, when its server was away: %v; %+v",
				p.peers[e.Peer].hostname, c.From, c.To, c.ProbeStarted, away, p.absences[e.Peer])
		}
		status[e.Peer] = c.To
		changes[e.Peer]++
	}
	for id, s := range p.peers {
		want := 1 // it is up
		for _, a := range p.absences[id] {
			want++
			if !a.back.IsZero() {
				want++
			}
		}
		if changes[id] != want {
			p.t.Errorf("%s has %d changes of its status, want %d for %+v", s.hostname, changes[id], want, p.absences[id])
		}
	}
	return list
}

// wasAway reports whether the server was away when the probe began that led to
// the change.
func (p *probing) wasAway(id client.PeerID, c events.PeerStatusChanged) bool {
	return slices.ContainsFunc(p.absences[id], func(a absence) bool {
		return c.ProbeStarted.After(a.left) && (a.back.IsZero() || c.ProbeStarted.Before(a.back))
	})
}
