package bus

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// hooked is a Writer that asks a hook first: one that answers keeps the real one
// from being asked.
type hooked struct {
	Writer

	before func(ctx context.Context, req command.Request) error
}

func (h *hooked) over(w Writer) { h.Writer = w }

func (h *hooked) Handle(ctx context.Context, req command.Request) (command.Receipt, error) {
	if err := h.before(ctx, req); err != nil {
		return command.Receipt{}, err
	}
	return h.Writer.Handle(ctx, req)
}

func hooking(before func(ctx context.Context, req command.Request) error) func(*parts) {
	return func(p *parts) { p.writer = &hooked{before: before} }
}

// healthy is a queue that says that everything works.
type healthy struct{ Queue }

func (healthy) Works(context.Context) error { return nil }

func allIsWell(p *parts) { p.queue = healthy{p.queue} }

// partitionOf is where the server puts the commands of an enterprise.
func (w *world) partitionOf(ent string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(ent))
	return int(h.Sum32() % uint32(w.bus.Partitions))
}

// besides is an enterprise in the partition of ent, or in another.
func (w *world) besides(ent string, same bool) string {
	for i := 0; ; i++ {
		other := fmt.Sprint("other-", i)
		if (w.partitionOf(other) == w.partitionOf(ent)) == same {
			return other
		}
	}
}

// quick has the queue hand a message to somebody else after d without a word.
func (w *world) quick(d time.Duration) {
	w.t.Helper()
	js := testkit.JetStream(w.t, w.nc)
	stream, err := js.Stream(w.t.Context(), eventstore.CommandsStream)
	if err != nil {
		w.t.Fatal(err)
	}
	list := stream.ListConsumers(w.t.Context())
	for info := range list.Info() {
		c := info.Config
		c.AckWait = d
		if _, err := js.UpdatePushConsumer(w.t.Context(), eventstore.CommandsStream, c); err != nil {
			w.t.Fatal(err)
		}
	}
	if list.Err() != nil {
		w.t.Fatal(list.Err())
	}
}

// hookedStore and hookedOutcomes run hooks after what was asked for was done.
type hookedStore struct {
	eventstore.Store

	before, after func(events.Subject)
}

func (s *hookedStore) Append(ctx context.Context, subject events.Subject, after events.Seq, evs ...events.Envelope) (events.Seq, error) {
	s.before(subject)
	seq, err := s.Store.Append(ctx, subject, after, evs...)
	s.after(subject)
	return seq, err
}

type hookedOutcomes struct {
	eventstore.Outcomes

	after func(events.EnterpriseID)
}

func (o *hookedOutcomes) Keep(ctx context.Context, ent events.EnterpriseID, id events.CommandID, data []byte) ([]byte, error) {
	stands, err := o.Outcomes.Keep(ctx, ent, id, data)
	o.after(ent)
	return stands, err
}

// A process dies before the append, between append and outcome, and between
// outcome and acknowledgement. Another one finishes: one effect, one outcome.
func TestCrash_everyCommandHasOneEffectAndOneOutcome(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, on testkit.Topology) {
		w := newWorld(t, on.URL, on.Replicas)
		w.quick(time.Second)
		places := []string{"before-append", "before-outcome", "before-ack"}
		dead := make(chan struct{})
		defer close(dead)
		var reached atomic.Int32
		die := func(place, ent string) {
			if place == ent {
				reached.Add(1)
				<-dead
			}
		}
		var armed atomic.Bool
		dying := w.start(func(p *parts) {
			p.store = &hookedStore{
				Store: p.store,
				before: func(s events.Subject) {
					if armed.Load() && s == events.ConfigSubject("before-append") {
						die("before-append", "before-append")
					}
				},
				after: func(s events.Subject) {
					if armed.Load() && s == events.ConfigSubject("before-outcome") {
						die("before-outcome", "before-outcome")
					}
				},
			}
			p.outcomes = &hookedOutcomes{Outcomes: p.outcomes, after: func(ent events.EnterpriseID) {
				if armed.Load() {
					die("before-ack", string(ent))
				}
			}}
		})
		for _, ent := range places {
			w.register(ent)
		}
		w.idle()
		armed.Store(true)
		for _, ent := range places {
			w.publish(ent+".AddPeer", "c1", addition("Berlin"))
			w.publish(ent+".AddPeer", "c2", addition("Paris"))
		}
		testkit.Eventually(t, "the process to be at all places", func() bool { return int(reached.Load()) == len(places) })
		dying.kill()
		second := w.start()
		w.idle()
		for _, ent := range places {
			all := w.history(ent)
			if len(all) != 3 || all[1].CommandID != "c1" || all[2].CommandID != "c2" {
				t.Errorf("%s: got %+v", ent, all)
				continue
			}
			for i, id := range []string{"c1", "c2"} {
				if out := w.outcome(ent, id); out.Result != command.Accepted || out.Sequence != all[i+1].Seq {
					t.Errorf("%s: outcome %+v", ent, out)
				}
			}
		}
		if n := second.counted("peering_bus_redeliveries_total", ""); n != len(places) {
			t.Errorf("%d redeliveries; want %d", n, len(places))
		}
		if list := w.parked(); len(list) > 0 {
			t.Errorf("parked: %+v", list)
		}
	})
}

// keepsDying has p, and so many processes after it that are started like this, die
// when killed says so.
func (w *world) keepsDying(p *process, killed *atomic.Int32, times int32, change ...func(*parts)) {
	w.t.Helper()
	for n := int32(1); n <= times; n++ {
		testkit.Eventually(w.t, "a process to die", func() bool { return killed.Load() == n })
		p.kill()
		p = w.start(change...)
	}
}

// A command that brings down whoever handles it is put aside at last, and those
// behind it go on.
func TestCrash_commandThatKillsIsParked(t *testing.T) {
	w := single(t)
	w.quick(300 * time.Millisecond)
	dead := make(chan struct{})
	defer close(dead)
	var killed atomic.Int32
	deadly := func(_ context.Context, req command.Request) error {
		if req.ID == "deadly" {
			killed.Add(1)
			<-dead
		}
		return nil
	}
	p := w.start(hooking(deadly), allIsWell)
	w.register("acme")
	w.publish("acme.AddPeer", "deadly", addition("Berlin"))
	w.publish("acme.AddPeer", "c2", addition("Paris"))
	w.keepsDying(p, &killed, maxDeliveries-1, hooking(deadly), allIsWell)
	w.outcome("acme", "c2")
	list := w.parked()
	if len(list) != 1 || list[0].Reason != parkTooManyDeliveries || list[0].CommandID != "deadly" || list[0].Deliveries != maxDeliveries {
		t.Errorf("parked: %+v", list)
	}
	if out, ok := w.kept("acme", "deadly"); ok {
		t.Errorf("nothing is known of it, but it has an outcome: %+v", out)
	}
}

func TestPanic_isContainedAndParked(t *testing.T) {
	w := single(t)
	p := w.start(hooking(func(_ context.Context, req command.Request) error {
		if req.ID == "bad" {
			panic("a bug")
		}
		return nil
	}))
	w.register("acme")
	w.publish("acme.AddPeer", "bad", addition("Berlin"))
	w.publish("acme.AddPeer", "c2", addition("Paris"))
	w.outcome("acme", "c2")
	list := w.parked()
	if len(list) != 1 || list[0].Reason != parkPanicked || list[0].CommandID != "bad" {
		t.Errorf("parked: %+v", list)
	}
	if n := p.counted("peering_bus_commands_total", endParked); n != 1 {
		t.Errorf("%d counted as parked", n)
	}
}
