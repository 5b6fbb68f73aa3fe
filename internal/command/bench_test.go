package command

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/embednats"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// durable returns a backend on an embedded server that syncs every message, as
// the product runs it, and the connection.
func durable(b *testing.B) (backend, *nats.Conn) {
	b.Helper()
	s := testkit.Server(b, testkit.SyncAlways, func(o *embednats.Options) { o.Listen = "" })
	nc, err := s.Connect(eventstore.ConnectOptions("bench", slog.New(slog.DiscardHandler))...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	if err := eventstore.Ensure(b.Context(), nc, eventstore.StreamOptions{MaxBytes: 512 << 20}); err != nil {
		b.Fatal(err)
	}
	return connected(b, nc), nc
}

// populate gives acme n peers, quickly: their events are appended in batches.
func populate(b *testing.B, on backend, n int) []events.PeerID {
	b.Helper()
	must(b, on.handler(), register(acme))
	after, err := on.store.Last(b.Context(), events.ConfigSubject(acme))
	if err != nil {
		b.Fatal(err)
	}
	peers := make([]events.PeerID, n)
	for start := 0; start < n; start += eventstore.MaxAppend {
		size := min(eventstore.MaxAppend, n-start)
		batch := make([]events.Envelope, size)
		for i := range batch {
			k := start + i
			peers[k] = events.PeerID(fmt.Sprint("peer-", k))
			id := events.CommandID(fmt.Sprint("populate-", k))
			batch[i] = events.Envelope{
				ID: events.NewEventID(acme, id, 0), Enterprise: acme, Time: time.Now().UTC(), CommandID: id, Count: 1,
				Event: events.PeerAdded{
					Peer: peers[k], PeerType: events.PeerMiCollab, Description: fmt.Sprint("Peer ", k),
					Hostname: fmt.Sprintf("uc%d.peer.example", k), Port: 443, PeerEnterpriseID: "other",
				},
			}
		}
		if after, err = on.store.Append(b.Context(), events.ConfigSubject(acme), after, batch...); err != nil {
			b.Fatal(err)
		}
	}
	return peers
}

// rawMessage is the last event of acme as it lies in the log, to be published
// as it is on a subject of its own.
func rawMessage(b *testing.B, js jetstream.JetStream) *nats.Msg {
	b.Helper()
	stream, err := js.Stream(b.Context(), events.Stream)
	if err != nil {
		b.Fatal(err)
	}
	m, err := stream.GetLastMsgForSubject(b.Context(), string(events.ConfigSubject(acme)))
	if err != nil {
		b.Fatal(err)
	}
	header := nats.Header{}
	for name, values := range m.Header {
		if len(name) < 5 || name[:5] != "Nats-" {
			header[name] = values
		}
	}
	return &nats.Msg{Subject: string(events.StatusSubject("raw-publish", "p1")), Header: header, Data: m.Data}
}

// BenchmarkHandle compares a command to an enterprise of 1,000 peers with a
// synchronous durable publish of an equal message, in turn.
func BenchmarkHandle(b *testing.B) {
	for _, c := range []struct {
		name string
		id   func(i int) events.CommandID
	}{
		{"fresh id", func(int) events.CommandID { return "" }},
		{"client id", func(i int) events.CommandID { return events.CommandID(fmt.Sprint("bench-", i)) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			on, nc := durable(b)
			peers := populate(b, on, 1000)
			h := on.handler()
			command := func(i int) Request {
				return Request{Enterprise: acme, ID: c.id(i), Actor: "bench", Command: domain.ChangePeerAddress{
					Peer: peers[i%len(peers)], Address: domain.Give(fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)),
				}}
			}
			warm := command(1 << 20)
			warm.ID = ""
			must(b, h, warm)
			js := testkit.JetStream(b, nc)
			raw := rawMessage(b, js)
			var ours, theirs []time.Duration
			b.ResetTimer()
			for i := range b.N {
				start := time.Now()
				must(b, h, command(i))
				ours = append(ours, time.Since(start))
				start = time.Now()
				if _, err := js.PublishMsg(b.Context(), raw); err != nil {
					b.Fatal(err)
				}
				theirs = append(theirs, time.Since(start))
			}
			b.StopTimer()
			slices.Sort(ours)
			slices.Sort(theirs)
			mid, late := b.N/2, b.N*99/100
			b.ReportMetric(ours[mid].Seconds()/theirs[mid].Seconds(), "p50-ratio")
			b.ReportMetric(ours[late].Seconds()/theirs[late].Seconds(), "p99-ratio")
			b.ReportMetric(float64(ours[mid].Microseconds()), "command-µs")
			b.ReportMetric(float64(theirs[mid].Microseconds()), "publish-µs")
		})
	}
}

// BenchmarkBulk is one atomic command with many operations, which give peers of an
// enterprise of 1,000 another address.
func BenchmarkBulk(b *testing.B) {
	for _, n := range []int{100, domain.MaxOperations} {
		b.Run(fmt.Sprintf("%d-operations", n), func(b *testing.B) {
			on, _ := durable(b)
			peers := populate(b, on, domain.MaxOperations)
			h := on.handler()
			round := 0
			for b.Loop() {
				round++
				ops := make([]domain.PeerOperation, n)
				for i := range ops {
					ops[i] = domain.EditPeer{Peer: peers[i], Address: domain.Give(fmt.Sprintf("10.%d.%d.%d", round&255, i>>8, i&255))}
				}
				if r := must(b, h, withID(events.CommandID(fmt.Sprint("bulk-", round)), bulk(true, ops...))); len(r.Events) != n {
					b.Fatalf("%d events; want %d", len(r.Events), n)
				}
			}
		})
	}
}

// BenchmarkColdLoad is the first command after a start to an enterprise of
// 10,000 peers: a refusal, so that nothing is written.
func BenchmarkColdLoad(b *testing.B) {
	for _, saved := range []bool{true, false} {
		b.Run(fmt.Sprintf("snapshot=%t", saved), func(b *testing.B) {
			on, _ := durable(b)
			populate(b, on, 10_000)
			if saved {
				h := on.handler()
				must(b, h, addPeer("Berlin"))
				s, _, err := h.take(b.Context(), acme)
				if err == nil {
					err = on.snapshots.Save(b.Context(), acme, s)
				}
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(s.Data)), "snapshot-B")
			}
			for b.Loop() {
				mustRefuse(b, on.handler(), addPeer("Peer 1"), domain.Exists)
			}
		})
	}
}

// BenchmarkDecode is the strict decoder on a typical body.
func BenchmarkDecode(b *testing.B) {
	body := []byte(`{"type":"micollab","description":"Berlin","hostname":"uc.berlin.example","port":443,"address":"10.0.0.1","peer_enterprise_id":"berlin","dialing_prefix":"*72","version":"9.8"}`)
	for b.Loop() {
		if _, err := Decode("AddPeer", body); err != nil {
			b.Fatal(err)
		}
	}
}
