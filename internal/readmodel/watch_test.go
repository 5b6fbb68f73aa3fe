package readmodel

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// waiting waits until so many wait for a position of db.
func waiting(t testing.TB, db *DB, n int) {
	t.Helper()
	testkit.Eventually(t, "waiters", func() bool {
		db.watch.mu.Lock()
		defer db.watch.mu.Unlock()
		return db.watch.waiting == n
	})
}

func TestAwait_whatIsThereIsNotWaitedFor(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		dir := s.Directory()
		if err := dir.Await(t.Context(), acme, 0); err != nil {
			t.Error(err)
		}
		last := s.registers(acme, added("p1", "Lyon"))
		for min := range last + 1 {
			for _, ent := range []events.EnterpriseID{acme, beta, ""} {
				if err := dir.Await(t.Context(), ent, min); err != nil {
					t.Errorf("%s at %d of %d: %v", ent, min, last, err)
				}
			}
		}
	})
}

// TestAwait_manyWaiters: each returns when its own position is reached, whether
// this process moves it or another, and a new generation counts as well.
func TestAwait_manyWaiters(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		other := open(t, d)
		ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
		defer cancel()
		const each = 20
		var near, far errgroup.Group
		for n := range events.Seq(each) {
			near.Go(func() error { return s.Directory().Await(ctx, acme, n%4+1) })
			far.Go(func() error { return other.Directory().Await(ctx, "", n%4+1) })
		}
		waiting(t, s.DB, each)
		waiting(t, other, each)
		s.registers(acme)
		waiting(t, s.DB, each-each/4)
		waiting(t, other, each-each/4)
		s.happens(acme, added("p1", "Lyon"))
		waiting(t, other, each/2)
		l := build(t, s.DB, "builder")
		if err := write(t, l, 4); err != nil || !activate(t, l) {
			t.Fatal(err)
		}
		if err := errors.Join(near.Wait(), far.Wait()); err != nil {
			t.Error(err)
		}
		waiting(t, s.DB, 0)
		waiting(t, other, 0)
	})
}

func TestAwait_endOfContext(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Directory().Await(ctx, acme, 2) }()
		waiting(t, s.DB, 1)
		cancel()
		if err := <-done; !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		short, end := context.WithTimeout(t.Context(), time.Millisecond)
		defer end()
		if err := s.Directory().Await(short, acme, 2); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		waiting(t, s.DB, 0)
	})
}

// TestAwait_heldEnterprise: what is held is told at once to those who would see
// nothing new, and to nobody else.
func TestAwait_heldEnterprise(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		s.registers(beta)
		ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
		defer cancel()
		waiter := make(chan error, 1)
		go func() { waiter <- s.Directory().Await(ctx, beta, 7) }()
		waiting(t, s.DB, 1)
		err := s.lease.Write(t.Context(), mark(6), func(tx *Tx) error { tx.Bury(DeadEvent{Seq: 5, Enterprise: beta}); return nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		isHeld := func(err error) bool {
			var held *HeldError
			return errors.As(err, &held) && held.Enterprise == beta && held.HeldAt == 5 && !errors.Is(err, ErrUnavailable)
		}
		if err := <-waiter; !isHeld(err) {
			t.Errorf("who waited already: %v", err)
		}
		for _, c := range []struct {
			ent  events.EnterpriseID
			min  events.Seq
			held bool
		}{{beta, 4, false}, {beta, 5, true}, {beta, 6, true}, {beta, 99, true}, {acme, 6, false}, {"", 6, false}, {"gamma", 6, false}} {
			if err := s.Directory().Await(ctx, c.ent, c.min); (err == nil) == c.held || c.held && !isHeld(err) {
				t.Errorf("%s at %d: %v, held %t", c.ent, c.min, err, c.held)
			}
		}
		if err := s.lease.Write(t.Context(), mark(6), func(tx *Tx) error { return tx.Release(beta) }, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Directory().Await(ctx, beta, 6); err != nil {
			t.Errorf("released: %v", err)
		}
	})
}

func TestAwait_closeEndsTheWaiting(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := open(t, d)
		prepare(t, db)
		const waiters = 10
		done := make(chan error, waiters)
		for range waiters {
			go func() { done <- db.Directory().Await(context.Background(), acme, 1) }()
		}
		waiting(t, db, waiters)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		for range waiters {
			if err := <-done; !errors.Is(err, ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestAwait_withoutTables(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		if err := open(t, d).Directory().Await(t.Context(), acme, 1); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}
