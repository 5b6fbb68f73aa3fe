package domain_test

import (
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

func TestMark_isThatOfTheLastEvent(t *testing.T) {
	if got := domain.NewEnterprise("acme").Mark(); got != (domain.Mark{}) {
		t.Errorf("of nothing: %+v", got)
	}
	state := given(lyon()).State(t)
	at := domaintest.Start().Add(-time.Hour) // a clock that went back
	last := domaintest.Record("acme", 7, at.In(time.FixedZone("", 3600)).Add(time.Nanosecond), "c1", events.PeerDisabled{Peer: "p1"})[0]
	if err := state.Evolve(last); err != nil {
		t.Fatal(err)
	}
	want := domain.Mark{Seq: 7, ID: events.NewEventID("acme", "c1", 0), Time: at}
	restored, err := domain.UnmarshalSnapshot("acme", 7, domaintest.Snapshot(t, state))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]domain.Mark{"state": state.Mark(), "event": domain.MarkOf(last), "snapshot": restored.Mark()} {
		if got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	probe := domaintest.Record("acme", 8, at, "c2", events.PeerStatusChanged{Peer: "p1", To: events.StatusUp})[0]
	if err := state.Evolve(probe); err != nil || state.Mark() != want {
		t.Errorf("an event of a prober moved it to %+v (%v)", state.Mark(), err)
	}
}
