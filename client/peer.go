package client

import (
	"context"
	"iter"
	"net/http"
	"strconv"
	"time"
)

// NotApplicable is what Server, Version and Status of an external peer say.
const NotApplicable = "N/A"

// The types of a peer.
const (
	PeerMiCollab = "micollab"
	PeerExternal = "external"
)

// Peer is how a row of the peer table reads. What is not known, not given or
// does not apply is the zero value or nil.
type Peer struct {
	ID               PeerID       `json:"id"`
	Enterprise       EnterpriseID `json:"enterprise"`
	Type             string       `json:"type"`
	Description      string       `json:"description"`
	Server           string       `json:"server"` // the hostname, or NotApplicable
	Hostname         string       `json:"hostname"`
	Port             int          `json:"port"`
	Address          string       `json:"address"` // "": it follows the hostname
	PeerEnterpriseID string       `json:"peer_enterprise_id"`
	DialingPrefix    string       `json:"dialing_prefix"`
	Version          string       `json:"version"`
	VersionSource    string       `json:"version_source"` // "entered" or "detected"
	Status           string       `json:"status"`
	StatusCause      *StatusCause `json:"status_cause"`
	StatusSince      time.Time    `json:"status_since"`
	LastProbe        time.Time    `json:"last_probe"` // zero: none is known
	LatencyMS        *float64     `json:"latency_ms"` // nil: there was no answer
	UPNPresence      UPNPresence  `json:"upn_presence"`
	Certificate      *Certificate `json:"certificate"`
	Enabled          bool         `json:"enabled"`
	Notice           *Notice      `json:"notice"`      // what the other side has to be told
	Maintenance      *Maintenance `json:"maintenance"` // when it may be away without alarm
	AdminURL         string       `json:"admin_url"`
	Revision         Seq          `json:"revision"`
	UpdatedAt        time.Time    `json:"updated_at"`
	Deleted          *Deleted     `json:"deleted"` // in the list of the deleted
}

// StatusCause says why the status is what it is.
type StatusCause struct {
	Layer   string `json:"layer"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// UPNPresence says whether the presence of users with a UPN is visible.
type UPNPresence struct {
	Value  string `json:"value"` // "yes", "no" or "unknown"
	Reason string `json:"reason"`
}

// Certificate is what the peer showed last.
type Certificate struct {
	NotAfter time.Time `json:"not_after"`
	DaysLeft int       `json:"days_left"`
	Issuer   string    `json:"issuer"`
	Subject  string    `json:"subject"`
}

// Notice is what the other side has to be told by hand.
type Notice struct {
	Changes []NoticeChange `json:"changes"`
}

// NoticeChange is one change of the local server.
type NoticeChange struct {
	Field string `json:"field"` // "hostname", "address" or "version"
	From  string `json:"from"`
	To    string `json:"to"`
}

// Maintenance is an announced absence.
type Maintenance struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Note  string    `json:"note,omitempty"`
}

// Deleted is the story of something that is gone.
type Deleted struct {
	Sequence Seq       `json:"sequence"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Reason   string    `json:"reason"`
}

// PeerQuery asks for a list of peers.
type PeerQuery struct {
	ListQuery
	Status      string
	Type        string
	Enabled     *bool  // nil: both
	Deleted     bool   // the deleted instead of the living
	Description string // exactly this one, in any case
}

// NewPeer is what a peer is added with. Fields that are nil are not sent; an
// external peer has a description and nothing else.
type NewPeer struct {
	Type             string  `json:"type"`
	Description      string  `json:"description"`
	Hostname         *string `json:"hostname,omitempty"`
	Port             *int    `json:"port,omitempty"`
	Address          *string `json:"address,omitempty"`
	PeerEnterpriseID *string `json:"peer_enterprise_id,omitempty"`
	DialingPrefix    *string `json:"dialing_prefix,omitempty"`
	Version          *string `json:"version,omitempty"`
}

