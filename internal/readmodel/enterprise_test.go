package readmodel

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

func TestEnterprise_whatEachEventShows(t *testing.T) {
	moved := events.Server{Hostname: "new.example", Address: "192.0.2.9", Version: "9.10", Deployment: events.DeploymentMiCloudGCP}
	cases := []struct {
		name   string
		event  events.Event
		change func(*Enterprise)
	}{
		{"nothing more", nil, func(*Enterprise) {}},
		{"described", events.EnterpriseDescribed{From: "Acme", To: "Ätna"}, func(e *Enterprise) { e.Description = "Ätna" }},
		{"domain", events.EnterpriseDomainChanged{To: "other.example"}, func(e *Enterprise) { e.Domain = "other.example" }},
		{"server", events.EnterpriseServerChanged{To: moved}, func(e *Enterprise) { e.Server = moved }},
		{"removed", events.EnterpriseRemoved{Description: "Acme"}, func(e *Enterprise) {
			e.Removed = &Removal{Seq: e.LastSeq, By: domaintest.Actor, At: e.UpdatedAt, Reason: "because"}
		}},
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for i, c := range cases {
			ent := events.EnterpriseID(fmt.Sprintf("ent-%d", i))
			last := s.registers(ent)
			if c.event != nil {
				last = s.happens(ent, c.event)
			}
			e := registered(ent)
			want := Enterprise{
				ID: ent, Description: e.Description, Domain: e.Domain, Server: e.Server, ByStatus: map[events.Status]int{},
				Revision: last, UpdatedAt: at(last), LastSeq: last,
			}
			c.change(&want)
			if diff := cmp.Diff(want, s.enterprise(ent)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		}
		if page := must(s.Directory().Enterprises(t.Context(), EnterpriseQuery{}))(t); len(page.Items) != len(cases)-1 {
			t.Errorf("%d are listed, want all but the one that was removed", len(page.Items))
		}
	})
}

// TestEnterprise_revisionIsThatOfItsOwnEvents: what happens to a peer does not
// make an edit of the enterprise fail.
func TestEnterprise_revisionIsThatOfItsOwnEvents(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		first := s.registers(acme)
		last := s.happens(acme, added("p1", "Lyon"), domaintest.TrustedAdded("t1", "Hub", "hub.example", events.TrustIM))
		if got := s.enterprise(acme); got.Revision != first || got.LastSeq != last || got.UpdatedAt != at(first) {
			t.Errorf("got revision %d, last %d", got.Revision, got.LastSeq)
		}
	})
}

func TestEnterprise_countsItsPeersByStatus(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		s.registers(beta, added("p1", "Another's"))
		for i, step := range []struct {
			event events.Event
			want  map[events.Status]int
		}{
			{added("p1", "One"), map[events.Status]int{"unknown": 1}},
			{added("p2", "Two"), map[events.Status]int{"unknown": 2}},
			{domaintest.ExternalAdded("p3", "Three"), map[events.Status]int{"unknown": 2, "N/A": 1}},
			{status("p1", events.StatusUp, 99), map[events.Status]int{"unknown": 1, "up": 1, "N/A": 1}},
			{status("p1", events.StatusUp, 99), map[events.Status]int{"unknown": 1, "up": 1, "N/A": 1}},
			{status("p2", events.StatusDown, 99), map[events.Status]int{"up": 1, "down": 1, "N/A": 1}},
			{status("p2", "", 99), map[events.Status]int{"up": 1, "unknown": 1, "N/A": 1}},
			{events.PeerDisabled{Peer: "p2"}, map[events.Status]int{"up": 1, "disabled": 1, "N/A": 1}},
			{events.PeerDisabled{Peer: "p3"}, map[events.Status]int{"up": 1, "disabled": 1, "N/A": 1}},
			{events.PeerEnabled{Peer: "p2"}, map[events.Status]int{"up": 1, "unknown": 1, "N/A": 1}},
			{events.PeerDeleted{Peer: "p1"}, map[events.Status]int{"unknown": 1, "N/A": 1}},
			{events.EnterpriseRemoved{}, map[events.Status]int{}},
		} {
			s.happens(acme, step.event)
			total := 0
			for _, n := range step.want {
				total += n
			}
			if got := s.enterprise(acme); !cmp.Equal(got.ByStatus, step.want) || got.PeersTotal != total {
				t.Errorf("step %d, %s: %d peers, %v, want %v", i, step.event.Type(), got.PeersTotal, got.ByStatus, step.want)
			}
		}
		if got := s.enterprise(beta); got.PeersTotal != 1 {
			t.Errorf("the other enterprise has %d", got.PeersTotal)
		}
	})
}

