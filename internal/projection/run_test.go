package projection

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

func TestRun_keepsTheTablesEqualToTheFoldOfTheLog(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 5)
		metrics := prometheus.NewRegistry()
		x := start(t, New(log, open(t, d), quick(func(o *Options) { o.Metrics = metrics })))
		x.reaches(end(t, log))
		for range 20 {
			x.reaches(w.work(1))
		}
		shows(t, log, d)
		s := x.Status()
		if s.Role != Active || s.Lag() != 0 || s.Dead != 0 || s.Err != nil || s.Stalled {
			t.Errorf("the status is %+v", s)
		}
		want := map[string]float64{
			"peering_projection_position": float64(end(t, log)), "peering_projection_lag_events": 0, "peering_projection_dead_events": 0,
		}
		for name := range want {
			if got := gauge(t, metrics, name); got != want[name] {
				t.Errorf("metric %s is %g, want %g", name, got, want[name])
			}
		}
	})
}

// gauge is the value of a metric of the directory.
func gauge(t *testing.T, from prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			if l := m.GetLabel(); len(l) != 1 || l[0].GetName() != "projection" || l[0].GetValue() != "directory" {
				t.Errorf("%s has the labels %v", name, l)
			}
			return m.GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// TestRun_replayFromZeroGivesTheSameTables: however the log is cut into
// batches, and wherever the work was interrupted, the tables are the same.
func TestRun_replayFromZeroGivesTheSameTables(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, _ := memory(t, 4)
		last := end(t, log)
		settle(t, log, open(t, d), last)
		once := d.Dump(t, tables...)
		rapid.Check(t, func(r *rapid.T) {
			batch := rapid.IntRange(1, 60).Draw(r, "batch")
			cuts := rapid.SliceOfN(rapid.IntRange(1, int(last)), 0, 2).Draw(r, "interruptions")
			again := testkit.SQLite(t)
			db := open(t, again)
			slices.Sort(cuts)
			for _, at := range append(cuts, int(last)) {
				x := start(t, New(log, db, quick(func(o *Options) { o.BatchLimit = batch })))
				x.reaches(events.Seq(at))
				_ = x.end() // stopped on purpose
			}
			if got := again.Dump(t, tables...); got != once {
				r.Errorf("batches of %d, interrupted at %v: the tables differ", batch, cuts)
			}
		})
	})
}

// stutter is a log that hands out everything twice, and old messages again
// between new ones, as a consumer does whose acknowledgements were lost.
type stutter struct{ Source }

func (s stutter) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	var before []events.Message
	return s.Source.Follow(ctx, after, max(limit/10, 1), func(batch []events.Message) error {
		for _, again := range [][]events.Message{before, batch, batch, before} {
			if len(again) == 0 {
				continue
			}
			if err := sink(slices.Clone(again)); err != nil {
				return err
			}
		}
		before = batch
		return nil
	})
}

func TestRun_redeliveryChangesNothing(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 5)
		x := start(t, New(stutter{log}, open(t, d), quick(func(o *Options) { o.BatchLimit = 40 })))
		x.reaches(w.work(5))
		shows(t, log, d)
	})
}

// TestRun_aCommandIsNeverSeenInHalf: no reader finds some of the events of a
// command applied and others not, even where they arrive one by one.
func TestRun_aCommandIsNeverSeenInHalf(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 10)
		var ends sync.Map // positions at which a command ends
		err := log.Range(t.Context(), acme, 0, end(t, log), func(m events.Message) error {
			note(t, &ends, m)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r := New(log, open(t, d), quick(func(o *Options) { o.BatchLimit, o.PartWait = 1, time.Minute }))
		var mu sync.Mutex
		var at []events.Seq
		r.hooks.beforeBatch = func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, r.Status().Position)
			return nil
		}
		start(t, r).reaches(w.work(1))
		mu.Lock()
		defer mu.Unlock()
		if len(at) < 20 {
			t.Fatalf("only %d batches", len(at))
		}
		for _, seq := range at {
			if half, ok := ends.Load(seq); ok && half.(bool) {
				t.Errorf("the tables stood at %d, in the middle of a command", seq)
			}
		}
	})
}

// note remembers whether m is in the middle of a command.
func note(t *testing.T, ends *sync.Map, m events.Message) {
	t.Helper()
	r, err := codec().Decode(m)
	if err != nil {
		t.Error(err)
	}
	ends.Store(m.Seq, r.Index+1 < r.Count)
}

// TestRun_restOfACommandIsNotAwaitedForEver: events that a broken writer left
// incomplete do not stop everybody else.
func TestRun_restOfACommandIsNotAwaitedForEver(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 1)
		e := events.Envelope{
			ID: events.NewEventID(acme, "half", 0), Enterprise: acme, Time: day, CommandID: "half", Count: 2,
			CorrelationID: "half", Actor: "alice", Event: added(77),
		}
		header, data, err := codec().Encode(events.ConfigSubject(acme), e)
		if err != nil {
			t.Fatal(err)
		}
		half := log.Put(string(events.ConfigSubject(acme)), header, data)
		w.last[events.ConfigSubject(acme)] = half
		x := start(t, New(log, open(t, d), quick()))
		x.reaches(half)
		x.reaches(w.work(1))
		shows(t, log, d)
	})
}

// TestRun_idleEventIsSeenAtOnce: when nothing else is to be done, an event does
// not wait for others.
func TestRun_idleEventIsSeenAtOnce(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 1)
		db := open(t, d)
		x := start(t, New(log, db, quick()))
		x.reaches(end(t, log))
		for i := range 20 {
			seq := w.command(acme, added(500+i))
			if err := db.Directory().Await(t.Context(), acme, seq); err != nil {
				t.Fatal(err)
			}
			page, err := db.Directory().Peers(t.Context(), acme, readmodel.PeerQuery{Description: fmt.Sprintf("Peer %d", 500+i)})
			if err != nil || len(page.Items) != 1 {
				t.Errorf("peer %d: %+v, %v", 500+i, page, err)
			}
		}
	})
}
