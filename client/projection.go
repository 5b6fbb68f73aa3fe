package client

import (
	"context"
	"net/http"
	"net/url"
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

const projectionsPath = "projections"

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
