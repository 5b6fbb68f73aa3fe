package command

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// recorder drives writers and writes down what they saw.
type recorder struct {
	mu      sync.Mutex
	start   time.Time
	history []porcupine.Operation
	added   []step // deletes that are worth trying
	lastRev events.Seq
}

func (r *recorder) choose(rnd *rand.Rand) step {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := rnd.IntN(10)
	switch {
	case n < 4 && len(r.added) > 0:
		return r.added[max(0, len(r.added)-1-rnd.IntN(4))]
	case n < 8:
		return step{op: "add", slot: rnd.IntN(slots)}
	case n < 9:
		return step{op: "describe", slot: rnd.IntN(3)}
	}
	return step{op: "swap", slot: rnd.IntN(3), rev: r.lastRev}
}

func (r *recorder) note(writer int, s step, e ending, call time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, porcupine.Operation{
		ClientId: writer, Input: s, Call: int64(call), Output: e, Return: int64(time.Since(r.start)),
	})
	switch {
	case e.code != "":
	case s.op == "add":
		r.added = append(r.added, step{op: "delete", slot: s.slot, peer: e.receipt.ID})
	case s.op != "delete" && len(e.receipt.Events) > 0:
		r.lastRev = e.receipt.Sequence
	}
}

// write gives n commands one after another and insists on each.
func (r *recorder) write(t *testing.T, h *Handler, writer, n int) {
	rnd := rand.New(rand.NewPCG(uint64(writer), 1))
	for i := range n {
		s := r.choose(rnd)
		call := time.Since(r.start)
		receipt, err := insist(t.Context(), h, s.request(fmt.Sprintf("w%d-%d", writer, i)))
		e := ending{receipt: receipt}
		var refusal *domain.Error
		if errors.As(err, &refusal) {
			e.code = refusal.Code
		} else if err != nil {
			t.Errorf("%+v: %v", s, err)
			return
		}
		r.note(writer, s, e, call)
	}
}

// manyWriters lets 64 writers loose on one enterprise through several
// processes and checks that what they were told is what happened.
func manyWriters(t *testing.T, b backend, each int, processes ...*Handler) {
	t.Helper()
	first := must(t, b.handler(), register(acme))
	r := &recorder{start: time.Now(), lastRev: first.Sequence}
	var wg sync.WaitGroup
	for writer := range 64 {
		wg.Go(func() { r.write(t, processes[writer%len(processes)], writer, each) })
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	checkNothingLostNothingDoubled(t, b, first, r.history)
	checkOrder(t, r.history)
	checkLinearizable(t, first, r.history)
}

// onStreams is a backend on the streams of a server, with a connection of its
// own: call it once a process.
func onStreams(t testing.TB, p testkit.Topology) backend {
	t.Helper()
	nc := testkit.Connect(t, p.URL)
	testkit.Eventually(t, "the streams", func() bool {
		return eventstore.Ensure(context.Background(), nc, eventstore.StreamOptions{Replicas: p.Replicas, MaxBytes: 64 << 20}) == nil
	})
	return connected(t, nc)
}

func connected(t testing.TB, nc *nats.Conn) backend {
	t.Helper()
	store, err1 := eventstore.NewJetStream(nc, events.NewCodec(events.Default()))
	outcomes, err2 := eventstore.NewOutcomes(nc)
	snapshots, err3 := eventstore.NewSnapshots(nc)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return backend{store, outcomes, snapshots}
}

func TestManyWriters_inMemory(t *testing.T) {
	b := inMemory()
	manyWriters(t, b, 12, b.handler(), b.handler(), b.handler(), b.handler())
}

func TestManyWriters_inMemoryThoughAnswersGetLost(t *testing.T) {
	b := inMemory()
	manyWriters(t, b, 12, flaky(b).handler(), flaky(b).handler(), flaky(b).handler(), flaky(b).handler())
}

func TestManyWriters_inMemoryWithACacheThatForgets(t *testing.T) {
	b := inMemory()
	forgetful := func() *Handler { return New(b.store, b.outcomes, b.snapshots, Options{CacheBytes: 1}) }
	manyWriters(t, b, 6, forgetful(), forgetful())
}

func TestManyWriters_onStreams(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, p testkit.Topology) {
		b := onStreams(t, p)
		manyWriters(t, b, 10, b.handler(), onStreams(t, p).handler(), onStreams(t, p).handler())
	})
}

func TestManyWriters_onStreamsThoughAnswersGetLost(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, p testkit.Topology) {
		b := onStreams(t, p)
		manyWriters(t, b, 8, flaky(b).handler(), flaky(onStreams(t, p)).handler(), flaky(onStreams(t, p)).handler())
	})
}

func TestPromise_oneIDManyTimesAtOnceOnStreams(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, p testkit.Topology) {
		b := onStreams(t, p)
		oneIDAtOnce(t, b, b.handler(), onStreams(t, p).handler(), flaky(onStreams(t, p)).handler())
	})
}

// The leader of the log dies while 64 writers are at work.
func TestManyWriters_survivesTheLossOfTheLeader(t *testing.T) {
	c := testkit.Cluster(t)
	p := testkit.Topology{Replicas: 3, URL: c.URL(), Cluster: c}
	b := onStreams(t, p)
	leader := c.Leader(t, events.Stream)
	killer := b
	appends := 0
	killer.store = &hookedStore{Store: b.store, afterAppend: func(context.Context) error {
		if appends++; appends == 10 { // one enterprise: the appends of a process come in turn
			c.Kill(leader)
		}
		return nil
	}}
	manyWriters(t, b, 3, killer.handler(), onStreams(t, p).handler())
	if appends < 10 {
		t.Errorf("only %d appends: the leader was never lost", appends)
	}
}
