package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/bus"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/eventstore"
)

// busStreams is what the parts of the bus share once its streams are there.
type busStreams struct {
	queue    *eventstore.Commands
	parked   *eventstore.Parked
	position *eventstore.ReactionPosition
	found    eventstore.Bus
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
		position, err := eventstore.NewReactionPosition(p.nc)
		if err != nil {
			return err
		}
		p.bus.keep(&busStreams{queue, parked, position, found})
		return nil
	})
}

func (p *process) ensureBus(ctx context.Context) (eventstore.Bus, error) {
	return eventstore.EnsureBus(ctx, p.nc, streamOptions(p.cfg, p.log))
}

func (p *process) busOptions() bus.Options {
	return bus.Options{Connect: p.connect, Logger: p.log, Metrics: p.metrics}
}

// carryOut takes commands from the bus and answers requests there, and looks
// after the queue and what is parked.
func (p *process) carryOut(ctx context.Context) error {
	writer, b, err := p.writerAndBus(ctx)
	if err != nil {
		return err
	}
	l, err := p.events.get(ctx)
	if err != nil {
		return err
	}
	parking := p.park(writer, l, b)
	commands := bus.NewCommands(writer, b.queue, b.parked, p.busOptions())
	requests := bus.NewRPC(writer, l.outcomes, Version(), p.busOptions())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return again(ctx, p.log, "commands of the bus", func(ctx context.Context) error { return commands.Run(ctx, b.found.Partitions) })
	})
	group.Go(func() error { return again(ctx, p.log, "requests of the bus", requests.Run) })
	group.Go(func() error { return commands.Tend(ctx, p.ensureBus, parking) })
	return group.Wait()
}

// react has what happened in one enterprise reach the others.
func (p *process) react(ctx context.Context) error {
	writer, b, err := p.writerAndBus(ctx)
	if err != nil {
		return err
	}
	db, err := p.tables.get(ctx)
	if err != nil {
		return err
	}
	tokens := access.NewKeeper(db.Tokens(), access.Options{Logger: p.log})
	if p.decides() { // the API's own, which then forgets at once what it knows of them
		if tokens, err = p.tokens.get(ctx); err != nil {
			return err
		}
	}
	reactions := bus.NewReactions(bus.ReactionParts{
		Orders: writer, Neighbours: db.Directory(), Tokens: tokens, Lot: b.parked, Position: b.position, Works: b.queue.Works,
	}, p.busOptions())
	return again(ctx, p.log, "reactions to events", reactions.Run)
}

func (p *process) writerAndBus(ctx context.Context) (*command.Handler, *busStreams, error) {
	writer, err := p.writer.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	b, err := p.bus.get(ctx)
	return writer, b, err
}

// checkBus says whether commands can be published.
func (p *process) checkBus(ctx context.Context) finding {
	b, ok := p.bus.now()
	if !ok {
		return red("the streams of the bus are not there yet")
	}
	waiting, err := b.queue.Pending(ctx)
	if err != nil {
		return red("%v", err)
	}
	return green("the queue of commands is there; %d wait", waiting)
}

// again runs part until ctx ends, and starts it again whenever it ends by itself.
func again(ctx context.Context, log *slog.Logger, what string, part func(context.Context) error) error {
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
		log.Error("a part of the process ended; it is started again", "part", what, "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait.NextBackOff()):
		}
	}
}
