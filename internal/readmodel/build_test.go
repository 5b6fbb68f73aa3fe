package readmodel

import (
	"fmt"
	"testing"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// activate makes queries read the generation of l.
func activate(t testing.TB, l *Lease) bool {
	t.Helper()
	return must(l.Activate(t.Context()))(t)
}

func prune(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Prune(t.Context(), directory{}); err != nil {
		t.Fatal(err)
	}
}

// generations is how many sets of tables there are.
func generations(t testing.TB, d testkit.Database) (n int) {
	t.Helper()
	db := connect(t, d.URL)
	query := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name LIKE 'directory%peers'"
	if d.Postgres() {
		query = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name LIKE 'directory%peers'"
	}
	if err := db.reader.GetContext(t.Context(), &n, query); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBuild_queriesReadTheOldUntilItIsActive(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Old"))
		l := build(t, s.DB, "builder")
		if l.Mark() != (Mark{}) {
			t.Errorf("it begins at %+v", l.Mark())
		}
		if err := write(t, l, 2, record(acme, 1, registered(acme), added("p1", "New"))...); err != nil {
			t.Fatal(err)
		}
		if got := s.state(); s.peer(acme, "p1").Description != "Old" || got.Generation != 1 || got.Owner != "stage" {
			t.Errorf("while it is built: %+v", got)
		}
		s.happens(acme, events.PeerRenamed{Peer: "p1", To: "Older"}) // the old goes on meanwhile
		if activate(t, l) {
			t.Error("it became active behind the old one")
		}
		if got := s.peer(acme, "p1").Description; got != "Older" {
			t.Errorf("not active, and the peer is called %q", got)
		}
		if err := write(t, l, 3, record(acme, 3, events.PeerRenamed{Peer: "p1", To: "Newer"})...); err != nil {
			t.Fatal(err)
		}
		if !activate(t, l) {
			t.Fatal("it did not become active")
		}
		if got := s.state(); s.peer(acme, "p1").Description != "Newer" || got.Generation != 2 || got.Owner != "" || got.Position != 3 {
			t.Errorf("active: %+v", got)
		}
		fenced(t, write(t, s.lease, 4, record(acme, 4, added("p2", "Lost"))...))
		fenced(t, s.lease.Beat(t.Context()))
		prune(t, s.DB)
		fenced(t, write(t, s.lease, 4, record(acme, 4, added("p2", "Lost"))...))
		if n := generations(t, d); n != 1 {
			t.Errorf("%d generations are left", n)
		}
		s.lease = acquire(t, s.DB, "stage")
		s.happens(acme, added("p2", "Kept"))
		if got := s.enterprise(acme).PeersTotal; got != 2 {
			t.Errorf("%d peers", got)
		}
	})
}

func TestBuild_secondDropsTheFirst(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		first := build(t, s.DB, "first")
		err := first.Write(t.Context(), mark(9), func(tx *Tx) error { tx.Bury(DeadEvent{Seq: 5, Enterprise: beta}); return nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		second := build(t, s.DB, "second")
		more := record(acme, 10, registered(acme))
		fenced(t, write(t, first, 10, more...))
		fenced(t, write(t, first, 10))
		fenced(t, first.Beat(t.Context()))
		_, err = first.Activate(t.Context())
		fenced(t, err)
		if got := s.state(); got.Generation != 1 || got.Owner != "stage" {
			t.Errorf("the active one is %+v", got)
		}
		if len(second.Held()) != 0 || generations(t, d) != 2 {
			t.Errorf("the second holds %v, %d generations", second.Held(), generations(t, d))
		}
		if err := write(t, second, 10, more...); err != nil || !activate(t, second) {
			t.Errorf("the second cannot be used: %v", err)
		}
	})
}

// TestBuild_writerOfADroppedOneIsFencedForGood: the number of a generation that
// was dropped comes again, and its old lease means the new one never.
func TestBuild_writerOfADroppedOneIsFencedForGood(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		var leases []*Lease
		for range 3 {
			l := build(t, s.DB, "builder")
			if err := write(t, l, 20, record(acme, 20, registered(acme))...); err != nil {
				t.Fatal(err)
			}
			leases = append(leases, l)
			if err := l.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			prune(t, s.DB)
		}
		last := build(t, s.DB, "builder")
		for _, l := range leases {
			if l.generation.number != last.generation.number {
				continue // then there is nothing to mix up
			}
			fenced(t, l.Beat(t.Context()))
			fenced(t, write(t, l, 21))
			_, err := l.Activate(t.Context())
			fenced(t, err)
		}
		if got := s.state(); got.Generation != 1 {
			t.Errorf("an empty generation is active: %+v", got)
		}
	})
}

func TestPrune_leavesABuildToItsOwner(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		given := build(t, s.DB, "given up")
		if err := given.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		prune(t, s.DB)
		if n := generations(t, d); n != 1 {
			t.Errorf("one was given up, %d are left", n)
		}
		l := build(t, s.DB, "builder")
		prune(t, s.DB)
		if err := write(t, l, 1, record(acme, 1, registered(acme))...); err != nil {
			t.Errorf("another's build was dropped: %v", err)
		}
		if !activate(t, l) {
			t.Error("it cannot become active")
		}
		prune(t, s.DB)
		prune(t, s.DB)
		if n := generations(t, d); n != 1 {
			t.Errorf("%d generations are left", n)
		}
	})
}

// TestActivate_readersSeeTheOldOrTheNew: readers are answered all the time, each
// from one generation, while generations come and go under them.
func TestActivate_readersSeeTheOldOrTheNew(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Round 0"))
		done := make(chan struct{})
		var group errgroup.Group
		for range 3 {
			group.Go(func() error {
				for n := 0; ; n++ {
					select {
					case <-done:
						return nil
					default:
					}
					page, err := s.Directory().Peers(t.Context(), acme, PeerQuery{})
					if err != nil {
						return err
					}
					if want := fmt.Sprintf("Round %d", page.Sequence-2); len(page.Items) != 1 || page.Items[0].Description != want {
						return fmt.Errorf("position %d shows %+v", page.Sequence, page.Items)
					}
				}
			})
		}
		for round := events.Seq(1); round <= 15; round++ {
			l := build(t, s.DB, "builder")
			list := record(acme, 1, registered(acme), added("p1", fmt.Sprintf("Round %d", round)))
			if err := write(t, l, 2+round, list...); err != nil {
				t.Fatal(err)
			}
			if !activate(t, l) {
				t.Fatal("not activated")
			}
			prune(t, s.DB)
		}
		close(done)
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestReading_tableThatIsDroppedMeanwhile: a reader that has found the active
// generation, and then finds its tables gone, is answered from the next one.
func TestReading_tableThatIsDroppedMeanwhile(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Lyon"))
		var seen []int64
		err := s.Directory().view(t.Context(), "test", func(tx *sqlx.Tx, row stateRow) error {
			seen = append(seen, row.Generation)
			if len(seen) == 1 {
				l := build(t, s.DB, "builder")
				if err := write(t, l, 2, record(acme, 1, registered(acme), added("p1", "Lyon"))...); err != nil {
					return err
				}
				activate(t, l)
				prune(t, s.DB)
			}
			_, err := enterpriseIn(t.Context(), tx, row.generation(), acme)
			return err
		})
		if err != nil || seen[len(seen)-1] > 2 {
			t.Errorf("generations %v: %v", seen, err)
		}
	})
}
