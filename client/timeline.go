package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Period is how long a peer had one status.
type Period struct {
	Sequence     Seq          `json:"sequence"` // of the event that it began with; 0: none, nobody probes the peer now
	Status       string       `json:"status"`   // "": there was no peer, since it was deleted
	StatusCause  *StatusCause `json:"status_cause"`
	Since        time.Time    `json:"since"`
	Until        time.Time    `json:"until"` // zero: it lasts
	ReportedAt   time.Time    `json:"reported_at"`
	ProbeStarted time.Time    `json:"probe_started"` // of the probe that found it
}

// MaintenanceWindow is when a peer might be away without alarm.
type MaintenanceWindow struct {
	Sequence    Seq       `json:"sequence"` // of the event that announced it
	Start       time.Time `json:"start"`
	End         time.Time `json:"end"`
	Note        string    `json:"note"`
	By          string    `json:"by"`
	CancelledAt time.Time `json:"cancelled_at"` // zero: it was not taken back
}

// TimelineQuery asks for a page of what a peer was.
type TimelineQuery struct {
	Limit  int    // rows of a page, 1 to 1000; 0: 100
	Cursor string // Page.NextCursor of the page before
}

func (q TimelineQuery) values() url.Values {
	return ListQuery{Limit: q.Limit, Cursor: q.Cursor}.values()
}

// Uptime is how long a peer was in each status, in seconds.
type Uptime struct {
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	Up          float64   `json:"up_seconds"`
	Degraded    float64   `json:"degraded_seconds"`
	Down        float64   `json:"down_seconds"`
	Unknown     float64   `json:"unknown_seconds"`
	Disabled    float64   `json:"disabled_seconds"`
	Maintenance float64   `json:"maintenance_seconds"`
	Ratio       *float64  `json:"ratio"` // of the time that counts; nil: none does
}

// UptimeReport is how long a peer was in each status, span by span.
type UptimeReport struct {
	Items []Uptime `json:"items"`
	Total Uptime   `json:"total"`
}

// UptimeQuery asks for the uptime of a peer. Its zero value asks for the last 30
// days, day by day.
type UptimeQuery struct {
	By       string    // "day", "week" or "month"
	From, To time.Time // zero: 30 days before To; now
}

func (q UptimeQuery) values() url.Values {
	v := url.Values{}
	set(v, "by", q.By)
	for name, at := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !at.IsZero() {
			v.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return v
}

// Timeline lists how long a peer had which status and why, the latest first, one
// page. Of a peer that is gone it tells what was until then.
func (c *Client) Timeline(ctx context.Context, ent EnterpriseID, id PeerID, q TimelineQuery, opts ...ReadOption) (Page[Period], error) {
	return fetch[Period](ctx, c, peerRequest(http.MethodGet, ent, string(id), "timeline"), q.values(), opts)
}

// AllPeriods goes through the whole timeline from q.Cursor on. It ends with the
// first error.
func (c *Client) AllPeriods(ctx context.Context, ent EnterpriseID, id PeerID, q TimelineQuery, opts ...ReadOption) iter.Seq2[Period, error] {
	return items(Pages(q.Cursor, func(cursor string) (Page[Period], error) {
		q.Cursor = cursor
		return c.Timeline(ctx, ent, id, q, opts...)
	}))
}

// Maintenances lists what was announced of a peer, the latest first, one page.
func (c *Client) Maintenances(ctx context.Context, ent EnterpriseID, id PeerID, q TimelineQuery, opts ...ReadOption) (Page[MaintenanceWindow], error) {
	return fetch[MaintenanceWindow](ctx, c, peerRequest(http.MethodGet, ent, string(id), "maintenances"), q.values(), opts)
}

// Uptime tells how long a peer was in each status.
func (c *Client) Uptime(ctx context.Context, ent EnterpriseID, id PeerID, q UptimeQuery, opts ...ReadOption) (UptimeReport, error) {
	var out UptimeReport
	r := peerRequest(http.MethodGet, ent, string(id), "uptime")
	r.query = q.values()
	err := c.do(ctx, r.asRead(opts), &out)
	return out, err
}
