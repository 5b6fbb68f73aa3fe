package readmodel

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
)

// Limits of a list.
const (
	defaultLimit = 100
	maxLimit     = 1000
	maxFilter    = 1024 // bytes of a filter or a search
	maxCursor    = 8192
)

// sortable is what a list can be sorted by: an expression that is never null,
// with integers or texts as its values.
type sortable struct {
	expression string
	integer    bool
}

func byText(expression string) sortable    { return sortable{expression: expression} }
func byInteger(expression string) sortable { return sortable{expression: expression, integer: true} }

// listing is a query for one page of a list, put together and run once.
type listing struct {
	list    string // part of what a cursor is bound to
	query   any    // the caller's, for the same
	page    ListQuery
	sorts   map[string]sortable
	natural string   // the sort that an empty one stands for
	ties    string   // the columns that break ties
	key     string   // the primary key of the table; empty: its rows are few, and read whole
	walked  []string // the sorts whose order an index has

	join     string // further tables that only what is sorted by needs
	joinArgs []any
	where    []string
	args     []any

	sort       sortable
	ordered    bool // an index has the order
	descending bool
	err        error
}

// cursor is the last row of a page.
type cursor struct {
	Query   string   `json:"q"` // fingerprint of the query it belongs to
	Text    *string  `json:"t,omitempty"`
	Integer *int64   `json:"n,omitempty"`
	Ties    []string `json:"i"`
}

// and adds a condition with its bound values.
func (l *listing) and(condition string, args ...any) {
	l.where = append(l.where, condition)
	l.args = append(l.args, args...)
}

// filter adds "column = value" unless the value is empty.
func (l *listing) filter(field, column, value string) {
	if value == "" {
		return
	}
	l.check(field, value)
	l.and(column+" = ?", value)
}

// oneOf refuses a filter whose value is none of those there are.
func (l *listing) oneOf(field, value string, values ...string) {
	if value != "" && !slices.Contains(values, value) {
		l.refuse(field, "must be one of "+strings.Join(values, ", "))
	}
}

// search adds a condition that one of the expressions contains q, without
// regard to case; the expressions have to be in lower case.
func (l *listing) search(d dialect, q string, expressions ...string) {
	if q == "" {
		return
	}
	l.check("q", q)
	any := make([]string, len(expressions))
	for i, e := range expressions {
		any[i] = d.contains(e)
		l.args = append(l.args, strings.ToLower(q))
	}
	l.where = append(l.where, "("+strings.Join(any, " OR ")+")")
}

// check refuses a text that no database takes.
func (l *listing) check(field, s string) {
	switch {
	case len(s) > maxFilter:
		l.refuse(field, fmt.Sprintf("must have at most %d bytes", maxFilter))
	case !utf8.ValidString(s) || strings.Contains(s, "\x00"):
		l.refuse(field, "must be valid UTF-8 without null characters")
	}
}

func (l *listing) refuse(field, msg string) {
	if l.err == nil {
		l.err = &QueryError{Field: field, Msg: msg}
	}
}

// resolve finds sort and limit, and continues where the cursor says.
func (l *listing) resolve() error {
	if l.page.Limit == 0 {
		l.page.Limit = defaultLimit
	}
	if l.page.Limit < 0 || l.page.Limit > maxLimit {
		l.refuse("limit", fmt.Sprintf("must be from 1 to %d", maxLimit))
	}
	name := l.page.Sort
	if name == "" {
		name = l.natural
	}
	name, l.descending = strings.CutPrefix(name, "-")
	l.ordered = slices.Contains(l.walked, name)
	var ok bool
	if l.sort, ok = l.sorts[name]; !ok {
		l.refuse("sort", "must be one of "+strings.Join(slices.Sorted(maps.Keys(l.sorts)), ", ")+`, with "-" before it for descending`)
	}
	if l.page.Cursor != "" && l.err == nil {
		l.after(l.page.Cursor)
	}
	return l.err
}

