package readmodel

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
)

// kind is what a column holds.
type kind int

const (
	kindText kind = iota
	kindInteger
	kindBool // stored as 0 or 1
)

// column is a column of a table and the field of its row.
type column struct {
	name  string
	kind  kind
	field int
}

// table describes a table of a projection by the struct of its rows: a column
// for each field, named by its tag db; text, integer or bool. No column is ever
// null: what is not known is empty or zero.
type table[R any] struct {
	noun    string
	columns []column
	keys    int      // the first columns are the primary key
	guard   string   // a column that grows with every write of a row
	indexes []string // "name (columns)"
	appends bool     // its rows never change, and one that is there already is left
}

func newTable[R any](noun string, keys int, guard string, indexes ...string) table[R] {
	t := table[R]{noun: noun, keys: keys, guard: guard, indexes: indexes}
	typ := reflect.TypeFor[R]()
	for i := range typ.NumField() {
		f := typ.Field(i)
		c := column{name: f.Tag.Get("db"), field: i, kind: kindInteger}
		switch f.Type.Kind() {
		case reflect.String:
			c.kind = kindText
		case reflect.Bool:
			c.kind = kindBool
		}
		t.columns = append(t.columns, c)
	}
	return t
}

// list is the columns, separated by commas.
func (t *table[R]) list() string { return names(t.columns) }

func names(columns []column) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.name
	}
	return strings.Join(out, ", ")
}

// create returns the statements that make the table in generation g.
func (t *table[R]) create(d dialect, g generation) []string {
	var b strings.Builder
	name := g.table(t.noun)
	fmt.Fprintf(&b, "CREATE TABLE %s (", name)
	for _, c := range t.columns {
		typ := d.integer()
		if c.kind == kindText {
			typ = d.text()
		}
		fmt.Fprintf(&b, "%s %s NOT NULL, ", c.name, typ)
	}
	fmt.Fprintf(&b, "PRIMARY KEY (%s))%s", names(t.columns[:t.keys]), d.tableOptions(t.appends))
	statements := []string{b.String()}
	for _, index := range t.indexes {
		label, columns, _ := strings.Cut(index, " ")
		statements = append(statements, fmt.Sprintf("CREATE INDEX %s_%s ON %s %s", name, label, name, columns))
	}
	return statements
}

// find calls fn for each row that has one of keys, structs whose fields are the
// first columns.
func find[R, K any](ctx context.Context, t *table[R], d dialect, tx *sqlx.Tx, g generation, keys []*K, fn func(*R)) error {
	columns := t.columns[:t.keys]
	for chunk := range slices.Chunk(keys, d.maxRows(len(columns))) {
		source, args := d.source(columns, rowsOf(chunk))
		where := fmt.Sprintf("(%s) IN (%s)", names(columns), source)
		if err := t.where(ctx, tx, g, where, args, fn); err != nil {
			return err
		}
	}
	return nil
}

// where calls fn for each row that fulfils the condition.
func (t *table[R]) where(ctx context.Context, tx *sqlx.Tx, g generation, condition string, args []any, fn func(*R)) error {
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s", t.list(), g.table(t.noun), condition)
	var list []*R
	if err := tx.SelectContext(ctx, &list, tx.Rebind(query), args...); err != nil {
		return fmt.Errorf("read %s: %w", t.noun, err)
	}
	for _, r := range list {
		fn(r)
	}
	return nil
}

// rows are values in rows and columns.
type rows struct{ list []reflect.Value }

func rowsOf[R any](list []*R) rows {
	out := rows{make([]reflect.Value, len(list))}
	for i, r := range list {
		out.list[i] = reflect.ValueOf(r).Elem()
	}
	return out
}

func (r rows) len() int { return len(r.list) }

func (r rows) text(row int, c column) string { return r.list[row].Field(c.field).String() }

func (r rows) integer(row int, c column) int64 {
	v := r.list[row].Field(c.field)
	if c.kind == kindBool {
		if v.Bool() {
			return 1
		}
		return 0
	}
	return v.Int()
}

// same reports whether two rows have the same value in c.
func (r rows) same(one, other int, c column) bool {
	if c.kind == kindText {
		return r.text(one, c) == r.text(other, c)
	}
	return r.integer(one, c) == r.integer(other, c)
}

func (r rows) value(row int, c column) any {
	if c.kind == kindText {
		return r.text(row, c)
	}
	return r.integer(row, c)
}
