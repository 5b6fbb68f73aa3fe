package app

import (
	"context"
	"errors"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/projection"
	"github.com/peering/peering/internal/readmodel"
)

// readModel is a projection in this process: who keeps it up to date here, if
// anybody does, and what its checks remember.
type readModel struct {
	readmodel.Projection
	runner    atomic.Pointer[projection.Runner]
	projected caughtUp
	moved     progress
}

func readModels() []*readModel {
	var out []*readModel
	for _, p := range readmodel.Projections() {
		out = append(out, &readModel{Projection: p})
	}
	return out
}

// project keeps the read models up to date. They do not wait for one another.
func (p *process) project(ctx context.Context) error {
	l, db, err := p.logAndTables(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range p.models {
		o := projection.Options{
			Logger: p.log, Metrics: p.metrics, Projection: m.Projection,
			// In one process nobody else can be at work: it holds the data directory.
			TakeOver: p.cfg.Role == config.Serve,
		}
		r := projection.New(l.reader, db, o)
		m.runner.Store(r)
		group.Go(func() error { return follow(ctx, r) })
	}
	group.Go(func() error {
		samples, err := p.samples.get(ctx)
		if err != nil {
			return err
		}
		return projection.NewSamples(samples, db, p.log).Run(ctx)
	})
	return group.Wait()
}

// follow runs one projection. A log that is not the one its tables were made
// from stops it and nothing else: what is there can still be read, commands go
// on, and health says what has happened.
func follow(ctx context.Context, r *projection.Runner) error {
	err := r.Run(ctx)
	var changed *projection.StreamChangedError
	if errors.As(err, &changed) {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// why is what the runner of this process says about itself, in words to add.
func (m *readModel) why() string {
	r := m.runner.Load()
	if r == nil {
		return "; no projector is at work"
	}
	if s := r.Status(); s.Err != nil {
		return ": " + s.Err.Error()
	}
	return ""
}

// stopped is the error that ended the runner of this process.
func (m *readModel) stopped() error {
	if r := m.runner.Load(); r != nil && r.Status().Role == projection.Stopped {
		return r.Status().Err
	}
	return nil
}
