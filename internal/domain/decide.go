// Package domain owns what may happen: the state of an enterprise, the commands
// to it, Decide, which turns a command into events or a refusal, and Evolve,
// which folds an event into the state.
//
// It is pure: no context, clock, network, SQL or log; time and new ids enter
// with the command. It imports events and pure helpers only. The command
// package runs it; the rules and their limits are those of the public MiCollab
// Client administration help where one exists.
package domain

import (
	"time"

	"github.com/peering/peering/internal/events"
)

// Input is what enters a decision besides state and command.
type Input struct {
	Now   time.Time // when the command was accepted
	NewID string    // the id of what the command adds, if it adds something
	// IfRevision, when not nil, is the revision that the resource acted on must
	// still have; otherwise the command is refused with the code Stale.
	IfRevision *events.Seq
}

// Decision is an accepted command.
type Decision struct {
	Events   []events.Event // empty: nothing to change
	ID       string         // the resource acted on, or added
	Warnings []Warning      // what the user should know though it was accepted
}

// Warning says something that is true after an accepted command and that its
// author may not expect.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// What the warning is about, when there is such a thing.
	TrustedServer events.TrustedServerID `json:"trusted_server,omitempty"`
	Peer          events.PeerID          `json:"peer,omitempty"`
}
