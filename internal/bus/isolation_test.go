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

// A slow enterprise, one whose handling panics and one whose history cannot be
// read, each with a backlog: the others of their partition wait for about the
// handler's limit, once, and other partitions not at all.
func TestIsolation_enterpriseThatFailsDelaysItsPartitionOnce(t *testing.T) {
	w := single(t)
	const sick = "sick-ent"
	near, far := w.besides(sick, true), w.besides(sick, false)
	var tried atomic.Int32
	w.start(hooking(func(ctx context.Context, req command.Request) error {
		if string(req.Enterprise) != sick || req.ID == "register" {
			return nil
		}
		tried.Add(1)
		<-ctx.Done()
		return fmt.Errorf("%w: %w", command.ErrUnavailable, ctx.Err())
	}))
	for _, ent := range []string{sick, near, far} {
		w.register(ent)
	}
	w.idle()
	start := time.Now()
	const backlog = 200
	for i := range backlog {
		w.publish(sick+".DescribeEnterprise", fmt.Sprint("c", i), describing("x"))
	}
	took := map[string]time.Duration{}
	for _, ent := range []string{far, near} {
		at := time.Now()
		w.publish(ent+".DescribeEnterprise", "c", describing("y"))
		w.outcome(ent, "c")
		took[ent] = time.Since(at)
	}
	w.idle()
	t.Logf("other partitions %s, the same one %s, tried %d times, all in %s", took[far], took[near], tried.Load(), time.Since(start))
	if took[far] > 2*time.Second {
		t.Errorf("a command of another partition took %s", took[far])
	}
	if most := handlerLimit + secondTry + shortTry + 2*time.Second; took[near] > most {
		t.Errorf("a command of the same partition took %s; want at most %s", took[near], most)
	}
	list := w.parked()
	if len(list) != backlog {
		t.Fatalf("%d parked; want %d", len(list), backlog)
	}
	for i, p := range list {
		if p.Reason != parkNotHandled || string(p.CommandID) != fmt.Sprint("c", i) || p.Enterprise != sick || p.BodySize != len(p.Body)+len(describing("x")) {
			t.Fatalf("parked: %+v", p)
		}
	}
}

func TestIsolation_unreadableHistoryIsParkedAtOnce(t *testing.T) {
	w := single(t)
	const sick = "sick-ent"
	near := w.besides(sick, true)
	w.start()
	for _, ent := range []string{sick, near} {
		w.register(ent)
	}
	if err := w.nc.Publish(string(events.ConfigSubject(sick)), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the history to be unreadable", func() bool {
		m, err := testkit.JetStream(t, w.nc).Stream(t.Context(), events.Stream)
		return err == nil && m.CachedInfo().State.Msgs == 3
	})
	start := time.Now()
	for i := range 50 {
		w.publish(sick+".AddPeer", fmt.Sprint("c", i), addition("Berlin"))
		w.publish(sick+".AddPeer", fmt.Sprint("g", i), "garbage")
	}
	w.publish(near+".AddPeer", "c", addition("Berlin"))
	w.outcome(near, "c")
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	list := w.parked()
	if len(list) != 100 {
		t.Fatalf("%d parked", len(list))
	}
	for _, p := range list {
		if _, ok := w.kept(sick, string(p.CommandID)); ok || p.Reason != parkUnreadableHistory {
			t.Fatalf("outcome %t, parked: %+v", ok, p)
		}
	}
}

// A process that stops does not keep the partitions on which nothing happens,
// and finishes the command that it has. In a cluster, what is on its way from
// node to node to a process that leaves at this moment is lost with the
// subscription, and comes again after eventstore.AckWait (ADR 0024).
func TestStop_slowCommandHoldsNoOtherPartition(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, on testkit.Topology) {
		w := newWorld(t, on.URL, on.Replicas)
		const slow = "slow-ent"
		begun := make(chan struct{}, 1)
		stopping := w.start(hooking(func(_ context.Context, req command.Request) error {
			if req.ID == "slow" {
				begun <- struct{}{}
				time.Sleep(4 * time.Second)
			}
			return nil
		}))
		w.register(slow)
		w.publish(slow+".AddPeer", "slow", addition("Berlin"))
		<-begun
		other := w.start()
		stopped := make(chan struct{})
		go func() {
			stopping.stop()
			close(stopped)
		}()
		start := time.Now()
		var ents []string
		for i := range 64 {
			ent := fmt.Sprint("ent-", i)
			if w.partitionOf(ent) == w.partitionOf(slow) {
				continue
			}
			ents = append(ents, ent)
			w.publish(ent+".RegisterEnterprise", "register", registration(ent))
		}
		late, onTheWay := 0, 0
		for _, ent := range ents {
			if w.outcome(ent, "register").At.Sub(start) > 3*time.Second {
				late++
			}
		}
		if on.Replicas > 1 {
			onTheWay = 2
		}
		t.Logf("%d of %d commands of other partitions were late", late, len(ents))
		if late > onTheWay {
			t.Errorf("other partitions stood still: %d commands were late", late)
		}
		<-stopped
		if out, ok := w.kept(slow, "slow"); !ok || out.Result != command.Accepted {
			t.Errorf("the command was not finished: %+v", out)
		}
		w.idle()
		if n := other.counted("peering_bus_redeliveries_total", ""); n != late {
			t.Errorf("%d redeliveries: what the process was delivered, it did not acknowledge", n)
		}
	})
}