// after continues behind the row that the cursor names.
func (l *listing) after(text string) {
	const bad = "is not one that this query gave out; start again without it"
	var c cursor
	data, err := base64.RawURLEncoding.DecodeString(text)
	if len(text) > maxCursor || err != nil || json.Unmarshal(data, &c) != nil || c.Query != l.fingerprint() ||
		len(c.Ties) != strings.Count(l.ties, ",")+1 || l.sort.integer != (c.Integer != nil) || l.sort.integer == (c.Text != nil) {
		l.refuse("cursor", bad)
		return
	}
	var args []any
	if l.sort.integer {
		args = append(args, *c.Integer)
	} else {
		args = append(args, *c.Text)
	}
	for _, tie := range c.Ties {
		args = append(args, tie)
	}
	for _, arg := range args {
		if s, ok := arg.(string); ok && strings.Contains(s, "\x00") {
			l.refuse("cursor", bad)
			return
		}
	}
	than := ">"
	if l.descending {
		than = "<"
	}
	marks := "?" + strings.Repeat(", ?", len(c.Ties))
	l.and(fmt.Sprintf("(%s, %s) %s (%s)", l.sort.expression, l.ties, than, marks), args...)
}

// fingerprint stands for the query without what differs between its pages.
func (l *listing) fingerprint() string {
	text, err := json.Marshal([]any{l.list, l.page.Sort, l.page.Q, l.query})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// statement is the whole query; columns are selected from table. Where no index
// has the order, the rows of the page are found first, by what is sorted and
// their keys alone, so that the others are never carried whole.
func (l *listing) statement(columns, table string) (string, []any) {
	where, args := strings.Join(l.where, " AND "), append(slices.Concat(l.joinArgs, l.args), l.page.Limit+1)
	if l.ordered || l.key == "" {
		return fmt.Sprintf("SELECT %s, %s AS sort_value FROM %s WHERE %s ORDER BY %s LIMIT ?",
			columns, l.sort.expression, table, where, l.order(l.sort.expression)), args
	}
	var keys, same []string
	for i, column := range strings.Split(l.key, ", ") {
		keys = append(keys, fmt.Sprintf("%s AS key_%d", column, i))
		same = append(same, fmt.Sprintf("%s = key_%d", column, i))
	}
	found := fmt.Sprintf("SELECT %s, %s AS sort_value FROM %s%s WHERE %s ORDER BY %s LIMIT ?",
		strings.Join(keys, ", "), l.sort.expression, table, l.join, where, l.order(l.sort.expression))
	return fmt.Sprintf("SELECT %s, sort_value FROM (%s) found CROSS JOIN %s WHERE %s ORDER BY %s",
		columns, found, table, strings.Join(same, " AND "), l.order("sort_value")), args
}

// order is the whole order, beginning with first.
func (l *listing) order(first string) string {
	direction := ""
	if l.descending {
		direction = " DESC"
	}
	order := []string{first + direction}
	for _, tie := range strings.Split(l.ties, ", ") {
		order = append(order, tie+direction)
	}
	return strings.Join(order, ", ")
}

// listed is a row with what a cursor needs of it.
type listed interface {
	sortValue() any
	tieValues() []string
}

// fetch runs the query and returns its rows, and the cursor of the next page.
func fetch[R listed](ctx context.Context, tx *sqlx.Tx, l *listing, columns, table string) (list []R, next string, err error) {
	query, args := l.statement(columns, table)
	if err := tx.SelectContext(ctx, &list, tx.Rebind(query), args...); err != nil {
		return nil, "", err
	}
	if len(list) <= l.page.Limit {
		return list, "", nil
	}
	list = list[:l.page.Limit]
	last := list[len(list)-1]
	next, err = l.cursor(last.sortValue(), last.tieValues())
	return list, next, err
}

// cursor continues behind a row with these values, which need not be there.
func (l *listing) cursor(value any, ties []string) (string, error) {
	c := cursor{Query: l.fingerprint(), Ties: ties}
	switch v := value.(type) {
	case int64:
		c.Integer = &v
	case string:
		c.Text = &v
	default:
		return "", fmt.Errorf("sort value of type %T", v)
	}
	data, err := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(data), err
}
