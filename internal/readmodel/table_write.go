package readmodel

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
)

// change is a row to be written and the one that is stored; nil: none is.
type change[R any] struct{ now, stored *R }

// write writes each of list, whose keys differ: new rows whole, of the others
// the columns that have changed. Rows with the same columns to write go
// together, in the order of list. It fails when a row that is stored is as new
// as the one to be written, or newer: the table never goes back.
func (t *table[R]) write(ctx context.Context, d dialect, tx *sqlx.Tx, g generation, list []change[R]) error {
	groups := map[uint64][]*R{}
	pair := rows{make([]reflect.Value, 2)}
	for _, c := range list {
		mask := t.changed(c, pair)
		groups[mask] = append(groups[mask], c.now)
	}
	for _, mask := range slices.Sorted(maps.Keys(groups)) {
		if err := t.writeGroup(ctx, d, tx, g, mask, groups[mask]); err != nil {
			return fmt.Errorf("write %s: %w", t.noun, err)
		}
	}
	return nil
}

// changed has a bit for each column that differs from what is stored; none for
// a new row. A row that did not change counts as one of which the guard did, so
// that it is refused. pair is room for two rows.
func (t *table[R]) changed(c change[R], pair rows) (mask uint64) {
	if c.stored == nil {
		return 0
	}
	pair.list[0], pair.list[1] = reflect.ValueOf(c.now).Elem(), reflect.ValueOf(c.stored).Elem()
	for i, col := range t.columns {
		if col.name == t.guard || !pair.same(0, 1, col) {
			mask |= 1 << i
		}
	}
	return mask
}

// columnsOf are the keys and the columns of which mask has a bit; all of them
// when it has none.
func (t *table[R]) columnsOf(mask uint64) []column {
	if mask == 0 {
		return t.columns
	}
	columns := slices.Clone(t.columns[:t.keys])
	for i, c := range t.columns[t.keys:] {
		if mask&(1<<(i+t.keys)) != 0 {
			columns = append(columns, c)
		}
	}
	return columns
}

// writeGroup writes rows of which the same columns have changed, or new ones.
func (t *table[R]) writeGroup(ctx context.Context, d dialect, tx *sqlx.Tx, g generation, mask uint64, list []*R) error {
	columns := t.columnsOf(mask)
	statement := func(source string) string {
		if mask == 0 {
			return tx.Rebind(t.insert(g, source))
		}
		return tx.Rebind(t.update(g, columns, source))
	}
	most := d.maxRows(len(columns))
	rest := len(list) % most
	if whole := list[:len(list)-rest]; len(whole) > most {
		if err := t.writeMany(ctx, d, tx, columns, slices.Chunk(whole, most), statement); err != nil {
			return err
		}
		list = list[len(whole):]
	}
	for chunk := range slices.Chunk(list, most) {
		source, args := d.source(columns, rowsOf(chunk))
		result, err := tx.ExecContext(ctx, statement(source), args...)
		if err := t.wrote(result, err, len(chunk)); err != nil {
			return err
		}
	}
	return nil
}

// writeMany writes chunks of the same size with a statement that is prepared
// once: parsing one takes as long as running it.
func (t *table[R]) writeMany(ctx context.Context, d dialect, tx *sqlx.Tx, columns []column, chunks iter.Seq[[]*R], statement func(source string) string) (err error) {
	var prepared *sqlx.Stmt
	for chunk := range chunks {
		source, args := d.source(columns, rowsOf(chunk))
		if prepared == nil {
			// It ends with the transaction.
			if prepared, err = tx.PreparexContext(ctx, statement(source)); err != nil { //nolint:sqlclosecheck // see above
				return err
			}
		}
		result, err := prepared.ExecContext(ctx, args...)
		if err := t.wrote(result, err, len(chunk)); err != nil {
			return err
		}
	}
	return nil
}

// wrote checks that a statement wrote all its rows, but for those that a table
// which appends has already.
func (t *table[R]) wrote(result sql.Result, err error, want int) error {
	if err != nil || t.appends {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n != int64(want) {
		err = fmt.Errorf("%d of %d rows would go back in time", int64(want)-n, want)
	}
	return err
}

// insert is the statement that adds the rows of source, unless they are there.
func (t *table[R]) insert(g generation, source string) string {
	return fmt.Sprintf("INSERT INTO %s (%s) %s ON CONFLICT DO NOTHING", g.table(t.noun), t.list(), source)
}

// update is the statement that writes columns of source to the rows with its
// keys, which have to be older.
func (t *table[R]) update(g generation, columns []column, source string) string {
	where := []string{fmt.Sprintf("r.%s < v.%s", t.guard, t.guard)}
	for _, c := range columns[:t.keys] {
		where = append(where, fmt.Sprintf("r.%s = v.%s", c.name, c.name))
	}
	sets := make([]string, 0, len(columns))
	for _, c := range columns[t.keys:] {
		sets = append(sets, c.name+" = v."+c.name)
	}
	return fmt.Sprintf("WITH v (%s) AS (%s) UPDATE %s AS r SET %s FROM v WHERE %s",
		names(columns), source, g.table(t.noun), strings.Join(sets, ", "), strings.Join(where, " AND "))
}
