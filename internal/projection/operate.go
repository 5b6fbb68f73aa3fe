package projection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// JobKind is what an operator has asked for.
type JobKind string

// The kinds of a Job.
const (
	JobRebuild JobKind = "rebuild"
	JobVerify  JobKind = "verify"
)

// Job is a long-running operation on a projection, as it is now.
type Job struct {
	Projection string
	Kind       JobKind
	Position   events.Seq // up to which the new tables are filled
	End        events.Seq // of the log, as far as is known
	StartedAt  time.Time
	FinishedAt time.Time     // zero: it is at work
	Err        error         // why it failed; nil: it did not
	Report     *VerifyReport // of a verification that did not fail
}

// Finished reports whether the job is at work no more.
func (j Job) Finished() bool { return !j.FinishedAt.IsZero() }

// BusyError says that new tables of the projection are being made already, in
// this process or in another: ask again when that is done.
type BusyError struct {
	Projection string
	Kind       JobKind
	Owner      string // of the other process; empty: it is this one
	Position   events.Seq
}

func (e *BusyError) Error() string {
	where := "this process"
	if e.Owner != "" {
		where = e.Owner
	}
	return fmt.Sprintf("a %s of projection %s is at work in %s, at sequence %d", e.Kind, e.Projection, where, e.Position)
}

// ErrClosed is returned by an Operator that was closed.
var ErrClosed = errors.New("projection: the operator is closed")

// Operator rebuilds and verifies projections as jobs, one at a time of each
// projection. It needs no Runner in its process. It is safe for concurrent use.
type Operator struct {
	source  Source
	db      *readmodel.DB
	options Options

	mu      sync.Mutex
	jobs    map[string]*job // the last one of each projection
	closed  bool
	running sync.WaitGroup
}

// NewOperator returns an operator without jobs; Close ends it. Of o, Projection
// and Metrics have no meaning.
func NewOperator(source Source, db *readmodel.DB, o Options) *Operator {
	limit := o.BatchLimit
	o = o.withDefaults()
	o.Metrics, o.BatchLimit = nil, limit // zero is another limit for each projection
	return &Operator{source: source, db: db, options: o, jobs: map[string]*job{}}
}

// job is a Job while it changes.
type job struct {
	progress progress
	cancel   context.CancelFunc

	mu    sync.Mutex
	state Job
}

func (j *job) now() Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.state
	out.Position, out.End = events.Seq(j.progress.position.Load()), events.Seq(j.progress.end.Load())
	return out
}

func (j *job) finish(report *VerifyReport, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.FinishedAt, j.state.Report, j.state.Err = time.Now(), report, err
}

// Rebuild begins to make the tables of a projection anew (Runner.Rebuild). The
// job does not end with ctx. *BusyError: this process has a job of that
// projection; one of another process is found by the job, and is its error. An
// error that wraps readmodel.ErrNotFound: there is no such projection.
func (o *Operator) Rebuild(ctx context.Context, projection string) (Job, error) {
	return o.start(ctx, projection, JobRebuild, func(ctx context.Context, r *Runner, p *progress) (*VerifyReport, error) {
		if _, err := o.db.Prepare(ctx, r.options.Projection); err != nil {
			return nil, err
		}
		return nil, r.rebuild(ctx, p)
	})
}

// Verify begins to compare the tables of a projection with the log
// (Runner.Verify). Its errors are those of Rebuild.
func (o *Operator) Verify(ctx context.Context, projection string) (Job, error) {
	return o.start(ctx, projection, JobVerify, func(ctx context.Context, r *Runner, p *progress) (*VerifyReport, error) {
		report, err := r.verify(ctx, p)
		if err != nil {
			return nil, err
		}
		return &report, nil
	})
}

type work func(context.Context, *Runner, *progress) (*VerifyReport, error)

func (o *Operator) start(ctx context.Context, projection string, kind JobKind, do work) (Job, error) {
	p, err := readmodel.FindProjection(projection)
	if err != nil {
		return Job{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return Job{}, ErrClosed
	}
	if before := o.jobs[projection]; before != nil {
		if now := before.now(); !now.Finished() {
			return now, &BusyError{Projection: projection, Kind: now.Kind, Position: now.Position}
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	j := &job{cancel: cancel, state: Job{Projection: projection, Kind: kind, StartedAt: time.Now()}}
	o.jobs[projection] = j
	o.running.Go(func() {
		defer cancel()
		j.finish(o.work(ctx, p, j, do))
	})
	return j.now(), nil
}

func (o *Operator) work(ctx context.Context, p readmodel.Projection, j *job, do work) (*VerifyReport, error) {
	options := o.options
	options.Projection = p
	r := New(o.source, o.db, options)
	if err := o.free(ctx, p); err != nil {
		return nil, err
	}
	return do(ctx, r, &j.progress)
}

// free waits until it is certain that no other process makes tables of p: what
// is left of one that has died does not move for a lease.
func (o *Operator) free(ctx context.Context, p readmodel.Projection) error {
	var first *readmodel.Building
	began := time.Now()
	for {
		s, err := o.db.State(ctx, p)
		if errors.Is(err, readmodel.ErrUnavailable) && ctx.Err() == nil {
			return nil // what is to be done says more about it
		}
		b := s.Building
		switch {
		case err != nil:
			return err
		case b == nil || b.Owner == o.options.Owner:
			return nil
		case first == nil:
			first = b
		case first.Generation != b.Generation || first.Beat != b.Beat:
			kind := JobRebuild
			if b.Shadow {
				kind = JobVerify
			}
			return &BusyError{Projection: p.Name(), Kind: kind, Owner: b.Owner, Position: b.Position}
		case time.Since(began) > o.options.Lease:
			return nil
		}
		if err := pause(ctx, o.options.Lease/8); err != nil {
			return err
		}
	}
}

// Jobs are the last jobs of each projection, those at work included, in the
// order of the projections' names.
func (o *Operator) Jobs() []Job {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]Job, 0, len(o.jobs))
	for _, j := range o.jobs {
		out = append(out, j.now())
	}
	slices.SortFunc(out, func(a, b Job) int { return strings.Compare(a.Projection, b.Projection) })
	return out
}

// Close ends all jobs, which fail, and returns when they have ended. The tables
// that queries read stay as they are.
func (o *Operator) Close() {
	o.mu.Lock()
	o.closed = true
	for _, j := range o.jobs {
		j.cancel()
	}
	o.mu.Unlock()
	o.running.Wait()
}
