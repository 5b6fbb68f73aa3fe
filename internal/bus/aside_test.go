package bus

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/eventstore"
)

// lost is a process that reaches nothing as long as it is set, though messages are
// delivered to it: of its two connections one leads to a server that is cut off.
type lost struct {
	atomic.Bool

	queue sickQueue
}

func (l *lost) in(p *parts) {
	l.queue.Queue = p.queue
	p.queue = &l.queue
	p.writer = &hooked{before: func(context.Context, command.Request) error {
		if l.Load() {
			return command.ErrUnavailable
		}
		return nil
	}}
}

func (l *lost) set(is bool) {
	l.Store(is)
	l.queue.sick.Store(is)
}

// A process that reaches nothing leaves the commands to another one, takes none
// meanwhile, and works again when it can.
func TestAside_processThatReachesNothingKeepsNoCommandsFromOthers(t *testing.T) {
	w := single(t)
	var l lost
	first := w.start(l.in)
	const enterprises = 32
	l.set(true)
	for i := range enterprises {
		ent := fmt.Sprint("ent-", i)
		w.publish(ent+".RegisterEnterprise", "register", registration(ent))
	}
	first.held(w.bus.Partitions)
	second := w.start()
	w.idle()
	first.held(1) // itself
	for i := range enterprises {
		if out, ok := w.kept(fmt.Sprint("ent-", i), "register"); !ok || out.Result != command.Accepted {
			t.Errorf("got %+v", out)
		}
	}
	if list := w.parked(); len(list) > 0 {
		t.Errorf("parked: %+v", list)
	}
	if n := second.counted("peering_bus_commands_total", "accepted"); n != enterprises {
		t.Errorf("the other process accepted %d; want %d", n, enterprises)
	}
	second.stop()
	w.publish("ent-1.AddPeer", "c1", addition("Berlin"))
	l.set(false)
	if out := w.outcome("ent-1", "c1"); out.Result != command.Accepted {
		t.Errorf("got %+v", out)
	}
}

// moody is a queue that is ill for a while after each attempt at a command.
type moody struct {
	Queue

	left atomic.Int32 // looks until it is well
}

func (q *moody) Works(ctx context.Context) error {
	if q.left.Add(-1) >= 0 {
		return eventstore.ErrUnavailable
	}
	return q.Queue.Works(ctx)
}

// However often a command was given back, it is not suspected by a process that
// knows why.
func TestAside_whatWasGivenBackOftenIsNotSuspected(t *testing.T) {
	w := single(t)
	var q moody
	var tries atomic.Int32
	w.start(func(p *parts) {
		q.Queue = p.queue
		p.queue = &q
		p.tune = func(c *Commands) { c.pause, c.patience = 10*time.Millisecond, 0 }
	}, hooking(func(_ context.Context, req command.Request) error {
		if req.ID == "register" || tries.Add(1) > maxDeliveries+2 {
			return nil
		}
		q.left.Store(2)
		return command.ErrUnavailable
	}))
	w.register("acme")
	w.publish("acme.AddPeer", "c1", addition("Berlin"))
	w.idle()
	if out, ok := w.kept("acme", "c1"); !ok || out.Result != command.Accepted {
		t.Errorf("got %+v", out)
	}
	if list := w.parked(); len(list) > 0 {
		t.Errorf("parked: %+v", list)
	}
}
