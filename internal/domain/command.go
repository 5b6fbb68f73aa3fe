package domain

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/peering/peering/internal/events"
)

// CommandName is the name of a command on the bus and in outcomes.
type CommandName string

// Command is an order to one enterprise. The JSON of a command is what the bus
// carries; over HTTP the same without what the path already says.
type Command interface {
	Name() CommandName
}

// Field is a value that may be left out (keep), null (withdraw) or given.
type Field[T any] struct {
	Set   bool // present in the JSON, null included
	Null  bool
	Value T
}

// Give returns a Field with the value v.
func Give[T any](v T) Field[T] { return Field[T]{Set: true, Value: v} }

// Withdraw returns a Field that is null.
func Withdraw[T any]() Field[T] { return Field[T]{Set: true, Null: true} }

// UnmarshalJSON implements json.Unmarshaler; it is called for null too.
func (f *Field[T]) UnmarshalJSON(data []byte) error {
	f.Set = true
	if bytes.Equal(data, []byte("null")) {
		f.Null = true
		return nil
	}
	return json.Unmarshal(data, &f.Value)
}

// MarshalJSON implements json.Marshaler; use it with omitzero.
func (f Field[T]) MarshalJSON() ([]byte, error) {
	if !f.Set || f.Null {
		return []byte("null"), nil
	}
	return json.Marshal(f.Value)
}

// Server is the local server of an enterprise as a command gives it.
type Server struct {
	Hostname   string            `json:"hostname"`
	Address    string            `json:"address"`
	Version    string            `json:"version"`
	Deployment events.Deployment `json:"deployment"`
}

// Commands to an enterprise.
type (
	// RegisterEnterprise opens an enterprise.
	RegisterEnterprise struct {
		ID          string `json:"id"`
		Description string `json:"description"`
		Domain      string `json:"domain"`
		Server      Server `json:"server"`
	}
	// DescribeEnterprise changes the description.
	DescribeEnterprise struct {
		Description string `json:"description"`
	}
	// ChangeEnterpriseDomain changes the domain.
	ChangeEnterpriseDomain struct {
		Domain string `json:"domain"`
	}
	// ChangeEnterpriseServer changes the fields of the local server that are given.
	ChangeEnterpriseServer struct {
		Hostname   Field[string]            `json:"hostname,omitzero"`
		Address    Field[string]            `json:"address,omitzero"`
		Version    Field[string]            `json:"version,omitzero"`
		Deployment Field[events.Deployment] `json:"deployment,omitzero"`
	}
	// EditEnterprise is a merge patch: all the given fields change or none.
	EditEnterprise struct {
		Description Field[string]                 `json:"description,omitzero"`
		Domain      Field[string]                 `json:"domain,omitzero"`
		Server      Field[ChangeEnterpriseServer] `json:"server,omitzero"`
	}
	// RemoveEnterprise closes an enterprise that has no peers.
	RemoveEnterprise struct{}
)

