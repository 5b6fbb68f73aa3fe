package events

import "time"

// PeerType tells the two kinds of peers apart; it is fixed after adding.
type PeerType string

// The types of peers.
const (
	PeerMiCollab PeerType = "micollab"
	PeerExternal PeerType = "external"
)

// PeerAdded puts a row into the peer table and, for a MiCollab peer, the entry
// of type "peer" into the trusted-server list.
type PeerAdded struct {
	Peer             PeerID       `json:"peer"`
	PeerType         PeerType     `json:"peer_type"`
	Description      string       `json:"description"`
	Hostname         string       `json:"hostname,omitempty"`
	Port             int          `json:"port,omitempty"`
	Address          string       `json:"address,omitempty"` // empty: follows the hostname
	PeerEnterpriseID EnterpriseID `json:"peer_enterprise_id,omitempty"`
	DialingPrefix    string       `json:"dialing_prefix,omitempty"`
	Version          string       `json:"version,omitempty"`
}

// PeerRenamed says that the description was changed.
type PeerRenamed struct {
	Peer PeerID `json:"peer"`
	From string `json:"from"`
	To   string `json:"to"`
}

// PeerAddressChanged moves the peer and its trusted-server entry in one fact.
// From and To are the configured addresses, empty when the address follows the
// hostname; FromHost and ToHost are what the trusted-server entry names.
type PeerAddressChanged struct {
	Peer     PeerID `json:"peer"`
	From     string `json:"from"`
	To       string `json:"to"`
	FromHost string `json:"from_host"`
	ToHost   string `json:"to_host"`
}

// PeerHostnameChanged changes hostname or port. When the address follows the
// hostname, the trusted-server entry moves from FromHost to ToHost with it;
// otherwise the two are equal.
type PeerHostnameChanged struct {
	Peer     PeerID `json:"peer"`
	From     string `json:"from"`
	To       string `json:"to"`
	FromPort int    `json:"from_port"`
	ToPort   int    `json:"to_port"`
	FromHost string `json:"from_host"`
	ToHost   string `json:"to_host"`
}

// PeerEnterpriseChanged changes which enterprise on the other server is peered with.
type PeerEnterpriseChanged struct {
	Peer PeerID       `json:"peer"`
	From EnterpriseID `json:"from"`
	To   EnterpriseID `json:"to"`
}

// PeerDialingPrefixChanged changes the dialing prefix; empty means none.
type PeerDialingPrefixChanged struct {
	Peer PeerID `json:"peer"`
	From string `json:"from"`
	To   string `json:"to"`
}

// PeerVersionEntered says which version a person entered; empty withdraws it.
type PeerVersionEntered struct {
	Peer PeerID `json:"peer"`
	From string `json:"from"`
	To   string `json:"to"`
}

// PeerDisabled withdraws the peer's trusted-server entry and keeps the peer.
type PeerDisabled struct {
	Peer PeerID `json:"peer"`
}

// PeerEnabled restores the peer and its trusted-server entry.
type PeerEnabled struct {
	Peer PeerID `json:"peer"`
}

// PeerDeleted removes the peer, its trusted-server entry and all that belongs
// to its synchronizer. It says what went, so that the story can be told.
type PeerDeleted struct {
	Peer             PeerID       `json:"peer"`
	Description      string       `json:"description"`
	Hostname         string       `json:"hostname,omitempty"`
	PeerEnterpriseID EnterpriseID `json:"peer_enterprise_id,omitempty"`
	Host             string       `json:"host,omitempty"` // what its trusted-server entry named
}

// PeerNoticeRaised says that the other side has to be told of a change here.
type PeerNoticeRaised struct {
	Peer    PeerID         `json:"peer"`
	Changes []NoticeChange `json:"changes"`
}

// What a notice may be about: the fields of the local server.
const (
	NoticeHostname = "hostname"
	NoticeAddress  = "address"
	NoticeVersion  = "version"
)

// NoticeChange is one value that the other side still has to learn.
type NoticeChange struct {
	Field string `json:"field"` // NoticeHostname, NoticeAddress or NoticeVersion
	From  string `json:"from"`
	To    string `json:"to"`
}

// PeerNoticeAcknowledged says that somebody told the other side.
type PeerNoticeAcknowledged struct {
	Peer    PeerID         `json:"peer"`
	Changes []NoticeChange `json:"changes"`
}

// PeerMaintenanceScheduled says when the peer may be away without alarm.
type PeerMaintenanceScheduled struct {
	Peer  PeerID    `json:"peer"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Note  string    `json:"note,omitempty"`
}

// PeerMaintenanceCancelled takes the scheduled maintenance back.
type PeerMaintenanceCancelled struct {
	Peer  PeerID    `json:"peer"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Type returns the stored name.
func (PeerAdded) Type() Type { return "PeerAdded" }

// Type returns the stored name.
func (PeerRenamed) Type() Type { return "PeerRenamed" }

// Type returns the stored name.
func (PeerAddressChanged) Type() Type { return "PeerAddressChanged" }

// Type returns the stored name.
func (PeerHostnameChanged) Type() Type { return "PeerHostnameChanged" }

// Type returns the stored name.
func (PeerEnterpriseChanged) Type() Type { return "PeerEnterpriseChanged" }

// Type returns the stored name.
func (PeerDialingPrefixChanged) Type() Type { return "PeerDialingPrefixChanged" }

// Type returns the stored name.
func (PeerVersionEntered) Type() Type { return "PeerVersionEntered" }

// Type returns the stored name.
func (PeerDisabled) Type() Type { return "PeerDisabled" }

// Type returns the stored name.
func (PeerEnabled) Type() Type { return "PeerEnabled" }

// Type returns the stored name.
func (PeerDeleted) Type() Type { return "PeerDeleted" }

// Type returns the stored name.
func (PeerNoticeRaised) Type() Type { return "PeerNoticeRaised" }

// Type returns the stored name.
func (PeerNoticeAcknowledged) Type() Type { return "PeerNoticeAcknowledged" }

// Type returns the stored name.
func (PeerMaintenanceScheduled) Type() Type { return "PeerMaintenanceScheduled" }

// Type returns the stored name.
func (PeerMaintenanceCancelled) Type() Type { return "PeerMaintenanceCancelled" }

// PeerID names the peer the event is about.
func (e PeerAdded) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerRenamed) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerAddressChanged) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerHostnameChanged) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerEnterpriseChanged) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerDialingPrefixChanged) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerVersionEntered) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerDisabled) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerEnabled) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerDeleted) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerNoticeRaised) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerNoticeAcknowledged) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerMaintenanceScheduled) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerMaintenanceCancelled) PeerID() PeerID { return e.Peer }
