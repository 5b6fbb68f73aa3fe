package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
)

// ErrStreamChanged says that the stream is not the one whose reading began: it
// was deleted and made again, restored, or truncated. Positions mean nothing
// any more.
var ErrStreamChanged = errors.New("eventstore: the stream is another one than before")

// Reader reads the whole log for the projections. Its methods are described at
// projection.Source.
type Reader struct{ wire }

// NewReader returns a reader on nc, which the caller closes after the last call
// has returned.
func NewReader(nc *nats.Conn) *Reader { return &Reader{wire{nc: nc, stream: events.Stream}} }

// Follow is described at projection.Source. It survives a lost connection and a
// change of leader by itself. It ends with ErrNoStream or ErrStreamChanged when
// the stream is gone or another one, and with an error that wraps
// ErrUnavailable when the log cannot be reached for some seconds.
func (r *Reader) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	began, err := r.Identity(ctx)
	if err != nil {
		return err
	}
	if after > began.Last {
		return fmt.Errorf("%w: it ends at %d, before %d", ErrStreamChanged, began.Last, after)
	}
	pos := after
	return r.read(ctx, "", pos, limit, began.Created, func(batch []events.Message) (bool, error) {
		return false, sink(batch)
	})
}

// read hands the messages on filter after a position to fn, in order and
// without gaps, until fn says that it is done. When a session is lost it goes
// on with another one behind the last message that fn has taken.
func (w wire) read(ctx context.Context, filter string, after events.Seq, limit int, created time.Time, fn func([]events.Message) (done bool, err error)) error {
	took := func(batch []events.Message) (bool, error) {
		if len(batch) == 0 {
			return false, nil
		}
		after = batch[len(batch)-1].Seq
		return fn(batch)
	}
	for {
		done, err := w.session(ctx, filter, after, limit, took)
		if done || !errors.Is(err, errLost) {
			return err
		}
		if err := w.unchanged(ctx, created, after); err != nil {
			return err
		}
	}
}

// session reads for as long as one consumer lasts.
func (w wire) session(ctx context.Context, filter string, after events.Seq, limit int, took func([]events.Message) (bool, error)) (done bool, err error) {
	s, err := w.open(ctx, filter, after, limit)
	if err != nil {
		return false, err
	}
	defer s.close()
	for {
		batch, err := s.next(ctx)
		done, takeErr := took(batch)
		if done || takeErr != nil {
			return done, takeErr
		}
		if err != nil {
			return false, err
		}
	}
}

// unchanged fails when the stream is not the one created at that time any more,
// or ends before a position that was read. It waits while the log does not
// answer, up to the budget.
func (w wire) unchanged(ctx context.Context, created time.Time, after events.Seq) error {
	st, err := w.state(ctx)
	if err != nil {
		return err
	}
	if !st.Created.Equal(created) {
		return fmt.Errorf("%w: it was made at %s, not at %s", ErrStreamChanged, st.Created, created)
	}
	if events.Seq(st.State.LastSeq) < after {
		return fmt.Errorf("%w: it ends at %d, before %d", ErrStreamChanged, st.State.LastSeq, after)
	}
	return nil
}

// Range is described at projection.Source.
func (r *Reader) Range(ctx context.Context, ent events.EnterpriseID, after, upTo events.Seq, fn func(events.Message) error) error {
	filter := events.EnterpriseFilter(ent)
	end, err := r.last(ctx, filter)
	if err != nil {
		return err
	}
	return r.upTo(ctx, filter, after, min(end, upTo), end, fn)
}

// upTo calls fn for the messages on filter in (after, upTo]. end is the last
// one on filter: there is nothing to wait for behind it.
func (w wire) upTo(ctx context.Context, filter string, after, upTo, end events.Seq, fn func(events.Message) error) error {
	if after >= upTo {
		return nil
	}
	st, err := w.state(ctx)
	if err != nil {
		return err
	}
	return w.read(ctx, filter, after, pageSize, st.Created, func(batch []events.Message) (bool, error) {
		for _, m := range batch {
			if m.Seq > upTo {
				return true, nil
			}
			if err := fn(m); err != nil {
				return true, err
			}
			if m.Seq >= end {
				return true, nil
			}
		}
		return false, nil
	})
}

// pageSize is how many messages a bounded read asks for at once.
const pageSize = 512

// Identity is described at projection.Source.
func (r *Reader) Identity(ctx context.Context) (events.Identity, error) {
	st, err := r.state(ctx)
	if err != nil {
		return events.Identity{}, fmt.Errorf("the identity of %s: %w", r.stream, err)
	}
	return events.Identity{
		Created: st.Created.UTC(),
		First:   max(events.Seq(st.State.FirstSeq), 1),
		Last:    events.Seq(st.State.LastSeq),
	}, nil
}

// At is described at projection.Source.
func (r *Reader) At(ctx context.Context, seq events.Seq) (events.Message, bool, error) {
	if seq == 0 {
		return events.Message{}, false, nil
	}
	return r.message(ctx, get{Seq: seq})
}
