package domain_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

func recorded(seq events.Seq, ev events.Event) events.Recorded {
	return domaintest.Record(domaintest.Enterprise, seq, domaintest.Start(), "cmd", ev)[0]
}

func TestEvolve_whatDoesNotFitIsNamedAndChangesNothing(t *testing.T) {
	foreign := recorded(9, events.PeerDisabled{Peer: "p1"})
	foreign.Enterprise = "other"
	for _, tc := range []struct {
		rule  string
		event events.Recorded
		words string
	}{
		{"no event", events.Recorded{Seq: 9}, "no event"},
		{"another enterprise's", foreign, "other"},
		{"a sequence that was folded", recorded(3, events.PeerDisabled{Peer: "p1"}), "folded already"},
		{"a second registration", recorded(9, domaintest.Registered()), "registered already"},
		{"a peer that exists", recorded(9, lyon()), "exists already"},
		{"a peer that does not exist", recorded(9, events.PeerEnabled{Peer: "p7"}), "no peer p7"},
		{"a trusted server that exists", recorded(9, gateway()), "exists already"},
		{"a trusted server that does not exist", recorded(9, events.TrustedServerRemoved{TrustedServer: "t7"}), "no trusted server t7"},
		{"the entry of no peer", recorded(9, events.TrustedServerRenamed{TrustedServer: "peer-p7"}), "no trusted server peer-p7"},
		{"a peer's entry removed by itself", recorded(9, events.TrustedServerRemoved{TrustedServer: "peer-p1"}), "no trusted server peer-p1"},
		{"a peer's entry added by itself", recorded(9, events.TrustedServerAdded{TrustedServer: "peer-p7"}), "belongs to a peer"},
		{"an event of no known type", recorded(9, strangeEvent{}), "does not know"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			state := given(lyon(), gateway()).State(t)
			before := domaintest.Snapshot(t, state)
			err := state.Evolve(tc.event)
			var misfit *domain.FoldError
			if !errors.As(err, &misfit) || !strings.Contains(err.Error(), tc.words) || misfit.Seq != tc.event.Seq || misfit.Enterprise != domaintest.Enterprise {
				t.Errorf("got %v, want a *FoldError of %d with %q", err, tc.event.Seq, tc.words)
			}
			if !bytes.Equal(before, domaintest.Snapshot(t, state)) {
				t.Error("the state was changed")
			}
		})
	}
	if err := domain.NewEnterprise("acme").Evolve(recorded(1, lyon())); err == nil || !strings.Contains(err.Error(), "not registered") {
		t.Errorf("a peer of an unregistered enterprise: %v", err)
	}
}

type strangeEvent struct{}

func (strangeEvent) Type() events.Type { return "Strange" }

func TestEvolve_eventsOfAProberAreNotPartOfTheState(t *testing.T) {
	state := given(lyon()).State(t)
	before := domaintest.Snapshot(t, state)
	for _, ev := range []events.Event{
		events.PeerStatusChanged{Peer: "p1"}, events.PeerVersionDetected{Peer: "p1", To: "9.9"}, events.PeerCertificateSeen{Peer: "p7"},
	} {
		if err := state.Evolve(recorded(9, ev)); err != nil {
			t.Errorf("%s: %v", ev.Type(), err)
		}
	}
	if !bytes.Equal(before, domaintest.Snapshot(t, state)) || state.Seq() != 2 {
		t.Error("the state was changed")
	}
}

