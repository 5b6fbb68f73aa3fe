package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/projection"
	"github.com/peering/peering/internal/testkit"
)

// The projections read through both.
var (
	_ projection.Source = (*eventstore.Reader)(nil)
	_ projection.Source = (*eventstore.Memory)(nil)
)

// following is a Follow that checks what it is given: each sequence once, in
// order, without gaps.
type following struct {
	pos  atomic.Uint64
	done chan error
	stop context.CancelFunc
}

func follow(t *testing.T, r *eventstore.Reader) *following {
	t.Helper()
	return started(t, func(ctx context.Context, sink func([]events.Message) error) error {
		return r.Follow(ctx, 0, 100, sink)
	})
}

// followOn is a follow that starts again from its own position when the log
// could not be reached for a while, as the projections do.
func followOn(t *testing.T, r *eventstore.Reader) *following {
	t.Helper()
	return started(t, func(ctx context.Context, sink func([]events.Message) error) error {
		pos := events.Seq(0)
		for {
			err := r.Follow(ctx, pos, 100, func(ms []events.Message) error {
				pos = ms[len(ms)-1].Seq
				return sink(ms)
			})
			if !errors.Is(err, eventstore.ErrUnavailable) {
				return err
			}
		}
	})
}

func started(t *testing.T, run func(context.Context, func([]events.Message) error) error) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{done: make(chan error, 1), stop: cancel}
	go func() { f.done <- run(ctx, f.take) }()
	t.Cleanup(cancel)
	return f
}

func (f *following) take(ms []events.Message) error {
	for _, m := range ms {
		if uint64(m.Seq) != f.pos.Load()+1 {
			return fmt.Errorf("message %d after %d", m.Seq, f.pos.Load())
		}
		f.pos.Store(uint64(m.Seq))
	}
	return nil
}

// reaches waits until everything up to seq has come.
func (f *following) reaches(t *testing.T, seq events.Seq) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("message %d", seq), func() bool { return f.pos.Load() >= uint64(seq) || len(f.done) > 0 })
	if f.pos.Load() < uint64(seq) {
		t.Fatalf("ended at %d: %v", f.pos.Load(), <-f.done)
	}
}

func TestFollow_goesOnAfterALostConnection(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		emptied(t, top.Conn, top.Replicas)
		s := store(t, top.Conn)
		line := testkit.Proxy(t, node(top))
		f := follow(t, eventstore.NewReader(testkit.Connect(t, line.URL())))
		last := storetest.Append(t, s, 0, storetest.Events(storetest.Ent, "c1", 300)...)
		f.reaches(t, last)
		for i := range 3 {
			line.Cut()
			last = storetest.Append(t, s, last, storetest.Events(storetest.Ent, fmt.Sprintf("more-%d", i), 300)...)
			f.reaches(t, last)
		}
		line.LoseAnswers() // a line that is dead without being closed
		last = storetest.Append(t, s, last, storetest.Event(storetest.Ent, "dead"))
		testkit.Eventually(t, "something to be lost", func() bool { return line.Lost() > 0 })
		line.Cut()
		f.reaches(t, last)
		f.stop()
		if err := <-f.done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestFollow_goesOnWhenItsConsumerIsGone(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		emptied(t, top.Conn, top.Replicas)
		s, js := store(t, top.Conn), testkit.JetStream(t, top.Conn)
		f := follow(t, eventstore.NewReader(top.Conn))
		last := storetest.Append(t, s, 0, storetest.Events(storetest.Ent, "c1", 10)...)
		f.reaches(t, last)
		for range 2 {
			for _, name := range consumers(t, js) {
				if err := js.DeleteConsumer(t.Context(), events.Stream, name); err != nil {
					t.Fatal(err)
				}
			}
			last = storetest.Append(t, s, last, storetest.Event(storetest.Ent, fmt.Sprintf("after-%d", last)))
			f.reaches(t, last)
		}
		f.stop()
		<-f.done
		testkit.Eventually(t, "the consumer to be deleted", func() bool { return len(consumers(t, js)) == 0 })
	})
}

func consumers(t *testing.T, js jetstream.JetStream) []string {
	t.Helper()
	stream, err := js.Stream(t.Context(), events.Stream)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range stream.ConsumerNames(t.Context()).Name() {
		names = append(names, name)
	}
	return names
}

func TestFollow_goesOnWhenNodesDie(t *testing.T) {
	c := testkit.Cluster(t)
	nc := testkit.Connect(t, c.URL())
	emptied(t, nc, 3)
	s := store(t, nc)
	f := followOn(t, eventstore.NewReader(testkit.Connect(t, c.URL())))
	last := storetest.Append(t, s, 0, storetest.Events(storetest.Ent, "c1", 100)...)
	f.reaches(t, last)
	for node := range 3 {
		c.Kill(node)
		evs := storetest.Events(storetest.Ent, fmt.Sprintf("without-%d", node), 2)
		testkit.Eventually(t, "an append without the node", func() bool {
			seq, err := s.Append(t.Context(), storetest.Subject, last, evs...)
			if err == nil {
				last = seq
			}
			return err == nil
		})
		f.reaches(t, last)
		c.Restart(t, node)
	}
}

