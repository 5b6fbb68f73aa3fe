package projection

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

func TestLease_oneIsActiveAndAnotherTakesOver(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 2)
		first := start(t, New(log, open(t, d), quick()))
		first.reaches(end(t, log))
		second := start(t, New(log, open(t, d), quick()))
		testkit.Eventually(t, "the second to stand by", func() bool { return second.Status().Role == Standby })
		last := w.work(2)
		first.reaches(last)
		second.reaches(last) // standing by, it knows how far the tables are
		if err := first.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("the first ended with %v", err)
		}
		second.reaches(w.work(2))
		if s := second.Status(); s.Role != Active {
			t.Errorf("the second is %s", s.Role)
		}
		shows(t, log, d)
	})
}

// TestLease_twoAtOnce: two that were started together, while somebody writes,
// never both write, and nothing is lost or doubled.
func TestLease_twoAtOnce(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 1)
		a := start(t, New(log, open(t, d), quick()))
		b := start(t, New(log, open(t, d), quick()))
		for range 20 {
			last := w.work(1)
			testkit.Eventually(t, "both to know the position", func() bool {
				return max(a.Status().Position, b.Status().Position) >= last
			})
			if a.Status().Role == Active && b.Status().Role == Active {
				t.Fatal("both are active")
			}
		}
		shows(t, log, d)
	})
}

// TestLease_whoWasTakenForDeadIsFenced: the first is held up before a batch
// until the second has done its work; then it can write nothing.
func TestLease_whoWasTakenForDeadIsFenced(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 2)
		pausing, resume := make(chan struct{}), make(chan struct{})
		// Its heart beats too seldom to show that it lives.
		r := New(log, open(t, d), quick(func(o *Options) { o.BatchLimit, o.Lease = 5, time.Hour }))
		paused := false
		r.hooks.beforeBatch = func(context.Context) error {
			if r.Status().Position > 5 && !paused {
				paused = true
				close(pausing)
				<-resume
			}
			return nil
		}
		first := start(t, r)
		<-pausing
		second := start(t, New(log, open(t, d), quick()))
		second.reaches(w.work(3))
		close(resume)
		testkit.Eventually(t, "the first to stand by", func() bool { return first.Status().Role == Standby })
		second.reaches(w.work(3))
		shows(t, log, d)
	})
}

func TestLease_takenOverAtOnceByTheOnlyProcess(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, _ := memory(t, 1)
		db := open(t, d)
		seen, err := db.Prepare(t.Context(), readmodel.DirectoryProjection())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, err := db.Acquire(t.Context(), readmodel.DirectoryProjection(), "dead", seen); !ok || err != nil {
			t.Fatal(ok, err)
		}
		patient := quick(func(o *Options) { o.Lease = time.Hour })
		x := start(t, New(log, db, patient))
		testkit.Eventually(t, "it to stand by", func() bool { return x.Status().Role == Standby })
		_ = x.end() // it only waited
		patient.TakeOver = true
		start(t, New(log, db, patient)).reaches(end(t, log))
	})
}
