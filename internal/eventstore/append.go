package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
)

// attempt is one Append under way.
type attempt struct {
	s       *JetStream
	subject string
	after   events.Seq
	entries []entry
	unsure  bool // an earlier publish may still be stored
}

// once publishes and finds out what became of it. When it is not done, err says
// what stands in the way and the same may be published again.
func (a *attempt) once(ctx context.Context) (seq events.Seq, done bool, err error) {
	seq, err = a.s.pub.publish(ctx, a.subject, a.after, a.entries)
	if err == nil {
		return seq, true, nil
	}
	v := judge(err)
	if v == full && !a.confirmFull(ctx, err) {
		v = ambiguous // a store that closes may have written it before
	}
	// As long as an earlier publish may still be stored, no answer to a later
	// one is the last word about the events.
	if !a.unsure {
		switch v {
		case refused:
			return 0, true, fmt.Errorf("append to %s: %w", a.subject, err)
		case full:
			return 0, true, fmt.Errorf("append to %s: %w: %w", a.subject, ErrFull, err)
		case again:
			return 0, false, err
		case conflict, ambiguous: // the subject tells
		}
	}
	a.unsure = a.unsure || v == ambiguous
	seq, done, found := a.find(ctx, v)
	if done || found != nil {
		err = found
	}
	return seq, done, err
}

// find reads what stands on the subject after the expectation. It is done when
// that says what became of the events; a nil error then means they are stored.
func (a *attempt) find(ctx context.Context, v verdict) (seq events.Seq, done bool, err error) {
	at := a.after
	for i, e := range a.entries {
		m, ok, err := a.s.next(ctx, a.subject, at)
		switch {
		case err != nil:
			return 0, false, err
		case !ok && i == 0:
			return a.nothing(ctx, v)
		case !ok:
			return 0, false, fmt.Errorf("%d of %d events are there", i, len(a.entries))
		case !e.same(m):
			return 0, true, a.conflict()
		}
		at = m.Seq
	}
	return at, true, nil
}

// nothing handles a subject without anything after the expectation. After a
// conflict somebody's event is on its way to becoming visible, on three
// replicas; unless the subject ends before the expectation, because the log is
// not the one that the caller has read.
func (a *attempt) nothing(ctx context.Context, v verdict) (seq events.Seq, done bool, err error) {
	if v != conflict || a.unsure {
		return 0, false, nil
	}
	last, err := a.s.last(ctx, a.subject)
	if err != nil {
		return 0, false, err
	}
	if last < a.after {
		return 0, true, a.conflict()
	}
	return 0, false, nil
}

func (a *attempt) conflict() error {
	return &ConflictError{Subject: events.Subject(a.subject), After: a.after}
}

func (a *attempt) confirmFull(ctx context.Context, err error) bool {
	need := int64(headroom)
	for _, e := range a.entries {
		need += messageSize(a.subject, e) + headroom
	}
	return a.s.confirmFull(ctx, err, need)
}

// confirmFull tells a stream that has no room for so many bytes from a store
// that is closing: the server answers both with the same code.
func (w wire) confirmFull(ctx context.Context, err error, need int64) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode != codeStoreFailed {
		return true
	}
	st, err := w.state(ctx)
	if err != nil {
		return false
	}
	return st.Config.MaxBytes > 0 && int64(st.State.Bytes)+need > st.Config.MaxBytes
}

// headroom is more than the server and the publishing add to a message.
const headroom = 512
