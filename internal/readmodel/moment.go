package readmodel

import (
	"context"
	"fmt"
	"maps"

	"github.com/jmoiron/sqlx"
)

// Moment is what queries see of a projection at one moment, and goes on seeing
// it while the projection moves on. It holds nobody. It is used by one
// goroutine, and has to be closed; PostgreSQL ends one that is left idle for
// some seconds, after which everything fails with ErrUnavailable.
type Moment struct {
	db         *DB
	tx         *sqlx.Tx
	projection Projection
	row        stateRow
}

// Freeze returns p as it is now. The error wraps ErrUnavailable when it has no
// tables yet or the database does not answer.
func (db *DB) Freeze(ctx context.Context, p Projection) (*Moment, error) {
	what := "look at projection " + p.Name()
	tx, err := db.reader.BeginTxx(ctx, db.dialect.snapshot())
	if err != nil {
		return nil, db.explain(what, err)
	}
	m := &Moment{db: db, tx: tx, projection: p}
	if m.row, err = active(ctx, tx, p); err != nil { // the first query is the moment
		m.Close()
		return nil, db.explain(what, err)
	}
	return m, nil
}

// Close lets go of the moment.
func (m *Moment) Close() { _ = m.tx.Rollback() } // nothing was written

// Mark is the position of the moment.
func (m *Moment) Mark() Mark { return m.row.mark() }

// Settled reports whether the projection has acted on all that l knows to be
// discarded, and l knows all that was discarded: before that, a difference
// between them says nothing.
func (m *Moment) Settled(ctx context.Context, l *Lease) (settled, current bool, err error) {
	const what = "look at discarded events"
	discarded, err := discardedBy(ctx, m.tx, m.row.Name)
	if err != nil {
		return false, false, m.db.explain(what, err)
	}
	var waiting int
	g := m.row.generation()
	err = m.tx.GetContext(ctx, &waiting, m.tx.Rebind("SELECT COUNT(*) FROM dead_events WHERE name = ? AND version = ? AND generation = ?"+
		" AND sequence IN (SELECT sequence FROM discarded_events WHERE name = ?)"), g.projection, g.version, g.number, g.projection)
	return waiting == 0, maps.Equal(discarded, l.discarded), m.db.explain(what, err)
}

// Compare compares the moment with the tables of l, row by row: those are what
// the log says. It fails unless both are at the same position. l must not be
// written meanwhile.
func (m *Moment) Compare(ctx context.Context, l *Lease) ([]TableReport, error) {
	if l.mark != m.Mark() {
		return nil, fmt.Errorf("readmodel: projection %s at %d cannot be compared with tables at %d", m.row.Name, m.row.Position, l.mark.Position)
	}
	var out []TableReport
	err := l.db.readOnce(ctx, func(tx *sqlx.Tx) error {
		for _, t := range m.projection.layouts() {
			r, err := m.compareTable(ctx, tx, l, t)
			if err != nil {
				return fmt.Errorf("compare %s: %w", t.noun, err)
			}
			out = append(out, r)
		}
		for _, t := range asides() {
			r, err := m.compareAside(ctx, tx, l, t)
			if err != nil {
				return fmt.Errorf("compare %s: %w", t.noun, err)
			}
			out = append(out, r)
		}
		return nil
	})
	return out, m.db.explain("verify projection "+m.row.Name, err)
}

func (m *Moment) compareTable(ctx context.Context, tx *sqlx.Tx, l *Lease, t layout) (r TableReport, err error) {
	query := func(g generation) string {
		return fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", names(t.columns), g.table(t.noun), names(t.columns[:t.keys]))
	}
	live, err := openRows(ctx, m.tx, query(m.row.generation()))
	if err != nil {
		return r, err
	}
	defer live.Close() //nolint:errcheck // what was read is judged by Err
	folded, err := openRows(ctx, tx, query(l.generation))
	if err != nil {
		return r, err
	}
	defer folded.Close() //nolint:errcheck // as above
	return compareRows(t, live, folded)
}

// asides are the tables that all projections share, as far as they follow from
// the log: what is dead, and who is held. What an error says may differ.
func asides() []layout {
	number := func(name string) column { return column{name: name, kind: kindInteger} }
	text := func(name string) column { return column{name: name, kind: kindText} }
	return []layout{
		{noun: "dead_events", columns: []column{number("sequence"), text("enterprise")}, keys: 1},
		{noun: "held", columns: []column{text("enterprise"), number("held_at")}, keys: 1},
	}
}

func (m *Moment) compareAside(ctx context.Context, tx *sqlx.Tx, l *Lease, t layout) (r TableReport, err error) {
	// Their texts have no order of their own: they are ids, of the same bytes.
	query := tx.Rebind(fmt.Sprintf("SELECT %s FROM %s WHERE name = ? AND version = ? AND generation = ?", names(t.columns), t.noun))
	read := func(tx *sqlx.Tx, g generation) (*listRows, error) {
		rows, err := openRows(ctx, tx, query, g.projection, g.version, g.number)
		if err != nil {
			return nil, err
		}
		defer rows.Close() //nolint:errcheck // what was read is judged by Err
		return sorted(t, rows)
	}
	live, err := read(m.tx, m.row.generation())
	if err != nil {
		return r, err
	}
	folded, err := read(tx, l.generation)
	if err != nil {
		return r, err
	}
	return compareRows(t, live, folded)
}
