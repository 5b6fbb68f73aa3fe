package bench_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/bus"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// garbageShare is how many pieces of garbage come with each good command.
const garbageShare = 5

// BenchmarkBusGarbage is the time from the publishing of a good command to its
// outcome while garbage of every kind comes for the same enterprises, five pieces
// with each good command, next to that without any garbage, in turn. Everything
// is synced, as in the product. In milliseconds:
//
//	p50-ms, p99-ms            undisturbed
//	garbage-p50-ms, -p99-ms   with garbage
//	p99-ratio                 of the two; 3 is allowed
//	garbage/s                 that came and was dealt with
func BenchmarkBusGarbage(b *testing.B) {
	good, rounds, every := 200, 6, 50*time.Millisecond
	if testing.Short() {
		good, rounds = 50, 2
	}
	w := newGarbageWorld(b)
	for b.Loop() {
		var quiet, disturbed []time.Duration
		var took time.Duration
		for range rounds {
			quiet = append(quiet, w.round(good, every, 0)...)
			start := time.Now()
			disturbed = append(disturbed, w.round(good, every, garbageShare)...)
			took += time.Since(start)
		}
		p := func(list []time.Duration, percent int) float64 {
			slices.Sort(list)
			return list[len(list)*percent/100].Seconds() * 1000
		}
		b.ReportMetric(p(quiet, 50), "p50-ms")
		b.ReportMetric(p(quiet, 99), "p99-ms")
		b.ReportMetric(p(disturbed, 50), "garbage-p50-ms")
		b.ReportMetric(p(disturbed, 99), "garbage-p99-ms")
		b.ReportMetric(p(disturbed, 99)/p(quiet, 99), "p99-ratio")
		b.ReportMetric(float64(rounds*good*garbageShare)/took.Seconds(), "garbage/s")
	}
}

// garbageWorld is a deployment with one process that carries out commands.
type garbageWorld struct {
	b     *testing.B
	queue *eventstore.Commands
	raw   net.Conn
	pong  *bufio.Reader
	n     int // messages so far

	mu   sync.Mutex
	sent map[string]time.Time // good commands by enterprise and id, until their outcome
	took []time.Duration
}

const garbageEnterprises = 50

func newGarbageWorld(b *testing.B) *garbageWorld {
	b.Helper()
	s := testkit.Server(b, testkit.SyncAlways)
	url := "nats://" + s.Addr()
	nc := testkit.Connect(b, url)
	o := eventstore.StreamOptions{MaxBytes: 1 << 30}
	err := eventstore.Ensure(b.Context(), nc, o)
	found, err2 := eventstore.EnsureBus(b.Context(), nc, o)
	store, err3 := eventstore.NewJetStream(nc, events.NewCodec(events.Default()))
	outcomes, err4 := eventstore.NewOutcomes(nc)
	snapshots, err5 := eventstore.NewSnapshots(nc)
	queue, err6 := eventstore.NewCommands(nc)
	lot, err7 := eventstore.NewParked(nc)
	raw, err8 := (&net.Dialer{}).DialContext(b.Context(), "tcp", s.Addr())
	if err := errors.Join(err, err2, err3, err4, err5, err6, err7, err8); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { raw.Close() })
	w := &garbageWorld{b: b, queue: queue, raw: raw, pong: bufio.NewReader(raw), sent: map[string]time.Time{}}
	w.send("CONNECT {\"verbose\":false,\"headers\":true}\r\n")
	if _, err := nc.Subscribe("peering.outcomes.>", w.ended); err != nil {
		b.Fatal(err)
	}
	commands := bus.NewCommands(command.New(store, outcomes, snapshots, command.Options{}), queue, lot, bus.Options{
		Connect: func(name string, opts ...nats.Option) (*nats.Conn, error) {
			return nats.Connect(url, append(eventstore.ConnectOptions(name, slog.New(slog.DiscardHandler)), opts...)...)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- commands.Run(ctx, found.Partitions) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	for e := range garbageEnterprises {
		ent := fmt.Sprint("ent-", e)
		w.good(ent, "register", "RegisterEnterprise", fmt.Sprintf(`{"id":%q,"description":"Test","domain":"%s.example","server":{"hostname":"uc.%s.example","version":"9.8","deployment":"standard"}}`, ent, ent, ent))
	}
	w.wait()
	return w
}

func (w *garbageWorld) send(s string) {
	if _, err := w.raw.Write([]byte(s)); err != nil {
		w.b.Fatal(err)
	}
}

// good publishes a command whose outcome is waited for.
func (w *garbageWorld) good(ent, id, name, body string) {
	w.mu.Lock()
	w.sent[ent+"."+id] = time.Now()
	w.mu.Unlock()
	header := "NATS/1.0\r\nCommand-Id: " + id + "\r\n\r\n"
	w.send(fmt.Sprintf("HPUB peering.commands.%s.%s %d %d\r\n%s%s\r\n", ent, name, len(header), len(header)+len(body), header, body))
}

// ended notes an outcome.
func (w *garbageWorld) ended(m *nats.Msg) {
	name := strings.TrimPrefix(m.Subject, "peering.outcomes.")
	w.mu.Lock()
	defer w.mu.Unlock()
	if start, ok := w.sent[name]; ok {
		w.took = append(w.took, time.Since(start))
		delete(w.sent, name)
	}
}

// wait waits until every good command has its outcome and nothing waits.
func (w *garbageWorld) wait() {
	testkit.Eventually(w.b, "all commands to end", func() bool {
		n, err := w.queue.Pending(w.b.Context())
		w.mu.Lock()
		defer w.mu.Unlock()
		return err == nil && n == 0 && len(w.sent) == 0
	})
}

// round publishes good commands at a steady pace, with so many pieces of garbage
// spread behind each, and returns how long each took to its outcome.
func (w *garbageWorld) round(good int, every time.Duration, garbage int) []time.Duration {
	w.took = nil
	tick := time.NewTicker(every)
	defer tick.Stop()
	for range good {
		<-tick.C
		w.n++
		ent := fmt.Sprint("ent-", w.n%garbageEnterprises)
		w.good(ent, fmt.Sprint("good-", w.n), "DescribeEnterprise", fmt.Sprintf(`{"description":"Text %d"}`, w.n))
		for range garbage {
			w.n++
			g := testkit.NewGarbage(w.n, fmt.Sprint("ent-", w.n*7%garbageEnterprises), "register")
			w.send(fmt.Sprintf("HPUB peering.commands.%s %d %d\r\n%s%s\r\n", g.Tail, len(g.Header), len(g.Header)+len(g.Body), g.Header, g.Body))
		}
	}
	w.wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.took)
}
