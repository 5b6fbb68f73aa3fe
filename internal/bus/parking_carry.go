package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// CodeDiscarded is the code of the outcome of a command that an operator gave up.
const CodeDiscarded domain.Code = "discarded"

const (
	// finishAfter is how long whoever decided has to carry it out before somebody
	// else does.
	finishAfter = 30 * time.Second
	// finishAtOnce is how many decisions one call of Finish carries out.
	finishAtOnce = 200
)

// Finish carries out what was decided and was not carried out: the process has
// ended in between, or the streams did not answer. One enterprise that cannot be
// written keeps none of the others waiting. An error says what is left to be
// done; call it again later.
func (p *Parking) Finish(ctx context.Context) error {
	list, err := p.Lot.Unsettled(ctx, finishAtOnce)
	if err != nil {
		return fmt.Errorf("bus: decisions that were not carried out: %w", err)
	}
	failing := map[events.EnterpriseID]bool{}
	var left []error
	for _, c := range list {
		switch {
		case ctx.Err() != nil:
			return errors.Join(append(left, ctx.Err())...)
		case c.Decision == nil, failing[c.Enterprise], p.Now().Sub(c.Decision.At) < finishAfter:
			continue
		}
		if _, err := p.carryOut(ctx, c); err != nil {
			failing[c.Enterprise] = true
			left = append(left, fmt.Errorf("the parked command %d was %s: %w", c.Seq, c.Decision.Action, err))
			continue
		}
		p.Logger.Info("decision about a parked command carried out", "parked_seq", uint64(c.Seq),
			"enterprise", string(c.Enterprise), "command_id", string(c.CommandID), "action", c.Decision.Action)
	}
	return errors.Join(left...)
}

// carryOut does what was decided about c and settles it. It may be repeated: what
// it does has one effect.
func (p *Parking) carryOut(ctx context.Context, c eventstore.ParkedCommand) (*command.Outcome, error) {
	var out *command.Outcome
	var err error
	switch {
	case c.Settled: // but for the last step; its body may be gone
	case c.Decision.Action == eventstore.ParkedDiscarded:
		out, err = p.giveUp(ctx, c)
	case c.Decision.Action != eventstore.ParkedRetried:
		err = fmt.Errorf("bus: what it is to be %q is not known to this version of the program", c.Decision.Action)
	case p.forgotten(c.Decision.At):
		err = p.parkAgain(ctx, c, parkNotHandled, fmt.Sprintf(
			"%s retried it at %s, and whether that was done cannot be told any more", c.Decision.By, c.Decision.At.UTC().Format(time.RFC3339)))
	case isReaction(c):
		err = p.reactAgain(ctx, c)
	default:
		_, err = p.Queue.Publish(ctx, c.Tail, headerOf(c), c.Body)
	}
	if err != nil {
		return nil, err
	}
	return out, p.Lot.Settle(ctx, c.Seq)
}

// giveUp keeps the outcome of a command that is discarded, and returns the one
// that stands.
func (p *Parking) giveUp(ctx context.Context, c eventstore.ParkedCommand) (*command.Outcome, error) {
	if c.Enterprise == "" || c.CommandID == "" {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	// Whether it is the same command that an outcome is there for cannot be told
	// of a body that was cut, and need not be.
	if out, err := p.outcome(ctx, c.Enterprise, c.CommandID); err != nil || out != nil {
		return out, err
	}
	out, err := p.Writer.Conclude(ctx, command.Conclusion{
		Enterprise: c.Enterprise, ID: c.CommandID, Name: domain.CommandName(c.Command), Body: c.Body,
		Result: command.Failed,
		Error:  &domain.Error{Code: CodeDiscarded, Msg: "an operator gave it up: " + c.Decision.Reason},
	})
	switch {
	case err == nil:
		return &out, nil
	case isRefusal(err) != nil: // the id is another command's, whose outcome stands
		return p.outcome(ctx, c.Enterprise, c.CommandID)
	}
	return nil, err
}

// headerOf is what travels with a command that is published again: what is known
// of it, and nothing else that it came with. Who published it is in the subject.
func headerOf(c eventstore.ParkedCommand) nats.Header {
	h := nats.Header{}
	for name, value := range map[string]string{
		headerCommandID: string(c.CommandID), headerActor: c.OnBehalfOf, headerReason: c.Why,
		headerCorrelation: c.CorrelationID, headerCausation: c.CausationID, headerTraceparent: c.Traceparent,
	} {
		if value != "" {
			h[name] = []string{value}
		}
	}
	return h
}

// reactAgain carries the command of a reaction out. It does not go through the
// queue, where nobody may give such a command and it would be another's.
func (p *Parking) reactAgain(ctx context.Context, c eventstore.ParkedCommand) error {
	err := p.handle(ctx, c)
	var refused *domain.Error
	switch {
	case errors.Is(err, errPanicked):
		return p.parkAgain(ctx, c, parkPanicked, "a fault in the program: its log tells more")
	case errors.Is(err, command.ErrUnreadable):
		return p.parkAgain(ctx, c, parkUnreadableHistory, "the history of the enterprise cannot be read")
	case !errors.As(err, &refused):
		return err
	}
	if slices.Contains([]domain.Code{domain.NotFound, domain.Gone, domain.IDReused}, refused.Code) {
		return nil // it needs nothing any more, as when a reaction meets this
	}
	// The refusal is the answer to every repeat of its id.
	c.CommandID = events.CommandID(fmt.Sprintf("retry-of-parked-%d", c.Seq))
	return p.parkAgain(ctx, c, parkReactionRefused, refused.Error())
}

// handle gives the command of a reaction to the write loop. A panic is
// errPanicked.
func (p *Parking) handle(ctx context.Context, c eventstore.ParkedCommand) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.Logger.Error("handling a parked command panicked", slog.Uint64("parked_seq", uint64(c.Seq)),
				slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			err = errPanicked
		}
	}()
	cmd, err := command.DecodeOwn(domain.CommandName(c.Command), c.Body)
	if err != nil {
		return err
	}
	req := command.Request{
		Enterprise: c.Enterprise, ID: c.CommandID, Command: cmd,
		Actor: c.Actor, OnBehalfOf: c.OnBehalfOf, Reason: c.Why,
		CorrelationID: c.CorrelationID, CausationID: c.CausationID, Traceparent: c.Traceparent,
		Final: true,
	}
	if follow, ok := cmd.(domain.FollowServer); ok {
		return p.followNow(ctx, req, follow)
	}
	_, err = p.Writer.Handle(ctx, req)
	return err
}

// parkAgain makes a new parked command of one that was retried in vain.
func (p *Parking) parkAgain(ctx context.Context, c eventstore.ParkedCommand, reason, detail string) error {
	c.Decision, c.Settled, c.KeepWhole = nil, false, true
	c.Reason, c.Detail = reason, detail
	_, err := p.Lot.Park(ctx, c)
	return err
}
