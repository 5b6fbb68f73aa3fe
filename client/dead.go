package client

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// DeadEvent is an event that a projection could not apply.
type DeadEvent struct {
	Projection string       `json:"projection"`
	Sequence   Seq          `json:"sequence"`
	Enterprise EnterpriseID `json:"enterprise"`
	Subject    string       `json:"subject"`
	Type       string       `json:"type"`
	Error      string       `json:"error"`
	StoredAt   time.Time    `json:"stored_at"`
	HeldAt     Seq          `json:"held_at"`
	Discarded  *Discarded   `json:"discarded"`
}

// Discarded is the story of an event that was given up.
type Discarded struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// DeadQuery asks for dead events, or for those that were discarded.
type DeadQuery struct {
	ListQuery
	Projection string
	Enterprise EnterpriseID
	Discarded  bool
}

const deadPath = "dead"

// DeadEvents lists the events that could not be applied, one page.
func (c *Client) DeadEvents(ctx context.Context, q DeadQuery, opts ...ReadOption) (Page[DeadEvent], error) {
	v := q.values()
	set(v, "projection", q.Projection)
	set(v, "enterprise", string(q.Enterprise))
	if q.Discarded {
		v.Set("discarded", "true")
	}
	return fetch[DeadEvent](ctx, c, newRequest(http.MethodGet, deadPath), v, opts)
}

// DeadEvent reads one, dead or discarded.
func (c *Client) DeadEvent(ctx context.Context, projection string, at Seq, opts ...ReadOption) (DeadEvent, error) {
	var e DeadEvent
	err := c.do(ctx, deadRequest(http.MethodGet, projection, at).asRead(opts), &e)
	return e, err
}

// RetryDeadEvent has a projection try an event again, and reports whether it and
// what waited behind it are applied now. It may be repeated.
func (c *Client) RetryDeadEvent(ctx context.Context, projection string, at Seq, opts ...ReadOption) (healed bool, err error) {
	var out struct {
		Healed bool `json:"healed"`
	}
	err = c.do(ctx, deadRequest(http.MethodPost, projection, at, "retry").asRead(opts), &out)
	return out.Healed, err
}

// DiscardDeadEvent gives an event up: the projection skips it for good. It may
// be repeated; the first decision stands.
func (c *Client) DiscardDeadEvent(ctx context.Context, projection string, at Seq, reason string, opts ...ReadOption) (DeadEvent, error) {
	var e DeadEvent
	r := deadRequest(http.MethodPost, projection, at, "discard").send(map[string]string{"reason": reason})
	err := c.do(ctx, r.asRead(opts), &e)
	return e, err
}

func deadRequest(method, projection string, at Seq, below ...string) *request {
	return newRequest(method, append([]string{deadPath, projection, strconv.FormatUint(uint64(at), 10)}, below...)...)
}
