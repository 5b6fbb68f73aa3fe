package readmodel

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// Period is a time in which the status of a peer was the same. Those of a peer
// follow on one another without a gap.
type Period struct {
	Seq          events.Seq // of the event that began it; zero: none did, nobody probes
	Status       events.Status
	Cause        events.Cause
	Since        time.Time
	Until        time.Time // zero: it lasts
	Reported     time.Time // when the event says it was written
	ProbeStarted time.Time // zero: no probe has found it
	Ended        bool      // there was no peer: it was deleted, and Status is empty
}

// MaintenanceWindow is a maintenance that was scheduled.
type MaintenanceWindow struct {
	Seq         events.Seq
	Start, End  time.Time
	Note        string
	By          string
	CancelledAt time.Time // when it was cancelled or replaced, or its peer deleted, before its end; zero: it was not
}

// Effective is the time in which the maintenance held: one that was cancelled
// before its start never did, and ok is false.
func (m MaintenanceWindow) Effective() (start, end time.Time, ok bool) {
	start, end = m.Start, m.End
	if !m.CancelledAt.IsZero() && m.CancelledAt.Before(end) {
		end = m.CancelledAt
	}
	return start, end, start.Before(end)
}

// TimelineQuery asks for a page of a story, newest first. Limit is 1–1000, 0
// means 100.
type TimelineQuery struct {
	Limit  int
	Cursor string
}

// Timeline answers queries about the status history of peers, also of those that
// were deleted. It is safe for concurrent use. ErrNotFound: there never was such
// a peer.
type Timeline struct {
	db       *DB
	unprobed func(events.EnterpriseID) *Unprobed
}

// Timeline returns the queries of the timeline projection.
func (db *DB) Timeline() *Timeline { return &Timeline{db: db} }

// Await is Directory.Await for what Timeline shows.
func (t *Timeline) Await(ctx context.Context, ent events.EnterpriseID, min events.Seq) error {
	return t.db.await(ctx, timeline{}, ent, min)
}

// view runs fn in a transaction that sees one moment of the timeline, and knows
// the peer.
func (t *Timeline) view(ctx context.Context, what string, ent events.EnterpriseID, peer events.PeerID, fn func(tx *sqlx.Tx, row stateRow) error) error {
	return t.db.view(ctx, what, timeline{}, func(tx *sqlx.Tx, row stateRow) error {
		if !isFit(string(ent)) || !isFit(string(peer)) {
			return ErrNotFound
		}
		query := fmt.Sprintf("SELECT last_seq FROM %s WHERE enterprise = ? AND peer = ?", row.generation().table(connections))
		if _, err := one[int64](ctx, tx, query, ent, peer); err != nil {
			return err
		}
		return fn(tx, row)
	})
}

// listedPeriod is a row of a list, with when the next one begins.
type listedPeriod struct {
	periodRow
	Until int64 `db:"until"`
	Sort  any   `db:"sort_value"`
}

func (r listedPeriod) sortValue() any      { return r.Sort }
func (r listedPeriod) tieValues() []string { return []string{string(r.Peer)} }

func (r *listedPeriod) period() Period {
	return Period{
		Seq: seq(r.Sequence), Status: r.Status, Cause: events.Cause{Layer: r.CauseLayer, Code: r.CauseCode, Message: r.CauseMessage},
		Since: moment(r.Began), Until: moment(r.Until), Reported: moment(r.Reported), ProbeStarted: moment(r.ProbeStarted),
		Ended: r.Status == "",
	}
}

// periodColumns are those of the table with the alias p.
func periodColumns(g generation) string {
	t := periodTable()
	return t.list() + fmt.Sprintf(", COALESCE((SELECT n.began FROM %s n WHERE n.enterprise = p.enterprise AND n.peer = p.peer"+
		" AND n.sequence > p.sequence ORDER BY n.sequence LIMIT 1), 0) AS until", g.table(periods))
}

// Periods lists the periods of a peer.
func (t *Timeline) Periods(ctx context.Context, ent events.EnterpriseID, peer events.PeerID, q TimelineQuery) (Page[Period], error) {
	l, err := storyListing(periods, ent, peer, q)
	if err != nil {
		return Page[Period]{}, err
	}
	var page Page[Period]
	err = t.view(ctx, "list periods", ent, peer, func(tx *sqlx.Tx, row stateRow) error {
		g := row.generation()
		list, next, err := fetch[listedPeriod](ctx, tx, l, periodColumns(g), g.table(periods)+" p")
		if err != nil {
			return err
		}
		page = Page[Period]{Items: make([]Period, len(list)), NextCursor: next, Sequence: seq(row.Position)}
		for i := range list {
			page.Items[i] = list[i].period()
		}
		return t.withUnwatched(ctx, tx, l, &page, ent, peer)
	})
	return page, err
}

// storyListing lists the rows of one peer, the newest first.
func storyListing(noun string, ent events.EnterpriseID, peer events.PeerID, q TimelineQuery) (*listing, error) {
	l := &listing{
		list: noun, query: []string{string(ent), string(peer)}, page: ListQuery{Limit: q.Limit, Cursor: q.Cursor},
		sorts: map[string]sortable{"sequence": byInteger("sequence")}, natural: "-sequence", ties: "peer",
		walked: []string{"sequence"},
	}
	l.and("enterprise = ?", ent)
	l.and("peer = ?", peer)
	return l, l.resolve()
}

// listedMaintenance is a row of the list.
type listedMaintenance struct {
	maintenanceRow
	Sort any `db:"sort_value"`
}

func (r listedMaintenance) sortValue() any      { return r.Sort }
func (r listedMaintenance) tieValues() []string { return []string{string(r.Peer)} }

func (m *maintenanceRow) window() MaintenanceWindow {
	return MaintenanceWindow{
		Seq: seq(m.Sequence), Start: moment(m.Starts), End: moment(m.Ends), Note: m.Note, By: m.Actor, CancelledAt: moment(m.EndedAt),
	}
}

// Maintenances lists the maintenances that a peer ever had, in the order in
// which they were scheduled.
func (t *Timeline) Maintenances(ctx context.Context, ent events.EnterpriseID, peer events.PeerID, q TimelineQuery) (Page[MaintenanceWindow], error) {
	l, err := storyListing(maintenances, ent, peer, q)
	if err != nil {
		return Page[MaintenanceWindow]{}, err
	}
	var page Page[MaintenanceWindow]
	err = t.view(ctx, "list maintenances", ent, peer, func(tx *sqlx.Tx, row stateRow) error {
		m := maintenanceTable()
		list, next, err := fetch[listedMaintenance](ctx, tx, l, m.list(), row.generation().table(maintenances))
		if err != nil {
			return err
		}
		page = Page[MaintenanceWindow]{Items: make([]MaintenanceWindow, len(list)), NextCursor: next, Sequence: seq(row.Position)}
		for i := range list {
			page.Items[i] = list[i].window()
		}
		return nil
	})
	return page, err
}
