package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Event is something that happened, as the history shows it. Of what a token may
// not read, the fields after TrustedServer are zero.
type Event struct {
	Sequence      Seq             `json:"sequence"`
	ID            string          `json:"id"`
	Time          time.Time       `json:"time"`
	Type          string          `json:"type"`
	Enterprise    EnterpriseID    `json:"enterprise"`
	Peer          PeerID          `json:"peer"`           // "": it is not about one
	TrustedServer TrustedServerID `json:"trusted_server"` // "": it is not about one
	Version       int             `json:"version"`        // of the form of Data
	Actor         string          `json:"actor"`
	OnBehalfOf    string          `json:"on_behalf_of"`
	Reason        string          `json:"reason"`
	CommandID     string          `json:"command_id"`
	CorrelationID string          `json:"correlation_id"`
	CausationID   string          `json:"causation_id"`
	Data          json.RawMessage `json:"data"`
	Changes       []Change        `json:"changes"`
}

// Change is one value that an event replaced; nil: there was, or is, none.
type Change struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// EventQuery asks for events in the order of the log, or with Sort "-sequence"
// the latest first. Empty filters do not filter, all others are exact; Q is not
// used.
type EventQuery struct {
	ListQuery
	Enterprise EnterpriseID
	Peer       PeerID
	Type       string
	Actor      string
	CommandID  string
	From, To   string // each a sequence or a time (RFC 3339), both inclusive
	After      Seq    // only later ones
}

func (q EventQuery) values() url.Values {
	v := q.ListQuery.values()
	set(v, "enterprise", string(q.Enterprise))
	set(v, "peer", string(q.Peer))
	set(v, "type", q.Type)
	set(v, "actor", q.Actor)
	set(v, "command_id", q.CommandID)
	set(v, "from", q.From)
	set(v, "to", q.To)
	if q.After != 0 {
		v.Set("after_seq", strconv.FormatUint(uint64(q.After), 10))
	}
	return v
}

// Events lists events, one page.
func (c *Client) Events(ctx context.Context, q EventQuery, opts ...ReadOption) (Page[Event], error) {
	return fetch[Event](ctx, c, newRequest(http.MethodGet, "events"), q.values(), opts)
}

// AllEvents goes through all events from q.Cursor on. It ends with the first error.
func (c *Client) AllEvents(ctx context.Context, q EventQuery, opts ...ReadOption) iter.Seq2[Event, error] {
	return items(Pages(q.Cursor, func(cursor string) (Page[Event], error) {
		q.Cursor = cursor
		return c.Events(ctx, q, opts...)
	}))
}

// PeerHistory lists what happened to a peer, its deletion too, one page; of q,
// Enterprise and Peer have no meaning. CodeNotFound: there never was one.
func (c *Client) PeerHistory(ctx context.Context, ent EnterpriseID, id PeerID, q EventQuery, opts ...ReadOption) (Page[Event], error) {
	q.Enterprise, q.Peer = "", ""
	return fetch[Event](ctx, c, peerRequest(http.MethodGet, ent, string(id), "history"), q.values(), opts)
}
