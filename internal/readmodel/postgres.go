package readmodel

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3/database"
)

// postgres is the dialect of PostgreSQL.
type postgres struct{}

func (postgres) goose() database.Dialect { return database.DialectPostgres }

func (postgres) snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (postgres) text() string    { return `TEXT COLLATE "C"` }
func (postgres) integer() string { return "BIGINT" }

// tableOptions leave room in each page, so that a new version of a row fits
// beside the old one and no index has to be touched.
func (postgres) tableOptions(appends bool) string {
	if appends {
		return ""
	}
	return " WITH (fillfactor = 50)"
}

func (postgres) contains(text string) string { return "strpos(" + text + ", ?) > 0" }

func (postgres) plain(text string) string { return text + ` COLLATE "default"` }

// schemaLock is the key of the advisory lock for making and dropping tables.
const schemaLock = 0x7065657269 // "peeri"

func (postgres) lockSchema(ctx context.Context, tx *sqlx.Tx) error {
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", schemaLock)
	return err
}

func (postgres) lockTable(ctx context.Context, tx *sqlx.Tx, name string) error {
	_, err := tx.ExecContext(ctx, "LOCK TABLE "+name+" IN EXCLUSIVE MODE")
	return err
}

func (postgres) analyse(ctx context.Context, tx *sqlx.Tx, name string) error {
	_, err := tx.ExecContext(ctx, "ANALYSE "+name)
	return err
}

func (postgres) maxRows(int) int { return 5000 }

// source binds one array for each column, however many rows there are.
func (postgres) source(columns []column, r rows) (string, []any) {
	parts := make([]string, len(columns))
	args := make([]any, len(columns))
	for i, c := range columns {
		if c.kind == kindText {
			list := make([]string, r.len())
			for j := range list {
				list[j] = r.text(j, c)
			}
			parts[i], args[i] = "?::text[]", list
			continue
		}
		list := make([]int64, r.len())
		for j := range list {
			list[j] = r.integer(j, c)
		}
		parts[i], args[i] = "?::bigint[]", list
	}
	return "SELECT * FROM unnest(" + strings.Join(parts, ", ") + ")", args
}

func (postgres) classify(err error) errorClass {
	var e *pgconn.PgError
	if !errors.As(err, &e) || len(e.Code) != 5 {
		return classPassing // it did not come from the server
	}
	if e.Code == "42P01" { // undefined_table
		return classDropped
	}
	switch e.Code[:2] {
	case "22", "23", "54": // data exception, integrity constraint, program limit
		return classRefused
	case "42", "0A", "2F", "26", "34": // syntax or access rule, not supported, …
		return classBug
	}
	return classPassing
}
