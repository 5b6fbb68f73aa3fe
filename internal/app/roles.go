package app

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// eventLog is the log once its streams are there.
type eventLog struct {
	store     *eventstore.JetStream
	outcomes  eventstore.Outcomes
	snapshots eventstore.Snapshots
	reader    *eventstore.Reader
	health    *eventstore.Health
	end       events.Seq // its end when this process found it
}

// newEventLog opens the log on nc, whose streams are there.
func newEventLog(ctx context.Context, nc *nats.Conn) (*eventLog, error) {
	store, err := eventstore.NewJetStream(nc, events.NewCodec(events.Default()))
	if err != nil {
		return nil, err
	}
	outcomes, err := eventstore.NewOutcomes(nc)
	if err != nil {
		return nil, err
	}
	snapshots, err := eventstore.NewSnapshots(nc)
	if err != nil {
		return nil, err
	}
	health, err := eventstore.NewHealth(nc)
	if err != nil {
		return nil, err
	}
	l := &eventLog{store: store, outcomes: outcomes, snapshots: snapshots, reader: eventstore.NewReader(nc), health: health}
	id, err := l.reader.Identity(ctx)
	if err != nil {
		return nil, err
	}
	l.end = id.Last
	return l, nil
}

// work runs the roles until ctx ends. It returns nil then, and an error that
// trying again does not heal.
func (p *process) work(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	start := func(wanted bool, part func(context.Context) error) {
		if wanted {
			group.Go(func() error { return part(ctx) })
		}
	}
	start(true, func(ctx context.Context) error { p.health.run(ctx); return nil })
	start(true, p.openLog)
	start(p.decides() || p.projects(), p.openTables)
	start(p.decides(), p.keepTokens)
	start(p.decides() || p.projects(), p.decide)
	start(p.decides() || p.projects(), p.openBus)
	start(p.decides(), p.carryOut)
	start(p.decides(), p.answer)
	start(p.decides(), p.operate)
	start(p.decides(), p.watchProbers)
	start(p.projects(), p.project)
	start(p.projects(), p.react)
	start(p.probes(), p.probe)
	start(true, p.openSamples)
	start(p.demo != nil, p.serveDemo)
	err := group.Wait()
	if tables, ok := p.tables.now(); ok {
		err = errors.Join(err, tables.Close())
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// never says that no error is the last word.
func never(error) bool { return false }

// openLog makes and verifies the streams.
func (p *process) openLog(ctx context.Context) error {
	var settings *eventstore.SettingsError
	wrong := func(err error) bool { return errors.As(err, &settings) }
	return untilItWorks(ctx, p.log, "the event log", wrong, func(ctx context.Context) error {
		if err := eventstore.Ensure(ctx, p.nc, streamOptions(p.cfg, p.log)); err != nil {
			return err
		}
		l, err := newEventLog(ctx, p.nc)
		if err != nil {
			return err
		}
		p.events.keep(l)
		return nil
	})
}

// decide runs the write loop: for the API and the bus, and in a projector for
// what follows from events.
func (p *process) decide(ctx context.Context) error {
	l, err := p.events.get(ctx)
	if err != nil {
		return err
	}
	h := command.New(l.store, l.outcomes, l.snapshots, command.Options{Logger: p.log, Metrics: p.metrics})
	p.writer.keep(h)
	if p.decides() {
		p.late.commands.Store(h)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.Run(ctx) })
	if p.demo != nil {
		group.Go(func() error { return p.addDemo(ctx, h) })
	}
	return group.Wait()
}
