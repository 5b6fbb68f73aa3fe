package readmodel

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// Event is an event of the log as it is shown.
type Event struct {
	Seq           events.Seq
	ID            events.EventID
	Time          time.Time
	Type          events.Type
	Version       int // of the JSON in Data
	Enterprise    events.EnterpriseID
	Peer          events.PeerID          // empty: it is not about one
	TrustedServer events.TrustedServerID // empty: it is not about one
	Actor         string
	OnBehalfOf    string
	Reason        string
	CommandID     events.CommandID
	CorrelationID string
	CausationID   string
	Data          json.RawMessage // as stored
}

// Point is a place in the log: a sequence, or a time. The zero value is none.
type Point struct {
	Seq  events.Seq
	Time time.Time
}

// EventQuery lists events. Sort is "sequence", which is the order of the log, or
// "-sequence"; Q is not used. Empty filters do not filter, all others are exact.
type EventQuery struct {
	ListQuery
	Only       events.EnterpriseID // the only enterprise there is for who asks; empty: all
	Enterprise events.EnterpriseID
	Peer       events.PeerID
	Type       events.Type
	Actor      string
	CommandID  events.CommandID
	From, To   Point      // both inclusive
	After      events.Seq // only later ones
}

// Audit answers queries about the events of the log. It is safe for concurrent
// use.
type Audit struct{ db *DB }

// Audit returns the queries of the audit projection.
func (db *DB) Audit() *Audit { return &Audit{db} }

// Await is Directory.Await for what Audit shows.
func (a *Audit) Await(ctx context.Context, ent events.EnterpriseID, min events.Seq) error {
	return a.db.await(ctx, audit{}, ent, min)
}

// listedEvent is a row of the list.
type listedEvent struct {
	auditRow
	Sort any `db:"sort_value"`
}

func (r listedEvent) sortValue() any      { return r.Sort }
func (r listedEvent) tieValues() []string { return []string{string(r.ID)} }

func (r auditRow) event() Event {
	return Event{
		Seq: seq(r.Sequence), ID: r.ID, Time: moment(r.Time), Type: r.Type, Version: int(r.Version),
		Enterprise: r.Enterprise, Peer: r.Peer, TrustedServer: r.TrustedServer,
		Actor: r.Actor, OnBehalfOf: r.OnBehalfOf, Reason: r.Reason,
		CommandID: r.CommandID, CorrelationID: r.CorrelationID, CausationID: r.CausationID,
		Data: json.RawMessage(r.Data),
	}
}

// Events lists events. Those of an enterprise that is held are missing from the
// first that could not be applied on, until somebody has acted.
func (a *Audit) Events(ctx context.Context, q EventQuery) (Page[Event], error) {
	l, err := eventListing(q)
	if err != nil {
		return Page[Event]{}, err
	}
	var page Page[Event]
	err = a.db.view(ctx, "list events", audit{}, func(tx *sqlx.Tx, row stateRow) error {
		t := auditTable()
		list, next, err := fetch[listedEvent](ctx, tx, l, t.list(), row.generation().table(recorded))
		if err != nil {
			return err
		}
		page = Page[Event]{Items: make([]Event, len(list)), NextCursor: next, Sequence: seq(row.Position)}
		for i := range list {
			page.Items[i] = list[i].event()
		}
		return nil
	})
	return page, err
}

func eventListing(q EventQuery) (*listing, error) {
	bound := q
	bound.ListQuery = ListQuery{}
	l := &listing{
		list: recorded, query: bound, page: q.ListQuery,
		sorts: map[string]sortable{"sequence": byInteger("sequence")}, natural: "sequence", ties: "id",
		key: "sequence", walked: []string{"sequence"},
	}
	l.and("sequence > ?", integer(q.After))
	l.filter("enterprise", "enterprise", string(q.Only))
	l.filter("enterprise", "enterprise", string(q.Enterprise))
	l.filter("peer", "peer", string(q.Peer))
	l.filter("type", "type", string(q.Type))
	l.filter("actor", "actor", q.Actor)
	l.filter("command_id", "command_id", string(q.CommandID))
	for _, end := range []struct {
		point Point
		than  string
	}{{q.From, ">="}, {q.To, "<="}} {
		if end.point.Seq != 0 {
			l.and("sequence "+end.than+" ?", integer(end.point.Seq))
		}
		if !end.point.Time.IsZero() {
			l.and("time "+end.than+" ?", micros(end.point.Time))
		}
	}
	return l, l.resolve()
}

