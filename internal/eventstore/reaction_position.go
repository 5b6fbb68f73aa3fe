package eventstore

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
)

// positionSubject is where the position of the reactions is kept.
const positionSubject = positionsRoot + ReactionsConsumer

// ReactionPosition is how far the log has been reacted to. The consumer of the
// reactions knows it; a second copy beside it says where a consumer begins that
// is made in the place of a lost one (ADR 0026). EnsureBus must have succeeded
// before it is used. It is safe for concurrent use, and each call ends within
// five seconds.
type ReactionPosition struct {
	wire
	log wire
	pub *publisher
}

// NewReactionPosition returns the position on nc, which the caller closes after
// the last call has returned.
func NewReactionPosition(nc *nats.Conn) (*ReactionPosition, error) {
	pub, err := newPublisher(nc)
	if err != nil {
		return nil, err
	}
	return &ReactionPosition{
		wire: wire{nc: nc, stream: PositionsStream}, log: wire{nc: nc, stream: events.Stream}, pub: pub,
	}, nil
}

// position is the body of the message on positionSubject.
type position struct {
	Settled events.Seq `json:"settled"` // all events up to this one
	Log     string     `json:"log"`     // creation time of the log

	at events.Seq // its place in the stream; 0: there is none
}

// Keep notes that all events up to seq have been settled. A later position that
// was kept before stays. When it fails, an earlier one stands: a consumer that
// begins there delivers again what was settled since. The error wraps
// ErrUnavailable or ErrNoStream.
func (p *ReactionPosition) Keep(ctx context.Context, seq events.Seq) error {
	name, err := p.log.name(ctx)
	if err == nil {
		err = p.keep(ctx, position{Settled: seq, Log: name})
	}
	if err != nil {
		return fmt.Errorf("keep the position of the reactions: %w", err)
	}
	return nil
}

func (p *ReactionPosition) keep(ctx context.Context, to position) error {
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause *= 2 {
		there, err := p.read(ctx)
		if err != nil {
			return err
		}
		if there.Log == to.Log && there.Settled >= to.Settled {
			return nil
		}
		if err = p.put(ctx, to, there); err == nil {
			return nil
		}
		if sleep(ctx, pause) != nil {
			return fmt.Errorf("%w: %w", unanswered(ctx), err)
		}
	}
}

// put keeps a position in the place of the one that was read.
func (p *ReactionPosition) put(ctx context.Context, pos, there position) error {
	body, err := json.Marshal(pos)
	if err == nil {
		_, err = p.pub.publish(ctx, positionSubject, there.at, []entry{{data: body}})
	}
	return err
}

// read returns the position that is kept. One that cannot be read counts as none.
func (p *ReactionPosition) read(ctx context.Context) (position, error) {
	m, ok, err := p.message(ctx, get{LastFor: positionSubject})
	if err != nil || !ok {
		return position{}, err
	}
	var pos position
	if err := json.Unmarshal(m.Data, &pos); err != nil {
		pos = position{}
	}
	pos.at = m.Seq
	return pos, nil
}

// beginning is after which event a consumer of the reactions begins that is made
// now. It is kept before it is returned, so that whoever makes the consumer makes
// the same, and a consumer that is lost at once is not made at a later one.
func (p *ReactionPosition) beginning(ctx context.Context, log *slog.Logger) (events.Seq, error) {
	for range 3 {
		st, err := p.log.state(ctx)
		if err != nil {
			return 0, err
		}
		there, err := p.read(ctx)
		name, last := nameOf(st), events.Seq(st.State.LastSeq)
		switch {
		case err != nil:
			return 0, err
		case there.Log == name && there.Settled <= last:
			log.Error("the consumer of the reactions was gone; it begins again after what was settled",
				"settled_seq", uint64(there.Settled), "last_seq", uint64(last))
			return there.Settled, nil
		case there.at != 0:
			log.Error("the position of the reactions is one of another log; they begin at the end of this one",
				"settled_seq", uint64(there.Settled), "last_seq", uint64(last))
		}
		switch err = p.put(ctx, position{Settled: last, Log: name}, there); {
		case err == nil:
			return last, nil
		case judge(err) != conflict:
			return 0, fmt.Errorf("%w: keep where the reactions begin: %w", ErrUnavailable, err)
		}
	}
	return 0, fmt.Errorf("%w: others keep where the reactions begin", ErrUnavailable)
}

// ensure is the consumer that has to be there. Where it begins counts only when
// it is made.
func (p *ReactionPosition) ensure(ctx context.Context, log *slog.Logger) (jetstream.ConsumerConfig, error) {
	want := reactionsConsumer()
	f, ok, err := p.Following(ctx)
	switch {
	case err != nil:
		return want, err
	case ok: // kept anew when the copy was lost
		return want, p.Keep(ctx, f.Settled)
	}
	after, err := p.beginning(ctx, log)
	want.OptStartSeq = uint64(after) + 1
	return want, err
}

// Following is how the reactions get on.
type Following struct {
	Settled  events.Seq // all events up to this one have been settled
	Waiting  uint64     // events that have not, the one at work included
	Followed bool       // somebody is there to whom they are delivered
}

// Following asks how the reactions get on; ok is false when there is no consumer,
// so that nothing is reacted to. The error wraps ErrUnavailable or ErrNoStream.
func (p *ReactionPosition) Following(ctx context.Context) (f Following, ok bool, err error) {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
		Floor struct {
			Seq events.Seq `json:"stream_seq"`
		} `json:"ack_floor"`
		Pending    uint64 `json:"num_pending"`
		AckPending uint64 `json:"num_ack_pending"`
		Bound      bool   `json:"push_bound"`
	}
	err = p.log.ask(ctx, "CONSUMER.INFO."+p.log.stream+"."+ReactionsConsumer, struct{}{}, &answer)
	switch {
	case err != nil:
		return f, false, err
	case answer.Error != nil && answer.Error.ErrorCode == codeConsumerNotFound:
		return f, false, nil
	case answer.Error != nil:
		return f, false, answered(answer.Error)
	}
	return Following{answer.Floor.Seq, answer.Pending + answer.AckPending, answer.Bound}, true, nil
}
