package projection

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// operator is one of a process of its own, until the test ends.
func operator(t *testing.T, source Source, d testkit.Database, more ...func(*Options)) *Operator {
	t.Helper()
	o := NewOperator(source, open(t, d), quick(more...))
	t.Cleanup(o.Close)
	return o
}

// finished waits for the job of the directory.
func finished(t *testing.T, o *Operator) Job {
	t.Helper()
	return finishedOf(t, o, directory)
}

// finishedOf waits for the job of a projection.
func finishedOf(t *testing.T, o *Operator, projection string) (j Job) {
	t.Helper()
	testkit.Eventually(t, "the job to be finished", func() bool {
		i := slices.IndexFunc(o.Jobs(), func(j Job) bool { return j.Projection == projection })
		if i < 0 {
			t.Fatal("there is no job of " + projection)
		}
		j = o.Jobs()[i]
		return j.Finished()
	})
	return j
}

// slow is a log whose reading stops after a number of messages, once, until it
// is told to go on.
type slow struct {
	Source
	after   events.Seq
	stopped chan struct{}
	goOn    chan struct{}
	once    sync.Once
}

func slowly(source Source, after events.Seq) *slow {
	return &slow{Source: source, after: after, stopped: make(chan struct{}), goOn: make(chan struct{})}
}

func (s *slow) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	return s.Source.Follow(ctx, after, limit, func(list []events.Message) error {
		if list[len(list)-1].Seq > s.after {
			s.once.Do(func() { close(s.stopped) })
			select {
			case <-s.goOn:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return sink(list)
	})
}

func TestOperator_progressIsSeenHereAndElsewhere(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		for _, kind := range []JobKind{JobRebuild, JobVerify} {
			if d.Postgres() {
				d = testkit.Postgres(t)
			} else {
				d = testkit.SQLite(t)
			}
			log, w := memory(t, 10)
			db := open(t, d)
			x := start(t, New(log, db, quick()))
			x.reaches(end(t, log))
			source := slowly(log, 50)
			o := operator(t, source, d, func(o *Options) { o.BatchLimit = 10 })
			begin := o.Rebuild
			if kind == JobVerify {
				begin = o.Verify
			}
			if j, err := begin(t.Context(), directory); err != nil || j.Kind != kind || j.StartedAt.IsZero() || j.Finished() {
				t.Fatalf("begun: %+v, %v", j, err)
			}
			<-source.stopped
			testkit.Eventually(t, "the progress to be told", func() bool {
				s, err := db.State(t.Context(), readmodel.DirectoryProjection())
				j := o.Jobs()[0]
				return err == nil && s.Building != nil && s.Building.Position == 50 && s.Building.Owner != "" &&
					s.Building.Shadow == (kind == JobVerify) && j.Position == 50 && j.End == end(t, log)
			})
			var busy *BusyError
			if _, err := o.Verify(t.Context(), directory); !errors.As(err, &busy) || busy.Kind != kind || busy.Owner != "" {
				t.Errorf("another one here: %v", err)
			}
			elsewhere := operator(t, log, d)
			if _, err := elsewhere.Rebuild(t.Context(), directory); err != nil {
				t.Fatal(err)
			}
			if j := finished(t, elsewhere); !errors.As(j.Err, &busy) || busy.Owner == "" || busy.Kind != kind || busy.Position != 50 {
				t.Errorf("another one elsewhere: %+v", j)
			}
			x.reaches(w.work(2))
			close(source.goOn)
			j := finished(t, o)
			if j.Err != nil || j.Position < 50 || (kind == JobVerify) != (j.Report != nil && j.Report.Sound) {
				t.Errorf("%s: %+v, report %+v", kind, j, j.Report)
			}
			alone(t, d, db)
			x.reaches(w.work(1))
			shows(t, log, d)
			_ = x.end() // the next round has a log of its own
		}
	})
}