func TestFollow_endsWhenTheStreamIsGoneOrAnotherOne(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		emptied(t, top.Conn, top.Replicas)
		s, js := store(t, top.Conn), testkit.JetStream(t, top.Conn)
		r := eventstore.NewReader(top.Conn)
		before, err := r.Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f := follow(t, r)
		f.reaches(t, storetest.Append(t, s, 0, storetest.Events(storetest.Ent, "c1", 10)...))

		if err := js.DeleteStream(t.Context(), events.Stream); err != nil {
			t.Fatal(err)
		}
		if err := <-f.done; !errors.Is(err, eventstore.ErrNoStream) {
			t.Errorf("a deleted stream: got %v, want ErrNoStream", err)
		}
		if _, err := r.Identity(t.Context()); !errors.Is(err, eventstore.ErrNoStream) {
			t.Errorf("its identity: got %v, want ErrNoStream", err)
		}

		emptied(t, top.Conn, top.Replicas)
		after, err := r.Identity(t.Context())
		if err != nil || after.Created.Equal(before.Created) {
			t.Errorf("identity of the new stream: %+v, %v, the old one's was %+v", after, err, before)
		}
		if err := r.Follow(t.Context(), 5, 10, nil); !errors.Is(err, eventstore.ErrStreamChanged) {
			t.Errorf("a position behind the end: got %v, want ErrStreamChanged", err)
		}
		if _, err := s.Append(t.Context(), storetest.Subject, 10, storetest.Event(storetest.Ent, "c2")); !isConflict(err) {
			t.Errorf("an append on the history of the old stream: got %v, want a conflict", err)
		}
	})
}

func isConflict(err error) bool {
	var c *eventstore.ConflictError
	return errors.As(err, &c)
}

// TestFollow_noticesAStreamThatWasExchangedWhileAway cuts the reader off, puts
// another stream with a longer history in place, and lets it come back.
func TestFollow_noticesAStreamThatWasExchangedWhileAway(t *testing.T) {
	srv := testkit.Server(t)
	nc := testkit.Connect(t, "nats://"+srv.Addr())
	emptied(t, nc, 1)
	s := store(t, nc)
	line := testkit.Proxy(t, srv.Addr())
	f := follow(t, eventstore.NewReader(testkit.Connect(t, line.URL())))
	f.reaches(t, storetest.Append(t, s, 0, storetest.Events(storetest.Ent, "c1", 10)...))
	line.LoseAnswers()
	emptied(t, nc, 1)
	storetest.Append(t, s, 0, storetest.Events(storetest.Ent, "c2", 20)...)
	line.Cut()
	if err := <-f.done; !errors.Is(err, eventstore.ErrStreamChanged) {
		t.Errorf("got %v at %d, want ErrStreamChanged", err, f.pos.Load())
	}
}

func TestFollow_withoutAServerEndsClearly(t *testing.T) {
	srv := testkit.Server(t)
	nc := testkit.Connect(t, "nats://"+srv.Addr())
	emptied(t, nc, 1)
	f := follow(t, eventstore.NewReader(nc))
	f.reaches(t, storetest.Append(t, store(t, nc), 0, storetest.Event(storetest.Ent, "c1")))
	start := time.Now()
	srv.Shutdown()
	if err := <-f.done; !errors.Is(err, eventstore.ErrUnavailable) || time.Since(start) > 10*time.Second {
		t.Errorf("got %v after %s, want ErrUnavailable within ten seconds", err, time.Since(start))
	}
}

func TestFollow_aSlowSinkMissesNothing(t *testing.T) {
	nc := testkit.NATS(t)
	emptied(t, nc, 1)
	s := store(t, nc)
	after := events.Seq(0)
	for i := range 4 {
		after = storetest.Append(t, s, after, storetest.Events(storetest.Ent, fmt.Sprintf("c%d", i), 500)...)
	}
	release, held := make(chan struct{}), make(chan struct{})
	var got []events.Seq
	done := make(chan error, 1)
	enough := errors.New("enough")
	go func() {
		done <- eventstore.NewReader(nc).Follow(t.Context(), 0, 10, func(ms []events.Message) error {
			if got == nil {
				close(held)
				<-release
			}
			for _, m := range ms {
				got = append(got, m.Seq)
			}
			if len(got) == int(after) {
				return enough
			}
			return nil
		})
	}()
	<-held
	// The server goes on sending, up to what was asked for.
	time.AfterFunc(300*time.Millisecond, func() { close(release) })
	if err := <-done; !errors.Is(err, enough) {
		t.Fatal(err)
	}
	for i, seq := range got {
		if seq != events.Seq(i+1) {
			t.Fatalf("message %d is %d", i, seq)
		}
	}
}
