package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// world is a deployment on real streams.
type world struct {
	t       testing.TB
	url     string
	nc      *nats.Conn // of the test itself
	options eventstore.StreamOptions
	bus     eventstore.Bus
	queue   *eventstore.Commands
	lot     *eventstore.Parked
}

// newWorld makes the streams on a place to run on.
func newWorld(t testing.TB, url string, replicas int, set ...func(*eventstore.StreamOptions)) *world {
	t.Helper()
	w := &world{t: t, url: url, options: eventstore.StreamOptions{Replicas: replicas, MaxBytes: 256 << 20}}
	for _, s := range set {
		s(&w.options)
	}
	w.nc = testkit.Connect(t, url)
	if err := eventstore.Ensure(t.Context(), w.nc, w.options); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.bus, err = w.ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	var errs [2]error
	w.queue, errs[0] = eventstore.NewCommands(w.nc)
	w.lot, errs[1] = eventstore.NewParked(w.nc)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) ensure(ctx context.Context) (eventstore.Bus, error) {
	return eventstore.EnsureBus(ctx, w.nc, w.options)
}

// single is a world on one server.
func single(t testing.TB, set ...func(*eventstore.StreamOptions)) *world {
	t.Helper()
	return newWorld(t, "nats://"+testkit.Server(t).Addr(), 1, set...)
}

// process is one that carries out commands, with what tests watch.
type process struct {
	w        *world
	commands *Commands
	handler  *command.Handler
	nc       *nats.Conn
	reg      *prometheus.Registry
	stop     func()       // and waits for its end
	kill     func()       // cuts its connections, without a word
	ended    <-chan error // what Run came to
}

// parts are what a process is made of; tests put something else in their place.
type parts struct {
	writer   Writer
	queue    Queue
	lot      Lot
	store    eventstore.Store
	outcomes eventstore.Outcomes
	log      *slog.Logger
	tune     func(*Commands) // nil: nothing is left to set
}

// start starts a process with a connection of its own, and stops it when the test
// ends.
func (w *world) start(change ...func(*parts)) *process {
	w.t.Helper()
	p := &process{w: w, nc: testkit.Connect(w.t, w.url), reg: prometheus.NewRegistry()}
	store, err1 := eventstore.NewJetStream(p.nc, events.NewCodec(events.Default()))
	outcomes, err2 := eventstore.NewOutcomes(p.nc)
	snapshots, err3 := eventstore.NewSnapshots(p.nc)
	queue, err4 := eventstore.NewCommands(p.nc)
	lot, err5 := eventstore.NewParked(p.nc)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		w.t.Fatal(err)
	}
	with := parts{queue: queue, lot: lot, store: store, outcomes: outcomes, log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&with)
	}
	p.handler = command.New(with.store, with.outcomes, snapshots, command.Options{})
	writer := Writer(p.handler)
	if with.writer != nil {
		if u, ok := with.writer.(interface{ over(Writer) }); ok {
			u.over(writer)
		}
		writer = with.writer
	}
	var own atomic.Pointer[nats.Conn]
	p.commands = NewCommands(writer, with.queue, with.lot, Options{
		Connect: func(name string, opts ...nats.Option) (*nats.Conn, error) {
			nc, err := nats.Connect(w.url, append(eventstore.ConnectOptions(name, slog.New(slog.DiscardHandler)), opts...)...)
			own.Store(nc)
			return nc, err
		},
		Logger: with.log, Metrics: p.reg,
	})
	p.commands.pause, p.commands.patience = holdPause/20, patience/20
	if with.tune != nil {
		with.tune(p.commands)
	}
	p.run(func() { own.Load().Close() })
	return p
}

// run runs the process until the test ends or stop is called.
func (p *process) run(cut func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended, partitions := make(chan error, 1), p.w.bus.Partitions
	p.ended = ended
	go func() {
		defer close(ended)
		ended <- p.commands.Run(ctx, partitions)
	}()
	var killed atomic.Bool
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !killed.Load() {
			p.w.t.Errorf("a process ended: %v", err)
		}
	})
	p.kill = func() {
		killed.Store(true)
		cut()
		p.nc.Close()
	}
	p.w.t.Cleanup(p.stop)
}

