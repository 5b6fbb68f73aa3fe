package prober

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// recorded is an event of acme at a sequence, which is its time in seconds too.
func recorded(seq events.Seq, e events.Event) events.Recorded {
	return events.Recorded{Seq: seq, Envelope: events.Envelope{Enterprise: acme, Time: at(int(seq)), Event: e}}
}

func folded(evs ...events.Event) *Targets {
	t := NewTargets()
	for i, e := range evs {
		t.Apply(recorded(events.Seq(i+1), e))
	}
	return t
}

func unknownFrom(seq events.Seq) events.Connection {
	return events.Connection{Enabled: true, Status: events.StatusUnknown, Since: at(int(seq)), From: seq}
}

func TestTargets(t *testing.T) {
	target := func(edit func(*Target)) []Target {
		one := Target{Enterprise: acme, Peer: "p1", Hostname: "a.example", Port: 443, Connection: unknownFrom(1)}
		edit(&one)
		return []Target{one}
	}
	same := func(*Target) {}
	add := added("p1", "a.example")
	down := events.PeerStatusChanged{Peer: "p1", From: events.StatusUnknown, To: events.StatusDown, Cause: refused, Since: at(2), ConfigSeq: 1}
	for name, tt := range map[string]struct {
		given []events.Event
		want  []Target
	}{
		"an added peer is probed":  {[]events.Event{add}, target(same)},
		"an external peer is not":  {[]events.Event{events.PeerAdded{Peer: "p1", PeerType: events.PeerExternal}}, nil},
		"nor when it is enabled":   {[]events.Event{events.PeerAdded{Peer: "p1", PeerType: events.PeerExternal}, events.PeerEnabled{Peer: "p1"}}, nil},
		"a new name is nothing":    {[]events.Event{add, events.PeerRenamed{Peer: "p1", To: "x"}}, target(same)},
		"an unknown peer is none":  {[]events.Event{events.PeerEnabled{Peer: "p9"}, events.PeerStatusChanged{Peer: "p9"}}, nil},
		"a disabled one is not":    {[]events.Event{add, events.PeerDisabled{Peer: "p1"}}, nil},
		"a deleted one is not":     {[]events.Event{add, events.PeerDeleted{Peer: "p1"}}, nil},
		"nor one without a tenant": {[]events.Event{add, events.EnterpriseRemoved{}}, nil},
		"a moved peer is probed there": {
			[]events.Event{add, events.PeerHostnameChanged{Peer: "p1", To: "b.example", ToPort: 8443}},
			target(func(x *Target) { x.Hostname, x.Port, x.Connection = "b.example", 8443, unknownFrom(2) }),
		},
		"with another enterprise it begins anew": {
			[]events.Event{add, events.PeerEnterpriseChanged{Peer: "p1", To: "third"}},
			target(func(x *Target) { x.Connection = unknownFrom(2) }),
		},
		"its address says nothing about its status": {
			[]events.Event{add, down, events.PeerAddressChanged{Peer: "p1", To: "192.0.2.7"}},
			target(func(x *Target) {
				x.Address, x.StatusSeq = "192.0.2.7", 2
				x.Connection.Status, x.Connection.Cause, x.Connection.Since = events.StatusDown, refused, at(2)
			}),
		},
		"an enabled one is probed anew": {
			[]events.Event{add, down, events.PeerDisabled{Peer: "p1"}, events.PeerEnabled{Peer: "p1"}},
			target(func(x *Target) { x.Connection, x.StatusSeq = unknownFrom(4), 2 }),
		},
		"its status is the latest": {
			[]events.Event{add, down},
			target(func(x *Target) {
				x.Connection.Status, x.Connection.Cause, x.Connection.Since, x.StatusSeq = events.StatusDown, refused, at(2), 2
			}),
		},
		"a status of before is passed over": {
			[]events.Event{add, events.PeerHostnameChanged{Peer: "p1", To: "a.example", ToPort: 443}, down},
			target(func(x *Target) { x.Connection, x.StatusSeq = unknownFrom(2), 3 }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			targets := folded(tt.given...)
			got := slices.Collect(targets.Of(acme))
			if d := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(Target{})); d != "" {
				t.Error(d)
			}
			if targets.Len() != len(tt.want) || targets.Seq() != events.Seq(len(tt.given)) {
				t.Errorf("%d targets at %d, want %d", targets.Len(), targets.Seq(), len(tt.want))
			}
			for _, want := range tt.want {
				if _, ok := targets.Get(want.Key()); !ok || len(targets.All()) != 1 {
					t.Errorf("Get and All do not know %s: %v", want.Peer, targets.All())
				}
			}
		})
	}
}

func TestTargets_redeliveredEventsChangeNothing(t *testing.T) {
	targets := folded(added("p1", "a.example"), events.PeerDisabled{Peer: "p1"})
	targets.Apply(recorded(1, added("p1", "a.example")))
	targets.Apply(recorded(2, events.PeerEnabled{Peer: "p1"}))
	if targets.Len() != 0 || targets.Seq() != 2 {
		t.Errorf("%d targets at %d", targets.Len(), targets.Seq())
	}
}

