package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
)

// budget is how long a call tries to get an answer from the log. It ends before
// the five seconds after which a write must have failed clearly.
const budget = 4500 * time.Millisecond

// ErrNoStream says that the stream is not there. Ensure makes it; one that was
// there before and is gone has taken the history with it.
var ErrNoStream = errors.New("eventstore: the stream does not exist")

// JetStream keeps events in the stream events.Stream of a NATS server. Ensure
// must have succeeded before it is used.
type JetStream struct {
	wire
	pub   *publisher
	codec events.Codec
}

// NewJetStream returns a store on nc, which the caller closes after the last
// call has returned; see ConnectOptions for the options it needs.
func NewJetStream(nc *nats.Conn, codec events.Codec) (*JetStream, error) {
	pub, err := newPublisher(nc)
	if err != nil {
		return nil, err
	}
	return &JetStream{wire: wire{nc: nc, stream: events.Stream}, pub: pub, codec: codec}, nil
}

// Append is described at Store. It ends within five seconds. An answer that
// says nothing is resolved by reading the subject after the expectation from
// the leader (ADR 0004): our events there are success, somebody else's are a
// conflict, and nothing is a reason to send the same again, which the
// expectation lets in only once.
func (s *JetStream) Append(ctx context.Context, subject events.Subject, after events.Seq, evs ...events.Envelope) (events.Seq, error) {
	entries, err := encode(s.codec, subject, evs)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	a := attempt{s: s, subject: string(subject), after: after, entries: entries}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		seq, done, err := a.once(ctx)
		if done {
			return seq, err
		}
		if sleep(ctx, pause) != nil {
			return 0, fmt.Errorf("append to %s: %w: %w", subject, unanswered(ctx), err)
		}
	}
}

// unanswered is what the end of ctx means for a call that waited for the log.
func unanswered(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return ErrUnavailable
}
