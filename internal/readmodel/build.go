package readmodel

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// Build makes empty tables of p beside those that queries read, and returns the
// lease to fill them. A build that was begun before and not activated is
// dropped: its lease is fenced.
func (db *DB) Build(ctx context.Context, p Projection, owner string) (*Lease, error) {
	return db.build(ctx, p, owner, false)
}

// BuildShadow is as Build, for tables that are compared with those that queries
// read (Moment) and then dropped: they are never activated.
func (db *DB) BuildShadow(ctx context.Context, p Projection, owner string) (*Lease, error) {
	return db.build(ctx, p, owner, true)
}

func (db *DB) build(ctx context.Context, p Projection, owner string, shadow bool) (*Lease, error) {
	var l *Lease
	err := db.writing(ctx, "build projection "+p.Name(), func(tx *sqlx.Tx) error {
		if err := db.dialect.lockSchema(ctx, tx); err != nil {
			return err
		}
		// The number of a generation that was dropped comes again. Its epoch does
		// not: it is taken from the beat, which grows across generations.
		if _, err := tx.ExecContext(ctx, tx.Rebind("UPDATE projections SET beat = beat + 1"+
			" WHERE name = ? AND version = ? AND active = 1"), p.Name(), p.Version()); err != nil {
			return err
		}
		live, err := active(ctx, tx, p)
		if err != nil {
			return err
		}
		newest, err := db.dropIdle(ctx, tx, p, "")
		if err != nil {
			return err
		}
		row := stateRow{
			Name: p.Name(), Version: p.Version(), Generation: max(live.Generation, newest) + 1,
			Epoch: live.Beat + 1, Beat: live.Beat, Owner: owner, Shadow: shadow,
		}
		if err := db.create(ctx, tx, p, row, false); err != nil {
			return err
		}
		l, err = db.lease(ctx, tx, p, row)
		return err
	})
	return l, err
}

// Activate makes queries read the generation of l instead of the one before,
// unless that one is ahead: then it reports false, and more has to be applied
// first. One that has stopped is not ahead: its position is of another log.
// Whoever wrote the one before is fenced, and may acquire the new one.
func (l *Lease) Activate(ctx context.Context) (bool, error) {
	g, done := l.generation, false
	err := l.db.writing(ctx, "activate projection "+g.projection, func(tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, tx.Rebind("UPDATE projections SET active = 0, owner = '', epoch = epoch + 1"+
			" WHERE name = ? AND version = ? AND active = 1 AND (position <= ? OR stopped <> '')"),
			g.projection, g.version, integer(l.mark.Position))
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil || n != 1 {
			return err
		}
		done = true
		return l.update(ctx, tx, "active = 1, owner = '', beat = beat + 1", nil, " AND shadow = 0", nil)
	})
	if err != nil || !done {
		return false, err
	}
	l.db.watch.notify()
	return true, nil
}

// Prune drops the tables of p that queries do not read any more, and those of a
// build that was given up: its lease was released. One that has an owner is left
// to its owner, or to the next Build.
func (db *DB) Prune(ctx context.Context, p Projection) error {
	return db.writing(ctx, "prune projection "+p.Name(), func(tx *sqlx.Tx) error {
		if err := db.dialect.lockSchema(ctx, tx); err != nil {
			return err
		}
		_, err := db.dropIdle(ctx, tx, p, " AND owner = ''")
		return err
	})
}

// dropIdle drops the generations of p that are not active and fulfil the
// condition, and returns the highest number of them.
func (db *DB) dropIdle(ctx context.Context, tx *sqlx.Tx, p Projection, condition string) (newest int64, err error) {
	var idle []int64
	query := tx.Rebind("SELECT generation FROM projections WHERE name = ? AND version = ? AND active = 0" + condition)
	if err := tx.SelectContext(ctx, &idle, query, p.Name(), p.Version()); err != nil {
		return 0, err
	}
	for _, number := range idle {
		newest = max(newest, number)
		g := generation{projection: p.Name(), version: p.Version(), number: number}
		for _, noun := range p.nouns() {
			if _, err := tx.ExecContext(ctx, "DROP TABLE "+g.table(noun)); err != nil {
				return 0, err
			}
		}
		for _, table := range []string{"projections", "dead_events", "held"} {
			query := fmt.Sprintf("DELETE FROM %s WHERE name = ? AND version = ? AND generation = ?", table)
			if _, err := tx.ExecContext(ctx, tx.Rebind(query), g.projection, g.version, g.number); err != nil {
				return 0, err
			}
		}
	}
	return newest, nil
}
