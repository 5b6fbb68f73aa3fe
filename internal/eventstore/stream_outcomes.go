package eventstore

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
)

// StreamOutcomes keeps outcomes in the stream OutcomesStream, one message each.
// Ensure must have succeeded before it is used.
type StreamOutcomes struct {
	wire
	pub *publisher
}

// NewOutcomes returns the outcomes on nc, which the caller closes after the
// last call has returned.
func NewOutcomes(nc *nats.Conn) (*StreamOutcomes, error) {
	pub, err := newPublisher(nc)
	if err != nil {
		return nil, err
	}
	return &StreamOutcomes{wire{nc: nc, stream: OutcomesStream}, pub}, nil
}

// Find is described at Outcomes. It asks the leader.
func (o *StreamOutcomes) Find(ctx context.Context, ent events.EnterpriseID, id events.CommandID) ([]byte, bool, error) {
	subject, err := outcomeSubject(ent, id)
	if err != nil {
		return nil, false, err
	}
	m, ok, err := o.message(ctx, get{LastFor: subject})
	return m.Data, ok, err
}

// Keep is described at Outcomes. It ends within five seconds.
func (o *StreamOutcomes) Keep(ctx context.Context, ent events.EnterpriseID, id events.CommandID, data []byte) ([]byte, error) {
	subject, err := outcomeSubject(ent, id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		_, err := o.pub.publish(ctx, subject, 0, []entry{{data: data}})
		if err == nil {
			return data, nil
		}
		m, ok, findErr := o.message(ctx, get{LastFor: subject})
		if findErr == nil && ok {
			return m.Data, nil
		}
		switch judge(err) {
		case refused:
			return nil, fmt.Errorf("keep the outcome %s: %w", subject, err)
		case full:
			if o.confirmFull(ctx, err, 2*headroom+messageSize(subject, entry{data: data})) {
				return nil, fmt.Errorf("keep the outcome %s: %w: %w", subject, ErrOutcomesFull, err)
			}
		case conflict, again, ambiguous: // the next attempt tells
		}
		if sleep(ctx, pause) != nil {
			return nil, fmt.Errorf("keep the outcome %s: %w: %w", subject, unanswered(ctx), err)
		}
	}
}

// outcomeSubject is the subject of one outcome. The ids are checked again: a
// dot in one would give it another's place.
func outcomeSubject(ent events.EnterpriseID, id events.CommandID) (string, error) {
	lower, err := events.ParseEnterpriseID(string(ent))
	if err != nil {
		return "", fmt.Errorf("eventstore: outcome: %w", err)
	}
	if _, err := events.ParseCommandID(string(id)); err != nil {
		return "", fmt.Errorf("eventstore: outcome: %w", err)
	}
	return outcomesRoot + string(lower) + "." + string(id), nil
}
