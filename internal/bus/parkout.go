package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// parking is why a message is parked.
type parking struct {
	reason string
	detail string
	// dear: the message may still take effect, so it is not given up while there
	// is no room for it.
	dear bool
}

func garbage(reason string, err *domain.Error) parking {
	return parking{reason: reason, detail: err.Error()}
}

func undecided(reason, detail string) parking {
	return parking{reason: reason, detail: detail, dear: true}
}

// park puts a message aside and returns its end. As long as that cannot be done
// the message is held; without any room, what is not dear is given up.
func (r *running) park(d delivery, p parking) (string, error) {
	end := endParked
	try := func() error {
		r.progress(d)
		err := r.c.putAside(r.ctx, d, p)
		switch {
		case errors.Is(err, eventstore.ErrFull) && !p.dear:
			r.c.metrics.lost.Inc()
			r.c.often.error("what was no command could not be parked: there is no room", append(d.attrs(d.incoming(), err), slog.String("reason", p.reason))...)
			end = endLost
			return nil
		case errors.Is(err, eventstore.ErrNoStream):
			r.c.look()
		}
		return err
	}
	if err := try(); err != nil {
		if err := r.hold(d, err, try); err != nil {
			return endReleased, err
		}
	}
	return end, nil
}

// putAside parks a message once.
func (c *Commands) putAside(ctx context.Context, d delivery, p parking) error {
	ctx, cancel := context.WithTimeout(ctx, parkLimit)
	defer cancel()
	seq, err := c.lot.Park(ctx, parkedCommand(d, p, time.Now()))
	if err != nil {
		return err
	}
	c.metrics.parked.WithLabelValues(p.reason).Inc()
	c.often.warn("a command of the bus was parked", append(
		d.attrs(d.incoming(), nil),
		slog.String("reason", p.reason), slog.Uint64("parked", uint64(seq)))...)
	return nil
}

func parkedCommand(d delivery, p parking, now time.Time) eventstore.ParkedCommand {
	in := d.incoming()
	c := eventstore.ParkedCommand{
		At:            now.UTC(),
		Tail:          d.tail(),
		Command:       string(in.origin.command),
		Reason:        p.reason,
		Detail:        p.detail,
		Actor:         in.origin.principal.Actor,
		OnBehalfOf:    in.header.actor,
		Why:           in.header.reason,
		CorrelationID: in.header.correlationID,
		CausationID:   in.header.causationID,
		Traceparent:   in.header.traceparent,
		Source:        d.seq,
		Deliveries:    d.deliveries,
		Body:          in.body,
		BodySize:      len(in.body),
		KeepWhole:     p.dear,
	}
	if ent, err := events.ParseEnterpriseID(in.origin.enterprise); err == nil {
		c.Enterprise = ent
	}
	if id, err := events.ParseCommandID(in.header.commandID); err == nil {
		c.CommandID = id
	}
	return c
}

// attrs are what a log line says of a message, without anything long or hostile
// that came with it.
func (d delivery) attrs(in incoming, err error) []slog.Attr {
	ent, id, _ := in.place()
	with := []slog.Attr{slog.String("enterprise", string(ent)), slog.String("command_id", string(id)), slog.Uint64("stream_seq", uint64(d.seq))}
	if err != nil {
		with = append(with, slog.Any("err", err))
	}
	return with
}
