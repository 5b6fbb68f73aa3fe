package events

// TrustType is what a trusted server may do without authentication.
type TrustType string

// The types of trust. The entry of a peer has the type peer always, a manual one
// may have any.
const (
	TrustPresence TrustType = "presence" // may receive presence
	TrustIM       TrustType = "im"       // may exchange instant messages
	TrustPeer     TrustType = "peer"     // may exchange communication information
)

// TrustedServerAdded adds a manual entry. The entry that a peer brings with it
// has no event of its own: it is derived from the peer's.
type TrustedServerAdded struct {
	TrustedServer TrustedServerID `json:"trusted_server"`
	Description   string          `json:"description"`
	Host          string          `json:"host"`
	TrustType     TrustType       `json:"trust_type"`
}

// TrustedServerRenamed changes the description of an entry; Peer is set when
// the entry is a peer's.
type TrustedServerRenamed struct {
	TrustedServer TrustedServerID `json:"trusted_server"`
	Peer          PeerID          `json:"peer,omitempty"`
	From          string          `json:"from"`
	To            string          `json:"to"`
}

// TrustedServerChanged changes host or type of a manual entry.
type TrustedServerChanged struct {
	TrustedServer TrustedServerID `json:"trusted_server"`
	FromHost      string          `json:"from_host"`
	ToHost        string          `json:"to_host"`
	FromType      TrustType       `json:"from_type"`
	ToType        TrustType       `json:"to_type"`
}

// TrustedServerRemoved withdraws the trust of a manual entry. It says what went.
type TrustedServerRemoved struct {
	TrustedServer TrustedServerID `json:"trusted_server"`
	Description   string          `json:"description"`
	Host          string          `json:"host"`
	TrustType     TrustType       `json:"trust_type"`
}

// Type returns the stored name.
func (TrustedServerAdded) Type() Type { return "TrustedServerAdded" }

// Type returns the stored name.
func (TrustedServerRenamed) Type() Type { return "TrustedServerRenamed" }

// Type returns the stored name.
func (TrustedServerChanged) Type() Type { return "TrustedServerChanged" }

// Type returns the stored name.
func (TrustedServerRemoved) Type() Type { return "TrustedServerRemoved" }

// TrustedServerID names the entry the event is about.
func (e TrustedServerAdded) TrustedServerID() TrustedServerID { return e.TrustedServer }

// TrustedServerID names the entry the event is about.
func (e TrustedServerRenamed) TrustedServerID() TrustedServerID { return e.TrustedServer }

// TrustedServerID names the entry the event is about.
func (e TrustedServerChanged) TrustedServerID() TrustedServerID { return e.TrustedServer }

// TrustedServerID names the entry the event is about.
func (e TrustedServerRemoved) TrustedServerID() TrustedServerID { return e.TrustedServer }
