package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// ParkingLot is where parked commands are decided about. It is eventstore.Parked.
type ParkingLot interface {
	Lot
	List(ctx context.Context, q eventstore.ParkedQuery) ([]eventstore.ParkedCommand, error)
	Get(ctx context.Context, seq events.Seq) (eventstore.ParkedCommand, error)
	Decide(ctx context.Context, seq events.Seq, d eventstore.ParkedDecision) (eventstore.ParkedDecision, error)
	Settle(ctx context.Context, seq events.Seq) error
	Unsettled(ctx context.Context, limit int) ([]eventstore.ParkedCommand, error)
	Count(ctx context.Context) (uint64, error)
}

// Publisher puts commands into the queue. It is eventstore.Commands.
type Publisher interface {
	Publish(ctx context.Context, tail string, header nats.Header, body []byte) (events.Seq, error)
}

// ParkingParts are what a Parking works on. Now and Logger may be nil.
type ParkingParts struct {
	Lot      ParkingLot
	Queue    Publisher
	Writer   Writer
	Outcomes eventstore.Outcomes
	Now      func() time.Time
	Logger   *slog.Logger
}

// Parking is what operators do about parked commands. It is safe for concurrent
// use, and any number of processes may have one on the same streams.
//
// A decision is kept before it is carried out, and is the only one there will
// be (ADR 0027). Whoever made it carries it out; Finish does so when that process
// has ended in between, or could not.
type Parking struct {
	ParkingParts
}

