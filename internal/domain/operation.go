package domain

import "github.com/peering/peering/internal/events"

// Op is the name of an operation in the JSON of ChangePeers.
type Op string

// The operations.
const (
	OpAdd         Op = "add"
	OpPut         Op = "put"
	OpEdit        Op = "edit"
	OpDelete      Op = "delete"
	OpEnable      Op = "enable"
	OpDisable     Op = "disable"
	OpAcknowledge Op = "acknowledge"
)

// PeerOperation is a command to one peer that may be one of many in ChangePeers.
type PeerOperation interface {
	Command
	Op() Op
}

// Commands to many peers, and what they are made of besides the commands to one.
type (
	// PutPeer brings about the peer of this description: it adds the peer, or
	// edits the one that has the description, without regard to case, to what
	// is given. So an import that is repeated changes nothing. What is left out
	// stays as it is; the type, if given, must be what it is.
	PutPeer struct {
		Type             Field[events.PeerType] `json:"type,omitzero"` // required for a peer that is added
		Description      string                 `json:"description"`
		Hostname         Field[string]          `json:"hostname,omitzero"`
		Port             Field[int]             `json:"port,omitzero"`
		Address          Field[string]          `json:"address,omitzero"`
		PeerEnterpriseID Field[string]          `json:"peer_enterprise_id,omitzero"`
		DialingPrefix    Field[string]          `json:"dialing_prefix,omitzero"`
		Version          Field[string]          `json:"version,omitzero"`
		Enabled          Field[bool]            `json:"enabled,omitzero"` // a peer that is added is enabled unless this is false
	}
	// ChangePeers is many operations in one write. They are judged in turn, each
	// on what the ones before lead to. Atomic: all or none take effect; otherwise
	// those that are refused are left out. Its resource is the enterprise.
	ChangePeers struct {
		Atomic     bool            `json:"atomic"`
		Operations []PeerOperation `json:"operations"`
	}
)

// Name returns the command's name.
func (PutPeer) Name() CommandName { return "PutPeer" }

// Name returns the command's name.
func (ChangePeers) Name() CommandName { return "ChangePeers" }

// Op returns the operation's name.
func (AddPeer) Op() Op { return OpAdd }

// Op returns the operation's name.
func (PutPeer) Op() Op { return OpPut }

// Op returns the operation's name.
func (EditPeer) Op() Op { return OpEdit }

// Op returns the operation's name.
func (DeletePeer) Op() Op { return OpDelete }

// Op returns the operation's name.
func (EnablePeer) Op() Op { return OpEnable }

// Op returns the operation's name.
func (DisablePeer) Op() Op { return OpDisable }

// Op returns the operation's name.
func (AcknowledgePeerNotice) Op() Op { return OpAcknowledge }

// OperationEnd is how an operation of ChangePeers ended.
type OperationEnd string

// The ends of an operation.
const (
	Done      OperationEnd = "done"
	Unchanged OperationEnd = "unchanged" // what it asks for holds already
	Refused   OperationEnd = "refused"
)

// OperationResult is what became of one operation of ChangePeers. In a refusal
// of the whole nothing was done: the results say what each operation would have
// come to if those that were refused had been left out.
type OperationResult struct {
	Index  int          `json:"index"` // in the operations, from nought
	Result OperationEnd `json:"result"`
	// ID is the peer acted on, or added; empty for one that was refused, and for
	// one that was to be added when nothing was.
	ID       string    `json:"id,omitempty"`
	Error    *Error    `json:"error,omitempty"` // with Refused
	Warnings []Warning `json:"warnings,omitempty"`
}
