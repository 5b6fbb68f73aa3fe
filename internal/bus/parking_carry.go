package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	case p.forgotten(c.Decision.At):
		err = p.parkAgain(ctx, c, parkNotHandled, fmt.Sprintf(
			"%s retried it at %s, and whether that was done cannot be told any more", c.Decision.By, c.Decision.At.UTC().Format(time.RFC3339)))
	case c.Reason == parkReactionRefused:
		err = p.reactAgain(ctx, c)
	default:
		err = p.publishAgain(ctx, c)
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

// reaction reads the command of a reaction, which may be one that no client can
// give.
func reaction(c eventstore.ParkedCommand) (domain.Command, error) {
	if domain.CommandName(c.Command) != (domain.RaisePeerNotice{}).Name() {
		return command.Decode(domain.CommandName(c.Command), c.Body)
	}
	var notice domain.RaisePeerNotice
	strict := json.NewDecoder(bytes.NewReader(c.Body))
	strict.DisallowUnknownFields()
	err := strict.Decode(&notice)
	return notice, err
}

// reactAgain carries the command of a reaction out. It does not go through the
// queue, where nobody may give some of these commands, and has an id of its own:
// its refusal is the outcome of the first one for seven days. The id follows from
// the parked command, so that a repeat has no second effect.
func (p *Parking) reactAgain(ctx context.Context, c eventstore.ParkedCommand) error {
	cmd, err := reaction(c)
	if err != nil {
		return p.parkAgain(ctx, c, c.Reason, "it cannot be read any more: "+err.Error())
	}
	_, err = p.Writer.Handle(ctx, command.Request{
		Enterprise: c.Enterprise, ID: events.CommandID(fmt.Sprintf("retry-of-parked-%d", c.Seq)), Command: cmd,
		Actor: c.Actor, OnBehalfOf: c.OnBehalfOf, Reason: c.Why,
		CorrelationID: c.CorrelationID, CausationID: c.CausationID, Traceparent: c.Traceparent,
	})
	if refused := isRefusal(err); refused != nil {
		return p.parkAgain(ctx, c, c.Reason, refused.Error())
	}
	return err
}

// publishAgain puts a command into the queue once more.
func (p *Parking) publishAgain(ctx context.Context, c eventstore.ParkedCommand) error {
	_, err := p.Queue.Publish(ctx, c.Tail, headerOf(c), c.Body)
	if err == nil || passes(ctx, err) {
		return err
	}
	return p.parkAgain(ctx, c, c.Reason, "it cannot be published again: "+err.Error())
}

// passes reports whether an error of the streams goes away by itself.
func passes(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, eventstore.ErrFull) || errors.Is(err, eventstore.ErrUnavailable) || errors.Is(err, eventstore.ErrNoStream)
}

// parkAgain makes a new parked command of one that was retried in vain. It is not
// the same message of the queue any more, which is parked only once.
func (p *Parking) parkAgain(ctx context.Context, c eventstore.ParkedCommand, reason, detail string) error {
	c.Decision, c.Settled, c.Source, c.KeepWhole = nil, false, 0, true
	c.Reason, c.Detail = reason, detail
	_, err := p.Lot.Park(ctx, c)
	return err
}
