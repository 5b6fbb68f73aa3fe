package app

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/bus"
	"github.com/peering/peering/internal/eventstore"
)

// busStreams is what the parts of the bus share once its streams are there.
type busStreams struct {
	queue  *eventstore.Commands
	parked *eventstore.Parked
	found  eventstore.Bus
}

// openBus makes and verifies the streams of the bus and their consumers.
func (p *process) openBus(ctx context.Context) error {
	if _, err := p.events.get(ctx); err != nil {
		return err
	}
	var settings *eventstore.SettingsError
	wrong := func(err error) bool { return errors.As(err, &settings) }
	return untilItWorks(ctx, p.log, "the bus", wrong, func(ctx context.Context) error {
		found, err := p.ensureBus(ctx)
		if err != nil {
			return err
		}
		queue, err := eventstore.NewCommands(p.nc)
		if err != nil {
			return err
		}
		parked, err := eventstore.NewParked(p.nc)
		if err != nil {
			return err
		}
		p.bus.keep(&busStreams{queue, parked, found})
		return nil
	})
}

func (p *process) ensureBus(ctx context.Context) (eventstore.Bus, error) {
	return eventstore.EnsureBus(ctx, p.nc, streamOptions(p.cfg, p.log))
}

func (p *process) busOptions() bus.Options {
	return bus.Options{Connect: p.connect, Logger: p.log, Metrics: p.metrics}
}

// carryOut takes commands from the bus, and looks after their queue.
func (p *process) carryOut(ctx context.Context) error {
	writer, err := p.writer.get(ctx)
	if err != nil {
		return err
	}
	b, err := p.bus.get(ctx)
	if err != nil {
		return err
	}
	l, err := p.events.get(ctx)
	if err != nil {
		return err
	}
	parking := p.park(writer, l, b)
	commands := bus.NewCommands(writer, b.queue, b.parked, p.busOptions())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return p.again(ctx, "commands of the bus", func(ctx context.Context) error { return commands.Run(ctx, b.found.Partitions) })
	})
	group.Go(func() error { return commands.Tend(ctx, p.ensureBus, parking) })
	return group.Wait()
}

// again runs part until ctx ends, and starts it again whenever it ends by itself.
func (p *process) again(ctx context.Context, what string, part func(context.Context) error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, retryEvery
	for {
		started := time.Now()
		err := part(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(started) > time.Minute {
			wait.Reset()
		}
		p.log.Error("a part of the process ended; it is started again", "part", what, "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait.NextBackOff()):
		}
	}
}