// TestOperator_whereNoProjectorRuns: also before there are any tables.
func TestOperator_whereNoProjectorRuns(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, _ := memory(t, 3)
		o := operator(t, log, d)
		if jobs := o.Jobs(); len(jobs) > 0 {
			t.Errorf("without a job: %+v", jobs)
		}
		if _, err := o.Verify(t.Context(), directory); err != nil {
			t.Fatal(err)
		}
		if j := finished(t, o); !errors.Is(j.Err, readmodel.ErrUnavailable) {
			t.Errorf("without tables: %+v", j)
		}
		if _, err := o.Rebuild(t.Context(), directory); err != nil {
			t.Fatal(err)
		}
		if j := finished(t, o); j.Err != nil || j.Position != end(t, log) {
			t.Errorf("the rebuild: %+v", j)
		}
		if _, err := o.Verify(t.Context(), directory); err != nil {
			t.Fatal(err)
		}
		if j := finished(t, o); j.Err != nil || !j.Report.Sound || j.Report.Position != end(t, log) {
			t.Errorf("the verification: %+v, %+v", j, j.Report)
		}
		if _, err := o.Rebuild(t.Context(), "no-such"); !errors.Is(err, readmodel.ErrNotFound) {
			t.Errorf("an unknown projection: %v", err)
		}
	})
}

// TestOperator_whatADeadProcessLeftIsNoObstacle: its tables do not move.
func TestOperator_whatADeadProcessLeftIsNoObstacle(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, _ := memory(t, 3)
		db := open(t, d)
		settle(t, log, db, end(t, log))
		if _, err := db.Build(t.Context(), readmodel.DirectoryProjection(), "dead"); err != nil {
			t.Fatal(err)
		}
		o := operator(t, log, d)
		if _, err := o.Verify(t.Context(), directory); err != nil {
			t.Fatal(err)
		}
		if j := finished(t, o); j.Err != nil || !j.Report.Sound {
			t.Errorf("got %+v", j)
		}
		alone(t, d, db)
	})
}

func TestOperator_closeEndsItsJobs(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, _ := memory(t, 10)
		db := open(t, d)
		settle(t, log, db, end(t, log))
		source := slowly(log, 50)
		o := operator(t, source, d, func(o *Options) { o.BatchLimit, o.Lease = 10, time.Minute })
		if _, err := o.Rebuild(t.Context(), directory); err != nil {
			t.Fatal(err)
		}
		<-source.stopped
		o.Close()
		if j := finished(t, o); !errors.Is(j.Err, context.Canceled) {
			t.Errorf("the job ended with %v", j.Err)
		}
		if _, err := o.Rebuild(t.Context(), directory); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		alone(t, d, db)
		shows(t, log, d)
	})
}

// limits is a log that notes how many events at once it is read for.
type limits struct {
	Source
	mu   sync.Mutex
	seen []int
}

func (l *limits) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	l.mu.Lock()
	l.seen = append(l.seen, limit)
	l.mu.Unlock()
	return l.Source.Follow(ctx, after, limit, sink)
}

// TestBatchLimit_isThatOfTheProjection: whoever fills its tables, unless told
// otherwise.
func TestBatchLimit_isThatOfTheProjection(t *testing.T) {
	d := testkit.SQLite(t)
	log, _ := memory(t, 3)
	for _, p := range readmodel.Projections() {
		want := batchLimit(p)
		source := &limits{Source: log}
		x := start(t, New(source, open(t, d), quick(func(o *Options) { o.Projection = p })))
		x.reaches(end(t, log))
		_ = x.end()
		o := operator(t, source, d)
		for _, begin := range []func(context.Context, string) (Job, error){o.Rebuild, o.Verify} {
			if _, err := begin(t.Context(), p.Name()); err != nil {
				t.Fatal(err)
			}
			if j := finishedOf(t, o, p.Name()); j.Err != nil {
				t.Error(j.Err)
			}
		}
		if len(source.seen) < 3 || slices.ContainsFunc(source.seen, func(n int) bool { return n != want }) {
			t.Errorf("%s is read in batches of %v, want %d", p.Name(), source.seen, want)
		}
	}
	if a, b := batchLimit(readmodel.AuditProjection()), batchLimit(readmodel.DirectoryProjection()); a >= b {
		t.Errorf("the audit has %d, the directory %d", a, b)
	}
}
