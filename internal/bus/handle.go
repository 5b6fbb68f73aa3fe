package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// handle carries out one message. An error gives it back to the queue.
func (r *running) handle(msg *message.Message) error {
	d := deliveryIn(msg)
	end, err := r.end(d)
	setEnd(msg, end)
	return err
}

// end brings a message to its end, which is returned.
func (r *running) end(d delivery) (string, error) {
	in := d.incoming()
	if err := r.turn(d, in); err != nil {
		return endReleased, err
	}
	req, refused := in.decode()
	if refused != nil {
		return r.refuse(d, in, refused)
	}
	req.Final = true
	err := r.try(d, req.Enterprise, func(ctx context.Context) error {
		_, err := r.c.w.Handle(ctx, req)
		return err
	})
	return r.judge(d, in, string(command.Accepted), err)
}

// refuse ends what is no command that is carried out: with an outcome if there
// is a place for one, and parked if that is what its kind is.
func (r *running) refuse(d delivery, in incoming, no *refusal) (string, error) {
	if !no.hasPlace() {
		return r.park(d, garbage(no.park, no.err))
	}
	err := r.try(d, no.enterprise, func(ctx context.Context) error {
		_, err := r.c.w.Conclude(ctx, command.Conclusion{
			Enterprise: no.enterprise, ID: no.id, Name: in.origin.command, Body: in.body,
			Result: no.result, Error: no.err,
		})
		return err
	})
	if err != nil || no.park == "" {
		return r.judge(d, in, string(no.result), err)
	}
	return r.park(d, garbage(no.park, no.err))
}

// judge ends a message that was worked on: with how it ended when err is nil.
func (r *running) judge(d delivery, in incoming, ended string, err error) (string, error) {
	var refused *domain.Error
	switch {
	case err == nil:
		return ended, nil
	case errors.As(err, &refused) && refused.Code == domain.IDReused:
		return r.park(d, garbage(parkIDReused, refused))
	case errors.As(err, &refused):
		return string(command.Rejected), nil
	case errors.Is(err, errReleased):
		return endReleased, err
	case errors.Is(err, errTriedBefore):
		return r.park(d, undecided(parkNotHandled, "the history of the enterprise cannot be read now, and may have it from an earlier attempt"))
	case errors.Is(err, command.ErrUnreadable):
		return r.park(d, undecided(parkUnreadableHistory, "the history of the enterprise cannot be read"))
	}
	r.c.often.warn("a command of the bus could not be carried out", d.attrs(in, err)...)
	return r.park(d, undecided(parkNotHandled, "it could not be carried out, though everything else works"))
}

// errNoTime says that a command was not tried: others of its enterprise failed a
// short time ago, and took too long.
var errNoTime = errors.New("bus: commands of this enterprise fail")

// errTriedBefore says that a command met an unreadable history, and that an earlier
// attempt may have carried it out.
var errTriedBefore = errors.New("bus: it was tried before")

// try does what has to be done for a message until there is an answer: do's, or
// errReleased. What is the deployment's fault is waited for, as long as it takes;
// otherwise do is tried a second time, for not so long, and its error returned.
func (r *running) try(d delivery, ent events.EnterpriseID, do func(context.Context) error) error {
	limit, known := r.c.failing.limit(ent)
	if limit == 0 {
		return errNoTime
	}
	var doubted time.Time // since when it failed though everything seems to work
	for second, tried := known, d.deliveries > 1; ; tried = true {
		start := time.Now()
		err := r.attempt(d, limit, do)
		if answered(err) {
			r.c.failing.works(ent)
			return err
		}
		if errors.Is(err, command.ErrUnreadable) {
			if tried {
				err = fmt.Errorf("%w: %w", errTriedBefore, err)
			}
			return err
		}
		ready := func() error { return r.works(d) }
		ill := ready()
		switch {
		case ill == nil && (errors.Is(err, eventstore.ErrFull) || errors.Is(err, eventstore.ErrOutcomesFull)):
			ill = err // there is no room for this one
		case ill == nil && !known:
			if doubted.IsZero() {
				doubted = start
			}
			if time.Since(doubted) < r.c.failing.doubt(ent, doubted, start) {
				ill = err
			}
		}
		switch {
		case ill != nil:
			if err := r.hold(d, ill, ready); err != nil {
				return err
			}
		case second:
			r.c.failing.failed(ent, time.Since(start))
			return err
		default:
			second, limit = true, secondTry
		}
	}
}

// attempt does it once.
func (r *running) attempt(d delivery, limit time.Duration, do func(context.Context) error) error {
	r.progress(d)
	ctx, cancel := context.WithTimeout(r.ctx, limit)
	defer cancel()
	return do(ctx)
}

// answered reports whether err says something about the command.
func answered(err error) bool {
	var refused *domain.Error
	return err == nil || errors.As(err, &refused)
}

// suspected ends a message that was delivered too often: it is taken for one
// that brings down whoever handles it. Unless nothing works now, or has not
// until lately, or its id has an outcome, so that it did come to an end: then that
// explains it, and it is to be handled like any other. That the id has an outcome
// does not count for ever: it may be another command's.
func (r *running) suspected(d delivery) (end string, done bool, err error) {
	if ill := r.works(d); ill != nil {
		if err := r.hold(d, ill, func() error { return r.works(d) }); err != nil {
			return endReleased, true, err
		}
		return "", false, nil
	}
	if r.c.wasIll() || d.deliveries < hopeless && r.hasOutcome(d) {
		return "", false, nil
	}
	end, err = r.park(d, undecided(parkTooManyDeliveries, fmt.Sprintf("it was delivered %d times and never came to an end", d.deliveries)))
	return end, true, err
}

// hasOutcome reports whether an outcome was kept for the id of d, which nobody could
// acknowledge.
func (r *running) hasOutcome(d delivery) bool {
	in := d.incoming()
	ctx, cancel := context.WithTimeout(r.ctx, worksLimit)
	defer cancel()
	_, ok, err := r.c.w.Known(ctx, events.EnterpriseID(in.origin.enterprise), events.CommandID(in.header.commandID))
	return err == nil && ok
}
