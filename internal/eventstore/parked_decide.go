package eventstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
)

// DecisionMemory is how long decisions about parked commands are kept.
const DecisionMemory = 90 * 24 * time.Hour

// decidedSubject is where the decision about a parked command stands.
func decidedSubject(token string, seq events.Seq) string {
	return decidedRoot + token + "." + strconv.FormatUint(uint64(seq), 10)
}

// unsettledSubject is where a mark stands while the decision about a parked
// command is not carried out. It comes with the decision and goes last, so that
// what is left to do is found without looking at all decisions.
func unsettledSubject(seq events.Seq) string {
	return unsettledRoot + strconv.FormatUint(uint64(seq), 10)
}

func isParked(subject string) bool { return strings.HasPrefix(subject, parkedRoot) }

// Decide keeps a decision about a parked command unless there is one already,
// and returns the one that stands. Carrying it out is the caller's, who then
// calls Settle. The error is ErrNoParked or wraps ErrUnavailable (perhaps
// decided; repeat the call), ErrNoStream or ErrFull (nothing was decided).
func (p *Parked) Decide(ctx context.Context, seq events.Seq, d ParkedDecision) (stands ParkedDecision, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		c, err := p.Get(ctx, seq)
		if err != nil {
			return ParkedDecision{}, fmt.Errorf("decide about %d: %w", seq, err)
		}
		if c.Decision != nil {
			return *c.Decision, nil
		}
		_, err = p.pub.deliver(ctx, decision(&c, d))
		if err == nil {
			return d, nil
		}
		if stop := p.undecidable(ctx, err); stop != nil {
			return ParkedDecision{}, fmt.Errorf("decide about %d: %w", seq, stop)
		}
		// The next round sees what stands.
		if sleep(ctx, pause) != nil {
			return ParkedDecision{}, fmt.Errorf("decide about %d: %w: %w", seq, unanswered(ctx), err)
		}
	}
}

// decision is a decision as it is stored: all of it or nothing, and only when
// there is none.
func decision(c *ParkedCommand, d ParkedDecision) []*nats.Msg {
	header := decisionHeader(c, d)
	header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
	header.Set(jetstream.MsgTTLHeader, DecisionMemory.String())
	return []*nats.Msg{
		{Subject: decidedSubject(enterpriseToken(c.Enterprise), c.Seq), Header: header, Data: c.Body[:min(len(c.Body), decidedBody)]},
		{Subject: unsettledSubject(c.Seq), Header: nats.Header{}},
	}
}

// undecidable is why a decision that was not taken will not be by trying again.
func (p *Parked) undecidable(ctx context.Context, err error) error {
	switch judge(err) {
	case refused:
		return err
	case full:
		if p.confirmFull(ctx, err, 2*parkedBody) {
			return fmt.Errorf("%w: %s: %w", ErrFull, p.stream, err)
		}
	case conflict, again, ambiguous:
		return p.gone(ctx, err)
	}
	return nil
}

// Settle takes a parked command away whose decision has been carried out. The
// decision stays, with the command, for DecisionMemory. Settling again changes
// nothing; a command that nobody decided about is not taken away, which is an
// error.
func (p *Parked) Settle(ctx context.Context, seq events.Seq) error {
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	c, there, err := p.find(ctx, seq)
	switch {
	case errors.Is(err, ErrNoParked):
	case err != nil:
		return fmt.Errorf("settle %d: %w", seq, err)
	case c.Decision == nil:
		return fmt.Errorf("eventstore: settle %d: nobody decided about it", seq)
	case there:
		// The mark goes last: whoever finds it does this again.
		if err := p.remove(ctx, seq); err != nil {
			return fmt.Errorf("settle %d: %w", seq, err)
		}
	}
	return p.unmark(ctx, seq)
}

func (p *Parked) unmark(ctx context.Context, seq events.Seq) error {
	for {
		mark, err := p.last(ctx, unsettledSubject(seq))
		if err == nil && mark == 0 {
			return nil
		}
		if err == nil {
			err = p.remove(ctx, mark)
		}
		if err != nil {
			return fmt.Errorf("settle %d: %w", seq, err)
		}
	}
}

// Unsettled returns parked commands that were decided about and not settled: the
// process that did it has ended in between, or is at it. At most limit, the
// first decided first; it asks as many questions as there are such commands, not
// decisions.
func (p *Parked) Unsettled(ctx context.Context, limit int) ([]ParkedCommand, error) {
	var list []ParkedCommand
	for after := events.Seq(0); len(list) < limit; {
		m, ok, err := p.next(ctx, unsettledRoot+"*", after)
		if err != nil || !ok {
			return list, err
		}
		after = m.Seq
		seq, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, unsettledRoot), 10, 64)
		c, getErr := p.Get(ctx, events.Seq(seq))
		switch {
		case err != nil, errors.Is(getErr, ErrNoParked), getErr == nil && c.Decision == nil:
			// No decision is there: it is forgotten, or somebody else wrote the mark.
			if err := p.remove(ctx, m.Seq); err != nil {
				return list, err
			}
		case getErr != nil:
			return list, getErr
		default:
			list = append(list, c)
		}
	}
	return list, nil
}

// Count is how many commands are parked and not settled. The server makes a
// consumer for it: it is not for every moment.
func (p *Parked) Count(ctx context.Context) (uint64, error) { return p.count(ctx, parkedRoot+">") }
