package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// parkReactionRefused: a rule stands against what follows from an event.
const parkReactionRefused = "reaction_refused"

// settleAll settles orders, which are sorted by enterprise: those to one
// enterprise in their order, those to several side by side. suspect: none is
// tried, all are parked. The error is errReleased.
func (r *Reactions) settleAll(ctx context.Context, orders []command.Request, suspect bool) error {
	var group errgroup.Group
	group.SetLimit(reactorsAtOnce)
	for len(orders) > 0 {
		n := 1
		for n < len(orders) && orders[n].Enterprise == orders[0].Enterprise {
			n++
		}
		mine := orders[:n]
		orders = orders[n:]
		group.Go(func() error {
			for _, req := range mine {
				end, err := r.settle(ctx, req, suspect)
				if err != nil {
					return err
				}
				r.metrics.ends.WithLabelValues(end).Inc()
			}
			return nil
		})
	}
	return group.Wait()
}

// settle brings one order to its end, which is returned; the error is errReleased.
func (r *Reactions) settle(ctx context.Context, req command.Request, suspect bool) (end string, err error) {
	if suspect {
		return r.park(ctx, req, undecided(parkTooManyDeliveries, fmt.Sprintf("the event behind it was delivered %d times and more and never came to an end", maxDeliveries)))
	}
	receipt, err := r.try(ctx, req)
	var refused *domain.Error
	switch {
	case err == nil && len(receipt.Events) > 0:
		return reactionChanged, nil
	case err == nil:
		return reactionUnchanged, nil
	case released(err):
		return "", err
	case errors.As(err, &refused):
		return r.refused(ctx, req, refused)
	case errors.Is(err, command.ErrUnreadable):
		return r.park(ctx, req, undecided(parkUnreadableHistory, "the history of the enterprise cannot be read"))
	case errors.Is(err, errPanicked):
		return r.park(ctx, req, undecided(parkPanicked, "a fault in the program: its log tells more"))
	}
	r.often.warn("what follows from an event could not be carried out", append(about(req), slog.Any("err", err))...)
	return r.park(ctx, req, undecided(parkNotHandled, "it could not be carried out, though everything else works"))
}

// refused ends an order that was refused. A peer that is gone needs nothing, and
// an id that was used was used by this very order: what the peer showed then was
// something else. Anything else has to be seen to by somebody.
func (r *Reactions) refused(ctx context.Context, req command.Request, no *domain.Error) (string, error) {
	switch {
	case no.Code == domain.NotFound || no.Code == domain.Gone:
		return reactionGone, nil
	case no.Code == domain.IDReused:
		return reactionUnchanged, nil
	}
	r.log.Warn("a rule stands against what follows from an event", append(args(about(req)), slog.Any("err", no))...)
	req.ID = again(req.ID)
	end, err := r.park(ctx, req, garbage(parkReactionRefused, no))
	if end == reactionParked {
		end = reactionRefused
	}
	return end, err
}

var errPanicked = errors.New("bus: panicked")

// try carries an order out until there is an answer, or errReleased. What is the
// deployment's fault is waited for, as long as it takes; then it is tried once
// more, and the error returned.
func (r *Reactions) try(ctx context.Context, req command.Request) (command.Receipt, error) {
	limit, known := r.failing.limit(req.Enterprise)
	if limit == 0 {
		return command.Receipt{}, errNoTime
	}
	start := time.Now()
	for attempts := 0; ; {
		receipt, err := r.attempt(ctx, limit, req)
		switch {
		case answered(err):
			r.failing.works(req.Enterprise)
			return receipt, err
		case ctx.Err() != nil:
			return command.Receipt{}, errReleased
		case errors.Is(err, command.ErrUnreadable), errors.Is(err, errPanicked):
			return command.Receipt{}, err
		}
		full := errors.Is(err, eventstore.ErrFull) // there is no room for this one
		waited, stopped := r.until(ctx, func() error {
			ill := r.works(ctx)
			if ill == nil && full {
				ill, full = err, false
			}
			return ill
		})
		if stopped != nil {
			return command.Receipt{}, stopped
		}
		if waited {
			start = time.Now() // what was waited for is nobody's fault
			continue
		}
		if attempts++; attempts == 2 || known {
			r.failing.failed(req.Enterprise, time.Since(start))
			return command.Receipt{}, err
		}
	}
}

// attempt carries an order out once. A panic is an error.
func (r *Reactions) attempt(ctx context.Context, limit time.Duration, req command.Request) (receipt command.Receipt, err error) {
	defer func() {
		if v := recover(); v != nil {
			r.often.error("handling what follows from an event panicked", append(about(req),
				slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))...)
			err = errPanicked
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return r.Orders.Handle(ctx, req)
}

// park puts an order aside and returns its end. As long as that cannot be done
// it waits; without any room, an order that was decided on is given up.
func (r *Reactions) park(ctx context.Context, req command.Request, p parking) (string, error) {
	body, err := command.Encode(req.Command)
	if err != nil { // of ours: it can be encoded
		return "", err
	}
	end := reactionParked
	_, err = r.until(ctx, func() error {
		inTime, cancel := context.WithTimeout(ctx, parkLimit)
		defer cancel()
		_, err := r.Lot.Park(inTime, parkedOrder(req, body, p, r.now()))
		if errors.Is(err, eventstore.ErrFull) && !p.dear {
			r.often.error("what follows from an event was refused and could not be parked: there is no room",
				append(about(req), slog.String("reason", p.reason), slog.String("detail", p.detail))...)
			r.metrics.lost.Inc()
			end, err = reactionLost, nil
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if end == reactionParked {
		r.metrics.parked.WithLabelValues(p.reason).Inc()
		r.often.warn("what follows from an event was parked", append(about(req), slog.String("reason", p.reason))...)
	}
	return end, nil
}

func parkedOrder(req command.Request, body []byte, p parking, now time.Time) eventstore.ParkedCommand {
	name := string(req.Command.Name())
	return eventstore.ParkedCommand{
		At:         now.UTC(),
		Tail:       string(req.Enterprise) + "." + name,
		Enterprise: req.Enterprise, Command: name, CommandID: req.ID,
		Reason: p.reason, Detail: p.detail,
		Actor: req.Actor, Why: req.Reason,
		CorrelationID: req.CorrelationID, CausationID: req.CausationID, Traceparent: req.Traceparent,
		Body: body, BodySize: len(body), KeepWhole: true,
	}
}

// about are what a log line says of an order.
func about(req command.Request) []slog.Attr {
	peer := events.PeerID("")
	switch cmd := req.Command.(type) {
	case domain.FollowServer:
		peer = cmd.Peer
	case domain.RaisePeerNotice:
		peer = cmd.Peer
	}
	return []slog.Attr{
		slog.String("enterprise", string(req.Enterprise)), slog.String("peer_id", string(peer)),
		slog.String("command_id", string(req.ID)), slog.String("causation_id", req.CausationID),
	}
}

func args(with []slog.Attr) []any {
	out := make([]any, len(with))
	for i, a := range with {
		out[i] = a
	}
	return out
}
