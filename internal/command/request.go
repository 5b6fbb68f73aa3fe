// Package command owns the write loop: load an enterprise's state, decide,
// append, and again on a conflict; and the promise that a command id has one
// effect and one outcome (ADR 0005).
//
// It imports domain, events and eventstore. HTTP, the bus and the reactors call
// Handler.Handle; what it appends reaches readers through the projections.
package command

import (
	"errors"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// Request is a command with everything known about who gives it.
type Request struct {
	Enterprise events.EnterpriseID
	// ID is the id the client chose; empty: a fresh one is made, and nothing is
	// remembered, because nobody can repeat it.
	ID      events.CommandID
	Command domain.Command
	// DryRun: decide and answer, but do nothing. The state is compared with the
	// end of the log first. It has nothing to do with the promise about ids: the
	// command is judged as a first one, whatever became of its id, nothing is
	// remembered, and the id is as free or as used as it was.
	DryRun bool

	Actor         string // who connected
	OnBehalfOf    string
	Reason        string
	CorrelationID string // empty: the command id
	CausationID   string
	Traceparent   string
	IfRevision    *events.Seq // see domain.Input
	// Final: nobody waits who could put right what travels with the command, so a
	// refusal because of that is remembered like any other.
	Final bool
}

// Receipt is the answer to an accepted command. That to a dry run says what the
// command would come to: the events do not exist, the sequence is that of the
// state it was decided on, and what would be added has no id yet.
type Receipt struct {
	CommandID events.CommandID
	ID        string           // the resource acted on, or added
	Sequence  events.Seq       // pass it as min_seq to read the effect
	Events    []events.EventID // empty: there was nothing to change
	Warnings  []domain.Warning
	Results   []domain.OperationResult // of ChangePeers; none with WarnResultsLost
	Repeated  bool                     // an earlier command with this id had this outcome
	At        time.Time                // when the command was accepted: this one, or the earlier
}

// ErrUnavailable is wrapped by errors that say nothing about the command: the
// log does not answer, or the enterprise's history cannot be read. With an id
// the caller may repeat the command; without one it may have taken effect.
var ErrUnavailable = errors.New("command: unavailable")

// ErrUnreadable is wrapped, beside ErrUnavailable, when the history of the
// enterprise cannot be read. Other enterprises are not concerned, and waiting
// does not help: somebody has to see to what is in the log.
var ErrUnreadable = errors.New("command: the history of the enterprise cannot be read")

// ErrFull is wrapped by errors that mean that the log has reached its limit:
// nothing was written. It is the event store's own, for callers that see this
// package only.
var ErrFull = eventstore.ErrFull

// Result is how a command ended.
type Result string

// The results of a command.
const (
	Accepted Result = "accepted"
	Rejected Result = "rejected"
	Failed   Result = "failed"
)

// Outcome is the durable answer to a command with an id. At most one exists per
// enterprise and command id, for events.CommandMemory: none before the command
// was decided on, nor for a refusal because of what travels with it.
type Outcome struct {
	CommandID events.CommandID   `json:"command_id"`
	Command   domain.CommandName `json:"command"`
	Hash      string             `json:"hash"`
	Result    Result             `json:"result"`
	ID        string             `json:"id,omitempty"`
	Sequence  events.Seq         `json:"sequence,omitempty"`
	Events    []events.EventID   `json:"events"`
	Warnings  []domain.Warning   `json:"warnings,omitempty"`
	// Results are those of ChangePeers; those of one that was refused are in Error.
	Results []domain.OperationResult `json:"results,omitempty"`
	Error   *domain.Error            `json:"error,omitempty"`
	At      time.Time                `json:"at"`
}
