package readmodel

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

func TestPrepare_makesTheTablesOnce(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := open(t, d)
		if _, err := db.State(t.Context(), directory{}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("without tables: %v, want ErrUnavailable", err)
		}
		_, err := db.Directory().Enterprises(t.Context(), EnterpriseQuery{})
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("a list without tables: %v, want ErrUnavailable", err)
		}
		want := State{Name: "directory", Version: directoryVersion, Generation: 1, Epoch: 1, Held: []Held{}}
		for range 2 {
			if diff := cmp.Diff(want, prepare(t, db)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	})
}

func TestAcquire_oneOfManyWins(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		seen := prepare(t, open(t, d))
		var won atomic.Int64
		var group errgroup.Group
		for _, owner := range []string{"a", "b", "c", "d"} {
			db := open(t, d)
			group.Go(func() error {
				l, ok, err := db.Acquire(t.Context(), directory{}, owner, seen)
				if ok {
					won.Add(1)
					err = errors.Join(err, l.Beat(t.Context()))
				}
				if (l != nil) != ok {
					t.Errorf("%s: acquired %t, with lease %t", owner, ok, l != nil)
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if won.Load() != 1 {
			t.Errorf("%d of them have the lease", won.Load())
		}
	})
}

func TestAcquire_whoWroteSinceIsAlive(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		signs := []struct {
			name string
			do   func() error
		}{
			{"beat", func() error { return s.lease.Beat(t.Context()) }},
			{"write", func() error { s.registers(acme); return nil }},
			{"write without events", func() error { return write(t, s.lease, s.last) }},
		}
		for _, sign := range signs {
			seen := s.state()
			if err := sign.do(); err != nil {
				t.Fatal(err)
			}
			if l, ok, err := s.Acquire(t.Context(), directory{}, "other", seen); l != nil || ok || err != nil {
				t.Errorf("after a %s: %v, %t, %v; want nothing", sign.name, l, ok, err)
			}
		}
		if err := s.lease.Beat(t.Context()); err != nil {
			t.Errorf("the owner lost its lease: %v", err)
		}
	})
}

func TestAcquire_takesOverWhereTheOtherStopped(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Lyon"))
		if err := s.lease.Write(t.Context(), mark(5), func(tx *Tx) error { tx.Hold(beta, 4); return nil }, nil); err != nil {
			t.Fatal(err)
		}
		before := s.state()
		l := acquire(t, open(t, d), "other")
		if l.Mark() != mark(5) || len(l.Held()) != 1 || l.Held()[beta] != 4 {
			t.Errorf("it goes on at %+v, holding %v", l.Mark(), l.Held())
		}
		after := s.state()
		if after.Owner != "other" || after.Epoch <= before.Epoch || after.Position != 5 {
			t.Errorf("from %+v to %+v", before, after)
		}
	})
}

// TestLease_takenOver: nothing of a writer whose lease was taken is left, and
// its rows are not mixed with those of the other.
func TestLease_takenOver(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		other := acquire(t, open(t, d), "other")
		rows, state := s.dump(), s.state()
		more := record(acme, 2, added("p1", "Lyon"))
		called := false
		fenced(t, s.lease.Write(t.Context(), mark(2), func(tx *Tx) error {
			called = true
			tx.Bury(DeadEvent{Seq: 2, Enterprise: beta})
			return errors.Join(tx.Prefetch(more), tx.Apply(more[0]))
		}, nil))
		fenced(t, s.lease.Beat(t.Context()))
		fenced(t, s.lease.Release(t.Context()))
		if s.dump() != rows || !called {
			t.Errorf("rows were left:\n%s", s.dump())
		}
		if diff := cmp.Diff(state, s.state()); diff != "" {
			t.Errorf("the state was changed (-before +after):\n%s", diff)
		}
		if err := write(t, other, 2, more...); err != nil {
			t.Errorf("the other cannot write: %v", err)
		}
		if got := s.peer(acme, "p1").Description; got != "Lyon" {
			t.Errorf("the peer is called %q", got)
		}
	})
}

// TestLease_takenOverInTheMiddle: the other takes over while a transaction is
// between its rows and its position. On SQLite it cannot: there is one writer.
func TestLease_takenOverInTheMiddle(t *testing.T) {
	d := testkit.Postgres(t)
	s := newStage(t, d)
	s.registers(acme)
	list := record(acme, 2, added("p1", "Lyon"))
	var other *Lease
	before := s.dump()
	fenced(t, s.lease.Write(t.Context(), mark(2), func(tx *Tx) error {
		return errors.Join(tx.Prefetch(list), tx.Apply(list[0]))
	}, func(context.Context) error {
		other = acquire(t, open(t, d), "other")
		return nil
	}))
	if got := s.dump(); got != before {
		t.Errorf("rows were left:\n%s", got)
	}
	if other.Mark() != mark(1) {
		t.Errorf("the other goes on at %+v", other.Mark())
	}
}

func TestRelease_anotherNeedNotWait(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		if got := s.state().Owner; got != "stage" {
			t.Errorf("owned by %q", got)
		}
		if err := s.lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.state().Owner; got != "" {
			t.Errorf("released, and owned by %q", got)
		}
		acquire(t, s.DB, "other")
	})
}

// TestPositions_describeEveryVersion: a program reads its own version only, and
// tells of all.
func TestPositions_describeEveryVersion(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		build(t, s.DB, "builder") // is not read, so it is not told
		newer := stateRow{Generation: 3, Epoch: 9, Owner: "newer"}
		err := s.writing(t.Context(), "test", func(tx *sqlx.Tx) error {
			return s.create(t.Context(), tx, future{}, newer, true)
		})
		if err != nil {
			t.Fatal(err)
		}
		s.registers(acme)
		list, err := s.Positions(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatalf("got %+v, %v", list, err)
		}
		if list[0].Version != directoryVersion || list[0].Position != 1 || list[0].Owner != "stage" {
			t.Errorf("this version is %+v", list[0])
		}
		if list[1].Version != directoryVersion+1 || list[1].Position != 0 || list[1].Generation != 3 || list[1].Owner != "newer" {
			t.Errorf("the newer version is %+v", list[1])
		}
		if got := s.enterprise(acme).LastSeq; got != events.Seq(1) {
			t.Errorf("the enterprise is at %d", got)
		}
	})
}

// future is the directory of a newer program.
type future struct{ directory }

func (future) Version() int { return directoryVersion + 1 }
