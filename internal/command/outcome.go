package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// outcome is that of the order, before it is known how it ended.
func (o *order) outcome(now time.Time) Outcome {
	return Outcome{CommandID: o.ID, Command: o.Command.Name(), Hash: o.hash, Result: Accepted, Events: []events.EventID{}, At: now}
}

// accepted is the outcome of d, whose events end at seq.
func (o *order) accepted(d domain.Decision, seq events.Seq, now time.Time) Outcome {
	out := o.outcome(now)
	out.ID, out.Sequence, out.Warnings, out.Results = d.ID, seq, d.Warnings, fitting(d.Results)
	for i := range d.Events {
		out.Events = append(out.Events, events.NewEventID(o.Enterprise, o.ID, i))
	}
	return out
}

func (o *order) rejected(refusal *domain.Error, now time.Time) Outcome {
	out := o.outcome(now)
	out.Result, out.Error = Rejected, refusal
	if len(refusal.Results) > 0 {
		kept := *refusal
		kept.Results = fitting(refusal.Results)
		out.Error = &kept
	}
	return out
}

// acceptedBefore is the outcome that the log tells of, as far as it does: what
// it warned of is not in there, nor what became of each of many operations.
func (o *order) acceptedBefore(c domain.RememberedCommand) Outcome {
	out := o.outcome(c.Time)
	out.ID, out.Sequence, out.Events = c.Resource, c.Seq, c.Events
	if _, many := o.Command.(domain.ChangePeers); many {
		out.ID, out.Warnings = string(o.Enterprise), resultsLost()
	}
	return out
}

// replay answers the order with an earlier outcome of its id.
func (o *order) replay(out Outcome) (Receipt, error) {
	if out.Hash != o.hash {
		return Receipt{}, reused(o.ID)
	}
	r, err := out.answer()
	r.Repeated = err == nil
	return r, err
}

func reused(id events.CommandID) error {
	return &domain.Error{Code: domain.IDReused, Field: "command_id", Msg: fmt.Sprintf(
		"the command id %s was used for another command, and its outcome stands; use a new id", id)}
}

// answer is what the caller gets for the outcome.
func (out Outcome) answer() (Receipt, error) {
	switch {
	case out.Error != nil:
		return Receipt{}, out.Error
	case out.Result != Accepted:
		return Receipt{}, &domain.Error{Code: domain.Malformed, Msg: "the command could not be handled"}
	}
	return Receipt{CommandID: out.CommandID, ID: out.ID, Sequence: out.Sequence, Events: out.Events, Warnings: out.Warnings, Results: out.Results, At: out.At}, nil
}

// fromLog reports whether out may be all that the log tells, so that an outcome
// that was kept knows more.
func (out Outcome) fromLog() bool {
	return len(out.Results) == 0 && (len(out.Warnings) == 0 || out.Warnings[0].Code == WarnResultsLost)
}

// find looks for an outcome that was kept for the order's id.
func (h *Handler) find(ctx context.Context, o *order) (out Outcome, ok bool, err error) {
	if o.hash == "" {
		return Outcome{}, false, nil
	}
	data, ok, err := h.outcomes.Find(ctx, o.Enterprise, o.ID)
	if err != nil {
		return Outcome{}, false, fmt.Errorf("looking for the outcome: %w", err)
	}
	if !ok {
		return Outcome{}, false, nil
	}
	out, err = parseOutcome(data)
	return out, err == nil, err
}

// Known returns the outcome that was kept for an id, and changes nothing; ok is
// false when there is none, which does not say that nothing was done under it. An
// error wraps ErrUnavailable, or is a *domain.Error: enterprise or id are none.
func (h *Handler) Known(ctx context.Context, ent events.EnterpriseID, id events.CommandID) (out Outcome, ok bool, err error) {
	if ent, err = events.ParseEnterpriseID(string(ent)); err != nil {
		return Outcome{}, false, idFault("enterprise", err)
	}
	if _, err = events.ParseCommandID(string(id)); err != nil {
		return Outcome{}, false, idFault("command_id", err)
	}
	data, ok, err := h.outcomes.Find(ctx, ent, id)
	if err == nil && ok {
		out, err = parseOutcome(data)
	}
	if err != nil {
		return Outcome{}, false, fmt.Errorf("%w: looking for the outcome of %s: %w", ErrUnavailable, id, err)
	}
	return out, ok, nil
}

