package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peering/peering/internal/bus"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/httpapi"
	"github.com/peering/peering/internal/readmodel"
)

// parkedCommands are the parked commands, for the API.
type parkedCommands struct{ parking *bus.Parking }

// List implements httpapi.Parked.
func (p *parkedCommands) List(ctx context.Context, q httpapi.ParkedQuery) ([]httpapi.ParkedRow, error) {
	list, err := p.parking.List(ctx, eventstore.ParkedQuery(q))
	if err != nil {
		return nil, parkedFault(err)
	}
	rows := make([]httpapi.ParkedRow, 0, len(list))
	for _, c := range list {
		rows = append(rows, parkedRow(bus.Unparked{Command: c, Done: c.Settled}))
	}
	return rows, nil
}

// Show implements httpapi.Parked.
func (p *parkedCommands) Show(ctx context.Context, at events.Seq) (httpapi.ParkedRow, error) {
	u, err := p.parking.Show(ctx, at)
	return parkedRow(u), parkedFault(err)
}

// Retry implements httpapi.Parked.
func (p *parkedCommands) Retry(ctx context.Context, at events.Seq, by, reason string) (httpapi.ParkedRow, error) {
	u, err := p.parking.Retry(ctx, at, by, reason)
	return parkedRow(u), parkedFault(err)
}

// Discard implements httpapi.Parked.
func (p *parkedCommands) Discard(ctx context.Context, at events.Seq, by, reason string) (httpapi.ParkedRow, error) {
	u, err := p.parking.Discard(ctx, at, by, reason)
	return parkedRow(u), parkedFault(err)
}

// parkedFault turns an error of the parked commands into that of the API.
func parkedFault(err error) error {
	var decided *bus.DecidedError
	switch {
	case errors.Is(err, eventstore.ErrNoParked):
		return fmt.Errorf("%w: %w", readmodel.ErrNotFound, err)
	case errors.As(err, &decided):
		return &httpapi.DecidedError{Decision: parkedDecision(decided.Decision, false)}
	case errors.Is(err, eventstore.ErrUnavailable), errors.Is(err, eventstore.ErrNoStream), errors.Is(err, eventstore.ErrFull),
		errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", command.ErrUnavailable, err)
	}
	return err
}

func parkedRow(u bus.Unparked) httpapi.ParkedRow {
	c := u.Command
	row := httpapi.ParkedRow{
		Seq: c.Seq, At: c.At, Subject: eventstore.CommandSubject(c.Tail), Enterprise: c.Enterprise, Command: c.Command, CommandID: c.CommandID,
		Reason: c.Reason, Detail: c.Detail, Actor: c.Actor, OnBehalfOf: c.OnBehalfOf, Why: c.Why,
		CorrelationID: c.CorrelationID, CausationID: c.CausationID,
		Deliveries: c.Deliveries, Body: c.Body, BodySize: c.BodySize, Outcome: u.Outcome,
	}
	if c.Decision != nil {
		d := parkedDecision(*c.Decision, u.Done)
		row.Decision = &d
	}
	return row
}

func parkedDecision(d eventstore.ParkedDecision, done bool) httpapi.ParkedDecision {
	return httpapi.ParkedDecision{Action: d.Action, By: d.By, At: d.At.UTC(), Reason: d.Reason, CarriedOut: done}
}

// parkedPatience is how long a command may be parked before somebody should have
// decided about it.
const parkedPatience = time.Hour

// checkParked says whether commands wait for an operator.
func (p *process) checkParked(ctx context.Context) finding {
	b, ok := p.bus.now()
	if !ok {
		return amber("the streams of the bus are not there yet")
	}
	return parkedFinding(ctx, b.parked, time.Now())
}

func parkedFinding(ctx context.Context, lot bus.ParkingLot, now time.Time) finding {
	n, err := lot.Count(ctx)
	if err != nil {
		return amber("the parked commands cannot be read: %v", err)
	}
	oldest, err := lot.List(ctx, eventstore.ParkedQuery{Limit: 1})
	switch {
	case err != nil:
		return amber("the parked commands cannot be read: %v", err)
	case len(oldest) == 0:
		return green("no command waits for an operator")
	}
	since := oldest[0].At.UTC()
	text := fmt.Sprintf("%d parked, the first since %s", n, since.Format(time.RFC3339))
	if now.Sub(since) > parkedPatience {
		return amber("%s: see peering parked list", text)
	}
	return green("%s", text)
}

// park has operators decide about parked commands, and what they decided carried
// out by whoever calls Finish.
func (p *process) park(writer bus.Writer, l *eventLog, b *busStreams) *bus.Parking {
	parking := bus.NewParking(bus.ParkingParts{Lot: b.parked, Queue: b.queue, Writer: writer, Outcomes: l.outcomes, Logger: p.log})
	p.metrics.MustRegister(bus.NewParkedCollector(b.parked.Count, time.Now))
	p.late.parked.Store(&parkedCommands{parking})
	return parking
}
