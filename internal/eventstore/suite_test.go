package eventstore_test

import (
	"maps"
	"os"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

func codec() events.Codec { return events.NewCodec(events.Default()) }

// testLimit is small, so that the servers of many tests find room.
const testLimit = 256 << 20

func TestSuite_memory(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Fixture {
		m := eventstore.NewMemory(codec())
		return storetest.Fixture{
			Store: m, Source: m,
			Outcomes:  eventstore.NewMemoryOutcomes(),
			Snapshots: eventstore.NewMemorySnapshots(),
			Put: func(_ *testing.T, subject string, header map[string][]string, data []byte) events.Seq {
				return m.Put(subject, header, data)
			},
		}
	})
}

func TestSuite_jetStream(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		storetest.Run(t, func(t *testing.T) storetest.Fixture { return onStreams(t, top.Conn, top.Replicas) })
	})
}

// onStreams makes the streams anew and everything that works on them.
func onStreams(t *testing.T, nc *nats.Conn, replicas int) storetest.Fixture {
	t.Helper()
	emptied(t, nc, replicas)
	outcomes, err := eventstore.NewOutcomes(nc)
	if err != nil {
		t.Fatal(err)
	}
	snapshots, err := eventstore.NewSnapshots(nc)
	if err != nil {
		t.Fatal(err)
	}
	return storetest.Fixture{
		Store: store(t, nc), Source: eventstore.NewReader(nc), Outcomes: outcomes, Snapshots: snapshots,
		Put: func(t *testing.T, subject string, header map[string][]string, data []byte) events.Seq {
			t.Helper()
			return put(t, nc, subject, header, data)
		},
	}
}

// emptied deletes the streams and makes them again.
func emptied(t testing.TB, nc *nats.Conn, replicas int) {
	t.Helper()
	js := testkit.JetStream(t, nc)
	for _, name := range []string{events.Stream, eventstore.OutcomesStream, eventstore.SnapshotsStream, eventstore.HealthStream} {
		if _, err := js.Stream(t.Context(), name); err == nil {
			if err := js.DeleteStream(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The server may still be at removing the files of the old ones.
	testkit.Eventually(t, "the streams", func() bool {
		return eventstore.Ensure(t.Context(), nc, eventstore.StreamOptions{Replicas: replicas, MaxBytes: testLimit}) == nil
	})
}

func store(t testing.TB, nc *nats.Conn) *eventstore.JetStream {
	t.Helper()
	s, err := eventstore.NewJetStream(nc, codec())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put publishes a message as it is.
func put(t testing.TB, nc *nats.Conn, subject string, header map[string][]string, data []byte) events.Seq {
	t.Helper()
	ack, err := testkit.JetStream(t, nc).PublishMsg(t.Context(), &nats.Msg{
		Subject: subject, Header: maps.Clone(header), Data: data,
	})
	if err != nil {
		t.Fatalf("publish on %s: %v", subject, err)
	}
	return events.Seq(ack.Sequence)
}
