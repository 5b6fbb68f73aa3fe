package readmodel

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// Between returns what a peer was like from one time, inclusive, to another,
// exclusive: the periods that have a part in it, the one that was going on at its
// begin among them, and the maintenances that held in it. Both are whole, not cut
// to the time asked for, and the oldest comes first. All is read in one moment.
func (t *Timeline) Between(ctx context.Context, ent events.EnterpriseID, peer events.PeerID, from, to time.Time) (list []Period, windows []MaintenanceWindow, err error) {
	err = t.view(ctx, "read the periods of a time", ent, peer, func(tx *sqlx.Tx, row stateRow) error {
		list, windows = nil, nil
		if !from.Before(to) {
			return nil
		}
		var rows []listedPeriod
		query, args := periodsBetween(row.generation(), ent, peer, from, to)
		if err := tx.SelectContext(ctx, &rows, tx.Rebind(query), args...); err != nil {
			return err
		}
		for i := range rows {
			if rows[i].Until == 0 || rows[i].Until > rows[i].Began { // else it has no part in any time
				list = append(list, rows[i].period())
			}
		}
		if list, err = t.betweenUnwatched(ctx, tx, ent, peer, list, from, to); err != nil {
			return err
		}
		windows, err = windowsBetween(ctx, tx, row.generation(), ent, peer, from, to)
		return err
	})
	return list, windows, err
}

// betweenUnwatched leaves in list what has a part in the time while nobody probes.
func (t *Timeline) betweenUnwatched(ctx context.Context, tx *sqlx.Tx, ent events.EnterpriseID, peer events.PeerID, list []Period, from, to time.Time) ([]Period, error) {
	n := len(list)
	if n == 0 {
		return nil, nil
	}
	last := list[n-1]
	next, err := t.unwatched(ctx, tx, ent, peer, &last)
	if err != nil || next == nil {
		return list, err
	}
	list = list[:n-1]
	if last.Until.After(last.Since) && last.Until.After(from) {
		list = append(list, last)
	}
	if next.Since.Before(to) {
		list = append(list, *next)
	}
	return list, nil
}

// periodsBetween finds the first row and the last by when they began, and reads
// what is between them.
func periodsBetween(g generation, ent events.EnterpriseID, peer events.PeerID, from, to time.Time) (string, []any) {
	last := func(than string) string {
		return fmt.Sprintf("COALESCE((SELECT l.sequence FROM %s l WHERE l.enterprise = ? AND l.peer = ? AND l.began %s ?"+
			" ORDER BY l.began DESC, l.sequence DESC LIMIT 1), 0)", g.table(periods), than)
	}
	query := fmt.Sprintf("SELECT %s FROM %s p WHERE enterprise = ? AND peer = ? AND sequence >= %s AND sequence <= %s ORDER BY sequence",
		periodColumns(g), g.table(periods), last("<="), last("<"))
	return query, []any{ent, peer, ent, peer, micros(from), ent, peer, micros(to)}
}

// windowsBetween reads the maintenances that held in a time. A peer has few.
func windowsBetween(ctx context.Context, tx *sqlx.Tx, g generation, ent events.EnterpriseID, peer events.PeerID, from, to time.Time) ([]MaintenanceWindow, error) {
	m := maintenanceTable()
	var rows []maintenanceRow
	query := fmt.Sprintf("SELECT %s FROM %s WHERE enterprise = ? AND peer = ? AND starts < ? AND ends > ? ORDER BY sequence", m.list(), g.table(maintenances))
	if err := tx.SelectContext(ctx, &rows, tx.Rebind(query), ent, peer, micros(to), micros(from)); err != nil {
		return nil, err
	}
	var list []MaintenanceWindow
	for i := range rows {
		w := rows[i].window()
		if _, end, ok := w.Effective(); ok && end.After(from) {
			list = append(list, w)
		}
	}
	return list, nil
}
