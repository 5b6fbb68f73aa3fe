package projection

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// TestRebuild_whilePeopleWriteAndRead: readers are answered all the time, and
// never see an older state than before; at the end the tables are the same.
func TestRebuild_whilePeopleWriteAndRead(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 10)
		db := open(t, d)
		x := start(t, New(log, db, quick(func(o *Options) { o.BatchLimit = 20 })))
		x.reaches(end(t, log))
		before := d.Dump(t, tables...)

		ctx, stop := context.WithCancel(t.Context())
		var reading sync.WaitGroup
		reading.Go(func() {
			var last events.Seq
			for ctx.Err() == nil {
				page, err := db.Directory().Peers(ctx, acme, readmodel.PeerQuery{})
				switch {
				case ctx.Err() != nil:
				case err != nil:
					t.Errorf("a reader got %v", err)
				case page.Sequence < last:
					t.Errorf("a reader saw %d after %d", page.Sequence, last)
				default:
					last = page.Sequence
				}
			}
		})
		if err := x.Rebuild(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, d.Dump(t, tables...)); diff != "" {
			t.Errorf("the rebuilt tables differ (-before +after):\n%s", diff)
		}
		s, err := db.State(t.Context(), readmodel.DirectoryProjection())
		if err != nil || s.Generation != 2 {
			t.Errorf("the state is %+v, %v", s, err)
		}
		x.reaches(w.work(2)) // the runner goes on, on the new tables
		rebuilt := make(chan error, 1)
		go func() { rebuilt <- x.Rebuild(t.Context()) }()
		x.reaches(w.work(5))
		if err := <-rebuilt; err != nil {
			t.Error(err)
		}
		x.reaches(w.work(1))
		stop()
		reading.Wait()
		shows(t, log, d)
	})
}

func TestRebuild_heals(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		w.command(acme, registered(acme))
		w.command(acme, added(1))
		w.command(acme, moved(1, "10.0.0.1"))
		last := w.command(acme, added(2))
		db := open(t, d)
		old := start(t, New(log, db, quick(func(o *Options) { o.Registry = young() })))
		old.reaches(last)
		if err := New(log, db, quick()).Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = old.end() // the young one would stumble again
		shows(t, log, d)
		if got := peersOf(t, db, acme); got != "Peer 1, Peer 2" {
			t.Errorf("acme has %q", got)
		}
	})
}

func TestRebuild_emptyLog(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		db := open(t, d)
		x := start(t, New(log, db, quick()))
		testkit.Eventually(t, "it to be active", func() bool { return x.Status().Role == Active })
		if err := x.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		x.reaches(w.work(1))
		shows(t, log, d)
	})
}

// TestRebuild_givenUp: one whose context ends leaves the old tables in use and
// nothing else behind.
func TestRebuild_givenUp(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 5)
		db := open(t, d)
		x := start(t, New(log, db, quick()))
		x.reaches(end(t, log))
		ctx, cancel := context.WithCancel(t.Context())
		r := New(log, db, quick(func(o *Options) { o.BatchLimit = 5 }))
		r.hooks.beforeBatch = func(context.Context) error { cancel(); return nil }
		if err := r.Rebuild(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		x.reaches(w.work(1))
		shows(t, log, d) // one set of tables alone, or its rows would be there twice
	})
}

// TestRebuild_aSecondOneEndsTheFirst: whoever asks last wins.
func TestRebuild_aSecondOneEndsTheFirst(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, _ := memory(t, 5)
		db := open(t, d)
		x := start(t, New(log, db, quick()))
		x.reaches(end(t, log))
		begun, goOn := make(chan struct{}), make(chan struct{})
		first := New(log, open(t, d), quick(func(o *Options) { o.BatchLimit, o.Lease = 5, time.Hour }))
		var once sync.Once
		first.hooks.beforeBatch = func(context.Context) error {
			once.Do(func() { close(begun); <-goOn })
			return nil
		}
		ended := make(chan error, 1)
		go func() { ended <- first.Rebuild(t.Context()) }()
		<-begun
		if err := x.Rebuild(t.Context()); err != nil {
			t.Errorf("the second: %v", err)
		}
		close(goOn)
		if err := <-ended; err == nil {
			t.Error("the first says that it is done")
		}
		shows(t, log, d)
	})
}