// TestEvolve_knowsEveryRegisteredEvent says what was forgotten when an event is
// added.
func TestEvolve_knowsEveryRegisteredEvent(t *testing.T) {
	registry := events.Default()
	for _, typ := range registry.Types() {
		data := `{"peer":"p1","trusted_server":"t1"}`
		state := given(lyon(), gateway()).State(t)
		switch typ {
		case "EnterpriseRegistered":
			state = domain.NewEnterprise(domaintest.Enterprise)
		case "PeerAdded", "TrustedServerAdded":
			data = `{"peer":"p2","trusted_server":"t2"}`
		}
		ev, err := registry.Decode(typ, registry.Version(typ), []byte(data))
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		if err := state.Evolve(recorded(9, ev)); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

// TestEvolve_acceptsWhatTodaysRulesWouldRefuse: names that are used twice came
// from a program with other rules; the state stays usable.
func TestEvolve_acceptsWhatTodaysRulesWouldRefuse(t *testing.T) {
	twin := lyon()
	twin.Peer = "p2"
	third := lyon()
	third.Peer = "p3"
	s := given(lyon(), twin, third)
	s.When(boston(func(c *domain.AddPeer) { c.Description = "Lyon" })).ThenRefused(t, domain.Exists, "description", "p1")
	s.When(domain.RenamePeer{Peer: "p2", Description: "Turin"}).Then(t, events.PeerRenamed{Peer: "p2", From: "Lyon", To: "Turin"})
	s.When(domain.EnterPeerVersion{Peer: "p2", Version: domain.Give("9.4")}).Then(t, events.PeerVersionEntered{Peer: "p2", To: "9.4"})
	gone := given(lyon(), twin, third, events.PeerDeleted{Peer: "p1"})
	gone.When(boston(func(c *domain.AddPeer) { c.Description = "Lyon" })).ThenRefused(t, domain.Exists, "description", "p2")
	closed := given(lyon(), gateway(), events.EnterpriseRemoved{}).State(t)
	if len(closed.Peers()) != 0 || len(closed.TrustedServers()) != 0 || closed.Registered() {
		t.Errorf("a removed enterprise has %v and %v", closed.Peers(), closed.TrustedServers())
	}
}

func TestEvolve_theSameFromTheLogAsJustAppended(t *testing.T) {
	// What was just appended carries the clock's nanoseconds and zone, what is
	// read back from the log does not.
	zone := time.FixedZone("CET", 3600)
	at := time.Date(2026, 3, 1, 10, 0, 0, 123456789, zone)
	fresh, read := given(lyon()).State(t), given(lyon()).State(t)
	ev := events.PeerMaintenanceScheduled{Peer: "p1", Start: at.Truncate(time.Second), End: at.Truncate(time.Second).Add(time.Hour)}
	if err := fresh.Evolve(domaintest.Record(domaintest.Enterprise, 9, at, "c", ev)[0]); err != nil {
		t.Fatal(err)
	}
	ev.Start, ev.End = ev.Start.UTC(), ev.End.UTC()
	if err := read.Evolve(domaintest.Record(domaintest.Enterprise, 9, at.UTC().Truncate(time.Microsecond), "c", ev)[0]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(domaintest.Snapshot(t, read), domaintest.Snapshot(t, fresh)); diff != "" {
		t.Error(diff)
	}
}

func TestAccessors_tellTheState(t *testing.T) {
	p1 := lyon()
	state := given(peerAdded("p2", "Turin", "pbx.turin.example"), p1, gateway()).State(t)
	var peers []events.PeerID
	for _, p := range state.Peers() {
		peers = append(peers, p.ID)
	}
	var trusted []events.TrustedServerID
	for _, s := range state.TrustedServers() {
		trusted = append(trusted, s.ID)
	}
	if diff := cmp.Diff([]events.PeerID{"p1", "p2"}, peers); diff != "" {
		t.Errorf("peers in the order of their ids (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]events.TrustedServerID{"peer-p1", "peer-p2", "t1"}, trusted); diff != "" {
		t.Errorf("trusted servers in the order of their ids (-want +got):\n%s", diff)
	}
	want := domaintest.Registered()
	if state.ID() != "acme" || state.Description() != want.Description || state.Domain() != want.Domain || state.Server() != want.Server {
		t.Errorf("the enterprise is %s %q %q %+v", state.ID(), state.Description(), state.Domain(), state.Server())
	}
	if state.Seq() != 4 || state.Changed().Seq != 1 || state.PeerCount() != 2 || !state.Registered() {
		t.Errorf("at %d, revision %d, %d peers", state.Seq(), state.Changed().Seq, state.PeerCount())
	}
	got, ok := state.Peer("p1")
	wantPeer := domain.Peer{
		ID: "p1", Type: events.PeerMiCollab, Description: "Lyon", Hostname: "pbx.lyon.example", Port: 443, PeerEnterpriseID: "p1-ent",
		Enabled: true, EntryDescription: "Lyon",
		Changed: domain.Stamp{Seq: 3, Time: domaintest.Start().Add(2 * time.Second), By: domaintest.Actor},
	}
	wantPeer.EntryChanged = wantPeer.Changed
	if diff := cmp.Diff(wantPeer, got); diff != "" || !ok {
		t.Errorf("peer p1 (-want +got):\n%s", diff)
	}
	if _, ok := state.Peer("p7"); ok {
		t.Error("there is a peer p7")
	}
	if _, ok := state.TrustedServer("t7"); ok {
		t.Error("there is a trusted server t7")
	}
	if entry, ok := state.TrustedServer("peer-p1"); !ok || entry.Peer != "p1" {
		t.Errorf("the entry of p1 is %+v", entry)
	}
}