// Commands to a peer.
type (
	// AddPeer adds a row to the peer table.
	AddPeer struct {
		Type             events.PeerType `json:"type"`
		Description      string          `json:"description"`
		Hostname         Field[string]   `json:"hostname,omitzero"`
		Port             Field[int]      `json:"port,omitzero"`
		Address          Field[string]   `json:"address,omitzero"`
		PeerEnterpriseID Field[string]   `json:"peer_enterprise_id,omitzero"`
		DialingPrefix    Field[string]   `json:"dialing_prefix,omitzero"`
		Version          Field[string]   `json:"version,omitzero"`
	}
	// EditPeer is a merge patch: all the given fields change or none, judged by
	// the state they lead to.
	EditPeer struct {
		Peer             events.PeerID          `json:"peer,omitempty"`
		Type             Field[events.PeerType] `json:"type,omitzero"` // may only repeat what it is
		Description      Field[string]          `json:"description,omitzero"`
		Hostname         Field[string]          `json:"hostname,omitzero"`
		Port             Field[int]             `json:"port,omitzero"`
		Address          Field[string]          `json:"address,omitzero"`
		PeerEnterpriseID Field[string]          `json:"peer_enterprise_id,omitzero"`
		DialingPrefix    Field[string]          `json:"dialing_prefix,omitzero"`
		Version          Field[string]          `json:"version,omitzero"`
		Enabled          Field[bool]            `json:"enabled,omitzero"`
	}
	// RenamePeer changes the description.
	RenamePeer struct {
		Peer        events.PeerID `json:"peer"`
		Description string        `json:"description"`
	}
	// ChangePeerAddress moves peer and trusted-server entry; null: follow the
	// hostname. Expect, when given, is the configured address that must still
	// hold ("" for following), else nothing changes: it keeps a late reaction
	// from undoing a newer change.
	ChangePeerAddress struct {
		Peer    events.PeerID `json:"peer"`
		Address Field[string] `json:"address"`
		Expect  Field[string] `json:"expect,omitzero"`
	}
	// ChangePeerHostname changes the hostname and, when given, the port.
	// Expect is the hostname that must still hold, as in ChangePeerAddress.
	ChangePeerHostname struct {
		Peer     events.PeerID `json:"peer"`
		Hostname string        `json:"hostname"`
		Port     Field[int]    `json:"port,omitzero"`
		Expect   Field[string] `json:"expect,omitzero"`
	}
	// ChangePeerEnterprise changes the enterprise on the other server.
	ChangePeerEnterprise struct {
		Peer             events.PeerID `json:"peer"`
		PeerEnterpriseID string        `json:"peer_enterprise_id"`
	}
	// ChangePeerDialingPrefix changes the prefix; null withdraws it.
	ChangePeerDialingPrefix struct {
		Peer          events.PeerID `json:"peer"`
		DialingPrefix Field[string] `json:"dialing_prefix"`
	}
	// EnterPeerVersion enters the version by hand; null withdraws it.
	EnterPeerVersion struct {
		Peer    events.PeerID `json:"peer"`
		Version Field[string] `json:"version"`
	}
	// EnablePeer restores a disabled peer.
	EnablePeer struct {
		Peer events.PeerID `json:"peer"`
	}
	// DisablePeer keeps the peer and withdraws its trust.
	DisablePeer struct {
		Peer events.PeerID `json:"peer"`
	}
	// DeletePeer removes the peer and what belongs to it.
	DeletePeer struct {
		Peer events.PeerID `json:"peer"`
	}
	// FollowServer has a peer follow the server on the other side, from what it
	// was to what it is. It comes from the reaction to a change of that server,
	// never from a client. A value that is the same in both is left alone, and so
	// is what the peer does not have from it: an older change that arrives late
	// undoes nothing.
	FollowServer struct {
		Peer             events.PeerID       `json:"peer"`
		PeerEnterpriseID events.EnterpriseID `json:"peer_enterprise_id"`
		From             ServerIdentity      `json:"from"`
		To               ServerIdentity      `json:"to"`
	}
	// RaisePeerNotice notes what the other side has to be told. It comes from
	// the reaction to a change of the local server, never from a client.
	RaisePeerNotice struct {
		Peer    events.PeerID         `json:"peer"`
		Changes []events.NoticeChange `json:"changes"`
	}
	// AcknowledgePeerNotice ticks the notice off.
	AcknowledgePeerNotice struct {
		Peer events.PeerID `json:"peer"`
	}
	// ScheduleMaintenance announces when the peer may be away.
	ScheduleMaintenance struct {
		Peer  events.PeerID `json:"peer"`
		Start time.Time     `json:"start"`
		End   time.Time     `json:"end"`
		Note  string        `json:"note,omitempty"`
	}
	// CancelMaintenance takes the announcement back.
	CancelMaintenance struct {
		Peer events.PeerID `json:"peer"`
	}
)