// keep stores out unless there is an outcome already, and returns the one that
// stands. An error means perhaps kept.
func (h *Handler) keep(ctx context.Context, o *order, out Outcome) (stands Outcome, ours bool, err error) {
	data, err := json.Marshal(out)
	if err != nil {
		return Outcome{}, false, fmt.Errorf("encoding the outcome: %w", err)
	}
	kept, err := h.outcomes.Keep(ctx, o.Enterprise, o.ID, data)
	if err != nil {
		return Outcome{}, false, fmt.Errorf("keeping the outcome: %w", err)
	}
	if string(kept) == string(data) {
		return out, true, nil
	}
	stands, err = parseOutcome(kept)
	return stands, false, err
}

func parseOutcome(data []byte) (out Outcome, err error) {
	if err := json.Unmarshal(data, &out); err != nil {
		return Outcome{}, fmt.Errorf("the outcome that was kept cannot be read: %w", err)
	}
	return out, nil
}

// settle answers an order whose events are in the log. With an id, its outcome
// must be kept first. A kept rejection does not undo what the log says: that
// stands, and the contradiction is somebody's to look at.
func (h *Handler) settle(ctx context.Context, o *order, out Outcome) (Receipt, error) {
	if o.hash != "" {
		ctx, cancel := finishing(ctx, settleBudget)
		defer cancel()
		stands, ours, err := h.keep(ctx, o, out)
		if err != nil {
			if errors.Is(err, eventstore.ErrOutcomesFull) {
				return Receipt{}, fmt.Errorf("the events are stored: %w", eventstore.ErrOutcomesFull)
			}
			// Not wrapped: that something is full does not mean that nothing was written.
			return Receipt{}, fmt.Errorf("the events are stored, their outcome is not: %v", err) //nolint:errorlint // see above
		}
		switch {
		case ours:
		case stands.Result != Accepted || stands.Hash != out.Hash:
			h.log.Error("outcome contradicts the log", slog.String("enterprise", string(o.Enterprise)),
				slog.String("command_id", string(o.ID)), slog.String("result", string(stands.Result)))
		case out.fromLog():
			out.Warnings, out.Results = stands.Warnings, stands.Results
		}
	}
	return out.answer()
}

// lasting reports whether the refusal is the answer to every repeat of the
// order. One because of what travels with the command is not: nothing was
// decided about its body, and the client can put it right under the same id,
// unless it is gone.
func (o *order) lasting(refusal *domain.Error) bool {
	return o.Final || refusal == nil || refusal != o.fault && refusal.Code != domain.Stale
}

// conclude answers an order that leaves no event: a refusal, or nothing to
// change. The state it was decided on was fresh. See Handler for the order of
// the steps.
func (h *Handler) conclude(ctx context.Context, e *entry, o *order, out Outcome) (Receipt, error) {
	if o.hash == "" || !o.lasting(out.Error) {
		return out.answer()
	}
	stands, ours, err := h.keep(ctx, o, out)
	if err != nil {
		return Receipt{}, err
	}
	if _, err := h.refresh(ctx, e); err != nil {
		return Receipt{}, err
	}
	if c, ok := o.remembered(e.state); ok {
		return h.recall(ctx, o, c)
	}
	if ours {
		return out.answer()
	}
	return o.replay(stands)
}

// recall answers an order whose id is in the log already.
func (h *Handler) recall(ctx context.Context, o *order, c domain.RememberedCommand) (Receipt, error) {
	if c.Hash != o.hash {
		return Receipt{}, reused(o.ID)
	}
	r, err := h.settle(ctx, o, o.acceptedBefore(c))
	r.Repeated = err == nil
	return r, err
}