func TestTwoProcesses_shareABacklog(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, on testkit.Topology) {
		backlog := 10_000
		if testing.Short() {
			backlog = 2_000
		}
		w := newWorld(t, on.URL, on.Replicas)
		for i := range 200 {
			ent := fmt.Sprint("ent-", i)
			w.publish(ent+".RegisterEnterprise", "register", registration(ent))
		}
		w.fill(backlog-200, func(i int) (string, string, string) {
			return fmt.Sprintf("ent-%d.DescribeEnterprise", i%200), fmt.Sprint("c", i), describing(fmt.Sprint("Text ", i))
		})
		start := time.Now()
		processes := []*process{w.start(), w.start()}
		w.idleFor(4 * testkit.Patience)
		took := time.Since(start)
		sum := 0
		for _, p := range processes {
			n := p.counted("peering_bus_commands_total", "accepted")
			sum += n
			t.Logf("%d of %d, %.0f a second together", n, backlog, float64(backlog)/took.Seconds())
			if n*100 < 30*backlog {
				t.Errorf("a process handled %d of %d", n, backlog)
			}
		}
		if sum != backlog {
			t.Errorf("%d handled; want %d", sum, backlog)
		}
	})
}

// Two enterprises that are known to fail, each with a backlog, and nobody else
// gives commands: that others fail too is no reason to doubt it once more.
func TestIsolation_knownFailuresAreNotDoubtedAgain(t *testing.T) {
	w := single(t)
	sick := []string{"sick-ent", w.besides("sick-ent", false)}
	p := w.start(allIsWell, hooking(func(context.Context, command.Request) error { return command.ErrUnavailable }))
	for _, ent := range sick {
		p.commands.failing.failed(events.EnterpriseID(ent), 0)
	}
	start := time.Now()
	const backlog = 20
	for i := range backlog {
		for _, ent := range sick {
			w.publish(ent+".AddPeer", fmt.Sprint("c", i), addition("Berlin"))
		}
	}
	w.idle()
	if took := time.Since(start); took > doubtFor/3 {
		t.Errorf("it took %s", took)
	}
	if list := w.parked(); len(list) != 2*backlog {
		t.Errorf("%d parked; want %d", len(list), 2*backlog)
	}
}

// halfDone is a Writer that carries a command out and does not say so, and finds
// the history unreadable the next time.
type halfDone struct {
	Writer

	tried atomic.Bool
}

func (h *halfDone) over(w Writer) { h.Writer = w }

func (h *halfDone) Handle(ctx context.Context, req command.Request) (command.Receipt, error) {
	if req.ID == "c1" && h.tried.Swap(true) {
		return command.Receipt{}, command.ErrUnreadable
	}
	r, err := h.Writer.Handle(ctx, req)
	if err == nil && req.ID == "c1" {
		err = command.ErrUnavailable
	}
	return r, err
}

// That a history cannot be read says that nothing was decided, unless it was tried
// before: then the command may be in the history, and is not given again when its
// id is forgotten.
func TestIsolation_whatMayHaveTakenEffectIsNotSaidToBeUndecided(t *testing.T) {
	w := single(t)
	w.start(allIsWell, func(p *parts) { p.writer = &halfDone{} })
	w.register("acme")
	w.publish("acme.AddPeer", "c1", addition("Berlin"))
	w.idle()
	list := w.parked()
	if len(list) != 1 || list[0].CommandID != "c1" || !mayHaveEffect(list[0].Reason) {
		t.Errorf("parked: %+v", list)
	}
	if all := w.history("acme"); len(all) != 2 {
		t.Errorf("%d events; want 2", len(all))
	}
}
