package readmodel

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3/database"
	msqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqlite is the dialect of SQLite.
type sqlite struct{}

func (sqlite) goose() database.Dialect { return database.DialectSQLite3 }

// snapshot needs no options: with a write-ahead log, every transaction that
// reads sees one moment.
func (sqlite) snapshot() *sql.TxOptions    { return nil }
func (sqlite) text() string                { return "TEXT" }
func (sqlite) integer() string             { return "INTEGER" } // as a key of one column, it is the row's own number
func (sqlite) contains(text string) string { return "instr(" + text + ", ?) > 0" }

func (sqlite) plain(text string) string { return text }

// tableOptions make a table a tree of its keys. One that only grows is a tree of
// its row numbers instead, which are the sequences: a row of it may be large, and
// is added at the end without a search.
func (sqlite) tableOptions(appends bool) string {
	if appends {
		return ""
	}
	return " WITHOUT ROWID"
}

// analyse does nothing: the planner takes the index that is named by the columns.
func (sqlite) analyse(context.Context, *sqlx.Tx, string) error { return nil }

// The locks do nothing: there is one writer, and its transaction is immediate.

func (sqlite) lockSchema(context.Context, *sqlx.Tx) error        { return nil }
func (sqlite) lockTable(context.Context, *sqlx.Tx, string) error { return nil }

// maxRows keeps a statement below the 32,766 values that SQLite takes, and
// short enough to be parsed quickly.
func (sqlite) maxRows(columns int) int { return max(1, min(100, 30000/columns)) }

func (sqlite) source(columns []column, r rows) (string, []any) {
	row := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	var b strings.Builder
	b.Grow(r.len() * (len(row) + 2))
	b.WriteString("VALUES ")
	args := make([]any, 0, r.len()*len(columns))
	for i := range r.len() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(row)
		for _, c := range columns {
			args = append(args, r.value(i, c))
		}
	}
	return b.String(), args
}

func (sqlite) classify(err error) errorClass {
	var e *msqlite.Error
	if !errors.As(err, &e) {
		if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) {
			return classPassing
		}
		return classBug
	}
	switch e.Code() & 0xff { // the primary code
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE:
		return classRefused
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_AUTH:
		return classBug
	}
	return classPassing
}
