package bus

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// held waits until the process holds so many messages.
func (p *process) held(n int) {
	p.w.t.Helper()
	testkit.Eventually(p.w.t, fmt.Sprintf("%d held commands", n), func() bool {
		return p.counted("peering_bus_held_commands", "") == n
	})
}

// The log is full: commands wait, garbage that needs an outcome too, and when
// there is room all of them end as if nothing had been.
func TestHold_fullLogHoldsCommandsUntilThereIsRoom(t *testing.T) {
	w := single(t, func(o *eventstore.StreamOptions) { o.MaxBytes = 1 << 20 })
	p := w.start()
	w.register("acme")
	w.quick(time.Second)
	js := testkit.JetStream(t, w.nc)
	for size := 100_000; size > 0; size /= 10 {
		for i := 0; ; i++ {
			subject := string(events.StatusSubject("filler", events.PeerID(fmt.Sprint("p", i))))
			if _, err := js.Publish(t.Context(), subject, make([]byte, size)); err != nil {
				break
			}
		}
	}
	const n = 5
	for i := range n {
		w.publish("acme.AddPeer", fmt.Sprint("c", i), addition(fmt.Sprint("Peer ", i)+strings.Repeat(" x", 10)))
	}
	p.held(1)
	// Much longer than the queue waits without a word, so that a message that was
	// not spoken for is delivered again.
	time.Sleep(3 * time.Second)
	if list := w.parked(); len(list) > 0 {
		t.Fatalf("parked: %+v", list)
	}
	w.options.MaxBytes = 8 << 20
	if err := eventstore.Ensure(t.Context(), w.nc, w.options); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if out := w.outcome("acme", fmt.Sprint("c", i)); out.Result != command.Accepted {
			t.Errorf("got %+v", out)
		}
	}
	w.idle()
	p.held(0)
	if r := p.counted("peering_bus_redeliveries_total", ""); r != 0 {
		t.Errorf("%d redeliveries: a held command was given to somebody else", r)
	}
	for i, r := range w.history("acme")[1:] {
		if want := fmt.Sprint("c", i); string(r.CommandID) != want {
			t.Errorf("event %d is of %s", i, r.CommandID)
		}
	}
}

// sickQueue is one that says what is set.
type sickQueue struct {
	Queue

	sick atomic.Bool
}

func (q *sickQueue) Works(ctx context.Context) error {
	if q.sick.Load() {
		return eventstore.ErrUnavailable
	}
	return q.Queue.Works(ctx)
}

// A process that stops gives what it holds to another one, and however often
// that happens, the command is not suspected.
func TestHold_stoppingProcessLetsGo(t *testing.T) {
	w := single(t)
	q := &sickQueue{}
	var ill atomic.Bool
	sick := func(ctx context.Context, _ command.Request) error {
		if ill.Load() {
			return command.ErrUnavailable
		}
		return nil
	}
	start := func() *process {
		return w.start(hooking(sick), func(p *parts) {
			q.Queue = p.queue
			p.queue = q
		})
	}
	p := start()
	w.register("acme")
	ill.Store(true)
	q.sick.Store(true)
	w.publish("acme.AddPeer", "c1", addition("Berlin"))
	for range maxDeliveries + 2 {
		p.held(1)
		begun := time.Now()
		p.stop()
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("stopping took %s", took)
		}
		p = start()
	}
	p.held(1)
	ill.Store(false)
	q.sick.Store(false)
	if out := w.outcome("acme", "c1"); out.Result != command.Accepted {
		t.Errorf("got %+v", out)
	}
	if list := w.parked(); len(list) > 0 {
		t.Errorf("parked: %+v", list)
	}
}

// fullLot is one without room until it is told otherwise.
type fullLot struct {
	Lot

	full atomic.Bool
}

func (l *fullLot) Park(ctx context.Context, c eventstore.ParkedCommand) (events.Seq, error) {
	if l.full.Load() {
		return 0, fmt.Errorf("no room: %w", eventstore.ErrFull)
	}
	return l.Lot.Park(ctx, c)
}

// Without room for parked commands, garbage gets its outcome and is given up;
// what could not be decided is held.
func TestHold_fullLotGivesUpGarbageAlone(t *testing.T) {
	w := single(t)
	lot := &fullLot{}
	p := w.start(func(p *parts) {
		lot.Lot = p.lot
		p.lot = lot
	}, hooking(func(_ context.Context, req command.Request) error {
		if req.ID == "dear" {
			return fmt.Errorf("%w", command.ErrUnreadable)
		}
		return nil
	}))
	w.register("acme")
	lot.full.Store(true)
	w.publish("acme.AddPeer", "g1", "garbage")
	w.publish("acme.AddPeer", "", "garbage")
	w.publish("acme.AddPeer", "register", addition("Berlin"))
	w.publish("acme.AddPeer", "c1", addition("Berlin"))
	w.publish("acme.AddPeer", "dear", addition("Paris"))
	if out := w.outcome("acme", "g1"); out.Result != command.Failed {
		t.Errorf("got %+v", out)
	}
	w.outcome("acme", "c1")
	p.held(1)
	if n := p.counted("peering_parked_lost_total", ""); n != 3 {
		t.Errorf("%d lost; want 3", n)
	}
	lot.full.Store(false)
	w.idle()
	list := w.parked()
	if len(list) != 1 || list[0].CommandID != "dear" || list[0].Reason != parkUnreadableHistory || string(list[0].Body) != "" {
		t.Errorf("parked: %+v", list)
	}
	if c, err := w.lot.Get(t.Context(), list[0].Seq); err != nil || string(c.Body) != addition("Paris") {
		t.Errorf("got %+v, %v", c, err)
	}
}

