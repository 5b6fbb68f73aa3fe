package readmodel

import (
	"errors"
	"slices"
	"testing"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// story is the life of an enterprise in which every event there is happens.
func story() []events.Event {
	server := registered(acme).Server
	server.Address = "192.0.2.9"
	changes := []events.NoticeChange{{Field: "address", To: "192.0.2.9"}}
	return []events.Event{
		registered(acme),
		events.EnterpriseDescribed{To: "Acme Ltd"},
		events.EnterpriseDomainChanged{To: "acme.test"},
		events.EnterpriseServerChanged{To: server},
		full(),
		events.PeerRenamed{Peer: "p1", To: "Bonn"},
		events.PeerAddressChanged{Peer: "p1", To: "192.0.2.1"},
		events.PeerHostnameChanged{Peer: "p1", To: "pbx.example", ToPort: 443},
		events.PeerEnterpriseChanged{Peer: "p1", To: "globex-at"},
		events.PeerDialingPrefixChanged{Peer: "p1", To: "9"},
		events.PeerVersionEntered{Peer: "p1", To: "9.5"},
		events.PeerNoticeRaised{Peer: "p1", Changes: changes},
		events.PeerNoticeAcknowledged{Peer: "p1", Changes: changes},
		events.PeerMaintenanceScheduled{Peer: "p1", Start: at(1), End: at(2)},
		events.PeerMaintenanceCancelled{Peer: "p1"},
		status("p1", events.StatusDown, 99),
		events.PeerVersionDetected{Peer: "p1", To: "9.6"},
		events.PeerCertificateSeen{Peer: "p1", NotAfter: at(9)},
		events.TrustedServerAdded{TrustedServer: "t1", Description: "Hub", Host: "hub.example", TrustType: events.TrustIM},
		events.TrustedServerRenamed{TrustedServer: "t1", To: "Hub 2"},
		events.TrustedServerChanged{TrustedServer: "t1", ToHost: "hub2.example", ToType: events.TrustPresence},
		events.TrustedServerRemoved{TrustedServer: "t1"},
		events.PeerDisabled{Peer: "p1"},
		events.PeerEnabled{Peer: "p1"},
		events.PeerDeleted{Peer: "p1"},
		events.EnterpriseRemoved{},
	}
}

// TestApply_everyEventShowsAndAgainChangesNothing, whether it comes again to the
// writer that applied it or to the next one.
func TestApply_everyEventShowsAndAgainChangesNothing(t *testing.T) {
	var told []events.Type
	for _, e := range story() {
		told = append(told, e.Type())
	}
	for _, typ := range events.Default().Types() {
		if !slices.Contains(told, typ) {
			t.Errorf("%s is not in the story", typ)
		}
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		list := record(acme, 1, story()...)
		for i, r := range list {
			before := s.dump()
			if err := write(t, s.lease, r.Seq, r); err != nil {
				t.Fatalf("%s: %v", r.Event.Type(), err)
			}
			after := s.dump()
			if before == after {
				t.Errorf("%s changes nothing", r.Event.Type())
			}
			if i%5 == 0 {
				s.lease = acquire(t, s.DB, "next")
			}
			if err := write(t, s.lease, r.Seq, append(list[:i+1:i+1], r, list[0])...); err != nil || s.dump() != after {
				t.Errorf("%s again: %v, or the tables changed", r.Event.Type(), err)
			}
		}
	})
}

