package projection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

const directory = "directory"

// directoryTables begins the names of the directory's tables in the first generation.
var directoryTables = fmt.Sprintf("directory_v%d_g1_", readmodel.DirectoryProjection().Version())

var peersTable = directoryTables + "peers"

// discard is a decision of the tests.
var discard = readmodel.Discard{By: "alice", At: day, Reason: "made by hand"}

// patient is a context for what has to happen soon.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	return ctx
}

// orphaned is a projection of which the row of peer 1 was taken away by hand, so
// that the event at the returned sequence is dead, with one more behind it. It
// is written by whoever write starts.
func orphaned(t *testing.T, d testkit.Database, source Source, w *writer, write func()) (dead events.Seq) {
	t.Helper()
	db := open(t, d)
	w.command(acme, registered(acme))
	settle(t, source, db, w.command(acme, added(1)))
	d.Exec(t, "CREATE TABLE saved AS SELECT * FROM "+peersTable)
	d.Exec(t, "DELETE FROM "+peersTable)
	dead = w.command(acme, moved(1, "10.0.0.1"))
	last := w.command(acme, added(2))
	write()
	testkit.Eventually(t, "the event to be dead", func() bool {
		s, err := db.State(t.Context(), readmodel.DirectoryProjection())
		return err == nil && s.Dead == 1 && s.Position >= last
	})
	return dead
}

func restore(t *testing.T, d testkit.Database) {
	t.Helper()
	d.Exec(t, "INSERT INTO "+peersTable+" SELECT * FROM saved")
}

func TestRetry_healsWhenTheCauseIsGone(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		writer := New(log, open(t, d), quick())
		dead := orphaned(t, d, log, w, func() { start(t, writer) })
		other := open(t, d) // of a process that does not project
		ctx := patient(t)
		for _, what := range []events.Seq{dead, 0} {
			r, err := other.RetryDead(ctx, directory, what)
			if err != nil {
				t.Fatal(err)
			}
			if healed, err := other.AwaitRetry(ctx, r); healed || err != nil {
				t.Errorf("while the cause is there: healed %t, %v", healed, err)
			}
		}
		restore(t, d)
		r, err := other.RetryDead(ctx, directory, dead)
		if err != nil {
			t.Fatal(err)
		}
		if healed, err := other.AwaitRetry(ctx, r); !healed || err != nil {
			t.Errorf("healed %t, %v", healed, err)
		}
		if _, err := other.RetryDead(ctx, directory, dead); !errors.Is(err, readmodel.ErrNotFound) {
			t.Errorf("again: %v", err)
		}
		start(t, writer).reaches(w.work(1))
		shows(t, log, d)
	})
}

// TestRetry_inAnotherProcess: the process that asks has no runner at all.
func TestRetry_inAnotherProcess(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		url, source, w := stream(t)
		dead := orphaned(t, d, source, w, func() { spawn(t, orders{NATS: url, Database: d.URL, Owner: "child"}).says("active") })
		restore(t, d)
		db := open(t, d)
		ctx := patient(t)
		r, err := db.RetryDead(ctx, directory, dead)
		if err != nil {
			t.Fatal(err)
		}
		if healed, err := db.AwaitRetry(ctx, r); !healed || err != nil {
			t.Errorf("healed %t, %v", healed, err)
		}
		bad := w.command(acme, moved(77, "10.0.0.1")) // there is no such peer
		last := w.command(acme, added(3))
		testkit.Eventually(t, "the next to be dead", func() bool {
			e, err := db.DeadEvent(ctx, directory, bad)
			return err == nil && e.HeldAt == bad && e.Enterprise == acme && !e.Stored.IsZero()
		})
		if err := db.DiscardDead(ctx, directory, bad, discard); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the enterprise to be released", func() bool {
			return db.Directory().Await(ctx, acme, last) == nil
		})
		if got := peersOf(t, db, acme); got != "Peer 1, Peer 2, Peer 3" {
			t.Errorf("acme has %q", got)
		}
	})
}

func TestRetry_withoutAProjectorStands(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		var x *running
		dead := orphaned(t, d, log, w, func() { x = start(t, New(log, open(t, d), quick())) })
		_ = x.end() // stopped on purpose
		db := open(t, d)
		r, err := db.RetryDead(t.Context(), directory, dead)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if healed, err := db.AwaitRetry(ctx, r); healed || !errors.Is(err, readmodel.ErrUnavailable) {
			t.Errorf("nobody is there: healed %t, %v", healed, err)
		}
		restore(t, d)
		start(t, New(log, db, quick()))
		if healed, err := db.AwaitRetry(patient(t), r); !healed || err != nil {
			t.Errorf("healed %t, %v", healed, err)
		}
	})
}

