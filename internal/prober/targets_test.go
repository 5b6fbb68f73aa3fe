package prober_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/prober"
)

const acme = events.EnterpriseID("acme")

func fold(evs ...events.Event) *prober.Targets {
	t := prober.NewTargets()
	for i, e := range evs {
		t.Apply(recorded(events.Seq(i+1), e))
	}
	return t
}

func recorded(seq events.Seq, e events.Event) events.Recorded {
	return events.Recorded{Seq: seq, Envelope: events.Envelope{Enterprise: acme, Event: e}}
}

func added(id events.PeerID) events.PeerAdded {
	return events.PeerAdded{Peer: id, PeerType: events.PeerMiCollab, Hostname: "a.example", Port: 443, PeerEnterpriseID: "other"}
}

func TestTargets(t *testing.T) {
	one := prober.Target{Enterprise: acme, Peer: "p1", Hostname: "a.example", Port: 443, PeerEnterpriseID: "other", Config: 1}
	moved, elsewhere, again := one, one, one
	moved.Hostname, moved.Port, moved.Config = "b.example", 8443, 2
	elsewhere.PeerEnterpriseID, elsewhere.Config = "third", 2
	again.Config = 3
	for name, tt := range map[string]struct {
		given []events.Event
		want  []prober.Target
	}{
		"an added peer is probed":            {[]events.Event{added("p1")}, []prober.Target{one}},
		"an external peer is not":            {[]events.Event{events.PeerAdded{Peer: "p1", PeerType: events.PeerExternal}}, nil},
		"a moved peer is probed there":       {[]events.Event{added("p1"), events.PeerHostnameChanged{Peer: "p1", To: "b.example", ToPort: 8443}}, []prober.Target{moved}},
		"its enterprise is the newest":       {[]events.Event{added("p1"), events.PeerEnterpriseChanged{Peer: "p1", To: "third"}}, []prober.Target{elsewhere}},
		"a disabled peer is not probed":      {[]events.Event{added("p1"), events.PeerDisabled{Peer: "p1"}}, nil},
		"an enabled peer is probed again":    {[]events.Event{added("p1"), events.PeerDisabled{Peer: "p1"}, events.PeerEnabled{Peer: "p1"}}, []prober.Target{again}},
		"a deleted peer is not probed":       {[]events.Event{added("p1"), events.PeerDeleted{Peer: "p1"}}, nil},
		"nor one of a removed enterprise":    {[]events.Event{added("p1"), events.EnterpriseRemoved{}}, nil},
		"a new name changes nothing":         {[]events.Event{added("p1"), events.PeerRenamed{Peer: "p1", To: "x"}}, []prober.Target{one}},
		"an event of an unknown peer is one": {[]events.Event{events.PeerEnabled{Peer: "p9"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			targets := fold(tt.given...)
			got := slices.Collect(targets.Of(acme))
			if d := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(prober.Target{})); d != "" {
				t.Error(d)
			}
			if targets.Len() != len(tt.want) {
				t.Errorf("Len() = %d, want %d", targets.Len(), len(tt.want))
			}
		})
	}
}

func TestTargets_redeliveredEventsChangeNothing(t *testing.T) {
	targets := fold(added("p1"), events.PeerDisabled{Peer: "p1"})
	targets.Apply(recorded(1, added("p1")))
	if targets.Len() != 0 || targets.Seq() != 2 {
		t.Errorf("%d targets at %d", targets.Len(), targets.Seq())
	}
}

func TestTargets_unreadableConfigurationStopsProbingOfItsEnterpriseAlone(t *testing.T) {
	targets := fold(added("p1"))
	targets.Apply(events.Recorded{Seq: 2, Envelope: events.Envelope{Enterprise: "other", Event: added("p1")}})
	targets.Skip(3, acme, "")
	targets.Skip(4, "other", "p1") // a status event says nothing about where a peer is
	targets.Apply(recorded(5, added("p2")))
	if d := cmp.Diff(map[events.EnterpriseID]events.Seq{acme: 3}, targets.Held()); d != "" {
		t.Error(d)
	}
	if n := len(slices.Collect(targets.Of(acme))); n != 0 || targets.Len() != 1 {
		t.Errorf("%d targets of acme, %d in all", n, targets.Len())
	}
}

// TestTargets_countIsTheNumberOfTargets holds the running count against the set.
func TestTargets_countIsTheNumberOfTargets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		targets := prober.NewTargets()
		for seq := range events.Seq(rapid.IntRange(0, 60).Draw(t, "events")) {
			id := events.PeerID(rapid.SampledFrom([]string{"p1", "p2", "p3"}).Draw(t, "peer"))
			var e events.Event
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				if slices.ContainsFunc(slices.Collect(targets.Of(acme)), func(x prober.Target) bool { return x.Peer == id }) {
					continue
				}
				targets.Apply(recorded(2*seq+1, events.PeerDeleted{Peer: id}))
				e = added(id)
			case 1:
				e = events.PeerDisabled{Peer: id}
			case 2:
				e = events.PeerEnabled{Peer: id}
			case 3:
				e = events.PeerDeleted{Peer: id}
			case 4:
				e = events.EnterpriseRemoved{}
			}
			targets.Apply(recorded(2*seq+2, e))
			if got, want := targets.Len(), len(slices.Collect(targets.Of(acme))); got != want {
				t.Fatalf("Len() = %d, %d targets", got, want)
			}
		}
	})
}