// TestEnterprise_sharedDomainIsAWarningOnBoth, whatever its case, as long as
// both are there.
func TestEnterprise_sharedDomainIsAWarningOnBoth(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		shared := func(want bool, when string) {
			t.Helper()
			list := must(s.Directory().Enterprises(t.Context(), EnterpriseQuery{}))(t).Items
			for _, e := range append(list, s.enterprise(acme), s.enterprise(beta)) {
				if e.ID != "third" && e.DomainShared != (want && e.Removed == nil) {
					t.Errorf("%s: shared is %t on %s", when, e.DomainShared, e.ID)
				}
			}
		}
		s.registers(acme)
		s.registers(beta)
		s.registers("third")
		shared(false, "different")
		s.happens(beta, events.EnterpriseDomainChanged{To: "ACME.example"})
		shared(true, "the same but for case")
		s.happens(acme, events.EnterpriseDomainChanged{To: ""})
		s.happens(beta, events.EnterpriseDomainChanged{To: ""})
		shared(false, "none")
		s.happens(acme, events.EnterpriseDomainChanged{To: "x.example"})
		s.happens(beta, events.EnterpriseDomainChanged{To: "x.example"})
		shared(true, "the same again")
		s.happens(beta, events.EnterpriseRemoved{})
		shared(false, "one is gone")
	})
}

// TestEnterprise_removalTakesWhatIsStillInIt, also what this process never had
// in memory, and what was registered again is another.
func TestEnterprise_removalTakesWhatIsStillInIt(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "One"), added("p2", "Two"), events.PeerDisabled{Peer: "p2"},
			domaintest.TrustedAdded("t1", "Hub", "hub.example", events.TrustIM))
		gone := s.happens(acme, events.PeerDeleted{Peer: "p1"})
		s.registers(beta, added("p2", "Another's"))
		s.lease = acquire(t, s.DB, "fresh")
		last := s.happens(acme, added("p3", "Three"), events.EnterpriseRemoved{})
		want := &Removal{Seq: last, By: domaintest.Actor, At: at(last), Reason: "because"}
		for _, id := range []events.PeerID{"p2", "p3"} {
			if diff := cmp.Diff(want, s.peer(acme, id).Deleted); diff != "" {
				t.Errorf("%s (-want +got):\n%s", id, diff)
			}
			if e := s.entry(acme, id); e == nil || !cmp.Equal(e.Removed, want) {
				t.Errorf("the entry of %s is %+v", id, e)
			}
		}
		if got := s.peer(acme, "p1").Deleted.Seq; got != gone {
			t.Errorf("the peer that was deleted before is said to be gone since %d", got)
		}
		hub := must(s.Directory().TrustedServer(t.Context(), acme, "t1"))(t)
		if !cmp.Equal(hub.Removed, want) || s.peer(beta, "p2").Deleted != nil {
			t.Errorf("the manual entry is %+v, another's peer %+v", hub, s.peer(beta, "p2"))
		}
		s.registers(acme, added("p9", "New"))
		if got := s.enterprise(acme); got.Removed != nil || got.PeersTotal != 1 {
			t.Errorf("registered again: %+v", got)
		}
		deleted := must(s.Directory().Peers(t.Context(), acme, PeerQuery{Deleted: true}))(t)
		living := must(s.Directory().Peers(t.Context(), acme, PeerQuery{}))(t)
		if len(deleted.Items) != 3 || len(living.Items) != 1 {
			t.Errorf("deleted %v, living %v", ids(deleted.Items), ids(living.Items))
		}
	})
}