// TestDiscard_releasesTheEnterprise: what waited is applied, health is green
// again, and no rebuild brings the event back, not even one that could apply it.
func TestDiscard_releasesTheEnterprise(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		w.command(acme, registered(acme))
		w.command(acme, added(1))
		dead := w.command(acme, moved(1, "10.0.0.1")) // which the young one does not know
		last := w.command(acme, added(2))
		db := open(t, d)
		x := start(t, New(log, db, quick(func(o *Options) { o.Registry = young() })))
		x.reaches(last)
		if err := db.DiscardDead(t.Context(), directory, dead, discard); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "nothing to be dead or held", func() bool {
			s := x.Status()
			return s.Dead == 0 && len(s.Held) == 0 && peersOf(t, db, acme) == "Peer 1, Peer 2"
		})
		if err := db.Directory().Await(patient(t), acme, last); err != nil {
			t.Errorf("a read of acme: %v", err)
		}
		_ = x.end() // the next program knows the event
		x = start(t, New(log, db, quick()))
		x.reaches(w.work(1))
		if err := x.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		p, err := db.Directory().Peer(t.Context(), acme, peerID(1))
		if err != nil || p.Address != "" {
			t.Errorf("peer 1 is %+v, %v: the discarded event was applied", p, err)
		}
		if r, err := x.Verify(t.Context()); err != nil || !r.Sound {
			t.Errorf("the tables: %+v, %v", r, err)
		}
	})
}

// TestDiscard_whileTablesAreBuilt: a build that has buried the event already is
// put right when its tables come into use.
func TestDiscard_whileTablesAreBuilt(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		w.command(acme, registered(acme))
		w.command(acme, added(1))
		dead := w.command(acme, moved(77, "10.0.0.1"))
		nobodys := log.Put("peering.events.ACME.config", nil, []byte("{}"))
		w.command(acme, added(2))
		last := w.work(3)
		db := open(t, d)
		x := start(t, New(log, db, quick()))
		x.reaches(last)
		r := New(log, open(t, d), quick(func(o *Options) { o.BatchLimit = 5 }))
		discarded := false
		r.hooks.beforeBatch = func(ctx context.Context) error {
			s, err := db.State(ctx, readmodel.DirectoryProjection())
			if err != nil || discarded || s.Building == nil || s.Building.Position < nobodys {
				return err
			}
			discarded = true
			return errors.Join(db.DiscardDead(ctx, directory, dead, discard), db.DiscardDead(ctx, directory, nobodys, discard))
		}
		if err := r.Rebuild(t.Context()); err != nil || !discarded {
			t.Fatal(err, discarded)
		}
		testkit.Eventually(t, "nothing to be dead or held", func() bool {
			s, err := db.State(t.Context(), readmodel.DirectoryProjection())
			return err == nil && s.Generation == 2 && s.Dead == 0 && len(s.Held) == 0
		})
		if got := peersOf(t, db, acme); !strings.Contains(got, "Peer 1,") || !strings.Contains(got, "Peer 2") {
			t.Errorf("acme has %q", got)
		}
		if r, err := x.Verify(t.Context()); err != nil || !r.Sound {
			t.Errorf("the tables: %+v, %v", r, err)
		}
	})
}

func TestDiscard_nobodysMessage(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		w.command(acme, registered(acme))
		bad := log.Put("peering.events.ACME.config", nil, []byte("{}"))
		db := open(t, d)
		x := start(t, New(log, db, quick()))
		x.reaches(w.command(acme, added(1)))
		var impossible *readmodel.DeadEventError
		if _, err := db.RetryDead(t.Context(), directory, bad); !errors.As(err, &impossible) {
			t.Errorf("a retry: %v", err)
		}
		if err := db.DiscardDead(t.Context(), directory, bad, discard); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "nothing to be dead", func() bool { return x.Status().Dead == 0 })
		if err := x.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := db.State(t.Context(), readmodel.DirectoryProjection())
		if err != nil || s.Dead != 0 || s.Generation != 2 {
			t.Errorf("after a rebuild: %+v, %v", s, err)
		}
	})
}
