package eventstore_test

import (
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/testkit"
)

// reacted is a log of events of one configuration and what reacts to it.
type reacted struct {
	*testing.T
	nc        *nats.Conn
	options   eventstore.StreamOptions
	position  *eventstore.ReactionPosition
	delivered chan *nats.Msg
	last      events.Seq
}

func reacting(t *testing.T, top testkit.Topology) *reacted {
	t.Helper()
	busOf(t, top)
	position, err := eventstore.NewReactionPosition(top.Conn)
	if err != nil {
		t.Fatal(err)
	}
	r := &reacted{t, top.Conn, eventstore.StreamOptions{Replicas: top.Replicas, MaxBytes: testLimit}, position, make(chan *nats.Msg, 1024), 0}
	return r
}

// happens appends n events.
func (r *reacted) happens(n int) {
	r.Helper()
	for range n {
		r.last = storetest.Append(r.T, store(r.T, r.nc), r.last, storetest.Event(storetest.Ent, strconv.Itoa(int(r.last))))
	}
}

// follows takes part in the group from now on.
func (r *reacted) follows() {
	r.Helper()
	if _, err := r.nc.ChanQueueSubscribe(eventstore.ReactionDelivery, eventstore.ReactionGroup, r.delivered); err != nil {
		r.Fatal(err)
	}
}

// settles acknowledges the next n events, which begin with first, and keeps the
// position of the first kept ones.
func (r *reacted) settles(first events.Seq, n, kept int) {
	r.Helper()
	for i := range n {
		m := next(r.T, r.delivered)
		meta, err := m.Metadata()
		if err != nil || meta.Sequence.Stream != uint64(first)+uint64(i) {
			r.Fatalf("got the event %+v, %v, want %d", meta, err, int(first)+i)
		}
		if i < kept {
			if err := r.position.Keep(r.Context(), events.Seq(meta.Sequence.Stream)); err != nil {
				r.Fatal(err)
			}
		}
		if err := m.AckSync(); err != nil {
			r.Fatal(err)
		}
	}
}

func (r *reacted) ensures() {
	r.Helper()
	testkit.Eventually(r.T, "the bus", func() bool {
		_, err := eventstore.EnsureBus(r.Context(), r.nc, r.options)
		return err == nil
	})
}

func (r *reacted) loses(consumer, position bool) {
	r.Helper()
	js := testkit.JetStream(r.T, r.nc)
	if consumer {
		if err := js.DeleteConsumer(r.Context(), events.Stream, eventstore.ReactionsConsumer); err != nil {
			r.Fatal(err)
		}
	}
	if position {
		if err := js.DeleteStream(r.Context(), eventstore.PositionsStream); err != nil {
			r.Fatal(err)
		}
	}
}

// TestReactionPosition_outlivesItsConsumer: what happens while there is none is
// delivered when there is one again, and so it is when either copy of the
// position was lost before.
func TestReactionPosition_outlivesItsConsumer(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		r := reacting(t, top)
		r.follows()
		r.happens(4)
		r.settles(1, 4, 3)
		r.loses(true, false)
		if _, ok, err := r.position.Following(t.Context()); ok || err != nil {
			t.Errorf("without a consumer: %t, %v", ok, err)
		}
		r.happens(2)
		r.ensures()
		r.settles(4, 3, 3)
		r.loses(false, true)
		r.ensures()
		r.loses(true, false)
		r.happens(1)
		r.ensures()
		r.settles(7, 1, 1)
		if err := r.position.Keep(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		r.loses(true, false)
		r.ensures()
		r.happens(1)
		r.settles(8, 1, 0) // a position does not go back
	})
}

// TestReactionPosition_beginsAtTheEnd when there is nothing to begin from: the
// first time, when all is lost, and in a log that was made anew.
func TestReactionPosition_beginsAtTheEnd(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		r := reacting(t, top)
		r.happens(3)
		r.loses(true, true)
		r.ensures()
		r.happens(1)
		r.follows()
		r.settles(4, 1, 1)
		emptied(t, r.nc, top.Replicas)
		r.last = 0
		r.happens(6)
		r.ensures()
		r.happens(1)
		r.settles(7, 1, 0)
	})
}

// TestReactionPosition_following says how the reactions get on.
func TestReactionPosition_following(t *testing.T) {
	r := reacting(t, testkit.Topology{Replicas: 1, Conn: testkit.NATS(t)})
	want := func(want eventstore.Following) {
		t.Helper()
		testkit.Eventually(t, "the reactions to get on", func() bool {
			f, ok, err := r.position.Following(t.Context())
			return err == nil && ok && f == want
		})
	}
	want(eventstore.Following{})
	r.happens(3)
	want(eventstore.Following{Waiting: 3})
	r.follows()
	want(eventstore.Following{Waiting: 3, Followed: true})
	r.settles(1, 2, 0)
	want(eventstore.Following{Settled: 2, Waiting: 1, Followed: true})
}
