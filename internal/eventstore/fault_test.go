package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/testkit"
)

type appended struct {
	seq  events.Seq
	err  error
	took time.Duration
}

// appendThrough starts an append on a line of its own and returns the line and
// where the result will be.
func appendThrough(t *testing.T, line *testkit.Line, before func(), evs []events.Envelope) <-chan appended {
	t.Helper()
	s := store(t, testkit.Connect(t, line.URL()))
	// The first append warms the connection up: its subscriptions are there.
	storetest.Append(t, s, 0, storetest.Event("warm-up", "w"))
	before()
	result := make(chan appended, 1)
	go func() {
		start := time.Now()
		seq, err := s.Append(t.Context(), storetest.Subject, 0, evs...)
		result <- appended{seq, err, time.Since(start)}
	}()
	return result
}

// node is the address of one server of the topology.
func node(top testkit.Topology) string {
	if top.Cluster != nil {
		return top.Cluster.NodeURL(0)
	}
	return top.URL
}

func TestAppend_storedButNotAcknowledgedIsSuccess(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		for _, n := range []int{1, 5} {
			emptied(t, top.Conn, top.Replicas)
			direct := store(t, top.Conn)
			evs := storetest.Events(storetest.Ent, "c1", n)
			line := testkit.Proxy(t, node(top))
			result := appendThrough(t, line, line.LoseAnswers, evs)
			testkit.Eventually(t, "the events to be stored", func() bool {
				last, err := direct.Last(t.Context(), storetest.Subject)
				return err == nil && last != 0
			})
			line.Cut()
			got := <-result
			last, err := direct.Last(t.Context(), storetest.Subject)
			if got.err != nil || err != nil || got.seq != last {
				t.Errorf("%d events: got %d, %v after %s, want %d, %v", n, got.seq, got.err, got.took, last, err)
			}
			storetest.Holds(t, direct, storetest.Subject, evs...)
		}
	})
}

func TestAppend_lostOnTheWayIsSentAgain(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		for _, n := range []int{1, 5} {
			emptied(t, top.Conn, top.Replicas)
			evs := storetest.Events(storetest.Ent, "c1", n)
			line := testkit.Proxy(t, node(top))
			result := appendThrough(t, line, line.LoseRequests, evs)
			testkit.Eventually(t, "the events to be lost", func() bool { return line.Lost() > 0 })
			line.Cut()
			if got := <-result; got.err != nil {
				t.Errorf("%d events: %v after %s", n, got.err, got.took)
			}
			storetest.Holds(t, store(t, top.Conn), storetest.Subject, evs...)
		}
	})
}

func TestAppend_somebodyElsesEventInTheGapIsAConflict(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		emptied(t, top.Conn, top.Replicas)
		direct := store(t, top.Conn)
		line := testkit.Proxy(t, node(top))
		result := appendThrough(t, line, line.LoseRequests, storetest.Events(storetest.Ent, "mine", 1))
		storetest.Append(t, direct, 0, storetest.Event(storetest.Ent, "theirs"))
		line.Cut()
		var c *eventstore.ConflictError
		if got := <-result; !errors.As(got.err, &c) {
			t.Errorf("got %d, %v, want a conflict", got.seq, got.err)
		}
		storetest.Holds(t, direct, storetest.Subject, storetest.Event(storetest.Ent, "theirs"))
	})
}

func TestAppend_withoutAnAnswerEndsInTimeAndCanBeRepeated(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		emptied(t, top.Conn, top.Replicas)
		evs := storetest.Events(storetest.Ent, "c1", 1)
		line := testkit.Proxy(t, node(top))
		got := <-appendThrough(t, line, line.LoseAnswers, evs)
		if !errors.Is(got.err, eventstore.ErrUnavailable) || got.took > 5*time.Second {
			t.Errorf("got %v after %s, want ErrUnavailable within five seconds", got.err, got.took)
		}
		direct := store(t, top.Conn)
		seq := storetest.Append(t, direct, 0, evs...)
		if last, err := direct.Last(t.Context(), storetest.Subject); err != nil || last != seq {
			t.Errorf("the repeat got %d, the last is %d, %v", seq, last, err)
		}
		storetest.Holds(t, direct, storetest.Subject, evs...)
	})
}

func TestAppend_cancelledSaysSo(t *testing.T) {
	top := testkit.Server(t)
	nc := testkit.Connect(t, "nats://"+top.Addr())
	emptied(t, nc, 1)
	line := testkit.Proxy(t, top.Addr())
	s := store(t, testkit.Connect(t, line.URL()))
	line.LoseAnswers()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.Append(ctx, storetest.Subject, 0, storetest.Event(storetest.Ent, "c1"))
		done <- err
	}()
	testkit.Eventually(t, "the answer to be lost", func() bool { return line.Lost() > 0 })
	cancel()
	err := <-done
	if !errors.Is(err, context.Canceled) || errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// TestAppend_leadersDieUnderLoad lets writers append to subjects of their own
// while the leader of the log is killed and started again.
func TestAppend_leadersDieUnderLoad(t *testing.T) {
	c := testkit.Cluster(t)
	nc := testkit.Connect(t, c.URL())
	emptied(t, nc, 3)
	s := store(t, nc)
	const writers = 8
	ctx, stop := context.WithCancel(t.Context())
	var acknowledged atomic.Int64
	written := make([][]events.Envelope, writers)
	var wg sync.WaitGroup
	for w := range writers {
		ent := events.EnterpriseID(fmt.Sprintf("writer-%d", w))
		wg.Go(func() {
			after := events.Seq(0)
			for i := 0; ctx.Err() == nil; i++ {
				evs := storetest.Events(ent, fmt.Sprintf("c%d", i), 1+i%3)
				seq, err := s.Append(t.Context(), events.ConfigSubject(ent), after, evs...)
				for errors.Is(err, eventstore.ErrUnavailable) {
					seq, err = s.Append(t.Context(), events.ConfigSubject(ent), after, evs...)
				}
				if err != nil {
					t.Errorf("writer %d, command %d after %d: %v", w, i, after, err)
					return
				}
				after, written[w] = seq, append(written[w], evs...)
				acknowledged.Add(1)
			}
		})
	}
	for range 2 {
		more := acknowledged.Load() + 200
		testkit.Eventually(t, "writers to get on", func() bool { return acknowledged.Load() > more })
		leader := c.Leader(t, events.Stream)
		c.Kill(leader)
		more = acknowledged.Load() + 200
		testkit.Eventually(t, "writers to get on without the leader", func() bool { return acknowledged.Load() > more })
		c.Restart(t, leader)
	}
	stop()
	wg.Wait()
	for w := range writers {
		ent := events.EnterpriseID(fmt.Sprintf("writer-%d", w))
		storetest.Holds(t, s, events.ConfigSubject(ent), written[w]...)
	}
	t.Logf("%d appends acknowledged", acknowledged.Load())
}
