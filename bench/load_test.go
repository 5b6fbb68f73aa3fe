package bench_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// BenchmarkLoad is target P4: what it takes to have the state of an enterprise
// with 1,000 events out of 1,000,000, as the write loop gets it. The command
// changes nothing, so that loading is all there is to it. In milliseconds:
//
//	warm-ms      from the cache, compared with the end of the log
//	snapshot-ms  in a new process, on a server that has been running
//	cold-ms      in a new process, on a server that started 15 s ago
//	wildcard-ms  the reference: folding what a wildcard consumer reads
//	speedup      wildcard-ms / snapshot-ms
func BenchmarkLoad(b *testing.B) {
	h, idle, restarts := sized(), 15*time.Second, 5
	if testing.Short() {
		idle, restarts = time.Second, 1
	}
	dir := b.TempDir()
	s, nc := server(b, dir, false)
	h.write(b, nc)
	saveSnapshots(b, nc, h, 40)

	for b.Loop() {
		var warm, snapshot, cold, wildcard []float64
		for i := range 20 {
			fresh := newHandler(b, nc)
			snapshot = append(snapshot, loadTook(b, fresh, h.enterprise(i)))
			for range 10 {
				warm = append(warm, loadTook(b, fresh, h.enterprise(i)))
			}
		}
		for i := range 10 {
			wildcard = append(wildcard, foldThroughWildcard(b, nc, h.enterprise(i)))
		}
		for i := range restarts {
			nc.Close()
			s.Shutdown()
			s, nc = server(b, dir, false)
			pause(b.Context(), idle)
			cold = append(cold, loadTook(b, newHandler(b, nc), h.enterprise(30+i)))
		}
		b.ReportMetric(median(warm), "warm-ms")
		b.ReportMetric(median(snapshot), "snapshot-ms")
		b.ReportMetric(median(cold), "cold-ms")
		b.ReportMetric(slices.Max(cold), "cold-worst-ms")
		b.ReportMetric(median(wildcard), "wildcard-ms")
		b.ReportMetric(median(wildcard)/median(snapshot), "speedup")
	}
	b.ReportMetric(0, "ns/op")
	nc.Close()
	s.Shutdown()
}

func newHandler(b *testing.B, nc *nats.Conn) *command.Handler {
	b.Helper()
	store, err := eventstore.NewJetStream(nc, events.NewCodec(events.Default()))
	if err != nil {
		b.Fatal(err)
	}
	outcomes, err := eventstore.NewOutcomes(nc)
	if err != nil {
		b.Fatal(err)
	}
	snapshots, err := eventstore.NewSnapshots(nc)
	if err != nil {
		b.Fatal(err)
	}
	return command.New(store, outcomes, snapshots, command.Options{Logger: slog.New(slog.DiscardHandler)})
}

// saveSnapshots has the write loop save the states of the first n enterprises,
// as it does by itself while they are worked on.
func saveSnapshots(b *testing.B, nc *nats.Conn, log history, n int) {
	b.Helper()
	h := newHandler(b, nc)
	ctx, cancel := context.WithCancel(b.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- h.Run(ctx) }()
	snapshots, err := eventstore.NewSnapshots(nc)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		ent := log.enterprise(i)
		change := domain.RenamePeer{Peer: peerID(0), Description: "Renamed"}
		if _, err := h.Handle(ctx, command.Request{Enterprise: ent, Actor: "bench", Command: change}); err != nil {
			b.Fatal(err)
		}
		for {
			if _, ok, err := snapshots.Load(ctx, ent); err != nil {
				b.Fatal(err)
			} else if ok {
				break
			}
			pause(ctx, time.Millisecond)
		}
	}
	cancel()
	<-stopped
}

// loadTook is how many milliseconds a command takes that changes nothing.
func loadTook(b *testing.B, h *command.Handler, ent events.EnterpriseID) float64 {
	b.Helper()
	same := domain.RenamePeer{Peer: peerID(0), Description: "Renamed"}
	began := time.Now()
	r, err := h.Handle(b.Context(), command.Request{Enterprise: ent, Actor: "bench", Command: same})
	took := time.Since(began)
	if err != nil || len(r.Events) > 0 {
		b.Fatalf("%+v, %v", r, err)
	}
	return milliseconds(took)
}

// foldThroughWildcard does what one would do without a write loop: an ordered
// consumer on everything of the enterprise, folded to its end.
func foldThroughWildcard(b *testing.B, nc *nats.Conn, ent events.EnterpriseID) float64 {
	b.Helper()
	ctx := b.Context()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	c, err := js.OrderedConsumer(ctx, events.Stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{events.EnterpriseFilter(ent)}})
	if err != nil {
		b.Fatal(err)
	}
	messages, err := c.Messages()
	if err != nil {
		b.Fatal(err)
	}
	defer messages.Stop()
	codec, state := events.NewCodec(events.Default()), domain.NewEnterprise(ent)
	for {
		m, err := messages.Next()
		if err != nil {
			b.Fatal(err)
		}
		r, pending := recorded(b, codec, m)
		if err := state.Evolve(r); err != nil {
			b.Fatal(err)
		}
		if pending == 0 {
			return milliseconds(time.Since(began))
		}
	}
}

// recorded is the event in m, and how many come after it.
func recorded(b *testing.B, codec events.Codec, m jetstream.Msg) (r events.Recorded, pending uint64) {
	b.Helper()
	meta, err := m.Metadata()
	if err != nil {
		b.Fatal(err)
	}
	r, err = codec.Decode(events.Message{
		Seq: events.Seq(meta.Sequence.Stream), Subject: m.Subject(), Header: m.Headers(), Data: m.Data(),
	})
	if err != nil {
		b.Fatal(err)
	}
	return r, meta.NumPending
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