// NewParking returns the parked commands of these parts.
func NewParking(parts ParkingParts) *Parking {
	if parts.Now == nil {
		parts.Now = time.Now
	}
	if parts.Logger == nil {
		parts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Parking{parts}
}

// DecidedError says that something else was decided about a parked command.
type DecidedError struct {
	Seq      events.Seq
	Decision eventstore.ParkedDecision
}

func (e *DecidedError) Error() string {
	return fmt.Sprintf("bus: the parked command %d was %s by %s", e.Seq, e.Decision.Action, e.Decision.By)
}

// Unparked is what came of a decision.
type Unparked struct {
	// Command has the decision that stands, which may be an earlier one to the
	// same effect.
	Command eventstore.ParkedCommand
	// Done: it was carried out. Else Finish does it as soon as that is possible.
	Done bool
	// Outcome is the one that stands for the command's id; nil: there is none, or
	// it cannot be told.
	Outcome *command.Outcome
}

// List returns parked commands in the order in which they were parked, or decided
// about, without their bodies. An error wraps eventstore.ErrUnavailable or
// ErrNoStream.
func (p *Parking) List(ctx context.Context, q eventstore.ParkedQuery) ([]eventstore.ParkedCommand, error) {
	list, err := p.Lot.List(ctx, q)
	if err != nil || len(list) == 0 {
		return list, err
	}
	left, err := p.Lot.Unsettled(ctx, eventstore.MaxParkedPage)
	if err != nil {
		return nil, err
	}
	unsettled := map[events.Seq]*eventstore.ParkedDecision{}
	for _, c := range left {
		unsettled[c.Seq] = c.Decision
	}
	for i := range list {
		c := &list[i]
		if d, ok := unsettled[c.Seq]; ok {
			c.Decision = d
		}
		c.Settled = c.Decision != nil && unsettled[c.Seq] == nil
	}
	return list, nil
}

// Show returns one, decided about or not, with the outcome that stands for its
// id, if there is one. The error is eventstore.ErrNoParked or as that of List.
func (p *Parking) Show(ctx context.Context, seq events.Seq) (Unparked, error) {
	c, err := p.Lot.Get(ctx, seq)
	if err != nil {
		return Unparked{}, err
	}
	out, err := p.outcome(ctx, c.Enterprise, c.CommandID)
	return Unparked{Command: c, Done: c.Settled, Outcome: out}, err
}

// Retry has a parked command handled once more, with its id and on behalf of
// whom it came from. Whether it succeeds this time is its outcome; one that is
// parked again is a new parked command. It may be repeated.
//
// The error is a *domain.Error when it must not be retried, a *DecidedError,
// eventstore.ErrNoParked, or as that of List: perhaps decided.
func (p *Parking) Retry(ctx context.Context, seq events.Seq, by, reason string) (Unparked, error) {
	return p.settle(ctx, seq, eventstore.ParkedDecision{Action: eventstore.ParkedRetried, By: by, Reason: reason})
}

// Discard gives a parked command up. Whoever waits for its outcome gets one,
// unless there is one already: failed, with the code CodeDiscarded. The errors
// are those of Retry. It may be repeated.
func (p *Parking) Discard(ctx context.Context, seq events.Seq, by, reason string) (Unparked, error) {
	return p.settle(ctx, seq, eventstore.ParkedDecision{Action: eventstore.ParkedDiscarded, By: by, Reason: reason})
}

// settle decides, unless somebody did, and carries out what it has decided. What
// another decided is that one's to carry out, or Finish's.
func (p *Parking) settle(ctx context.Context, seq events.Seq, d eventstore.ParkedDecision) (Unparked, error) {
	c, err := p.Lot.Get(ctx, seq)
	if err != nil {
		return Unparked{}, err
	}
	ours := false
	if c.Decision == nil {
		if c, ours, err = p.decide(ctx, c, d); err != nil {
			return Unparked{}, err
		}
	}
	if c.Decision.Action != d.Action {
		return Unparked{Command: c}, &DecidedError{Seq: seq, Decision: *c.Decision}
	}
	if !ours {
		out, err := p.outcome(ctx, c.Enterprise, c.CommandID)
		return Unparked{Command: c, Done: c.Settled, Outcome: out}, err
	}
	out, err := p.carryOut(ctx, c)
	if err != nil {
		// The decision stands: to say that it failed would be wrong.
		p.Logger.Warn("decision about a parked command waits", slog.Uint64("parked_seq", uint64(seq)), slog.Any("err", err))
		return Unparked{Command: c}, nil
	}
	return Unparked{Command: c, Done: true, Outcome: out}, nil
}

// decide keeps a decision about c, and reports whether it is the one that stands.
func (p *Parking) decide(ctx context.Context, c eventstore.ParkedCommand, d eventstore.ParkedDecision) (decided eventstore.ParkedCommand, ours bool, err error) {
	if d.Action == eventstore.ParkedRetried {
		if err := p.mayRetry(ctx, c); err != nil {
			// It may have an outcome because somebody else has just retried it.
			if now, getErr := p.Lot.Get(ctx, c.Seq); getErr == nil && now.Decision != nil {
				return now, false, nil
			}
			return c, false, err
		}
	}
	d.At = p.Now().UTC().Truncate(time.Microsecond)
	stands, err := p.Lot.Decide(ctx, c.Seq, d)
	if err != nil {
		return c, false, err
	}
	c.Decision = &stands
	// Two that decide alike in one microsecond both carry it out, which may be
	// repeated. Texts are not compared: they are kept in a form of their own.
	ours = stands.Action == d.Action && stands.At.Equal(d.At)
	if ours {
		p.Logger.Info("parked command decided", slog.Uint64("parked_seq", uint64(c.Seq)), slog.String("enterprise", string(c.Enterprise)),
			slog.String("command_id", string(c.CommandID)), slog.String("action", d.Action), slog.String("by", d.By))
	}
	return c, ours, nil
}

// outcome reads the outcome that stands for an id; nil: there is none.
func (p *Parking) outcome(ctx context.Context, ent events.EnterpriseID, id events.CommandID) (*command.Outcome, error) {
	if ent == "" || id == "" {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	data, ok, err := p.Outcomes.Find(ctx, ent, id)
	if err != nil || !ok {
		return nil, err
	}
	var out command.Outcome
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("bus: the outcome of %s cannot be read: %w", id, err)
	}
	return &out, nil
}

// refuseRetry says why a parked command must not be handled again.
func refuseRetry(format string, args ...any) error {
	return &domain.Error{Code: domain.Invalid, Msg: fmt.Sprintf("It cannot be retried: "+format, args...)}
}

// mayRetry is why c must not be handled again, nil when it may. Nothing is
// published that cannot end otherwise than it did, or that could have a second
// effect.
func (p *Parking) mayRetry(ctx context.Context, c eventstore.ParkedCommand) error {
	switch {
	case c.Enterprise == "":
		return refuseRetry("what it was published on does not name an enterprise. Discard it.")
	case c.Command == "":
		return refuseRetry("what it was published on does not name a command. Discard it.")
	case c.CommandID == "":
		return refuseRetry("it has no command id that could be used, so that nobody could tell whether it took effect twice. Discard it.")
	case len(c.Body) < c.BodySize:
		return refuseRetry("of its body of %d bytes only the first %d were kept. Discard it.", c.BodySize, len(c.Body))
	case !isReaction(c) && strings.Contains(c.Tail, " "): // see eventstore.ParkedCommand
		return refuseRetry("not all was kept of what it was published on, which says who published it. Discard it.")
	case isReaction(c):
		if _, err := command.DecodeOwn(domain.CommandName(c.Command), c.Body); err != nil {
			return refuseRetry("this version of the program cannot read it (%v).", err)
		}
	}
	out, err := p.outcome(ctx, c.Enterprise, c.CommandID)
	switch {
	case err != nil:
		return err
	case out != nil:
		return refuseRetry("its command id has an outcome since %s, which stands: %s. What is still to be done needs a new id.",
			out.At.UTC().Format(time.RFC3339), ended(*out))
	}
	since, err := p.effective(ctx, c)
	if err != nil {
		return err
	}
	if !since.IsZero() && p.forgotten(since) {
		return refuseRetry("it may have taken effect before %s, and command ids are remembered for %d days. Look, and publish it under a new id if it did not.",
			since.UTC().Format(time.RFC3339), int(events.CommandMemory.Hours()/24))
	}
	return nil
}

// ended is an outcome in words.
func ended(out command.Outcome) string {
	text := string(out.Result)
	if out.Error != nil {
		text += " (" + string(out.Error.Code) + ")"
	}
	if out.Sequence != 0 {
		text += fmt.Sprintf(" at sequence %d", out.Sequence)
	}
	return text
}

// margin is what a retry gets to be handled in before the memory of ids ends.
const margin = time.Hour

// forgotten reports whether a command of that time may be handled when its id is
// not remembered any more.
func (p *Parking) forgotten(at time.Time) bool {
	return p.Now().Sub(at) > events.CommandMemory-margin
}

// effective is the first moment at which c may have taken effect: the time it was
// parked for certain reasons, or that of an earlier retry of the same id. Zero:
// it has none.
func (p *Parking) effective(ctx context.Context, c eventstore.ParkedCommand) (time.Time, error) {
	var since time.Time
	earliest := func(at time.Time) {
		if since.IsZero() || at.Before(since) {
			since = at
		}
	}
	if mayHaveEffect(c.Reason) {
		earliest(c.At)
	}
	q := eventstore.ParkedQuery{Enterprise: c.Enterprise, Decided: true, Limit: pageOfEarlier}
	for {
		list, err := p.Lot.List(ctx, q)
		if err != nil {
			return time.Time{}, err
		}
		for _, earlier := range list {
			q.After = earlier.Seq
			if earlier.CommandID != c.CommandID || earlier.Seq == c.Seq {
				continue
			}
			if mayHaveEffect(earlier.Reason) {
				earliest(earlier.At)
			}
			if d := earlier.Decision; d != nil && d.Action == eventstore.ParkedRetried {
				earliest(d.At)
			}
		}
		if len(list) < q.Limit {
			return since, nil
		}
	}
}

// pageOfEarlier is how many decisions are read at once.
const pageOfEarlier = 200

// mayHaveEffect reports whether a command that was parked for this reason may
// have been carried out all the same: nobody heard of its end. A stray may have
// been at work when its partition was taken away, and its acknowledgement lost.
func mayHaveEffect(reason string) bool {
	return reason == parkNotHandled || reason == parkTooManyDeliveries || reason == parkPanicked || reason == parkStray
}

// isReaction reports whether c follows from an event: everything else that is
// parked was a message of the queue.
func isReaction(c eventstore.ParkedCommand) bool { return c.Source == 0 }

// isRefusal returns the refusal of the domain in err; nil: there is none.
func isRefusal(err error) *domain.Error {
	var refused *domain.Error
	errors.As(err, &refused)
	return refused
}
