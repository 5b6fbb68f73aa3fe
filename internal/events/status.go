package events

import "time"

// Status is the state of the connection to a peer.
type Status string

// The states of a connection. StatusNA is shown for external peers, which are
// not probed.
const (
	StatusUnknown  Status = "unknown" // not probed yet, or probing has stopped
	StatusUp       Status = "up"
	StatusDegraded Status = "degraded" // reachable, but something needs attention
	StatusDown     Status = "down"
	StatusDisabled Status = "disabled"
	StatusNA       Status = "N/A"
)

// Cause says why a status is what it is.
type Cause struct {
	Layer   string `json:"layer,omitempty"` // dns, connect, tls, http, policy
	Code    string `json:"code,omitempty"`  // stable: name_mismatch, expired, refused, …
	Message string `json:"message,omitempty"`
}

// PeerStatusChanged is a transition seen by a prober. ConfigSeq is the
// configuration of the enterprise that the verdict was made under, and
// ProbeStarted when the probe began: a verdict from before the last change of
// the peer does not count.
type PeerStatusChanged struct {
	Peer         PeerID    `json:"peer"`
	From         Status    `json:"from"`
	To           Status    `json:"to"`
	Cause        Cause     `json:"cause,omitzero"`
	Since        time.Time `json:"since"`
	ConfigSeq    Seq       `json:"config_seq"`
	ProbeStarted time.Time `json:"probe_started"`
	// Resolved are the addresses that the hostname stood for, at most 16.
	Resolved []string `json:"resolved,omitempty"`
}

// PeerVersionDetected says which version the peer showed; it replaces an
// entered one.
type PeerVersionDetected struct {
	Peer PeerID `json:"peer"`
	From string `json:"from"`
	To   string `json:"to"`
	// ConfigSeq is the configuration that was probed; 0: not noted.
	ConfigSeq Seq `json:"config_seq,omitempty"`
}

// PeerCertificateSeen describes the certificate that the peer showed, when it
// is another than before.
type PeerCertificateSeen struct {
	Peer        PeerID    `json:"peer"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Issuer      string    `json:"issuer"`
	Subject     string    `json:"subject"`
	Names       []string  `json:"names,omitempty"`
	Fingerprint string    `json:"fingerprint"` // SHA-256 of the DER form, hex
	// ConfigSeq is the configuration that was probed; 0: not noted.
	ConfigSeq Seq `json:"config_seq,omitempty"`
}

// Type returns the stored name.
func (PeerStatusChanged) Type() Type { return "PeerStatusChanged" }

// Type returns the stored name.
func (PeerVersionDetected) Type() Type { return "PeerVersionDetected" }

// Type returns the stored name.
func (PeerCertificateSeen) Type() Type { return "PeerCertificateSeen" }

// PeerID names the peer the event is about.
func (e PeerStatusChanged) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerVersionDetected) PeerID() PeerID { return e.Peer }

// PeerID names the peer the event is about.
func (e PeerCertificateSeen) PeerID() PeerID { return e.Peer }
