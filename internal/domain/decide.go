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
	"fmt"
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
	// DryRun: nothing of the decision will be written, so that it may be more than
	// can be written at once.
	DryRun bool

	// quiet leaves the warnings to whoever decides many commands at once.
	quiet bool
}

// Decision is an accepted command.
type Decision struct {
	Events   []events.Event // empty: nothing to change
	ID       string         // the resource acted on, or added
	Warnings []Warning      // what the user should know though it was accepted
	// Results are what became of each operation of ChangePeers, in their order;
	// what the user should know of one stands there.
	Results []OperationResult
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

// The codes of warnings.
const (
	// WarnHostStillTrusted: a host that the command withdrew is still named by
	// another live entry of the trusted-server list.
	WarnHostStillTrusted = "host_still_trusted"
)

// Decide judges cmd by the rules of the domain. It is a pure function: it never
// changes state, and what it costs does not grow with the number of peers.
//
// An accepted command that would change nothing has no events. Events of one
// decision belong together: store all of them, in order, or none. The error is
// always a *Error; nothing is to be stored then.
func Decide(state *Enterprise, cmd Command, in Input) (Decision, error) {
	in.Now = in.Now.UTC()
	d, refusal := decide(state, cmd, in)
	if refusal != nil {
		return Decision{}, refusal
	}
	return d, nil
}

func decide(e *Enterprise, cmd Command, in Input) (Decision, *Error) {
	if c, ok := cmd.(RegisterEnterprise); ok {
		return registerEnterprise(e, c, in)
	}
	if err := e.mustBeRegistered(); err != nil {
		return Decision{}, err
	}
	switch c := cmd.(type) {
	case DescribeEnterprise:
		return editEnterprise(e, EditEnterprise{Description: Give(c.Description)}, in)
	case ChangeEnterpriseDomain:
		return editEnterprise(e, EditEnterprise{Domain: Give(c.Domain)}, in)
	case ChangeEnterpriseServer:
		return changeEnterpriseServer(e, c, in)
	case EditEnterprise:
		return editEnterprise(e, c, in)
	case RemoveEnterprise:
		return removeEnterprise(e, in)
	case AddTrustedServer:
		return addTrustedServer(e, c, in)
	case EditTrustedServer:
		return editTrustedServer(e, c, in)
	case RenameTrustedServer:
		return editTrustedServer(e, EditTrustedServer{TrustedServer: c.TrustedServer, Description: Give(c.Description)}, in)
	case ChangeTrustedServer:
		return editTrustedServer(e, EditTrustedServer{TrustedServer: c.TrustedServer, Host: c.Host, Type: c.Type}, in)
	case RemoveTrustedServer:
		return removeTrustedServer(e, c, in)
	case ChangePeers:
		return changePeers(e, c, in)
	}
	return decidePeer(e, cmd, in)
}

func decidePeer(e *Enterprise, cmd Command, in Input) (Decision, *Error) {
	switch c := cmd.(type) {
	case AddPeer:
		return addPeer(e, c, in)
	case PutPeer:
		return putPeer(e, c, in)
	case EditPeer:
		return editPeer(e, c, in)
	case RenamePeer:
		return editPeer(e, EditPeer{Peer: c.Peer, Description: Give(c.Description)}, in)
	case ChangePeerAddress:
		return changePeerAddress(e, c, in)
	case ChangePeerHostname:
		return changePeerHostname(e, c, in)
	case ChangePeerEnterprise:
		return editPeer(e, EditPeer{Peer: c.Peer, PeerEnterpriseID: Give(c.PeerEnterpriseID)}, in)
	case ChangePeerDialingPrefix:
		if err := present("dialing_prefix", c.DialingPrefix); err != nil {
			return Decision{}, err
		}
		return editPeer(e, EditPeer{Peer: c.Peer, DialingPrefix: c.DialingPrefix}, in)
	case EnterPeerVersion:
		if err := present("version", c.Version); err != nil {
			return Decision{}, err
		}
		return editPeer(e, EditPeer{Peer: c.Peer, Version: c.Version}, in)
	case EnablePeer:
		return switchPeer(e, c.Peer, true, in)
	case DisablePeer:
		return switchPeer(e, c.Peer, false, in)
	case DeletePeer:
		return deletePeer(e, c, in)
	case FollowServer:
		return followServer(e, c, in)
	case RaisePeerNotice:
		return raiseNotice(e, c, in)
	case AcknowledgePeerNotice:
		return acknowledgeNotice(e, c, in)
	case ScheduleMaintenance:
		return scheduleMaintenance(e, c, in)
	case CancelMaintenance:
		return cancelMaintenance(e, c, in)
	}
	return Decision{}, &Error{Code: Malformed, Msg: fmt.Sprintf("%T is not a command of this program", cmd)}
}
