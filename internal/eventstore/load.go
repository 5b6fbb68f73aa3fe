package eventstore

import (
	"context"
	"fmt"

	"github.com/peering/peering/internal/events"
)

// stepped is how many messages Load fetches one by one. A tail behind a
// snapshot is shorter than that nearly always, and making a consumer costs as
// much as some ten questions to the leader.
const stepped = 16

// Load is described at Store.
func (s *JetStream) Load(ctx context.Context, subject events.Subject, after events.Seq, fn func(events.Recorded) error) (events.Seq, error) {
	end, err := s.last(ctx, string(subject))
	if err != nil || end <= after {
		return after, err
	}
	after, err = s.loadUpTo(ctx, subject, after, end, fn)
	if err == nil && after != end {
		// The leader has changed for one that has less, or the log was exchanged.
		err = fmt.Errorf("load %s: %w: it ended at %d and has nothing between %d and there now", subject, ErrUnavailable, end, after)
	}
	return after, err
}

// loadUpTo loads up to end, which was the last one on subject, or to where the
// log has nothing more before it.
func (s *JetStream) loadUpTo(ctx context.Context, subject events.Subject, after, end events.Seq, fn func(events.Recorded) error) (events.Seq, error) {
	one := func(m events.Message) error {
		if err := deliver(s.codec, subject, m, fn); err != nil {
			return err
		}
		after = m.Seq
		return nil
	}
	for range stepped {
		m, ok, err := s.next(ctx, string(subject), after)
		if err != nil || !ok || m.Seq > end {
			return after, err
		}
		if err := one(m); err != nil {
			return after, err
		}
		if m.Seq == end {
			return after, nil
		}
	}
	err := s.upTo(ctx, string(subject), after, end, end, one)
	return after, err
}

// Last is described at Store.
func (s *JetStream) Last(ctx context.Context, subject events.Subject) (events.Seq, error) {
	return s.last(ctx, string(subject))
}