// Commands to a trusted server.
type (
	// AddTrustedServer adds a manual entry.
	AddTrustedServer struct {
		Description string           `json:"description"`
		Host        string           `json:"host"`
		Type        events.TrustType `json:"type"`
	}
	// EditTrustedServer is a merge patch: all the given fields change or none.
	EditTrustedServer struct {
		TrustedServer events.TrustedServerID  `json:"trusted_server,omitempty"`
		Description   Field[string]           `json:"description,omitzero"`
		Host          Field[string]           `json:"host,omitzero"`
		Type          Field[events.TrustType] `json:"type,omitzero"`
	}
	// RenameTrustedServer changes the description, on a peer's entry too.
	RenameTrustedServer struct {
		TrustedServer events.TrustedServerID `json:"trusted_server"`
		Description   string                 `json:"description"`
	}
	// ChangeTrustedServer changes host or type of a manual entry.
	ChangeTrustedServer struct {
		TrustedServer events.TrustedServerID  `json:"trusted_server"`
		Host          Field[string]           `json:"host,omitzero"`
		Type          Field[events.TrustType] `json:"type,omitzero"`
	}
	// RemoveTrustedServer removes a manual entry.
	RemoveTrustedServer struct {
		TrustedServer events.TrustedServerID `json:"trusted_server"`
	}
)

// Name returns the command's name.
func (RegisterEnterprise) Name() CommandName { return "RegisterEnterprise" }

// Name returns the command's name.
func (DescribeEnterprise) Name() CommandName { return "DescribeEnterprise" }

// Name returns the command's name.
func (ChangeEnterpriseDomain) Name() CommandName { return "ChangeEnterpriseDomain" }

// Name returns the command's name.
func (ChangeEnterpriseServer) Name() CommandName { return "ChangeEnterpriseServer" }

// Name returns the command's name.
func (EditEnterprise) Name() CommandName { return "EditEnterprise" }

// Name returns the command's name.
func (RemoveEnterprise) Name() CommandName { return "RemoveEnterprise" }

// Name returns the command's name.
func (AddPeer) Name() CommandName { return "AddPeer" }

// Name returns the command's name.
func (EditPeer) Name() CommandName { return "EditPeer" }

// Name returns the command's name.
func (RenamePeer) Name() CommandName { return "RenamePeer" }

// Name returns the command's name.
func (ChangePeerAddress) Name() CommandName { return "ChangePeerAddress" }

// Name returns the command's name.
func (ChangePeerHostname) Name() CommandName { return "ChangePeerHostname" }

// Name returns the command's name.
func (ChangePeerEnterprise) Name() CommandName { return "ChangePeerEnterprise" }

// Name returns the command's name.
func (ChangePeerDialingPrefix) Name() CommandName { return "ChangePeerDialingPrefix" }

// Name returns the command's name.
func (EnterPeerVersion) Name() CommandName { return "EnterPeerVersion" }

// Name returns the command's name.
func (EnablePeer) Name() CommandName { return "EnablePeer" }

// Name returns the command's name.
func (DisablePeer) Name() CommandName { return "DisablePeer" }

// Name returns the command's name.
func (DeletePeer) Name() CommandName { return "DeletePeer" }

// Name returns the command's name.
func (FollowServer) Name() CommandName { return "FollowServer" }

// Name returns the command's name.
func (RaisePeerNotice) Name() CommandName { return "RaisePeerNotice" }

// Name returns the command's name.
func (AcknowledgePeerNotice) Name() CommandName { return "AcknowledgePeerNotice" }

// Name returns the command's name.
func (ScheduleMaintenance) Name() CommandName { return "ScheduleMaintenance" }

// Name returns the command's name.
func (CancelMaintenance) Name() CommandName { return "CancelMaintenance" }

// Name returns the command's name.
func (AddTrustedServer) Name() CommandName { return "AddTrustedServer" }

// Name returns the command's name.
func (EditTrustedServer) Name() CommandName { return "EditTrustedServer" }

// Name returns the command's name.
func (RenameTrustedServer) Name() CommandName { return "RenameTrustedServer" }

// Name returns the command's name.
func (ChangeTrustedServer) Name() CommandName { return "ChangeTrustedServer" }

// Name returns the command's name.
func (RemoveTrustedServer) Name() CommandName { return "RemoveTrustedServer" }
