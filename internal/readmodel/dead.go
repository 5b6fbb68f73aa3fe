package readmodel

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// DeadQuery lists dead events, or discarded ones, in the order of the log. Q
// searches enterprise, subject, type and error. Empty filters do not filter.
type DeadQuery struct {
	ListQuery
	Projection string
	Enterprise events.EnterpriseID
}

// BuriedEvent is a dead event with the projection that could not apply it.
type BuriedEvent struct {
	DeadEvent
	Projection string
	Version    int
	// HeldAt is the first event of the enterprise that waits; zero: nobody waits.
	HeldAt events.Seq
}

// DiscardedEvent is an event that was given up for a projection.
type DiscardedEvent struct {
	DeadEvent
	Projection string
	By         string
	At         time.Time
	Reason     string
}

type deadRow struct {
	Name       string              `db:"name"`
	Version    int                 `db:"version"`
	Sequence   int64               `db:"sequence"`
	Enterprise events.EnterpriseID `db:"enterprise"`
	Subject    string              `db:"subject"`
	Type       events.Type         `db:"type"`
	Error      string              `db:"error"`
	StoredAt   int64               `db:"stored_at"`
	HeldAt     int64               `db:"held_at"`
	Sort       any                 `db:"sort_value"`
}

func (r deadRow) sortValue() any      { return r.Sort }
func (r deadRow) tieValues() []string { return []string{r.Name} }

func (r deadRow) event() DeadEvent {
	return DeadEvent{
		Seq: seq(r.Sequence), Enterprise: r.Enterprise, Subject: r.Subject, Type: r.Type, Error: r.Error, Stored: moment(r.StoredAt),
	}
}

func (r deadRow) buried() BuriedEvent {
	return BuriedEvent{DeadEvent: r.event(), Projection: r.Name, Version: r.Version, HeldAt: seq(r.HeldAt)}
}

type discardedRow struct {
	deadRow
	By     string `db:"discarded_by"`
	At     int64  `db:"discarded_at"`
	Reason string `db:"reason"`
}

func (r discardedRow) discarded() DiscardedEvent {
	return DiscardedEvent{DeadEvent: r.event(), Projection: r.Name, By: r.By, At: moment(r.At), Reason: r.Reason}
}

const (
	deadColumns = "d.name, d.version, d.sequence, d.enterprise, d.subject, d.type, d.error, d.stored_at, COALESCE(h.held_at, 0) AS held_at"
	// deadTables are the dead events of the generations that queries read.
	deadTables = "dead_events d" +
		" JOIN projections p ON p.name = d.name AND p.version = d.version AND p.generation = d.generation AND p.active = 1" +
		" LEFT JOIN held h ON h.name = d.name AND h.version = d.version AND h.generation = d.generation AND h.enterprise = d.enterprise"
	discardedColumns = "d.name, d.sequence, d.enterprise, d.subject, d.type, d.error, d.stored_at, d.discarded_by, d.discarded_at, d.reason"
)

// DeadEvents lists the events that could not be applied by the projections that
// this program knows. *QueryError: the query cannot be answered.
func (db *DB) DeadEvents(ctx context.Context, q DeadQuery) (Page[BuriedEvent], error) {
	l := q.listing(db.dialect, "dead events")
	known, args := anyOf(Projections())
	l.and(known, args...)
	return pageOf(ctx, db, "list dead events", l, deadColumns, deadTables, deadRow.buried)
}

// DiscardedEvents lists the events that were given up, with who did so and why.
// *QueryError: the query cannot be answered.
func (db *DB) DiscardedEvents(ctx context.Context, q DeadQuery) (Page[DiscardedEvent], error) {
	l := q.listing(db.dialect, "discarded events")
	l.and("1 = 1")
	return pageOf(ctx, db, "list discarded events", l, discardedColumns, "discarded_events d", discardedRow.discarded)
}

