package bus

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// watchedQueue counts how often a command was told that another one is ahead.
type watchedQueue struct {
	Queue

	waits atomic.Int32
}

func (q *watchedQueue) Ahead(ctx context.Context, subject string, seq events.Seq) (bool, error) {
	ahead, err := q.Queue.Ahead(ctx, subject, seq)
	if ahead {
		q.waits.Add(1)
	}
	return ahead, err
}

// moving is an enterprise whose commands come to another partition when there are
// n of them.
func (w *world) moving(n int) string {
	now := *w
	now.bus.Partitions = n
	for i := 0; ; i++ {
		if ent := fmt.Sprint("moving-", i); w.partitionOf(ent) != now.partitionOf(ent) {
			return ent
		}
	}
}

// An operator gives the queue another number of partitions while commands wait:
// those of an enterprise that come to another partition do not pass the earlier
// ones.
func TestTurn_commandsKeepTheirOrderWhenThePartitionsChange(t *testing.T) {
	for _, n := range []int{24, 32} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := single(t)
			ent := w.moving(n)
			var begun atomic.Bool
			release := make(chan struct{})
			q := &watchedQueue{}
			p := w.start(hooking(func(_ context.Context, req command.Request) error {
				if req.ID == "c1" {
					begun.Store(true)
					<-release
				}
				return nil
			}), func(p *parts) {
				q.Queue = p.queue
				p.queue = q
			})
			w.register(ent)
			w.publish(ent+".AddPeer", "c1", addition("Berlin"))
			w.publish(ent+".AddPeer", "c2", addition("Paris"))
			testkit.Eventually(t, "the first command to be at work", begun.Load)
			w.divide(n)
			p.commands.tend(t.Context(), w.ensure, nil)
			w.publish(ent+".AddPeer", "c3", addition("Rome"))
			testkit.Eventually(t, "the third command to be delivered", func() bool {
				_, ended := w.kept(ent, "c3")
				return ended || q.waits.Load() > 1
			})
			close(release)
			w.idle()
			all := w.history(ent)
			if len(all) != 4 {
				t.Fatalf("%d events; want 4", len(all))
			}
			for i, r := range all[1:] {
				if want := fmt.Sprint("c", i+1); string(r.CommandID) != want {
					t.Errorf("event %d is of %s; want %s", i+1, r.CommandID, want)
				}
			}
			if list := w.parked(); len(list) > 0 {
				t.Errorf("parked: %+v", list)
			}
		})
	}
}

// What no partition takes any more is parked before later commands of its
// enterprise take effect, and they wait no longer than that.
func TestTurn_straysAreParkedBeforeLaterCommands(t *testing.T) {
	w := single(t)
	const fewer = 1
	ent := w.moving(fewer)
	p := w.start()
	w.register(ent)
	p.stop()
	w.publish(ent+".AddPeer", "c1", addition("Berlin"))
	w.divide(fewer)
	w.publish(ent+".AddPeer", "c2", addition("Paris"))
	var parkedBefore atomic.Int32
	p = w.start(hooking(func(_ context.Context, req command.Request) error {
		if req.ID == "c2" {
			list, err := w.lot.Count(context.Background())
			parkedBefore.Store(int32(list))
			return err
		}
		return nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	tended := make(chan error)
	go func() { tended <- p.commands.Tend(ctx, w.ensure) }()
	out := w.outcome(ent, "c2")
	cancel()
	if err := <-tended; err != nil {
		t.Error(err)
	}
	if out.Result != command.Accepted || parkedBefore.Load() != 1 {
		t.Errorf("%d were parked before; outcome %+v", parkedBefore.Load(), out)
	}
	w.idle()
	if list := w.parked(); len(list) != 1 || list[0].CommandID != "c1" || list[0].Reason != parkStray {
		t.Errorf("parked: %+v", list)
	}
}

// settled counts how often it is asked to finish decisions.
type settled struct{ asked int }

func (s *settled) Finish(context.Context) error {
	s.asked++
	return nil
}

// A setting of a stream or a consumer that an operator has changed keeps neither
// strays from being parked nor decisions from being carried out.
func TestTend_wrongSettingsKeepNothingElseWaiting(t *testing.T) {
	w := single(t)
	p := w.start()
	p.commands.tend(t.Context(), w.ensure, nil)
	ent := w.moving(1)
	p.stop()
	w.publish(ent+".AddPeer", "c1", addition("Berlin"))
	w.quick(time.Second) // is a setting that is wrong
	w.divide(1)
	var s settled
	if _, err := w.ensure(t.Context()); err == nil {
		t.Fatal("nothing is wrong")
	}
	p.commands.tend(t.Context(), w.ensure, []Settler{&s})
	if list := w.parked(); len(list) != 1 || list[0].CommandID != "c1" || list[0].Reason != parkStray {
		t.Errorf("parked: %+v", list)
	}
	if s.asked != 1 {
		t.Errorf("decisions were finished %d times", s.asked)
	}
}
