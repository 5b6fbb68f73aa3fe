// Package readmodel owns what people see: the tables, all SQL that touches
// them, how an event changes them (Apply) and the queries. Beside what follows
// from the log it keeps what does not, and what no rebuild may lose: the tokens
// (Tokens), which events were discarded, by whom and why, and what the last probe
// of each peer found.
//
// It imports events only. The projection package writes through it; httpapi and
// dashboard read through it. Table names carry version and generation of their
// projection; the active generation is one row, read inside each query's
// transaction (ADR 0006).
package readmodel

import (
	"errors"
	"fmt"
	"time"

	"github.com/peering/peering/internal/events"
)

// Page is one page of a list.
type Page[T any] struct {
	Items      []T
	NextCursor string     // empty: this was the last page
	Sequence   events.Seq // the position of the projection that was read
}

// ListQuery is what all lists take. Sort names a column, with a leading "-" for
// descending; empty is the list's own order. Ties are broken by id, so that the
// order is total and a cursor is exact. Limit is 1–1000, 0 means 100.
type ListQuery struct {
	Q      string
	Sort   string
	Limit  int
	Cursor string
}

// EnterpriseQuery lists enterprises; Q searches id, description, domain, server.
type EnterpriseQuery struct {
	ListQuery
	Only events.EnterpriseID // the only one there is for who asks; empty: all
}

// PeerQuery lists the peers of an enterprise; Q searches description, server,
// address. Empty filters do not filter.
type PeerQuery struct {
	ListQuery
	Status      events.Status
	Type        events.PeerType
	Enabled     *bool
	Deleted     bool   // the deleted peers instead of the living
	Description string // exact, without regard to case
}

// TrustedServerQuery lists trusted servers; Q searches description and host.
// An empty Enterprise lists those of all enterprises.
type TrustedServerQuery struct {
	ListQuery
	Enterprise  events.EnterpriseID
	Only        events.EnterpriseID // the only enterprise there is for who asks; empty: all
	Type        events.TrustType
	Origin      string // "manual" or "peer"
	Host        string // exact
	Description string // exact, without regard to case
}

// A QueryError says which parameter of a list cannot be answered and why.
type QueryError struct {
	Field string
	Msg   string
}

func (e *QueryError) Error() string { return e.Field + ": " + e.Msg }

// ErrNotFound says that there is no such row and never was.
var ErrNotFound = errors.New("readmodel: not found")

// ErrUnavailable is wrapped by errors of a database that does not answer and of
// a projection that has no tables yet. Nothing was changed; try again later.
var ErrUnavailable = errors.New("readmodel: unavailable")

// HeldError says that the projection holds the events of an enterprise behind
// one that it could not apply, so that a read at MinSeq cannot be answered.
type HeldError struct {
	Enterprise events.EnterpriseID
	HeldAt     events.Seq
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("readmodel: %s is held at sequence %d", e.Enterprise, e.HeldAt)
}

// Enterprise is a row of the enterprise list.
type Enterprise struct {
	ID           events.EnterpriseID
	Description  string
	Domain       string
	Server       events.Server
	PeersTotal   int
	ByStatus     map[events.Status]int
	DomainShared bool // another enterprise of the deployment has the same domain
	Revision     events.Seq
	UpdatedAt    time.Time
	LastSeq      events.Seq
	Removed      *Removal // the story, when it is gone
}

// Removal tells who removed a thing, when, and why.
type Removal struct {
	Seq    events.Seq
	By     string
	At     time.Time
	Reason string
}

// Peer is a row of the peer table. Times that are zero are not known.
type Peer struct {
	Enterprise       events.EnterpriseID
	ID               events.PeerID
	Type             events.PeerType
	Description      string
	Hostname         string
	Port             int
	Address          string // configured; empty: follows the hostname
	Host             string // what the trusted-server entry names
	PeerEnterpriseID events.EnterpriseID
	DialingPrefix    string
	Version          string
	VersionSource    string // "entered", "detected" or empty
	LocalVersion     string // of the enterprise's own server
	UPNPresence      string // "yes", "no", "unknown"; agrees with domain.UPNPresence
	Enabled          bool
	Status           events.Status
	Cause            events.Cause
	StatusSince      time.Time     // zero: not known
	LastProbe        time.Time     // when the last probe of the present configuration began
	Latency          time.Duration // of that probe; 0: it had none
	Certificate      *events.PeerCertificateSeen
	Notice           []events.NoticeChange
	Maintenance      *events.PeerMaintenanceScheduled
	Revision         events.Seq
	UpdatedAt        time.Time
	LastSeq          events.Seq // of any event, status included
	Deleted          *Removal
}

// TrustedServer is a row of the trusted-server list. A withdrawn entry (its
// peer is disabled) is not a row.
type TrustedServer struct {
	Enterprise  events.EnterpriseID
	ID          events.TrustedServerID
	Description string
	Host        string
	Type        events.TrustType
	Peer        events.PeerID // empty: manual
	Revision    events.Seq
	UpdatedAt   time.Time
	Since       Since // since when this host is trusted by this entry
	Removed     *Removal
}

// Since says which event made something so.
type Since struct {
	Seq    events.Seq
	Time   time.Time
	Actor  string
	Reason string
}
