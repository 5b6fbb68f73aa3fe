package bench_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/bus"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// BenchmarkBus is a backlog of commands of many enterprises that is carried out,
// with every message on the disk before it is acknowledged, next to what the same
// queue does for somebody who only acknowledges. A process is a bus.Commands and a
// command.Handler with connections of their own, in this process beside the
// server, so two of them share its processors. Each figure is the median of the
// rounds, in which all take their turn.
//
//	publish/s  commands put into the queue, 64 at a time: the raw durable publish
//	raw/s      the reference: two consumers like ours take the backlog one by one
//	           in each partition and acknowledge, which is all they do
//	bare/s     the same, and for each command the look and the two durable
//	           publishes that its promise needs: the outcome is looked for, an
//	           event and an outcome are stored
//	one/s      one process
//	two/s      two processes
//	one/raw, one/bare, two/one    ratios of the same rounds
//	share      of the process that carried out fewer of the two, in per cent
func BenchmarkBus(b *testing.B) {
	s := busBench{commands: 3000, enterprises: 64, rounds: 3, partitions: eventstore.Partitions}
	if testing.Short() {
		s.commands, s.rounds = 200, 1
	}
	for b.Loop() {
		s.run(b).report(b)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkBusPartitions is BenchmarkBus with other numbers of partitions.
func BenchmarkBusPartitions(b *testing.B) {
	for _, n := range []int{4, 8, 16, 32, 64} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := busBench{commands: 1000, enterprises: 256, rounds: 1, partitions: n}
			if testing.Short() {
				s.commands, s.rounds = 300, 1
			}
			for b.Loop() {
				s.run(b).report(b)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// busBench is how much there is to do.
type busBench struct {
	commands, enterprises, rounds, partitions int
}

// busFigures are those of each round.
type busFigures struct {
	publish, raw, bare, one, two, share []float64
}

func (f busFigures) report(b *testing.B) {
	b.Helper()
	ratio := func(x, y []float64) float64 {
		list := make([]float64, len(x))
		for i := range x {
			list[i] = x[i] / y[i]
		}
		return median(list)
	}
	b.ReportMetric(median(f.publish), "publish/s")
	b.ReportMetric(median(f.raw), "raw/s")
	b.ReportMetric(median(f.bare), "bare/s")
	b.ReportMetric(median(f.one), "one/s")
	b.ReportMetric(median(f.two), "two/s")
	b.ReportMetric(ratio(f.one, f.raw), "one/raw")
	b.ReportMetric(ratio(f.one, f.bare), "one/bare")
	b.ReportMetric(ratio(f.two, f.one), "two/one")
	b.ReportMetric(median(f.share), "share")
}

func (s busBench) run(b *testing.B) (f busFigures) {
	b.Helper()
	server, nc := server(b, b.TempDir(), true)
	defer server.Shutdown()
	defer nc.Close()
	url := "nats://" + server.Addr()
	s.queue(b, nc)
	s.carried(b, nc, url, 2, s.registrations())
	n := 0
	for range s.rounds {
		f.publish = append(f.publish, s.publish(b, nc, s.orders(&n)))
		f.raw = append(f.raw, s.bare(b, nc, url, 2, func(*nats.Conn, *nats.Msg) error { return nil }))
		s.publish(b, nc, s.orders(&n))
		f.bare = append(f.bare, s.bare(b, nc, url, 2, twoWrites(b, nc)))
		rate, _ := s.carried(b, nc, url, 1, s.orders(&n))
		f.one = append(f.one, rate)
		rate, fewer := s.carried(b, nc, url, 2, s.orders(&n))
		f.two, f.share = append(f.two, rate), append(f.share, fewer)
	}
	return f
}

// queue makes the streams of the bus, with as many partitions as are asked for.
func (s busBench) queue(b *testing.B, nc *nats.Conn) {
	b.Helper()
	found, err := eventstore.EnsureBus(b.Context(), nc, eventstore.StreamOptions{})
	if err != nil {
		b.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	stream, err := js.Stream(b.Context(), eventstore.CommandsStream)
	if err != nil {
		b.Fatal(err)
	}
	c := stream.CachedInfo().Config
	before, after := fmt.Sprintf("partition(%d,", found.Partitions), fmt.Sprintf("partition(%d,", s.partitions)
	c.SubjectTransform.Destination = strings.Replace(c.SubjectTransform.Destination, before, after, 1)
	if _, err := js.UpdateStream(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	if found, err = eventstore.EnsureBus(b.Context(), nc, eventstore.StreamOptions{}); err != nil || found.Partitions != s.partitions {
		b.Fatalf("%+v, %v", found, err)
	}
	// Where the reference writes.
	if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "BARE", Subjects: []string{"bare.*.*.*"}}); err != nil {
		b.Fatal(err)
	}
}

func (s busBench) enterprise(i int) string { return fmt.Sprintf("bus-%03d", i%s.enterprises) }

// registrations are one command for each enterprise.
func (s busBench) registrations() (list []*nats.Msg) {
	for i := range s.enterprises {
		ent := s.enterprise(i)
		list = append(list, order(ent, "RegisterEnterprise", "register", fmt.Sprintf(
			`{"id":%q,"description":"Bench","domain":"%s.example","server":{"hostname":"uc.%s.example","address":"","version":"9.8","deployment":"standard"}}`, ent, ent, ent)))
	}
	return list
}

// orders are further commands, one event each; n counts them.
func (s busBench) orders(n *int) (list []*nats.Msg) {
	for i := range s.commands {
		*n++
		list = append(list, order(s.enterprise(i), "DescribeEnterprise", fmt.Sprintf("c-%d", *n), fmt.Sprintf(`{"description":"Number %d"}`, *n)))
	}
	return list
}

func order(ent, name, id, body string) *nats.Msg {
	m := nats.NewMsg("peering.commands." + ent + "." + name)
	m.Header.Set("Command-Id", id)
	m.Data = []byte(body)
	return m
}

// publish puts messages into the queue and returns how many a second.
func (s busBench) publish(b *testing.B, nc *nats.Conn, list []*nats.Msg) float64 {
	b.Helper()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(64))
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	acks := make([]jetstream.PubAckFuture, len(list))
	for i, m := range list {
		if acks[i], err = js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			b.Fatal(err)
		}
	}
	return float64(len(list)) / time.Since(began).Seconds()
}

// drained waits until the queue is empty.
func drained(b *testing.B, nc *nats.Conn) {
	b.Helper()
	queue, err := eventstore.NewCommands(nc)
	if err != nil {
		b.Fatal(err)
	}
	for {
		left, err := queue.Pending(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if left == 0 {
			return
		}
		pause(b.Context(), 5*time.Millisecond)
	}
}

// bare takes what is in the queue, one message at a time in each partition, has it
// done, acknowledges it, and returns how many a second.
func (s busBench) bare(b *testing.B, nc *nats.Conn, url string, processes int, do func(*nats.Conn, *nats.Msg) error) float64 {
	b.Helper()
	var conns []*nats.Conn
	subs := map[*nats.Conn][]*nats.Subscription{}
	var working sync.WaitGroup
	began := time.Now()
	for range processes {
		c, err := nats.Connect(url)
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, c)
		for p := range s.partitions {
			sub, err := c.QueueSubscribe(eventstore.CommandDelivery(p), eventstore.CommandGroup, func(m *nats.Msg) {
				working.Add(1)
				defer working.Done()
				if err := do(c, m); err != nil {
					b.Error(err)
				}
				if err := m.AckSync(); err != nil {
					b.Error(err)
				}
			})
			if err != nil {
				b.Fatal(err)
			}
			subs[c] = append(subs[c], sub)
		}
	}
	drained(b, nc)
	rate := float64(s.commands) / time.Since(began).Seconds()
	working.Wait() // for the answers to the last acknowledgements
	for _, c := range conns {
		for _, sub := range subs[c] {
			if err := sub.Unsubscribe(); err != nil {
				b.Error(err)
			}
		}
		if err := c.Flush(); err != nil { // else the next command might go to nobody
			b.Error(err)
		}
		c.Close()
	}
	return rate
}

// twoWrites does for a message what the promise about commands cannot do without.
func twoWrites(b *testing.B, nc *nats.Conn) func(*nats.Conn, *nats.Msg) error {
	b.Helper()
	outcomes, err := eventstore.NewOutcomes(nc)
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	return func(c *nats.Conn, m *nats.Msg) error {
		id := fmt.Sprintf("%d", n.Add(1))
		if _, _, err := outcomes.Find(b.Context(), "bare", events.CommandID(id)); err != nil {
			return err
		}
		for _, what := range []string{"event", "outcome"} {
			if _, err := c.Request("bare."+what+"."+id+".x", m.Data, 10*time.Second); err != nil {
				return err
			}
		}
		return nil
	}
}

// counted counts what a process has carried out.
type counted struct {
	bus.Writer
	n atomic.Int64
}

func (c *counted) Handle(ctx context.Context, req command.Request) (command.Receipt, error) {
	c.n.Add(1)
	return c.Writer.Handle(ctx, req)
}

// carried publishes messages and has them carried out. It returns how many a
// second, from when the processes start, and the share in per cent of the one
// that did fewer.
func (s busBench) carried(b *testing.B, nc *nats.Conn, url string, processes int, list []*nats.Msg) (rate, share float64) {
	b.Helper()
	s.publish(b, nc, list)
	ctx, stop := context.WithCancel(b.Context())
	counts := make([]*counted, processes)
	var running sync.WaitGroup
	began := time.Now()
	for i := range processes {
		own, err := nats.Connect(url, eventstore.ConnectOptions("bench", quiet())...)
		if err != nil {
			b.Fatal(err)
		}
		defer own.Close()
		counts[i] = &counted{Writer: newHandler(b, own)}
		commands := s.process(b, own, url, counts[i])
		running.Go(func() {
			if err := commands.Run(ctx, s.partitions); err != nil {
				b.Error(err)
			}
		})
	}
	drained(b, nc)
	rate = float64(len(list)) / time.Since(began).Seconds()
	stop()
	running.Wait()
	least := counts[0].n.Load()
	for _, c := range counts {
		least = min(least, c.n.Load())
	}
	return rate, 100 * float64(least) / float64(len(list))
}

func (s busBench) process(b *testing.B, nc *nats.Conn, url string, w bus.Writer) *bus.Commands {
	b.Helper()
	queue, err1 := eventstore.NewCommands(nc)
	parked, err2 := eventstore.NewParked(nc)
	for _, err := range []error{err1, err2} {
		if err != nil {
			b.Fatal(err)
		}
	}
	return bus.NewCommands(w, queue, parked, bus.Options{
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Connect: func(name string, more ...nats.Option) (*nats.Conn, error) {
			return nats.Connect(url, append(eventstore.ConnectOptions(name, quiet()), more...)...)
		},
	})
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
