package readmodel

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	msqlite "modernc.org/sqlite"
)

// Limits of the connections.
const (
	// The pages that a connection of SQLite keeps: a batch of the writer touches
	// all of a table, a reader has the system's cache behind it.
	writerCache = 48 << 20
	readerCache = 4 << 20

	maxReaders  = 16
	maxWriters  = 4 // of PostgreSQL: a transaction, a beat, a rebuild and its beat
	busyTimeout = 5 * time.Second
	// idleInTransaction is how long PostgreSQL lets a transaction wait for its
	// client: a writer that was paused must not keep its locks from the one that
	// took over.
	idleInTransaction = 5 * time.Second
)

// DB is the database of the read models, SQLite or PostgreSQL. It is safe for
// concurrent use.
type DB struct {
	dialect dialect
	writer  *sqlx.DB // SQLite: one connection, immediate transactions
	reader  *sqlx.DB
	watch   *watch
	pages   *peerPages
}

// Open prepares the database at url: "sqlite:<path>" or "postgres://…". It does
// not connect: a database that is down is found by Ping and by the first query,
// and used as soon as it answers. The error says what is wrong with url, without
// the password in it.
func Open(_ context.Context, url string) (*DB, error) {
	switch {
	case strings.HasPrefix(url, "sqlite:"):
		return openSQLite(strings.TrimPrefix(url, "sqlite:"))
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return openPostgres(url)
	}
	return nil, errors.New("readmodel: the database URL must begin with sqlite: or postgres://")
}

func openSQLite(path string) (*DB, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, errors.New("readmodel: the database URL sqlite: needs the path of a file")
	}
	sqlx.BindDriver("sqlite", sqlx.QUESTION)
	file := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	pragmas := fmt.Sprintf("?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"+
		"&_pragma=temp_store(MEMORY)", busyTimeout.Milliseconds())
	writer, err := openFile(path, fmt.Sprintf("%s%s&_txlock=immediate&_pragma=cache_size(-%d)", file, pragmas, writerCache>>10))
	if err != nil {
		return nil, fmt.Errorf("readmodel: open SQLite: %w", err)
	}
	writer.SetMaxOpenConns(1)
	reader, err := openFile(path, fmt.Sprintf("%s%s&_txlock=deferred&_pragma=query_only(1)&_pragma=cache_size(-%d)", file, pragmas, readerCache>>10))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("readmodel: open SQLite: %w", err), writer.Close())
	}
	reader.SetMaxOpenConns(maxReaders)
	reader.SetMaxIdleConns(maxReaders)
	return newDB(sqlite{}, writer, reader), nil
}

// openFile prepares connections to the file at path.
func openFile(path, dsn string) (*sqlx.DB, error) {
	c, err := msqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sqlx.NewDb(sql.OpenDB(private{c, path}), "sqlite"), nil
}

// private makes the file at path before SQLite would, which lets everybody read
// what it makes; its other files get the mode of this one.
type private struct {
	driver.Connector
	path string
}

// Connect implements driver.Connector. What keeps it from making the file keeps
// SQLite from opening it, which knows better how to say so. A file that is there
// is not touched: closing it would end the locks that SQLite has on it.
func (p private) Connect(ctx context.Context) (driver.Conn, error) {
	if f, err := os.OpenFile(p.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err == nil { // #nosec G304 -- the configured database
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return p.Connector.Connect(ctx)
}

func openPostgres(url string) (*DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("readmodel: the database URL: %w", err) // pgx hides the password
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "peering"
	}
	config.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint(idleInTransaction.Milliseconds())
	// A reader wants few rows in an order. The planner, which knows a new table as
	// an empty one, would rather sort all of them than walk an index; and no page
	// is worth the time that it takes to compile its query.
	reader := openPool(config, maxReaders, "enable_sort", "jit")
	// A writer looks for rows by their keys alone. The planner would rather read
	// all of a new table for every batch.
	writer := openPool(config, maxWriters, "enable_seqscan", "enable_hashjoin", "enable_mergejoin")
	return newDB(postgres{}, writer, reader), nil
}

// openPool prepares n connections to PostgreSQL with these settings off.
func openPool(config *pgx.ConnConfig, n int, off ...string) *sqlx.DB {
	config = config.Copy()
	for _, setting := range off {
		config.RuntimeParams[setting] = "off"
	}
	db := sqlx.NewDb(stdlib.OpenDB(*config), "pgx")
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db
}

func newDB(d dialect, writer, reader *sqlx.DB) *DB {
	db := &DB{dialect: d, writer: writer, reader: reader, pages: newPeerPages(pagesKept)}
	db.watch = newWatch(db)
	return db
}

// Ping reports whether the database answers; the error wraps ErrUnavailable.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.reader.PingContext(ctx); err != nil {
		return unavailable("ping", err)
	}
	return nil
}

// Close ends all connections. Whoever waits in Await gets an error.
func (db *DB) Close() error {
	db.watch.stop()
	return errors.Join(db.reader.Close(), db.writer.Close())
}

// reading runs fn in a transaction that sees one moment of the database. A
// generation that was dropped between two statements of fn is read again from
// the one that replaced it.
func (db *DB) reading(ctx context.Context, what string, fn func(*sqlx.Tx) error) error {
	err := db.readOnce(ctx, fn)
	if err != nil && db.dialect.classify(err) == classDropped {
		err = db.readOnce(ctx, fn)
	}
	return db.explain(what, err)
}

func (db *DB) readOnce(ctx context.Context, fn func(*sqlx.Tx) error) error {
	tx, err := db.reader.BeginTxx(ctx, db.dialect.snapshot())
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return fn(tx)
}

// writing runs fn in a transaction and commits it unless fn fails.
func (db *DB) writing(ctx context.Context, what string, fn func(*sqlx.Tx) error) error {
	tx, err := db.writer.BeginTxx(ctx, nil)
	if err != nil {
		return db.explain(what, err)
	}
	if err := fn(tx); err != nil {
		return db.explain(what, errors.Join(err, ignoreDone(tx.Rollback())))
	}
	return db.explain(what, tx.Commit())
}

// ignoreDone drops the error of a rollback that the driver did already.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}