// fullOutcomes has no room until it is told otherwise, though its stream does not
// look full.
type fullOutcomes struct {
	eventstore.Outcomes

	full atomic.Bool
}

func (o *fullOutcomes) Keep(ctx context.Context, ent events.EnterpriseID, id events.CommandID, data []byte) ([]byte, error) {
	if o.full.Load() {
		return nil, fmt.Errorf("keep: %w", eventstore.ErrOutcomesFull)
	}
	return o.Outcomes.Keep(ctx, ent, id, data)
}

// There is no room for the outcome of a command: it waits, whether it took effect
// or was refused, and is not parked.
func TestHold_outcomeWithoutRoomIsWaitedFor(t *testing.T) {
	for name, body := range map[string]string{"accepted": addition("Berlin"), "refused": addition("")} {
		t.Run(name, func(t *testing.T) {
			w := single(t)
			var outcomes fullOutcomes
			p := w.start(allIsWell, func(p *parts) {
				outcomes.Outcomes = p.outcomes
				p.outcomes = &outcomes
			})
			w.register("acme")
			outcomes.full.Store(true)
			w.publish("acme.AddPeer", "c1", body)
			testkit.Eventually(t, "the command to be held or to end", func() bool {
				return p.counted("peering_bus_held_commands", "") == 1 || len(w.parked()) > 0
			})
			outcomes.full.Store(false)
			w.outcome("acme", "c1")
			w.idle()
			if list := w.parked(); len(list) > 0 {
				t.Errorf("parked: %+v", list)
			}
		})
	}
}

// The streams of the bus are deleted under running processes: Tend makes them
// again, and commands go on.
func TestTend_makesStreamsAgain(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, on testkit.Topology) {
		w := newWorld(t, on.URL, on.Replicas)
		p := w.start()
		ctx, cancel := context.WithCancel(t.Context())
		tended := make(chan error)
		go func() { tended <- p.commands.Tend(ctx, w.ensure) }()
		defer func() {
			cancel()
			if err := <-tended; err != nil {
				t.Error(err)
			}
		}()
		w.register("acme")
		js := testkit.JetStream(t, w.nc)
		if err := js.DeleteStream(t.Context(), eventstore.ParkedStream); err != nil {
			t.Fatal(err)
		}
		w.publish("acme.AddPeer", "", "garbage") // has it notice
		w.idle()
		if list := w.parked(); len(list) != 1 || list[0].Reason != parkUnusableID {
			t.Errorf("parked: %+v", list)
		}
		if err := js.DeleteStream(t.Context(), eventstore.CommandsStream); err != nil {
			t.Fatal(err)
		}
		p.commands.look() // as its minute would
		testkit.Eventually(t, "the stream to be there", func() bool {
			stream, err := js.Stream(t.Context(), eventstore.CommandsStream)
			return err == nil && stream.CachedInfo().State.Consumers == w.bus.Partitions
		})
		w.publish("acme.AddPeer", "c1", addition("Berlin"))
		if out := w.outcome("acme", "c1"); out.Result != command.Accepted {
			t.Errorf("got %+v", out)
		}
	})
}

// divide gives the queue so many partitions, as an operator does.
func (w *world) divide(n int) {
	w.t.Helper()
	js := testkit.JetStream(w.t, w.nc)
	stream, err := js.Stream(w.t.Context(), eventstore.CommandsStream)
	if err != nil {
		w.t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	c.SubjectTransform.Destination = strings.Replace(c.SubjectTransform.Destination, fmt.Sprintf("partition(%d,", w.bus.Partitions), fmt.Sprintf("partition(%d,", n), 1)
	if _, err := js.UpdateStream(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
	w.bus.Partitions = n
}

// An operator gives the queue fewer or more partitions while it is used.
func TestTend_followsThePartitionsOfTheStream(t *testing.T) {
	w := single(t)
	p := w.start()
	tend := func() {
		t.Helper()
		p.commands.tend(t.Context(), w.ensure, nil)
	}
	w.divide(32)
	tend()
	for i := range 64 {
		ent := fmt.Sprint("ent-", i)
		w.publish(ent+".RegisterEnterprise", "register", registration(ent))
	}
	w.idle()
	p.stop()
	for i := range 64 {
		w.publish(fmt.Sprintf("ent-%d.AddPeer", i), "c1", addition("Berlin"))
	}
	w.divide(4)
	p = w.start()
	tend()
	w.idle()
	strays := 0
	for i := range 64 {
		if _, ok := w.kept(fmt.Sprint("ent-", i), "c1"); !ok {
			strays++
		}
	}
	list := w.parked()
	for _, c := range list {
		if c.Reason != parkStray || c.CommandID != "c1" || c.Source == 0 {
			t.Errorf("parked: %+v", c)
		}
	}
	if len(list) == 0 || len(list) != strays {
		t.Errorf("%d parked; want %d", len(list), strays)
	}
}
