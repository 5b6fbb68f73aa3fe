package domain_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// follow folds the events of one command at a time into state.
func follow(t testing.TB, state *domain.Enterprise, at time.Time, id events.CommandID, evs ...events.Event) {
	t.Helper()
	for _, r := range domaintest.Record(domaintest.Enterprise, state.Seq()+1, at, id, evs...) {
		if err := state.Evolve(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRemembered_tellsWhatACommandDid(t *testing.T) {
	state := given(lyon(), gateway()).State(t)
	at := domaintest.Start().Add(time.Hour)
	follow(t, state, at, "c1", events.PeerRenamed{Peer: "p1", To: "X"}, events.PeerDisabled{Peer: "p1"})
	follow(t, state, at, "c2", events.TrustedServerRemoved{TrustedServer: "t1"}, events.EnterpriseDescribed{To: "x"})
	for id, want := range map[events.CommandID]domain.RememberedCommand{
		"c1": {Hash: "hash-of-c1", Seq: 5, Resource: "p1"},
		"c2": {Hash: "hash-of-c2", Seq: 7, Resource: "acme"}, // the last event tells, as in a removal
	} {
		want.ID, want.Time = id, at
		want.Events = []events.EventID{events.NewEventID("acme", id, 0), events.NewEventID("acme", id, 1)}
		got, ok := state.Remembered(id)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s, found %v (-want +got):\n%s", id, ok, diff)
		}
	}
	if _, ok := state.Remembered("c3"); ok {
		t.Error("c3 was never given")
	}
}

func TestRemembered_onlyIDsThatClientsChose(t *testing.T) {
	state := given().State(t)
	r := domaintest.Record(domaintest.Enterprise, 2, domaintest.Start(), "fresh", lyon())[0]
	r.CommandHash = ""
	if err := state.Evolve(r); err != nil {
		t.Fatal(err)
	}
	if _, ok := state.Remembered("fresh"); ok {
		t.Error("an id made here is remembered")
	}
}

func TestRemembered_sevenDaysByTheEventsTimes(t *testing.T) {
	state := given(lyon()).State(t)
	start := domaintest.Start().Add(time.Hour)
	follow(t, state, start, "c1", events.PeerRenamed{Peer: "p1", To: "A"})
	follow(t, state, start.Add(events.CommandMemory), "c2", events.PeerRenamed{Peer: "p1", To: "B"})
	if _, ok := state.Remembered("c1"); !ok {
		t.Error("c1 is forgotten after exactly seven days")
	}
	follow(t, state, start.Add(events.CommandMemory+time.Microsecond), "c3", events.PeerRenamed{Peer: "p1", To: "C"})
	if _, ok := state.Remembered("c1"); ok {
		t.Error("c1 is remembered after more than seven days")
	}
	if _, ok := state.Remembered("c2"); !ok {
		t.Error("c2 is forgotten with c1")
	}
}

func TestRemembered_aClockThatJumpedDoesNotForgetEarly(t *testing.T) {
	state := given(lyon()).State(t)
	start := domaintest.Start().Add(time.Hour)
	follow(t, state, start.Add(30*24*time.Hour), "ahead", events.PeerRenamed{Peer: "p1", To: "A"})
	follow(t, state, start, "back", events.PeerRenamed{Peer: "p1", To: "B"})
	follow(t, state, start.Add(time.Minute), "next", events.PeerRenamed{Peer: "p1", To: "C"})
	for _, id := range []events.CommandID{"ahead", "back", "next"} {
		if _, ok := state.Remembered(id); !ok {
			t.Errorf("%s is forgotten", id)
		}
	}
	follow(t, state, start.Add(38*24*time.Hour), "later", events.PeerRenamed{Peer: "p1", To: "D"})
	for _, id := range []events.CommandID{"ahead", "back", "next"} {
		if _, ok := state.Remembered(id); ok {
			t.Errorf("%s is remembered after eight days of the newest clock", id)
		}
	}
}

// What is written while the clock is back ages from the newest time there was.
// The event that was ahead has no id of a client: it keeps no place in the queue
// and so hides nothing behind it.
func TestRemembered_longerWhenTheClockWentBack(t *testing.T) {
	state := given(lyon()).State(t)
	start := domaintest.Start().Add(time.Hour)
	ahead := domaintest.Record(domaintest.Enterprise, state.Seq()+1, start.Add(5*24*time.Hour), "ahead", events.PeerRenamed{Peer: "p1", To: "A"})[0]
	ahead.CommandHash = ""
	if err := state.Evolve(ahead); err != nil {
		t.Fatal(err)
	}
	follow(t, state, start, "back", events.PeerRenamed{Peer: "p1", To: "B"})
	follow(t, state, start.Add(5*24*time.Hour+events.CommandMemory), "then", events.PeerRenamed{Peer: "p1", To: "C"})
	if c, ok := state.Remembered("back"); !ok || !c.Time.Equal(start) {
		t.Errorf("got %+v, %v seven days after the newest time there was", c, ok)
	}
	follow(t, state, start.Add(5*24*time.Hour+events.CommandMemory+time.Microsecond), "later", events.PeerRenamed{Peer: "p1", To: "D"})
	if _, ok := state.Remembered("back"); ok {
		t.Error("it is remembered for more than that")
	}
}

// The limit that ADR 0005 names.
func TestRemembered_noLongerWhenTheClockJumpedAhead(t *testing.T) {
	state := given(lyon()).State(t)
	start := domaintest.Start().Add(time.Hour)
	follow(t, state, start, "c1", events.PeerRenamed{Peer: "p1", To: "A"})
	follow(t, state, start.Add(8*24*time.Hour), "ahead", events.PeerRenamed{Peer: "p1", To: "B"})
	follow(t, state, start.Add(time.Minute), "back", events.PeerRenamed{Peer: "p1", To: "C"})
	for id, want := range map[events.CommandID]bool{"c1": false, "ahead": true, "back": true} {
		if _, ok := state.Remembered(id); ok != want {
			t.Errorf("%s is remembered: %v, want %v", id, ok, want)
		}
	}
}

func TestRemembered_anIDThatCameAgainAfterItWasForgotten(t *testing.T) {
	state := given(lyon()).State(t)
	start := domaintest.Start().Add(time.Hour)
	follow(t, state, start, "c1", events.PeerRenamed{Peer: "p1", To: "A"})
	follow(t, state, start.Add(8*24*time.Hour), "c1", events.PeerRenamed{Peer: "p1", To: "B"})
	if c, ok := state.Remembered("c1"); !ok || c.Seq != state.Seq() || !c.Time.Equal(start.Add(8*24*time.Hour)) {
		t.Errorf("got %+v, %v", c, ok)
	}
}

func TestMemory_isBoundedByTime(t *testing.T) {
	state := given(lyon()).State(t)
	start := domaintest.Start().Add(time.Hour)
	size := state.Size()
	for i := range 2000 {
		follow(t, state, start.Add(time.Duration(i)*time.Hour), events.CommandID("c"+strconv.Itoa(i)), events.PeerRenamed{Peer: "p1", To: strconv.Itoa(i)})
	}
	kept := 0
	for i := range 2000 {
		if _, ok := state.Remembered(events.CommandID("c" + strconv.Itoa(i))); ok {
			kept++
		}
	}
	if kept != 7*24+1 {
		t.Errorf("%d commands are kept, one an hour, want those of seven days", kept)
	}
	if grown := state.Size() - size; grown <= 0 || grown > 1000*kept {
		t.Errorf("the state grew by %d bytes for %d commands", grown, kept)
	}
}

func TestTombstones_areBoundedByNumber(t *testing.T) {
	state := given().State(t)
	const deleted = 10_050
	for i := range deleted {
		id := events.PeerID("p" + strconv.Itoa(i))
		follow(t, state, domaintest.Start(), "add", peerAdded(id, "P", "pbx.example"))
		follow(t, state, domaintest.Start(), "delete", events.PeerDeleted{Peer: id})
	}
	code := func(id events.PeerID) domain.Code {
		_, err := domain.Decide(state, domain.DeletePeer{Peer: id}, domain.Input{})
		var refusal *domain.Error
		if !errors.As(err, &refusal) {
			t.Fatalf("deleting %s again: %v", id, err)
		}
		return refusal.Code
	}
	for i, want := range map[int]domain.Code{0: domain.NotFound, 49: domain.NotFound, 50: domain.Gone, deleted - 1: domain.Gone} {
		if got := code(events.PeerID("p" + strconv.Itoa(i))); got != want {
			t.Errorf("the peer deleted as number %d is %s, want %s", i, got, want)
		}
	}
}
