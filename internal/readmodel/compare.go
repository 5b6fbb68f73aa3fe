package readmodel

import (
	"context"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
)

// maxExamples is how many rows of a table a report names.
const maxExamples = 5

// TableReport is what comparing a table with the log has found.
type TableReport struct {
	Name      string // such as peers
	Rows      int    // of the table that queries read
	Missing   int    // rows that follow from the log and are not there
	Extra     int    // rows that are there and do not follow from the log
	Different int    // rows that have other values than follow from the log
	Examples  []RowDifference
}

// Sound reports whether the table is what follows from the log.
func (r TableReport) Sound() bool { return r.Missing+r.Extra+r.Different == 0 }

// RowDifference names a row that is not what follows from the log.
type RowDifference struct {
	Kind    DifferenceKind
	Key     []string // the values of the primary key
	Columns []string // those that differ, of a row that is different
}

// DifferenceKind says in what way a row is not what follows from the log.
type DifferenceKind string

// The kinds of a RowDifference.
const (
	RowMissing   DifferenceKind = "missing"
	RowExtra     DifferenceKind = "extra"
	RowDifferent DifferenceKind = "different"
)

func (r *TableReport) add(t layout, kind DifferenceKind, row []any, columns []string) {
	switch kind {
	case RowMissing:
		r.Missing++
	case RowExtra:
		r.Extra++
	case RowDifferent:
		r.Different++
	}
	if len(r.Examples) == maxExamples {
		return
	}
	d := RowDifference{Kind: kind, Columns: columns}
	for _, v := range row[:t.keys] {
		d.Key = append(d.Key, fmt.Sprint(v))
	}
	r.Examples = append(r.Examples, d)
}

// rowSource yields rows in the order of their keys; nil is the end.
type rowSource interface{ next() ([]any, error) }

// compareRows walks through two tables side by side.
func compareRows(t layout, live, folded rowSource) (TableReport, error) {
	r := TableReport{Name: t.noun}
	a, err := live.next()
	if err != nil {
		return r, err
	}
	b, err := folded.next()
	for err == nil && (a != nil || b != nil) {
		switch order := compareEnds(t, a, b); {
		case order < 0:
			r.add(t, RowExtra, a, nil)
			r.Rows++
			a, err = live.next()
		case order > 0:
			r.add(t, RowMissing, b, nil)
			b, err = folded.next()
		default:
			if columns := differing(t, a, b); len(columns) > 0 {
				r.add(t, RowDifferent, a, columns)
			}
			r.Rows++
			if a, err = live.next(); err == nil {
				b, err = folded.next()
			}
		}
	}
	return r, err
}

// compareEnds compares the keys of two rows; the end comes after every row.
func compareEnds(t layout, a, b []any) int {
	switch {
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return compareKeys(t.keys, a, b)
}

func differing(t layout, a, b []any) (columns []string) {
	for i, c := range t.columns {
		if a[i] != b[i] {
			columns = append(columns, c.name)
		}
	}
	return columns
}

// dbRows are rows as the database yields them.
type dbRows struct{ *sqlx.Rows }

func openRows(ctx context.Context, tx *sqlx.Tx, query string, args ...any) (dbRows, error) {
	rows, err := tx.QueryxContext(ctx, query, args...)
	if err != nil {
		return dbRows{}, err
	}
	return dbRows{rows}, rows.Err()
}

func (r dbRows) next() ([]any, error) {
	if !r.Next() {
		return nil, r.Err()
	}
	row, err := r.SliceScan()
	for i := range row {
		row[i] = plain(row[i])
	}
	return row, err
}

// listRows are rows in memory.
type listRows struct{ list [][]any }

// sorted reads all of rows and sorts them by their keys.
func sorted(t layout, rows rowSource) (*listRows, error) {
	var out listRows
	for {
		row, err := rows.next()
		if err != nil {
			return nil, err
		}
		if row == nil {
			break
		}
		out.list = append(out.list, row)
	}
	slices.SortFunc(out.list, func(a, b []any) int { return compareKeys(t.keys, a, b) })
	return &out, nil
}

func (r *listRows) next() ([]any, error) {
	if len(r.list) == 0 {
		return nil, nil
	}
	row := r.list[0]
	r.list = r.list[1:]
	return row, nil
}
