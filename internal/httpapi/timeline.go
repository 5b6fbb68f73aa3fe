package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	timelinePath     = peerPath + "/timeline"
	maintenancesPath = peerPath + "/maintenances"
)

// Timeline answers how the status of a peer was, with the errors of Directory.
// Of a peer that is gone it tells what was until then.
type Timeline interface {
	// Await is Directory.Await for what Timeline shows.
	Await(ctx context.Context, ent events.EnterpriseID, min events.Seq) error
	// Periods lists how long a peer had which status, the latest first.
	Periods(ctx context.Context, ent events.EnterpriseID, peer events.PeerID, q readmodel.TimelineQuery) (readmodel.Page[readmodel.Period], error)
	// Maintenances lists what was announced, the latest first.
	Maintenances(ctx context.Context, ent events.EnterpriseID, peer events.PeerID, q readmodel.TimelineQuery) (readmodel.Page[readmodel.MaintenanceWindow], error)
	// Between returns all that touches a span of time, in its order.
	Between(ctx context.Context, ent events.EnterpriseID, peer events.PeerID, from, to time.Time) ([]readmodel.Period, []readmodel.MaintenanceWindow, error)
}

// Period is how long a peer had one status.
type Period struct {
	Sequence     events.Seq   `json:"sequence" doc:"Of the event that it began with; 0: none says that nobody probes the peer now."`
	Status       *string      `json:"status" enum:"unknown,up,degraded,down,disabled,N/A" doc:"Null: there was no peer, since it was deleted."`
	StatusCause  *StatusCause `json:"status_cause"`
	Since        time.Time    `json:"since"`
	Until        *time.Time   `json:"until" doc:"Null: it lasts."`
	ReportedAt   *time.Time   `json:"reported_at" doc:"When it became known here."`
	ProbeStarted *time.Time   `json:"probe_started" doc:"When the probe began that found it; null: none did."`
}

// TransformSchema implements huma.SchemaTransformer.
func (Period) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return mayBeNull(s, "status_cause")
}

// MaintenanceWindow is when a peer might be away without alarm.
type MaintenanceWindow struct {
	Sequence    events.Seq `json:"sequence" doc:"Of the event that announced it."`
	Start       time.Time  `json:"start"`
	End         time.Time  `json:"end"`
	Note        *string    `json:"note" doc:"Why, as it was announced."`
	By          string     `json:"by" doc:"Who announced it."`
	CancelledAt *time.Time `json:"cancelled_at" doc:"When it was taken back or replaced, or its peer deleted, before its end; null: it was not."`
}

func (a *api) timelineRoutes() {
	needs := []need{theDirectory, theTimeline}
	most := 1000.0
	params := []*huma.Param{
		enterpriseParam(), peerParam(),
		numberParam("limit", "Rows of a page; 100 when not given.", 1, &most),
		textParam("cursor", "The next_cursor of the page before."),
		minSeqParam(),
	}
	codes := []domain.Code{domain.NotFound}
	register(a, operation{
		id: "show-timeline", tag: peerTag, method: http.MethodGet, path: timelinePath, needs: needs,
		summary: "Show how the status of a peer was",
		about:   "How long it had which status and why, the latest first. It stays when the peer is gone.",
		params:  params, codes: codes,
	}, a.showTimeline)
	register(a, operation{
		id: "list-maintenances", tag: peerTag, method: http.MethodGet, path: maintenancesPath, needs: needs,
		summary: "List the maintenances of a peer",
		about:   "What was announced, the latest first, what is to come and what was taken back too.",
		params:  params, codes: codes,
	}, a.listMaintenances)
}

func (a *api) showTimeline(ctx context.Context, c *call) (*reply[List[Period]], error) {
	return timelinePage(ctx, c, c.Timeline.Periods, periodOf)
}

func (a *api) listMaintenances(ctx context.Context, c *call) (*reply[List[MaintenanceWindow]], error) {
	return timelinePage(ctx, c, c.Timeline.Maintenances, windowOf)
}

// timelinePage answers with a page about the peer of the path.
func timelinePage[Row, T any](ctx context.Context, c *call,
	list func(context.Context, events.EnterpriseID, events.PeerID, readmodel.TimelineQuery) (readmodel.Page[Row], error), show func(Row) T,
) (*reply[List[T]], error) {
	row, err := c.timelinePeer(ctx)
	if err != nil {
		return nil, err
	}
	q := readmodel.TimelineQuery{Limit: int(c.number("limit")), Cursor: c.query.Get("cursor")}
	page, err := within(ctx, readTimeout, func(ctx context.Context) (readmodel.Page[Row], error) { return list(ctx, row.Enterprise, row.ID, q) })
	if errors.Is(err, readmodel.ErrNotFound) {
		err = nil // the directory knows the peer, and the timeline not yet
	}
	if err != nil {
		return nil, err
	}
	return listOf(page, show), nil
}

// timelinePeer reads the peer of the path, after the timeline shows min_seq of it.
// It may be one that is gone.
func (c *call) timelinePeer(ctx context.Context) (readmodel.Peer, error) {
	row, err := c.anyPeer(ctx)
	if err != nil {
		return readmodel.Peer{}, err
	}
	if min := events.Seq(c.number("min_seq")); min > 0 { // #nosec G115 -- not negative
		err = awaiting(ctx, row.Enterprise, min, c.Timeline.Await)
	}
	return row, err
}

func periodOf(p readmodel.Period) Period {
	return Period{
		Sequence: p.Seq, Status: orNull(string(p.Status)), StatusCause: causeOrNull(p.Cause), Since: p.Since.UTC(), Until: timeOrNull(p.Until),
		ReportedAt: timeOrNull(p.Reported), ProbeStarted: timeOrNull(p.ProbeStarted),
	}
}

// windowOf shows a maintenance. One that was over before another was announced,
// or before it was taken back, took place.
func windowOf(w readmodel.MaintenanceWindow) MaintenanceWindow {
	out := MaintenanceWindow{Sequence: w.Seq, Start: w.Start.UTC(), End: w.End.UTC(), Note: orNull(w.Note), By: w.By}
	if w.CancelledAt.Before(w.End) {
		out.CancelledAt = timeOrNull(w.CancelledAt)
	}
	return out
}