func TestTargets_unreadableConfigurationStopsProbingOfItsEnterpriseAlone(t *testing.T) {
	targets := folded(added("p1", "a.example"))
	targets.Apply(events.Recorded{Seq: 2, Envelope: events.Envelope{Enterprise: "other", Event: added("p1", "a.example")}})
	targets.Skip(3, acme, "")
	targets.Skip(4, "other", "p1") // a status event says nothing about where a peer is
	targets.Skip(5, "", "")        // of no enterprise at all
	targets.Apply(recorded(6, added("p2", "a.example")))
	targets.Skip(7, acme, "")
	if d := cmp.Diff(map[events.EnterpriseID]events.Seq{acme: 3}, targets.Held()); d != "" {
		t.Error(d)
	}
	if n := len(slices.Collect(targets.Of(acme))); n != 0 || targets.Len() != 1 || len(targets.All()) != 1 || targets.Seq() != 7 {
		t.Errorf("%d targets of acme, %d in all, at %d", n, targets.Len(), targets.Seq())
	}
	targets.Reset()
	if len(targets.Held()) != 0 || targets.Len() != 0 || targets.Seq() != 0 {
		t.Error("something is left after a reset")
	}
}

// TestTargets_anUnreadableStatusIsWhatTheNextOneFollows: with the sequence of
// the one before, nothing could be appended for that peer any more.
func TestTargets_anUnreadableStatusIsWhatTheNextOneFollows(t *testing.T) {
	targets := folded(added("p1", "a.example"))
	targets.Skip(2, acme, "p1")
	targets.Skip(3, acme, "p9")
	if got, ok := targets.Get(domain.PeerKey{Enterprise: acme, Peer: "p1"}); !ok || got.StatusSeq != 2 {
		t.Errorf("the status of p1 ends at %d, want 2", got.StatusSeq)
	}
}

// anEvent draws one that the log could hold of acme, whose peers are given.
func anEvent(t *rapid.T, known map[events.PeerID]bool, seq events.Seq) events.Event {
	id := rapid.SampledFrom([]events.PeerID{"p1", "p2", "p3"}).Draw(t, "peer")
	if !known[id] && rapid.Bool().Draw(t, "add") {
		known[id] = true
		kind := rapid.SampledFrom([]events.PeerType{events.PeerMiCollab, events.PeerMiCollab, events.PeerExternal}).Draw(t, "type")
		return events.PeerAdded{Peer: id, PeerType: kind, Hostname: "a.example", Port: 443}
	}
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return events.PeerDisabled{Peer: id}
	case 1:
		return events.PeerEnabled{Peer: id}
	case 2:
		return events.PeerHostnameChanged{Peer: id, To: "b.example", ToPort: 443}
	case 3:
		return events.PeerEnterpriseChanged{Peer: id, To: "third"}
	case 4:
		return events.PeerAddressChanged{Peer: id, To: "192.0.2.1"}
	case 5:
		delete(known, id)
		return events.PeerDeleted{Peer: id}
	case 6:
		if rapid.IntRange(0, 5).Draw(t, "all") == 0 {
			clear(known)
			return events.EnterpriseRemoved{}
		}
		return events.PeerRenamed{Peer: id, To: "x"}
	default:
		return events.PeerStatusChanged{
			Peer:  id,
			To:    rapid.SampledFrom([]events.Status{events.StatusUp, events.StatusDown, events.StatusDegraded, events.StatusUnknown}).Draw(t, "to"),
			Since: at(int(seq)), ConfigSeq: events.Seq(rapid.Uint64Range(0, uint64(seq)).Draw(t, "config")),
		}
	}
}

// TestTargets_areTheNaiveFold holds the set, its count and each status against
// what a fold of the events of one peer after the other says.
func TestTargets_areTheNaiveFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		targets, known, naive := NewTargets(), map[events.PeerID]bool{}, map[events.PeerID]*events.Connection{}
		n := rapid.IntRange(0, 60).Draw(t, "events")
		for seq := events.Seq(1); int(seq) <= n; seq++ {
			r := recorded(seq, anEvent(t, known, seq))
			targets.Apply(r)
			maps.DeleteFunc(naive, func(id events.PeerID, _ *events.Connection) bool { return !known[id] })
			if e, ok := r.Event.(events.PeerEvent); ok && known[e.PeerID()] {
				if naive[e.PeerID()] == nil {
					naive[e.PeerID()] = &events.Connection{}
				}
				naive[e.PeerID()].Apply(r)
			}
			want := map[events.PeerID]events.Connection{}
			for id, c := range naive {
				if c.Enabled && !c.External {
					want[id] = *c
				}
			}
			got := map[events.PeerID]events.Connection{}
			for x := range targets.Of(acme) {
				got[x.Peer] = x.Connection
			}
			if d := cmp.Diff(want, got, cmpopts.EquateApproxTime(0*time.Second)); d != "" || targets.Len() != len(want) || len(targets.All()) != len(want) {
				t.Fatalf("after %+v: %d targets\n%s", r.Event, targets.Len(), d)
			}
		}
	})
}
