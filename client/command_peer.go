package client

import (
	"net/http"
	"time"
)

// Commands to a peer.
type (
	// AddPeer adds a peer, and with a MiCollab one its trusted-server entry.
	AddPeer NewPeer

	// RenamePeer changes the description.
	RenamePeer struct {
		Peer        PeerID `json:"peer"`
		Description string `json:"description"`
	}

	// ChangePeerAddress moves a peer and its trusted-server entry.
	ChangePeerAddress struct {
		Peer    PeerID  `json:"peer"`
		Address *string `json:"address"` // nil: it follows the hostname
	}

	// ChangePeerHostname changes the hostname and, unless it is nil, the port.
	ChangePeerHostname struct {
		Peer     PeerID         `json:"peer"`
		Hostname string         `json:"hostname"`
		Port     *Nullable[int] `json:"port,omitempty"` // null: 443
	}

	// ChangePeerEnterprise changes the enterprise on the other server.
	ChangePeerEnterprise struct {
		Peer             PeerID `json:"peer"`
		PeerEnterpriseID string `json:"peer_enterprise_id"`
	}

	// ChangePeerDialingPrefix changes the prefix.
	ChangePeerDialingPrefix struct {
		Peer          PeerID  `json:"peer"`
		DialingPrefix *string `json:"dialing_prefix"` // nil withdraws it
	}

	// EnterPeerVersion enters the version by hand.
	EnterPeerVersion struct {
		Peer    PeerID  `json:"peer"`
		Version *string `json:"version"` // nil withdraws it
	}

	// EnablePeer restores a disabled peer and its trusted-server entry.
	EnablePeer struct {
		Peer PeerID `json:"peer"`
	}

	// DisablePeer keeps a peer and withdraws its trusted-server entry.
	DisablePeer struct {
		Peer PeerID `json:"peer"`
	}

	// DeletePeer removes a peer and its trusted-server entry.
	DeletePeer struct {
		Peer PeerID `json:"peer"`
	}

	// AcknowledgePeerNotice says that the other side was told.
	AcknowledgePeerNotice struct {
		Peer PeerID `json:"peer"`
	}

	// ScheduleMaintenance announces when a peer may be away.
	ScheduleMaintenance struct {
		Peer  PeerID    `json:"peer"`
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
		Note  string    `json:"note,omitempty"`
	}

	// CancelMaintenance takes the announcement back.
	CancelMaintenance struct {
		Peer PeerID `json:"peer"`
	}
)

// CommandName implements Command.
func (AddPeer) CommandName() string { return "AddPeer" }

// CommandName implements Command.
func (RenamePeer) CommandName() string { return "RenamePeer" }

// CommandName implements Command.
func (ChangePeerAddress) CommandName() string { return "ChangePeerAddress" }

// CommandName implements Command.
func (ChangePeerHostname) CommandName() string { return "ChangePeerHostname" }

// CommandName implements Command.
func (ChangePeerEnterprise) CommandName() string { return "ChangePeerEnterprise" }

// CommandName implements Command.
func (ChangePeerDialingPrefix) CommandName() string { return "ChangePeerDialingPrefix" }

// CommandName implements Command.
func (EnterPeerVersion) CommandName() string { return "EnterPeerVersion" }

// CommandName implements Command.
func (EnablePeer) CommandName() string { return "EnablePeer" }

// CommandName implements Command.
func (DisablePeer) CommandName() string { return "DisablePeer" }

// CommandName implements Command.
func (DeletePeer) CommandName() string { return "DeletePeer" }

// CommandName implements Command.
func (AcknowledgePeerNotice) CommandName() string { return "AcknowledgePeerNotice" }

// CommandName implements Command.
func (ScheduleMaintenance) CommandName() string { return "ScheduleMaintenance" }

// CommandName implements Command.
func (CancelMaintenance) CommandName() string { return "CancelMaintenance" }

func (c AddPeer) overHTTP(ent EnterpriseID) *request {
	return peerRequest(http.MethodPost, ent).send(c)
}

func (c RenamePeer) overHTTP(ent EnterpriseID) *request {
	return editPeer(ent, c.Peer, PeerPatch{Description: &c.Description})
}

func (c ChangePeerAddress) overHTTP(ent EnterpriseID) *request {
	return editPeer(ent, c.Peer, PeerPatch{Address: &Nullable[string]{c.Address}})
}

func (c ChangePeerHostname) overHTTP(ent EnterpriseID) *request {
	return editPeer(ent, c.Peer, PeerPatch{Hostname: &c.Hostname, Port: c.Port})
}

func (c ChangePeerEnterprise) overHTTP(ent EnterpriseID) *request {
	return editPeer(ent, c.Peer, PeerPatch{PeerEnterpriseID: &c.PeerEnterpriseID})
}

func (c ChangePeerDialingPrefix) overHTTP(ent EnterpriseID) *request {
	return editPeer(ent, c.Peer, PeerPatch{DialingPrefix: &Nullable[string]{c.DialingPrefix}})
}

func (c EnterPeerVersion) overHTTP(ent EnterpriseID) *request {
	return editPeer(ent, c.Peer, PeerPatch{Version: &Nullable[string]{c.Version}})
}

func (c EnablePeer) overHTTP(ent EnterpriseID) *request {
	return peerRequest(http.MethodPost, ent, string(c.Peer), "enable")
}

func (c DisablePeer) overHTTP(ent EnterpriseID) *request {
	return peerRequest(http.MethodPost, ent, string(c.Peer), "disable")
}

func (c DeletePeer) overHTTP(ent EnterpriseID) *request {
	return peerRequest(http.MethodDelete, ent, string(c.Peer))
}

func (c AcknowledgePeerNotice) overHTTP(ent EnterpriseID) *request {
	return peerRequest(http.MethodPost, ent, string(c.Peer), "acknowledge")
}

func (c ScheduleMaintenance) overHTTP(ent EnterpriseID) *request {
	return peerRequest(http.MethodPost, ent, string(c.Peer), "maintenance").send(Maintenance{c.Start, c.End, c.Note})
}

func (c CancelMaintenance) overHTTP(ent EnterpriseID) *request {
	return peerRequest(http.MethodDelete, ent, string(c.Peer), "maintenance")
}

func editPeer(ent EnterpriseID, id PeerID, p PeerPatch) *request {
	return peerRequest(http.MethodPatch, ent, string(id)).send(p)
}
