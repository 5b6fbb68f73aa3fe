package eventstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
)

// Commands is the queue of commands, for whoever tends it. EnsureBus must have
// succeeded before it is used. It is safe for concurrent use, and each call ends
// within five seconds.
type Commands struct {
	wire
	pub    *publisher
	health *Health

	// found is where the last stray was among the places for them: there may be
	// more.
	found atomic.Int64
}

// NewCommands returns the queue on nc, which the caller closes after the last
// call has returned.
func NewCommands(nc *nats.Conn) (*Commands, error) {
	pub, err := newPublisher(nc)
	if err != nil {
		return nil, err
	}
	health, err := NewHealth(nc)
	if err != nil {
		return nil, err
	}
	return &Commands{wire: wire{nc: nc, stream: CommandsStream}, pub: pub, health: health}, nil
}

// Publish puts a command into the queue. tail is <enterprise>.<Command>. Headers
// that are words to the server are left out. An error wraps ErrFull (nothing was
// written), ErrNoStream (so too) or ErrUnavailable (perhaps written: the command
// id makes a repeat harmless); any other one says that the command cannot be
// published.
func (c *Commands) Publish(ctx context.Context, tail string, header nats.Header, body []byte) (events.Seq, error) {
	if !isTail(tail) {
		return 0, fmt.Errorf("eventstore: a command cannot be published on %q", commandsRoot+tail)
	}
	m := &nats.Msg{Subject: commandsRoot + tail, Header: nats.Header{}, Data: body}
	for name, values := range header {
		if !strings.HasPrefix(strings.ToLower(name), "nats-") {
			m.Header[name] = values
		}
	}
	seq, err := c.publish(ctx, c.pub, false, m)
	if err != nil {
		return 0, fmt.Errorf("publish the command %s: %w", tail, err)
	}
	return seq, nil
}

// CommandSubject is what tail was published on.
func CommandSubject(tail string) string { return commandsRoot + tail }

// isTail reports whether s is two tokens of a subject that one can publish on.
func isTail(s string) bool {
	enterprise, name, ok := strings.Cut(s, ".")
	return ok && enterprise != "" && name != "" && !strings.ContainsAny(name, ".") && !strings.ContainsAny(s, " \t\r\n\f\x00*>")
}

// publish sends messages to the stream, all or none, until the answer says what
// became of them. repeatable are those that are stored once however often they
// are sent: they are sent again when there was no answer.
func (w wire) publish(ctx context.Context, pub *publisher, repeatable bool, msgs ...*nats.Msg) (events.Seq, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		seq, err := pub.deliver(ctx, msgs)
		if err == nil {
			return seq, nil
		}
		v := judge(err)
		if v == full && !w.confirmFull(ctx, err, sizeOf(msgs)) {
			v = ambiguous
		}
		switch v {
		case refused, conflict:
			return 0, err
		case full:
			return 0, fmt.Errorf("%w: %w", ErrFull, err)
		case ambiguous:
			if !repeatable {
				return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
		case again:
			if gone := w.gone(ctx, err); gone != nil {
				return 0, gone
			}
		}
		if sleep(ctx, pause) != nil {
			return 0, fmt.Errorf("%w: %w", unanswered(ctx), err)
		}
	}
}

// gone tells a stream that is not there from one that does not listen at the
// moment.
func (w wire) gone(ctx context.Context, err error) error {
	if !errors.Is(err, jetstream.ErrNoStreamResponse) {
		return nil
	}
	if _, err := w.state(ctx); errors.Is(err, ErrNoStream) {
		return err
	}
	return nil
}

// sizeOf is what messages take in the store, roughly and never less.
func sizeOf(msgs []*nats.Msg) int64 {
	var sum int64
	for _, m := range msgs {
		sum += headroom + messageSize(m.Subject, entry{m.Header, m.Data})
	}
	return sum
}

// Remove takes a message out of the queue; one that is gone is no error.
func (c *Commands) Remove(ctx context.Context, seq events.Seq) error {
	return c.remove(ctx, seq)
}

// remove deletes a message; one that is gone is no error.
func (w wire) remove(ctx context.Context, seq events.Seq) error {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	request := map[string]any{"seq": seq, "no_erase": true}
	if err := w.ask(ctx, "STREAM.MSG.DELETE."+w.stream, request, &answer); err != nil || answer.Error == nil {
		return err
	}
	if _, ok, err := w.message(ctx, get{Seq: seq}); err != nil || !ok {
		return err
	}
	return fmt.Errorf("remove %d from %s: %w", seq, w.stream, answered(answer.Error))
}

// Pending is how many commands wait in the queue.
func (c *Commands) Pending(ctx context.Context) (uint64, error) {
	st, err := c.state(ctx)
	return st.State.Msgs, err
}
