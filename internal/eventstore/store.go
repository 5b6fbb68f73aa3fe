// Package eventstore owns where events are kept: Append and Load on a JetStream
// stream, an in-memory twin that passes the same suite, and the reader that
// feeds the projections.
//
// It imports events only. The command package appends and loads through it; the
// projection package reads the whole log through Reader.
package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/peering/peering/internal/events"
)

// Store keeps the events of aggregates. Both implementations are safe for
// concurrent use and pass the same suite (package storetest).
type Store interface {
	// Append adds evs to subject if nothing newer than after is on it, all or
	// none, and returns the sequence of the last one. Several events take
	// consecutive sequences.
	//
	// *ConflictError: nothing was written; reload and decide again.
	// ErrFull: nothing was written, the log has reached its limit.
	// Any other error: perhaps written; repeat the call with the same event ids
	// and the same after, which can store them only once.
	Append(ctx context.Context, subject events.Subject, after events.Seq, evs ...events.Envelope) (events.Seq, error)

	// Load calls fn for every event of subject with a sequence above after, in
	// order, up to the end as the leader knows it when Load is called, and
	// returns the sequence of the last one, or after when there is none. An
	// error of fn ends it and is returned. A message that is no event ends it
	// with an *UnreadableError.
	Load(ctx context.Context, subject events.Subject, after events.Seq, fn func(events.Recorded) error) (events.Seq, error)

	// Last returns the sequence of the newest event of subject as the leader
	// knows it, 0 when there is none.
	Last(ctx context.Context, subject events.Subject) (events.Seq, error)
}

// ErrFull says that the log has reached MaxBytes, or the server its storage
// limit. Nothing was written. Raising the limit or the storage heals it.
var ErrFull = errors.New("eventstore: the log is full")

// ErrUnavailable is wrapped by errors of calls that the log did not answer in
// time. For Append: perhaps written.
var ErrUnavailable = errors.New("eventstore: the log does not answer")

// ConflictError says that somebody else appended to the subject first.
type ConflictError struct {
	Subject events.Subject
	After   events.Seq
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("eventstore: %s has events after %d", e.Subject, e.After)
}

// UnreadableError says that a message of the log is not an event that this
// program can read. The aggregate cannot be decided on until it can.
type UnreadableError struct {
	Subject events.Subject
	Seq     events.Seq
	Err     error // a *events.DecodeError
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("eventstore: %s at sequence %d: %v", e.Subject, e.Seq, e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }
