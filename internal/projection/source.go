package projection

import (
	"context"

	"github.com/peering/peering/internal/events"
)

// Source is the log as the read loop sees it. The event store implements it.
type Source interface {
	// Follow reads every message of the log with a sequence above after, in
	// order and without gaps, and calls sink with what is there: one message
	// when the log is idle, up to limit when it is behind. It returns ctx's
	// error, sink's error, or an error of the log; the caller starts again from
	// its own position.
	Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error

	// Range calls fn for the messages of one enterprise in (after, upTo].
	Range(ctx context.Context, ent events.EnterpriseID, after, upTo events.Seq, fn func(events.Message) error) error

	// Identity describes the stream as it is now.
	Identity(ctx context.Context) (events.Identity, error)

	// At returns the message at seq; ok is false when the stream has none there.
	At(ctx context.Context, seq events.Seq) (m events.Message, ok bool, err error)
}
