package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Projection is how far a read model is, and what is being done to it.
type Projection struct {
	Name     string    `json:"name"`
	Version  int       `json:"version"`
	Position Seq       `json:"position"`
	End      Seq       `json:"end"` // of the log
	Lag      Seq       `json:"lag"`
	Owner    string    `json:"owner"`   // "": nobody writes it
	Stopped  string    `json:"stopped"` // why it does not follow the log any more
	Dead     int       `json:"dead"`
	Held     []Held    `json:"held"`
	Building *Building `json:"building"`
	Job      *Job      `json:"job"` // the last one of the process that answered
}

// Held is an enterprise whose events wait.
type Held struct {
	Enterprise EnterpriseID `json:"enterprise"`
	HeldAt     Seq          `json:"held_at"`
}

// Building are tables that are being made beside those that are read.
type Building struct {
	Position Seq    `json:"position"`
	Owner    string `json:"owner"`
	Compare  bool   `json:"compare"`
}

// Job is a rebuild or a verification.
type Job struct {
	Projection string        `json:"projection"`
	Kind       string        `json:"kind"` // "rebuild" or "verify"
	Position   Seq           `json:"position"`
	End        Seq           `json:"end"`
	StartedAt  time.Time     `json:"started_at"`
	FinishedAt *time.Time    `json:"finished_at"` // nil: it is at work
	Error      string        `json:"error"`
	Report     *VerifyReport `json:"report"`
}

// VerifyReport is what a verification has found.
type VerifyReport struct {
	Position Seq           `json:"position"`
	Sound    bool          `json:"sound"`
	Tables   []TableReport `json:"tables"`
}

// TableReport is what comparing one table with the log has found.
type TableReport struct {
	Name      string   `json:"name"`
	Rows      int      `json:"rows"`
	Missing   int      `json:"missing"`
	Extra     int      `json:"extra"`
	Different int      `json:"different"`
	Examples  []string `json:"examples"`
}

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

const projectionsPath, deadPath = "projections", "dead"

// Projections lists the projections.
func (c *Client) Projections(ctx context.Context, opts ...ReadOption) (Page[Projection], error) {
	return fetch[Projection](ctx, c, newRequest(http.MethodGet, projectionsPath), url.Values{}, opts)
}

// Projection reads one projection.
func (c *Client) Projection(ctx context.Context, name string, opts ...ReadOption) (Projection, error) {
	var p Projection
	err := c.do(ctx, newRequest(http.MethodGet, projectionsPath, name).asRead(opts), &p)
	return p, err
}

// RebuildProjection begins to make the tables of a projection anew; Projection
// tells how far it is. CodeConflict: a job is at work on it.
func (c *Client) RebuildProjection(ctx context.Context, name string, opts ...ReadOption) (Job, error) {
	return c.begin(ctx, name, "rebuild", opts)
}

// VerifyProjection begins to compare the tables of a projection with the log, as
// RebuildProjection does.
func (c *Client) VerifyProjection(ctx context.Context, name string, opts ...ReadOption) (Job, error) {
	return c.begin(ctx, name, "verify", opts)
}

func (c *Client) begin(ctx context.Context, name, kind string, opts []ReadOption) (Job, error) {
	var j Job
	r := newRequest(http.MethodPost, projectionsPath, name, kind).asRead(opts)
	r.once = true // the second would find the first at work
	err := c.do(ctx, r, &j)
	return j, err
}

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
