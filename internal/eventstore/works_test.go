package eventstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/testkit"
)

func TestWorks_eachStreamIsNeeded(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		commands, _ := busOf(t, top)
		testkit.Eventually(t, "all streams", func() bool { return commands.Works(t.Context()) == nil })
		js := testkit.JetStream(t, top.Conn)
		for _, name := range []string{
			events.Stream, eventstore.OutcomesStream, eventstore.CommandsStream, eventstore.ParkedStream, eventstore.HealthStream,
		} {
			if err := js.DeleteStream(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			err := commands.Works(t.Context())
			if name == eventstore.HealthStream {
				if !errors.Is(err, eventstore.ErrUnavailable) {
					t.Errorf("without %s: got %v", name, err)
				}
			} else if !errors.Is(err, eventstore.ErrNoStream) || !strings.Contains(err.Error(), name) {
				t.Errorf("without %s: got %v", name, err)
			}
			busOf(t, top)
			testkit.Eventually(t, "all streams again", func() bool { return commands.Works(t.Context()) == nil })
		}
	})
}

// fill appends to the log until it is full.
func fill(t testing.TB, s *eventstore.JetStream) {
	t.Helper()
	after := events.Seq(0)
	for _, size := range []int{64 << 10, 512} { // the second fills what the first leaves
		for i := range 1000 {
			e := storetest.Event(storetest.Ent, "c")
			e.Index, e.Count = i, 1000
			e.Event = events.EnterpriseDescribed{To: strings.Repeat("x", size)}
			seq, err := s.Append(t.Context(), storetest.Subject, after, e)
			if errors.Is(err, eventstore.ErrFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			after = seq
		}
	}
}

func TestWorks_fullLog(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		small := eventstore.StreamOptions{Replicas: top.Replicas, MaxBytes: 1 << 20}
		testkit.Eventually(t, "the log", func() bool { return eventstore.Ensure(t.Context(), top.Conn, small) == nil })
		testkit.Eventually(t, "the bus", func() bool {
			_, err := eventstore.EnsureBus(t.Context(), top.Conn, small)
			return err == nil
		})
		commands := commandsOn(t, top.Conn)
		if err := commands.Works(t.Context()); err != nil {
			t.Fatal(err)
		}
		fill(t, store(t, top.Conn))
		if err := commands.Works(t.Context()); !errors.Is(err, eventstore.ErrFull) || !strings.Contains(err.Error(), events.Stream) || strings.Contains(err.Error(), eventstore.OutcomesStream) {
			t.Errorf("got %v, want a full log", err)
		}
		small.MaxBytes = 4 << 20
		if err := eventstore.Ensure(t.Context(), top.Conn, small); err != nil {
			t.Fatal(err)
		}
		if err := commands.Works(t.Context()); err != nil {
			t.Errorf("after the limit was raised: %v", err)
		}
	})
}

// TestOutcomes_full: no room for an outcome is not the same as no room for an
// event.
func TestOutcomes_full(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		commands, _ := busOf(t, top)
		outcomes, err := eventstore.NewOutcomes(top.Conn)
		if err != nil {
			t.Fatal(err)
		}
		js := testkit.JetStream(t, top.Conn)
		c := config(t, top.Conn, eventstore.OutcomesStream)
		right := c
		c.MaxBytes = 256 << 10
		if _, err := js.UpdateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; err == nil && n < 1000; n++ {
			_, err = outcomes.Keep(t.Context(), storetest.Ent, events.CommandID("c"+time.Duration(n).String()), []byte(strings.Repeat("x", 1<<10)))
		}
		if !errors.Is(err, eventstore.ErrOutcomesFull) || errors.Is(err, eventstore.ErrFull) || errors.Is(err, eventstore.ErrUnavailable) || n < 100 {
			t.Errorf("after %d: got %v, want ErrOutcomesFull alone", n, err)
		}
		if err := commands.Works(t.Context()); !errors.Is(err, eventstore.ErrFull) || !strings.Contains(err.Error(), eventstore.OutcomesStream) {
			t.Errorf("works: got %v", err)
		}
		if _, err := js.UpdateStream(t.Context(), right); err != nil {
			t.Fatal(err)
		}
		if _, err := outcomes.Keep(t.Context(), storetest.Ent, "later", []byte("{}")); err != nil {
			t.Error(err)
		}
	})
}

func TestWorks_withoutAMajority(t *testing.T) {
	top := testkit.Topology{Replicas: 3, Cluster: testkit.Cluster(t)}
	top.Conn = testkit.Connect(t, top.Cluster.NodeURL(0))
	commands, parked := busOf(t, top)
	testkit.Eventually(t, "all streams", func() bool { return commands.Works(t.Context()) == nil })
	top.Cluster.Kill(1)
	testkit.Eventually(t, "other leaders", func() bool { return commands.Works(t.Context()) == nil })
	park(t, parked, whole())
	top.Cluster.Kill(2)
	start := time.Now()
	if err := commands.Works(t.Context()); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if took := time.Since(start); took > 2500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	if _, err := commands.Publish(t.Context(), "acme.AddPeer", nil, nil); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("publish: got %v, want ErrUnavailable", err)
	}
}

func TestWorks_endsWithItsCaller(t *testing.T) {
	commands, _ := busOf(t, testkit.Topology{Replicas: 1, Conn: testkit.NATS(t)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := commands.Works(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
