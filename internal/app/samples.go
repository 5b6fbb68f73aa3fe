package app

import (
	"context"
	"errors"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// openSamples makes the stream of samples, and makes it again when it is gone.
// What is wrong with it is said, and stops nobody.
func (p *process) openSamples(ctx context.Context) error {
	if _, err := p.events.get(ctx); err != nil {
		return err
	}
	for {
		err := untilItWorks(ctx, p.log, "the stream of samples", never, func(ctx context.Context) error {
			err := eventstore.EnsureSamples(ctx, p.nc, streamOptions(p.cfg, p.log))
			p.sampling.Store(&err)
			return err
		})
		if err != nil {
			return err
		}
		if _, opened := p.samples.now(); !opened {
			samples, err := eventstore.NewSamples(p.nc, p.log)
			if err != nil {
				return err
			}
			p.samples.keep(samples)
			p.late.samples.Store(samples)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Minute):
		}
	}
}

// checkSamples says whether single probes are kept: without them nobody sees when
// a peer was looked at last.
func (p *process) checkSamples(context.Context) finding {
	err := p.sampling.Load()
	if err == nil || *err != nil {
		return amber("single probes are not kept: their stream is not there")
	}
	return green("their stream is there")
}

// keepSample hands a sample to its stream, when that is there.
func (p *process) keepSample(s events.Sample) error {
	samples, ok := p.samples.now()
	if !ok {
		return errors.New("the stream of samples is not there yet")
	}
	return samples.Keep(s)
}