func (q DeadQuery) listing(d dialect, list string) *listing {
	query := q
	query.ListQuery = ListQuery{} // what differs between pages is not part of it
	l := &listing{
		list: list, query: query, page: q.ListQuery, natural: "sequence", ties: "d.name",
		sorts: map[string]sortable{"sequence": byInteger("d.sequence")},
	}
	var names []string
	for _, p := range Projections() {
		names = append(names, p.Name())
	}
	l.oneOf("projection", q.Projection, names...)
	l.filter("projection", "d.name", q.Projection)
	l.filter("enterprise", "d.enterprise", string(q.Enterprise))
	l.search(d, q.Q, "d.enterprise", "lower(d.subject)", "lower(d.type)", "lower(d.error)")
	return l
}

// pageOf reads one page of a list about all projections. Its sequence is that of
// the projection which is the furthest behind.
func pageOf[R listed, T any](ctx context.Context, db *DB, what string, l *listing, columns, table string, convert func(R) T) (Page[T], error) {
	if err := l.resolve(); err != nil {
		return Page[T]{}, err
	}
	var page Page[T]
	err := db.reading(ctx, what, func(tx *sqlx.Tx) error {
		list, next, err := fetch[R](ctx, tx, l, columns, table)
		if err != nil {
			return err
		}
		page = Page[T]{Items: make([]T, len(list)), NextCursor: next}
		for i := range list {
			page.Items[i] = convert(list[i])
		}
		known, args := anyOf(Projections())
		var position int64
		query := tx.Rebind("SELECT COALESCE(MIN(d.position), 0) FROM projections d WHERE d.active = 1 AND " + known)
		err = tx.GetContext(ctx, &position, query, args...)
		page.Sequence = seq(position)
		return err
	})
	return page, err
}

// anyOf is a condition that a row d is about one of list.
func anyOf(list []Projection) (string, []any) {
	var parts []string
	var args []any
	for _, p := range list {
		parts = append(parts, "(d.name = ? AND d.version = ?)")
		args = append(args, p.Name(), p.Version())
	}
	return "(" + strings.Join(parts, " OR ") + ")", args
}

// DeadEvent returns one dead event of a projection. The error wraps ErrNotFound
// when the projection is not known or the event is not dead.
func (db *DB) DeadEvent(ctx context.Context, projection string, at events.Seq) (BuriedEvent, error) {
	p, err := FindProjection(projection)
	if err != nil {
		return BuriedEvent{}, err
	}
	var out BuriedEvent
	err = db.reading(ctx, "read a dead event", func(tx *sqlx.Tx) error {
		row, err := deadOf(ctx, tx, p, at)
		out = row.buried()
		return err
	})
	return out, err
}

func deadOf(ctx context.Context, tx *sqlx.Tx, p Projection, at events.Seq) (deadRow, error) {
	var row deadRow
	known, args := anyOf([]Projection{p})
	query := tx.Rebind("SELECT " + deadColumns + " FROM " + deadTables + " WHERE " + known + " AND d.sequence = ?")
	return row, notFound(tx.GetContext(ctx, &row, query, append(args, integer(at))...))
}

// DiscardedEvent returns one event that was given up for a projection. The error
// wraps ErrNotFound when the projection is not known or the event was not.
func (db *DB) DiscardedEvent(ctx context.Context, projection string, at events.Seq) (DiscardedEvent, error) {
	if _, err := FindProjection(projection); err != nil {
		return DiscardedEvent{}, err
	}
	var out DiscardedEvent
	err := db.reading(ctx, "read a discarded event", func(tx *sqlx.Tx) error {
		row, err := discardedOf(ctx, tx, projection, at)
		out = row.discarded()
		return err
	})
	return out, err
}

func discardedOf(ctx context.Context, tx *sqlx.Tx, projection string, at events.Seq) (discardedRow, error) {
	var row discardedRow
	query := tx.Rebind("SELECT " + discardedColumns + " FROM discarded_events d WHERE d.name = ? AND d.sequence = ?")
	return row, notFound(tx.GetContext(ctx, &row, query, projection, integer(at)))
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
