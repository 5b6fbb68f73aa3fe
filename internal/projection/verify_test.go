package projection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// alone fails the test unless the tables that queries read are the only ones.
func alone(t *testing.T, d testkit.Database, db *readmodel.DB) {
	t.Helper()
	s, err := db.State(t.Context(), readmodel.DirectoryProjection())
	if err != nil || s.Building != nil {
		t.Errorf("the state is %+v, %v", s, err)
	}
	if n := strings.Count(d.Dump(t, "projections"), "name="); n != 1 {
		t.Errorf("%d generations are there", n)
	}
}

func TestVerify_soundTables(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 5)
		w.command(beta, moved(77, "10.0.0.1")) // dead
		for _, h := range storetest.Hostile() {
			log.Put("peering.events.nobody-1.status.p", h.Header, h.Data)
		}
		last := w.work(1)
		db := open(t, d)
		x := start(t, New(log, db, quick(func(o *Options) { o.BatchLimit = 7 })))
		x.reaches(last)
		before := d.Dump(t, append(tables, "projections")...)
		r, err := x.Verify(t.Context())
		if err != nil || !r.Sound || r.Position != last || r.Projection != directory || len(r.Tables) != 5 {
			t.Errorf("got %+v, %v; want it sound at %d", r, err, last)
		}
		for _, table := range r.Tables {
			if table.Rows == 0 {
				t.Errorf("nothing was compared in %s", table.Name)
			}
		}
		alone(t, d, db)
		if !strings.HasPrefix(before, "dead_events") {
			t.Error("nothing is dead")
		}
		shows(t, log, d)
	})
}

func TestVerify_emptyLog(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, _ := memory(t, 0)
		db := open(t, d)
		if _, err := New(log, db, quick()).Verify(t.Context()); !errors.Is(err, readmodel.ErrUnavailable) {
			t.Errorf("without tables: %v", err)
		}
		x := start(t, New(log, db, quick()))
		testkit.Eventually(t, "it to be active", func() bool { return x.Status().Role == Active })
		if r, err := x.Verify(t.Context()); err != nil || !r.Sound || r.Position != 0 {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}

// TestVerify_whatSomebodyDidByHand: a row that was changed, added or removed is
// found, and named; a rebuild repairs it.
func TestVerify_whatSomebodyDidByHand(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		w.command(acme, registered(acme))
		for i := range 20 {
			w.command(acme, added(i))
		}
		db := open(t, d)
		x := start(t, New(log, db, quick()))
		x.reaches(end(t, log))
		d.Exec(t, "UPDATE "+peersTable+" SET description = 'Other', port = 444 WHERE id = 'peer-3'")
		d.Exec(t, "UPDATE "+peersTable+" SET id = 'peer-99' WHERE id = 'peer-5'")
		d.Exec(t, "DELETE FROM "+directoryTables+"trusted_servers")
		d.Exec(t, fmt.Sprintf("INSERT INTO held (name, version, generation, enterprise, held_at) VALUES ('directory', %d, 1, 'beta-1', 3)",
			readmodel.DirectoryProjection().Version()))
		r, err := x.Verify(t.Context())
		if err != nil || r.Sound {
			t.Fatalf("got %+v, %v", r, err)
		}
		found := map[string]readmodel.TableReport{}
		for _, table := range r.Tables {
			found[table.Name] = table
		}
		want := readmodel.TableReport{Name: "peers", Rows: 20, Missing: 1, Extra: 1, Different: 1, Examples: []readmodel.RowDifference{
			{Kind: readmodel.RowDifferent, Key: []string{"acme", "peer-3"}, Columns: []string{"description", "port"}},
			{Kind: readmodel.RowMissing, Key: []string{"acme", "peer-5"}},
			{Kind: readmodel.RowExtra, Key: []string{"acme", "peer-99"}},
		}}
		if diff := cmp.Diff(want, found["peers"]); diff != "" {
			t.Errorf("peers (-want +got):\n%s", diff)
		}
		if got := found["trusted_servers"]; got.Missing != 20 || len(got.Examples) != 5 || got.Rows != 0 {
			t.Errorf("trusted servers: %+v", got)
		}
		if got := found["held"]; got.Extra != 1 || !found["dead_events"].Sound() || !found["enterprises"].Sound() {
			t.Errorf("got %+v", found)
		}
		d.Exec(t, "DELETE FROM held")
		if err := x.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r, err := x.Verify(t.Context()); err != nil || !r.Sound {
			t.Errorf("after a rebuild: %+v, %v", r, err)
		}
		shows(t, log, d)
	})
}

