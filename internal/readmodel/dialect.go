package readmodel

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3/database"
)

// dialect is what differs between the two databases. All other SQL is the same
// text, with ? for a bound value.
type dialect interface {
	goose() database.Dialect
	// snapshot are the options of a transaction that sees one moment.
	snapshot() *sql.TxOptions
	// text is the type of a text column, ordered by its bytes.
	text() string
	// integer is the type of a column of integers.
	integer() string
	// tableOptions end a CREATE TABLE; appends: its rows never change.
	tableOptions(appends bool) string
	// contains is a condition: text has the bound value in it.
	contains(text string) string
	// plain is a text of a projection in the order of the tables that no projection
	// makes, so that the two can be compared by an index of those.
	plain(text string) string
	// lockSchema keeps others from making or dropping tables until tx ends.
	lockSchema(ctx context.Context, tx *sqlx.Tx) error
	// lockTable keeps others from writing a table until tx ends.
	lockTable(ctx context.Context, tx *sqlx.Tx, name string) error
	// analyse tells the planner how large a table is, with what tx has written.
	analyse(ctx context.Context, tx *sqlx.Tx, name string) error
	// source is a query without a table whose rows are r, with its arguments.
	source(columns []column, r rows) (query string, args []any)
	// maxRows is how many rows source takes at once.
	maxRows(columns int) int
	// classify says what an error of the driver means.
	classify(err error) errorClass
}

// errorClass is what an error of a driver means.
type errorClass int

const (
	classBug     errorClass = iota // the statement is wrong: nobody can help
	classPassing                   // the database does not answer now
	classRefused                   // the database does not take the values
	classDropped                   // a table was dropped while it was looked for
)

// unstorableError says that the database does not take the values of a row. It
// would not take them another time either.
type unstorableError struct{ err error }

func (e *unstorableError) Error() string { return "readmodel: cannot be stored: " + e.err.Error() }
func (e *unstorableError) Unwrap() error { return e.err }

// Unstorable reports whether err says that the database will never take the
// values that were written, such as a text that is too long for an index.
func Unstorable(err error) bool {
	var u *unstorableError
	return errors.As(err, &u)
}

// ours marks the errors that this package makes itself.
type ours interface{ ours() }

func (e *QueryError) ours()  {}
func (e *HeldError) ours()   {}
func (e *FencedError) ours() {}

// explain adds what was being done to an error of a transaction, and whether
// trying again can help.
func (db *DB) explain(what string, err error) error {
	var own ours
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound), errors.As(err, &own):
		return err
	case errors.Is(err, ErrUnavailable):
		return fmt.Errorf("%s: %w", what, err)
	case db.watch.ended():
		return unavailable(what, err) // the drivers have no common word for closed
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return unavailable(what, err)
	}
	switch db.dialect.classify(err) {
	case classPassing, classDropped:
		return unavailable(what, err)
	case classRefused:
		return fmt.Errorf("%s: %w", what, &unstorableError{err})
	case classBug:
	}
	return fmt.Errorf("readmodel: %s: %w", what, err)
}

func unavailable(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}
