package app

import (
	"context"
	"errors"

	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/projection"
)

// project keeps the read models up to date. A log that is not the one they were
// made from stops the projection and nothing else: what is there can still be
// read, commands go on, and health says what has happened.
func (p *process) project(ctx context.Context) error {
	l, err := p.events.get(ctx)
	if err != nil {
		return err
	}
	db, err := p.tables.get(ctx)
	if err != nil {
		return err
	}
	r := projection.New(l.reader, db, projection.Options{
		Logger: p.log, Metrics: p.metrics,
		// In one process nobody else can be at work: it holds the data directory.
		TakeOver: p.cfg.Role == config.Serve,
	})
	p.runner.Store(r)
	err = r.Run(ctx)
	var changed *projection.StreamChangedError
	if errors.As(err, &changed) {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// why is what the runner of this process says about itself, in words to add.
func (p *process) why() string {
	r := p.runner.Load()
	if r == nil {
		return "; no projector is at work"
	}
	if s := r.Status(); s.Err != nil {
		return ": " + s.Err.Error()
	}
	return ""
}

// stopped is the error that ended the runner of this process.
func (p *process) stopped() error {
	if r := p.runner.Load(); r != nil && r.Status().Role == projection.Stopped {
		return r.Status().Err
	}
	return nil
}