// TestVerify_whileTheLogNeverRests: the projection moves on all the time, and
// its tables are found sound at one of its positions, again and again.
func TestVerify_whileTheLogNeverRests(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 20)
		db := open(t, d)
		x := start(t, New(log, db, quick(func(o *Options) { o.BatchLimit = 50 })))
		x.reaches(end(t, log))
		ctx, stop := context.WithCancel(t.Context())
		var writing sync.WaitGroup
		writing.Go(func() {
			// No more than is verified in the same time on a slow machine: else the
			// log grows for ever.
			pace := time.NewTicker(2 * time.Millisecond)
			defer pace.Stop()
			for ctx.Err() == nil {
				<-pace.C
				last := w.work(1)
				testkit.Eventually(t, "the tables to follow", func() bool { return x.Status().Position+100 > last })
			}
		})
		verifier := New(log, open(t, d), quick())
		for moved := 0; moved < 5 && !t.Failed(); {
			before := x.Status().Position
			r, err := verifier.Verify(ctx)
			if err != nil || !r.Sound || r.Position < before {
				t.Errorf("got %+v, %v", r, err)
			}
			if x.Status().Position > before {
				moved++
			}
		}
		stop()
		writing.Wait()
		x.reaches(end(t, log))
		if x.Status().Role != Active {
			t.Errorf("the runner is %s", x.Status().Role)
		}
		alone(t, d, db)
		shows(t, log, d)
	})
}

// TestVerify_discardedMeanwhile: a discard after the shadow has buried the event
// is no difference. There is more than is read with the live tables frozen.
func TestVerify_discardedMeanwhile(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		w.command(acme, registered(acme))
		dead := w.command(acme, moved(77, "10.0.0.1"))
		w.command(acme, added(1))
		last := w.command(beta, registered(beta))
		for i := range nearby + 1000 {
			last = w.command(beta, added(i))
		}
		db := open(t, d)
		start(t, New(log, db, quick())).reaches(last)
		r := New(log, open(t, d), quick(func(o *Options) { o.BatchLimit = 1000 }))
		var once sync.Once
		r.hooks.beforeBatch = func(ctx context.Context) (err error) {
			if s, e := db.State(ctx, readmodel.DirectoryProjection()); e == nil && s.Building != nil && s.Building.Position > dead {
				once.Do(func() { err = db.DiscardDead(ctx, directory, dead, discard) })
			}
			return err
		}
		report, err := r.Verify(t.Context())
		if err != nil || !report.Sound {
			t.Errorf("got %+v, %v", report, err)
		}
		if s, err := db.State(t.Context(), readmodel.DirectoryProjection()); err != nil || s.Dead != 0 || len(s.Held) != 0 {
			t.Errorf("the state is %+v, %v", s, err)
		}
	})
}

func TestVerify_tablesOfAnotherLog(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, _ := memory(t, 2)
		db := open(t, d)
		settle(t, log, db, end(t, log))
		another, _ := memory(t, 3)
		var changed *StreamChangedError
		if _, err := New(another, db, quick()).Verify(t.Context()); !errors.As(err, &changed) {
			t.Errorf("got %v", err)
		}
		alone(t, d, db)
	})
}

// TestVerify_onStreams: against a real server, with a projector in a process of
// its own.
func TestVerify_onStreams(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		url, source, w := stream(t)
		last := w.work(20)
		spawn(t, orders{NATS: url, Database: d.URL, Owner: "child", Batch: 30}).says("active")
		db := open(t, d)
		if err := db.Directory().Await(patient(t), acme, 1); err != nil {
			t.Fatal(err)
		}
		r, err := New(source, db, quick()).Verify(t.Context())
		if err != nil || !r.Sound || r.Position == 0 {
			t.Errorf("got %+v, %v", r, err)
		}
		if err := db.Directory().Await(patient(t), acme, last); err != nil {
			t.Error(err)
		}
		d.Exec(t, fmt.Sprintf("UPDATE %s SET version = '1.0' WHERE id = '%s'", peersTable, peerID(1)))
		if r, err := New(source, db, quick()).Verify(t.Context()); err != nil || r.Sound || r.Position != last {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}
