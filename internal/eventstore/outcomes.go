package eventstore

import (
	"context"
	"errors"

	"github.com/peering/peering/internal/events"
)

// ErrOutcomesFull says that there is no room for another outcome. It is not
// ErrFull: events that the outcome is of may be in the log. Raising the limit or
// the end of events.CommandMemory heals it.
var ErrOutcomesFull = errors.New("eventstore: the stream of outcomes is full")

// Outcomes keeps the one outcome of each command id of an enterprise for
// events.CommandMemory.
type Outcomes interface {
	// Find returns the outcome kept under id; ok is false when there is none.
	Find(ctx context.Context, ent events.EnterpriseID, id events.CommandID) (data []byte, ok bool, err error)

	// Keep stores data as the outcome of id unless there is one already, and
	// returns the one that stands: data itself, or what was there first.
	//
	// ErrOutcomesFull: there is no room; repeat the call when there is.
	// Any other error: perhaps kept; repeat the call.
	Keep(ctx context.Context, ent events.EnterpriseID, id events.CommandID, data []byte) (stands []byte, err error)
}

// Snapshot is a saved state of an enterprise: its fold up to Seq.
type Snapshot struct {
	Seq    events.Seq
	Format int    // of Data; a reader that does not know it ignores the snapshot
	Data   []byte // of any size; kept in pieces below the message limit
}

// Snapshots keeps the newest snapshot of each enterprise. It is a cache of the
// log: losing it costs time only. A snapshot of a stream that was recreated is
// never returned; one of a stream that was restored may be, so whoever uses a
// snapshot compares it with the log, and drops it when they differ.
type Snapshots interface {
	// Load returns the newest snapshot; ok is false when there is none that is whole.
	Load(ctx context.Context, ent events.EnterpriseID) (s Snapshot, ok bool, err error)

	// Save replaces the snapshot unless a newer one is there.
	Save(ctx context.Context, ent events.EnterpriseID, s Snapshot) error

	// Drop removes the snapshot if it is the one at seq.
	Drop(ctx context.Context, ent events.EnterpriseID, seq events.Seq) error
}