// Moves tells when there may be more to read.
func (a *Audit) Moves() (*Moves, error) { return a.db.Moves() }

// Horizon says how far a live reader may go.
type Horizon struct {
	// Position is up to where events were looked for.
	Position events.Seq
	// Held are the enterprises that are held by a projection, each with the first
	// event that is missing.
	Held map[events.EnterpriseID]events.Seq
	// Stopped says why a projection does not follow the log; empty: all do.
	Stopped string
}

// Passed returns events after a position that every projection has passed, so
// that who is told of one and reads again sees it; at most limit of them, which
// is one or more, in order. With an enterprise, only its own. All of it is read
// in one moment.
func (a *Audit) Passed(ctx context.Context, only events.EnterpriseID, after events.Seq, limit int) (list []Event, h Horizon, err error) {
	limit = max(limit, 1) // or nobody would get on
	err = a.db.reading(ctx, "read what was passed", func(tx *sqlx.Tx) error {
		var g generation
		if h, g, err = horizon(ctx, tx); err != nil {
			return err
		}
		query, args := "sequence > ? AND sequence <= ?", []any{integer(after), integer(h.Position)}
		if only != "" {
			query, args = query+" AND enterprise = ?", append(args, only)
		}
		var rows []auditRow
		if rows, err = eventRows(ctx, tx, g, query, args, limit); err != nil {
			return err
		}
		if len(rows) == limit {
			h.Position = seq(rows[limit-1].Sequence)
		}
		list = visible(rows, h.Held)
		return nil
	})
	return list, h, err
}

// Between returns the events of one enterprise from one sequence to another,
// both inclusive, as far as every projection has passed them; at most limit.
func (a *Audit) Between(ctx context.Context, ent events.EnterpriseID, from, to events.Seq, limit int) (list []Event, err error) {
	err = a.db.reading(ctx, "read events of an enterprise", func(tx *sqlx.Tx) error {
		h, g, err := horizon(ctx, tx)
		if err != nil {
			return err
		}
		rows, err := eventRows(ctx, tx, g, "enterprise = ? AND sequence >= ? AND sequence <= ?",
			[]any{ent, integer(from), integer(min(to, h.Position))}, limit)
		list = visible(rows, h.Held)
		return err
	})
	return list, err
}

// horizon reads how far every projection is, and the tables of the events.
func horizon(ctx context.Context, tx *sqlx.Tx) (h Horizon, g generation, err error) {
	h = Horizon{Position: 1<<63 - 1, Held: map[events.EnterpriseID]events.Seq{}}
	for _, p := range Projections() {
		row, err := active(ctx, tx, p)
		if err != nil {
			return h, g, err
		}
		if p.Name() == (audit{}).Name() {
			g = row.generation()
		}
		h.Position = min(h.Position, seq(row.Position))
		if h.Stopped == "" {
			h.Stopped = row.Stopped
		}
		held, err := heldOf(ctx, tx, row.generation())
		if err != nil {
			return h, g, err
		}
		for _, e := range held {
			if at, ok := h.Held[e.Enterprise]; !ok || e.HeldAt < at {
				h.Held[e.Enterprise] = e.HeldAt
			}
		}
	}
	return h, g, nil
}

// SafeFor is up to where no event of an enterprise is missing, of any when only is
// empty: those of one that is held come later, when somebody has acted.
func (h Horizon) SafeFor(only events.EnterpriseID) events.Seq {
	safe := h.Position
	for ent, at := range h.Held {
		if only == "" || only == ent {
			safe = min(safe, at-1)
		}
	}
	return safe
}

func eventRows(ctx context.Context, tx *sqlx.Tx, g generation, condition string, args []any, limit int) (list []auditRow, err error) {
	t := auditTable()
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY sequence LIMIT ?", t.list(), g.table(recorded), condition)
	return list, tx.SelectContext(ctx, &list, tx.Rebind(query), append(args, limit)...)
}

// visible leaves out what is held.
func visible(rows []auditRow, held map[events.EnterpriseID]events.Seq) []Event {
	list := make([]Event, 0, len(rows))
	for _, r := range rows {
		if at, ok := held[r.Enterprise]; ok && seq(r.Sequence) >= at {
			continue
		}
		list = append(list, r.event())
	}
	return list
}