// TestApply_whatDoesNotFollow: it is told, and nothing of it is left, so that the
// rest of the batch can be written.
func TestApply_whatDoesNotFollow(t *testing.T) {
	manual := domaintest.TrustedAdded("t1", "Hub", "hub.example", events.TrustIM)
	gone := []events.Event{registered(acme), added("p1", "Lyon"), events.PeerDeleted{Peer: "p1"}, manual, events.TrustedServerRemoved{TrustedServer: "t1"}}
	closed := []events.Event{registered(acme), added("p1", "Lyon"), events.EnterpriseRemoved{}}
	cases := []struct {
		name  string
		given []events.Event
		event events.Event
		fits  bool
	}{
		{"no enterprise", nil, added("p1", "Lyon"), false},
		{"no enterprise, a probe", nil, status("p1", events.StatusUp, 1), false},
		{"registered twice", []events.Event{registered(acme)}, registered(acme), false},
		{"removed twice", closed, events.EnterpriseRemoved{}, false},
		{"in a removed one", closed, added("p2", "Oslo"), false},
		{"in a removed one, a probe", closed, status("p1", events.StatusUp, 9), true},
		{"in a removed one, a probe of a peer that never was", closed, status("p2", events.StatusUp, 9), false},
		{"registered again", closed, registered(acme), true},
		{"peer added twice", []events.Event{registered(acme), added("p1", "Lyon")}, added("p1", "Oslo"), false},
		{"no such peer", []events.Event{registered(acme)}, events.PeerRenamed{Peer: "p1", To: "x"}, false},
		{"no such peer, a probe", []events.Event{registered(acme)}, status("p1", events.StatusUp, 1), false},
		{"deleted peer", gone, events.PeerRenamed{Peer: "p1", To: "x"}, false},
		{"deleted peer, a probe", gone, status("p1", events.StatusUp, 9), true},
		{"deleted twice", gone, events.PeerDeleted{Peer: "p1"}, false},
		{"entry of a deleted peer", gone, events.TrustedServerRenamed{TrustedServer: "peer-p1", To: "x"}, false},
		{"manual entry with the id of a peer's", []events.Event{registered(acme)}, domaintest.TrustedAdded("peer-p1", "x", "x", events.TrustIM), false},
		{"manual entry added twice", []events.Event{registered(acme), manual}, manual, false},
		{"no such entry", []events.Event{registered(acme)}, events.TrustedServerRenamed{TrustedServer: "t1", To: "x"}, false},
		{"removed entry", gone, events.TrustedServerChanged{TrustedServer: "t1", ToHost: "x"}, false},
		{"entry removed twice", gone, events.TrustedServerRemoved{TrustedServer: "t1"}, false},
		{
			"host of a peer's entry",
			[]events.Event{registered(acme), added("p1", "Lyon")},
			events.TrustedServerChanged{TrustedServer: "peer-p1", ToHost: "x"},
			false,
		},
		{
			"a peer's entry by hand",
			[]events.Event{registered(acme), added("p1", "Lyon")},
			events.TrustedServerRemoved{TrustedServer: "peer-p1"},
			false,
		},
		{
			"name of an external peer's entry",
			[]events.Event{registered(acme), domaintest.ExternalAdded("p1", "x")},
			events.TrustedServerRenamed{TrustedServer: "peer-p1", To: "x"},
			true,
		},
		{"unknown event", []events.Event{registered(acme)}, stranger{}, false},
		{"unknown event of a peer", []events.Event{registered(acme), added("p1", "Lyon")}, strangePeer{}, false},
		{"unknown event of an entry", []events.Event{registered(acme), manual}, strangeEntry{}, false},
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for _, c := range cases {
			l := build(t, s.DB, "builder")
			list := record(acme, 1, c.given...)
			if err := write(t, l, events.Seq(len(list)), list...); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			before := s.dump()
			next := record(acme, events.Seq(len(list)+1), c.event)
			err := l.Write(t.Context(), mark(99), func(tx *Tx) error {
				if err := tx.Prefetch(next); err != nil {
					return err
				}
				var misfit *MisfitError
				switch err := tx.Apply(next[0]); {
				case (err == nil) != c.fits:
					t.Errorf("%s: %v", c.name, err)
				case err != nil && (!errors.As(err, &misfit) || misfit.Seq != next[0].Seq || misfit.Type != c.event.Type() || misfit.Detail == ""):
					t.Errorf("%s: %#v", c.name, err)
				}
				return nil
			}, nil)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if after := s.dump(); !c.fits && after != before {
				t.Errorf("%s: something was left:\n%s\n%s", c.name, before, after)
			}
		}
	})
}

// Events of a newer program.
type (
	stranger     struct{}
	strangePeer  struct{}
	strangeEntry struct{}
)

func (stranger) Type() events.Type                           { return "Stranger" }
func (strangePeer) Type() events.Type                        { return "StrangePeer" }
func (strangePeer) PeerID() events.PeerID                    { return "p1" }
func (strangeEntry) Type() events.Type                       { return "StrangeEntry" }
func (strangeEntry) TrustedServerID() events.TrustedServerID { return "t1" }