// PeerPatch changes the fields that are not nil: all of them, or none.
type PeerPatch struct {
	Description      *string           `json:"description,omitempty"`
	Hostname         *string           `json:"hostname,omitempty"`
	Port             *Nullable[int]    `json:"port,omitempty"`    // null: 443
	Address          *Nullable[string] `json:"address,omitempty"` // null: follows the hostname
	PeerEnterpriseID *string           `json:"peer_enterprise_id,omitempty"`
	DialingPrefix    *Nullable[string] `json:"dialing_prefix,omitempty"`
	Version          *Nullable[string] `json:"version,omitempty"`
	Enabled          *bool             `json:"enabled,omitempty"`
}

func peerRequest(method string, ent EnterpriseID, below ...string) *request {
	return newRequest(method, append([]string{enterprisesPath, string(ent), "peers"}, below...)...)
}

// Peers lists the peers of an enterprise, one page.
func (c *Client) Peers(ctx context.Context, ent EnterpriseID, q PeerQuery, opts ...ReadOption) (Page[Peer], error) {
	v := q.values()
	set(v, "status", q.Status)
	set(v, "type", q.Type)
	set(v, "description", q.Description)
	if q.Enabled != nil {
		v.Set("enabled", strconv.FormatBool(*q.Enabled))
	}
	if q.Deleted {
		v.Set("deleted", "true")
	}
	return fetch[Peer](ctx, c, peerRequest(http.MethodGet, ent), v, opts)
}

// AllPeers goes through all peers from q.Cursor on. It ends with the first error.
func (c *Client) AllPeers(ctx context.Context, ent EnterpriseID, q PeerQuery, opts ...ReadOption) iter.Seq2[Peer, error] {
	return items(Pages(q.Cursor, func(cursor string) (Page[Peer], error) {
		q.Cursor = cursor
		return c.Peers(ctx, ent, q, opts...)
	}))
}

// Peer reads a peer. CodeNotFound: there never was one; CodeGone: it was
// deleted, and the error says by whom, when and why.
func (c *Client) Peer(ctx context.Context, ent EnterpriseID, id PeerID, opts ...ReadOption) (Peer, error) {
	var p Peer
	err := c.do(ctx, peerRequest(http.MethodGet, ent, string(id)).asRead(opts), &p)
	return p, err
}

// AddPeer adds a peer, and with a MiCollab one its trusted-server entry.
func (c *Client) AddPeer(ctx context.Context, ent EnterpriseID, p NewPeer, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, peerRequest(http.MethodPost, ent).send(p), opts)
}

// EditPeer changes a peer. A new address moves its trusted-server entry with it.
func (c *Client) EditPeer(ctx context.Context, ent EnterpriseID, id PeerID, p PeerPatch, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, peerRequest(http.MethodPatch, ent, string(id)).send(p), opts)
}

// DeletePeer removes a peer and its trusted-server entry. The receipt warns of
// what keeps its host trusted.
func (c *Client) DeletePeer(ctx context.Context, ent EnterpriseID, id PeerID, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, peerRequest(http.MethodDelete, ent, string(id)), opts)
}

// EnablePeer restores a disabled peer and its trusted-server entry.
func (c *Client) EnablePeer(ctx context.Context, ent EnterpriseID, id PeerID, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, peerRequest(http.MethodPost, ent, string(id), "enable"), opts)
}

// DisablePeer keeps a peer and withdraws its trusted-server entry.
func (c *Client) DisablePeer(ctx context.Context, ent EnterpriseID, id PeerID, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, peerRequest(http.MethodPost, ent, string(id), "disable"), opts)
}

// AcknowledgePeerNotice says that the other side was told.
func (c *Client) AcknowledgePeerNotice(ctx context.Context, ent EnterpriseID, id PeerID, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, peerRequest(http.MethodPost, ent, string(id), "acknowledge"), opts)
}

// ScheduleMaintenance announces when a peer may be away.
func (c *Client) ScheduleMaintenance(ctx context.Context, ent EnterpriseID, id PeerID, m Maintenance, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, peerRequest(http.MethodPost, ent, string(id), "maintenance").send(m), opts)
}

// CancelMaintenance takes the announcement back.
func (c *Client) CancelMaintenance(ctx context.Context, ent EnterpriseID, id PeerID, opts ...WriteOption) (Receipt, error) {
	return c.write(ctx, peerRequest(http.MethodDelete, ent, string(id), "maintenance"), opts)
}
