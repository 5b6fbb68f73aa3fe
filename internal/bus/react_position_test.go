package bus

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// TestReactions_lostConsumer: what happens while there is none is reacted to when
// there is one again, and what was before is not reacted to again.
func TestReactions_lostConsumer(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		w := deploy(t, top.URL, top.Replicas, testkit.SQLite(t))
		ents, peers := w.crowded(3)
		w.reacting()
		w.moves("b.example")
		w.settled()
		if err := testkit.JetStream(t, w.nc).DeleteConsumer(t.Context(), events.Stream, eventstore.ReactionsConsumer); err != nil {
			t.Fatal(err)
		}
		w.moves("c.example")
		testkit.Eventually(t, "the consumer", func() bool { _, err := w.ensure(t.Context()); return err == nil })
		w.settled()
		for i, ent := range ents {
			if got, n := w.at(ent, peers[i]), len(w.caused(ent)); got != "c.example" || n != 2 {
				t.Errorf("%s: the peer is at %s, after %d events", ent, got, n)
			}
		}
	})
}

// TestReactions_notePosition: when something followed, when that was settled, and
// now and then when nothing does. That it fails keeps nothing up.
func TestReactions_notePosition(t *testing.T) {
	s := &stub{neighbours: readmodel.Neighbours{Inside: inside("beta-1")}, note: errors.New("no answer")}
	r := s.reactions(t)
	for seq := events.Seq(1); seq <= noteEvery+2; seq++ {
		var e events.Event = events.EnterpriseDescribed{To: "x"}
		switch seq {
		case 3:
			e = moved
		case 4:
			e = events.EnterpriseRemoved{Description: "x"}
		}
		if err := r.react(t.Context(), happening(t, seq, e), 1); err != nil {
			t.Fatal(err)
		}
	}
	if want := []events.Seq{3, 4, noteEvery + 2}; !slices.Equal(s.noted, want) {
		t.Errorf("noted were %v, want %v", s.noted, want)
	}
}

// TestReactions_newerEventsAreHeld: an event that a newer version of the program
// wrote is given back after a while, for a process of that version, and nothing
// behind it is taken meanwhile.
func TestReactions_newerEventsAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		r := s.reactions(t)
		for what, change := range map[string]func(events.Message){
			"type":    func(m events.Message) { m.Header[events.HeaderType] = []string{"EnterpriseMerged"} },
			"version": func(m events.Message) { m.Header[events.HeaderDataVersion] = []string{"99"} },
		} {
			m := happening(t, 7, moved)
			change(m)
			start := time.Now()
			if err := r.react(t.Context(), m, 1); !errors.Is(err, errReleased) || time.Since(start) != newerPause {
				t.Errorf("%s: got %v after %s", what, err, time.Since(start))
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := r.react(ctx, m, 1); !errors.Is(err, errReleased) {
				t.Errorf("%s, stopping: got %v", what, err)
			}
		}
		if n := r.ended(reactionUndecodable); n > 0 || len(s.asked)+len(s.noted) > 0 {
			t.Errorf("%d were undecodable, %d orders, noted %v", n, len(s.asked), s.noted)
		}
	})
}

// TestReactions_newerEventIsHandedToWhoCanReadIt, and nobody else reacts to what
// is behind it before.
func TestReactions_newerEventIsHandedToWhoCanReadIt(t *testing.T) {
	w := alone(t)
	ents, peers := w.crowded(1)
	const pause = 50 * time.Millisecond
	w.reacting(func(r *Reactions) {
		r.newer = pause
		r.codec = events.NewCodec(events.NewRegistry()) // knows no event
	})
	w.moves("b.example")
	w.do(hq, domain.ChangeEnterpriseServer{Hostname: domain.Give("c.example")})
	time.Sleep(4 * pause)
	if got := w.at(ents[0], peers[0]); got != "a.example" {
		t.Errorf("the peer is at %s", got)
	}
	w.reacting()
	w.settled()
	if got, n := w.at(ents[0], peers[0]), len(w.caused(ents[0])); got != "c.example" || n != 2 {
		t.Errorf("the peer is at %s, after %d events", got, n)
	}
}