// counted is a metric of the process with one label.
func (p *process) counted(name, label string) int {
	p.w.t.Helper()
	families, err := p.reg.Gather()
	if err != nil {
		p.w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() == label {
				return int(m.GetCounter().GetValue() + m.GetGauge().GetValue())
			}
		}
	}
	return 0
}

// publish puts a command into the queue.
func (w *world) publish(tail, id, body string) events.Seq {
	w.t.Helper()
	seq, err := w.queue.Publish(w.t.Context(), tail, nats.Header{headerCommandID: {id}}, []byte(body))
	if err != nil {
		w.t.Fatal(err)
	}
	return seq
}

// register makes an enterprise, by the bus.
func (w *world) register(ent string) {
	w.t.Helper()
	w.publish(ent+".RegisterEnterprise", "register", registration(ent))
	if out := w.outcome(ent, "register"); out.Result != command.Accepted {
		w.t.Fatalf("got %+v", out)
	}
}

func registration(ent string) string {
	return fmt.Sprintf(`{"id":%q,"description":"Test","domain":"%s.example","server":{"hostname":"uc.%s.example","version":"9.8","deployment":"standard"}}`, ent, ent, ent)
}

func describing(text string) string { return fmt.Sprintf(`{"description":%q}`, text) }

func addition(description string) string {
	return fmt.Sprintf(`{"type":"external","description":%q}`, description)
}

// kept is the outcome of a command, if there is one.
func (w *world) kept(ent, id string) (out command.Outcome, ok bool) {
	w.t.Helper()
	outcomes, err := eventstore.NewOutcomes(w.nc)
	if err != nil {
		w.t.Fatal(err)
	}
	data, ok, err := outcomes.Find(context.Background(), events.EnterpriseID(ent), events.CommandID(id))
	if err == nil && ok {
		err = json.Unmarshal(data, &out)
	}
	return out, ok && err == nil
}

// outcome waits for the outcome of a command.
func (w *world) outcome(ent, id string) (out command.Outcome) {
	w.t.Helper()
	testkit.Eventually(w.t, "the outcome of "+ent+" "+id, func() (ok bool) {
		out, ok = w.kept(ent, id)
		return ok
	})
	return out
}

// idle waits until no command waits in the queue.
func (w *world) idle() {
	w.t.Helper()
	testkit.Eventually(w.t, "the queue to be empty", func() bool {
		n, err := w.queue.Pending(context.Background())
		return err == nil && n == 0
	})
}

// parked are the parked commands.
func (w *world) parked() []eventstore.ParkedCommand {
	w.t.Helper()
	var all []eventstore.ParkedCommand
	for after := events.Seq(0); ; {
		list, err := w.lot.List(w.t.Context(), eventstore.ParkedQuery{After: after})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(list) == 0 {
			return all
		}
		all = append(all, list...)
		after = list[len(list)-1].Seq
	}
}

// history is what the configuration of an enterprise says.
func (w *world) history(ent string) []events.Recorded {
	w.t.Helper()
	store, err := eventstore.NewJetStream(w.nc, events.NewCodec(events.Default()))
	if err != nil {
		w.t.Fatal(err)
	}
	var all []events.Recorded
	_, err = store.Load(context.Background(), events.ConfigSubject(events.EnterpriseID(ent)), 0, func(r events.Recorded) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// fill publishes n commands, many at once.
func (w *world) fill(n int, make func(i int) (tail, id, body string)) {
	w.t.Helper()
	js, err := jetstream.New(w.nc, jetstream.WithPublishAsyncMaxPending(1000))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range n {
		tail, id, body := make(i)
		m := &nats.Msg{Subject: "peering.commands." + tail, Header: nats.Header{headerCommandID: {id}}, Data: []byte(body)}
		if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(testkit.Patience)); err != nil {
			w.t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(testkit.Patience):
		w.t.Fatal("publishing takes too long")
	}
}

// idleFor is idle for what takes longer.
func (w *world) idleFor(limit time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		n, err := w.queue.Pending(ctx)
		if err == nil && n == 0 {
			return
		}
		if !sleep(ctx, 20*time.Millisecond) {
			w.t.Fatalf("%d commands wait still after %s", n, limit)
		}
	}
}
