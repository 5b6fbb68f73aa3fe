package client

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// ParkedCommand is a command from the bus that could not be handled.
type ParkedCommand struct {
	Sequence      Seq             `json:"sequence"` // its name; not a place in the log
	ParkedAt      time.Time       `json:"parked_at"`
	Enterprise    EnterpriseID    `json:"enterprise"` // "": what it was published on names none
	Command       string          `json:"command"`
	CommandID     string          `json:"command_id"` // "": it has none that could be used
	Code          string          `json:"code"`       // why it was parked; stable
	Detail        string          `json:"detail"`     // the same for a person
	Subject       string          `json:"subject"`
	Actor         string          `json:"actor"`
	OnBehalfOf    string          `json:"on_behalf_of"`
	Reason        string          `json:"reason"` // that came with it
	CorrelationID string          `json:"correlation_id"`
	CausationID   string          `json:"causation_id"`
	Deliveries    uint64          `json:"deliveries"`
	Body          string          `json:"body"`        // when it is JSON; not in lists
	BodyBase64    []byte          `json:"body_base64"` // when it is not; not in lists
	BodySize      int             `json:"body_size"`   // in bytes, as it came
	BodyCut       bool            `json:"body_cut"`    // there was more
	Decision      *ParkedDecision `json:"decision"`    // nil: nobody decided yet
	Outcome       *ParkedOutcome  `json:"outcome"`     // how its command id has ended; not in lists
}

// ParkedDecision is what was decided about a parked command.
type ParkedDecision struct {
	Action     string    `json:"action"` // "retried" or "discarded"
	By         string    `json:"by"`
	At         time.Time `json:"at"`
	Reason     string    `json:"reason"`
	CarriedOut bool      `json:"carried_out"` // false: it stands, and will be
}

// ParkedOutcome is how a command id has ended.
type ParkedOutcome struct {
	Result   string    `json:"result"`   // "accepted", "rejected" or "failed"
	Sequence Seq       `json:"sequence"` // of its last event
	Code     string    `json:"code"`
	Detail   string    `json:"detail"`
	At       time.Time `json:"at"`
}

// ParkedQuery asks for parked commands, or for those that were decided about, in
// the order in which they were parked.
type ParkedQuery struct {
	Enterprise EnterpriseID
	Decided    bool
	Limit      int    // rows of a page, 1 to 1000; 0: 100
	Cursor     string // Page.NextCursor of the page before
}

const parkedPath = "parked"

// ParkedCommands lists the commands that could not be handled, one page.
func (c *Client) ParkedCommands(ctx context.Context, q ParkedQuery, opts ...ReadOption) (Page[ParkedCommand], error) {
	v := ListQuery{Limit: q.Limit, Cursor: q.Cursor}.values()
	set(v, "enterprise", string(q.Enterprise))
	if q.Decided {
		v.Set("decided", "true")
	}
	return fetch[ParkedCommand](ctx, c, newRequest(http.MethodGet, parkedPath), v, opts)
}

// ParkedCommand reads one, decided about or not.
func (c *Client) ParkedCommand(ctx context.Context, at Seq, opts ...ReadOption) (ParkedCommand, error) {
	var p ParkedCommand
	err := c.do(ctx, parkedRequest(http.MethodGet, at).asRead(opts), &p)
	return p, err
}

// RetryParkedCommand has a parked command handled again, with its command id;
// reason may be empty. Its outcome tells what came of it; one that is parked
// again is a new parked command. CodeInvalid: it must not be retried.
// CodeConflict: it was discarded. It may be repeated; the first decision stands.
func (c *Client) RetryParkedCommand(ctx context.Context, at Seq, reason string, opts ...ReadOption) (ParkedCommand, error) {
	return c.decideParked(ctx, at, "retry", reason, opts)
}

// DiscardParkedCommand gives a parked command up: its outcome is then failed, with
// the code "discarded", unless it has one. CodeConflict: it was retried. It may
// be repeated; the first decision stands.
func (c *Client) DiscardParkedCommand(ctx context.Context, at Seq, reason string, opts ...ReadOption) (ParkedCommand, error) {
	return c.decideParked(ctx, at, "discard", reason, opts)
}

func (c *Client) decideParked(ctx context.Context, at Seq, what, reason string, opts []ReadOption) (ParkedCommand, error) {
	r := parkedRequest(http.MethodPost, at, what)
	if reason != "" || what == "discard" {
		r.send(map[string]string{"reason": reason})
	}
	var p ParkedCommand
	err := c.do(ctx, r.asRead(opts), &p)
	return p, err
}

func parkedRequest(method string, at Seq, below ...string) *request {
	return newRequest(method, append([]string{parkedPath, strconv.FormatUint(uint64(at), 10)}, below...)...)
}
