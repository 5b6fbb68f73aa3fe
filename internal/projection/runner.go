package projection

import (
	"context"
	"errors"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// maxPause is the longest pause before trying again.
const maxPause = 3 * time.Second

// Runner keeps a projection up to date. Several may run at once, in one process
// or many: one is active, the others stand by and take over when it falls
// silent. One that was taken for dead can write nothing any more (ADR 0006).
type Runner struct {
	source  Source
	db      *readmodel.DB
	options Options
	status  *status
	hooks   hooks
}

// New returns a runner of the projection; Run starts it. db has to be migrated.
func New(source Source, db *readmodel.DB, o Options) *Runner {
	o = o.withDefaults()
	o.Logger = o.Logger.With("projection", o.Projection.Name())
	r := &Runner{source: source, db: db, options: o, status: newStatus(o.Projection.Name())}
	if o.Metrics != nil {
		o.Metrics.MustRegister(newMetrics(r))
	}
	return r
}

// Status describes the runner as it is now.
func (r *Runner) Status() Status { return r.status.now() }

// Run works until ctx ends, and returns its error after everything has stopped.
// Trouble with the log or the database is logged, shown in Status and tried
// again. *StreamChangedError ends it: going on would mix two logs.
func (r *Runner) Run(ctx context.Context) error {
	defer r.watchTables(ctx)()
	wait := patience()
	takeOver := r.options.TakeOver
	for {
		began := r.status.now().Position
		err := r.serve(ctx, &takeOver)
		var changed *StreamChangedError
		var fenced *readmodel.FencedError
		switch {
		case ctx.Err() != nil:
			r.status.set(Stopped, nil)
			return ctx.Err()
		case errors.As(err, &changed):
			r.status.set(Stopped, err)
			r.options.Logger.Error("the projection has stopped: the log is another", "err", err)
			return err
		case errors.As(err, &fenced):
			r.status.set(Standby, nil)
			r.options.Logger.Warn("another process has taken over, or an operator has asked for held events to be tried again", "err", err)
			continue
		}
		r.status.note(err)
		r.options.Logger.Warn("the projection was interrupted", "stream_seq", r.status.now().Position, "err", err)
		if r.status.now().Position > began {
			wait.Reset()
		}
		if err := pause(ctx, wait.NextBackOff()); err != nil {
			r.status.set(Stopped, nil)
			return err
		}
	}
}

// serve waits for the lease and works until something fails.
func (r *Runner) serve(ctx context.Context, takeOver *bool) error {
	lease, err := r.acquire(ctx, *takeOver)
	if err != nil {
		return err
	}
	*takeOver = false
	r.status.lead(lease.Mark().Position)
	r.options.Logger.Info("the projection is active", "stream_seq", lease.Mark().Position)
	t := r.term(lease)
	t.resumed = lease.Retried
	t.committed = func(context.Context) error {
		r.status.moved(lease.Mark().Position)
		return nil
	}
	t.observed = r.status.observed
	err = t.run(ctx)
	var fenced *readmodel.FencedError
	var changed *StreamChangedError
	switch {
	case errors.As(err, &changed):
		r.stop(ctx, lease, changed)
	case !errors.As(err, &fenced):
		r.release(ctx, lease)
	}
	return err
}

func (r *Runner) term(lease *readmodel.Lease) *term {
	return &term{
		source: r.source, codec: events.NewCodec(r.options.Registry), lease: lease, log: r.options.Logger,
		batchLimit: r.options.BatchLimit, partWait: r.options.PartWait, beatEvery: r.options.Lease / 4, hooks: r.hooks,
		resumed: func(context.Context) error { return nil },
	}
}

// acquire waits until the lease is free or its owner has been silent for too
// long. Silence is measured by this process alone, so clocks need not agree.
func (r *Runner) acquire(ctx context.Context, takeOver bool) (*readmodel.Lease, error) {
	var seen readmodel.State
	var since time.Time
	for {
		s, err := r.db.Prepare(ctx, r.options.Projection)
		if err != nil {
			return nil, err
		}
		if since.IsZero() || s.Epoch != seen.Epoch || s.Beat != seen.Beat || s.Generation != seen.Generation {
			seen, since = s, time.Now()
		}
		free := s.Owner == "" || s.Owner == r.options.Owner
		if free || takeOver || time.Since(since) >= r.options.Lease {
			lease, ok, err := r.db.Acquire(ctx, r.options.Projection, r.options.Owner, s)
			if ok || err != nil {
				return lease, err
			}
			continue
		}
		r.status.standBy(s.Position)
		if err := pause(ctx, r.options.Lease/8); err != nil {
			return nil, err
		}
	}
}

// release lets another take over at once. It is a courtesy: when it fails, the
// lease expires.
func (r *Runner) release(ctx context.Context, lease *readmodel.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.options.Lease)
	defer cancel()
	if err := lease.Release(ctx); err != nil {
		r.options.Logger.Debug("the lease could not be released", "err", err)
	}
}

// stop tells everybody who reads the tables that they do not follow the log any
// more. Until it succeeds, only this process knows.
func (r *Runner) stop(ctx context.Context, lease *readmodel.Lease, why *StreamChangedError) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := lease.Stop(ctx, why.Error()); err != nil {
		r.options.Logger.Error("it could not be noted that the projection has stopped", "err", err)
	}
}

// stopTimeout is how long noting the reason may take.
const stopTimeout = 10 * time.Second

// pause waits for d unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
