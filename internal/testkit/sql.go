package testkit

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peterldowns/pgtestdb"
)

// DatabaseVariable is the environment variable that names a ready PostgreSQL
// server for tests, by the URL of a superuser.
const DatabaseVariable = "PEERING_TEST_DATABASE_URL"

// Database is an empty database of one test.
type Database struct {
	Name string // "SQLite" or "PostgreSQL"
	URL  string // as the product's configuration takes it
}

// Postgres reports whether the database is a PostgreSQL, which several
// processes can write.
func (d Database) Postgres() bool { return d.Name == "PostgreSQL" }

// Databases runs fn as a subtest on SQLite and on PostgreSQL. What the SQL does
// differs between them, so every test of it belongs here. With -short, which the
// race detector is run with, it is PostgreSQL alone: what is ours is the same then,
// and SQLite is all Go, which the detector makes slow.
//
// PostgreSQL is the server that PEERING_TEST_DATABASE_URL names, or one that is
// started from the binaries of this machine. All tests of a process share it,
// each has a database of its own. TestMain has to call Main, which stops it.
func Databases(t *testing.T, fn func(*testing.T, Database)) {
	if !testing.Short() {
		t.Run("SQLite", func(t *testing.T) { fn(t, SQLite(t)) })
	}
	t.Run("PostgreSQL", func(t *testing.T) { fn(t, Postgres(t)) })
}

// SQLite returns a database in a directory of the test.
func SQLite(t testing.TB) Database {
	t.Helper()
	return Database{Name: "SQLite", URL: "sqlite:" + filepath.Join(t.TempDir(), "test.db")}
}

// Postgres returns a database on a PostgreSQL server that is dropped after the
// test, unless it failed.
func Postgres(t testing.TB) Database {
	t.Helper()
	admin := os.Getenv(DatabaseVariable)
	if admin == "" {
		admin = postgresServer.url(t)
	}
	config := adminConfig(t, admin)
	fresh := pgtestdb.Custom(quiet{t}, config, noMigrations{})
	return Database{Name: "PostgreSQL", URL: fresh.URL()}
}

func adminConfig(t testing.TB, text string) pgtestdb.Config {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", DatabaseVariable, err)
	}
	password, _ := u.User.Password()
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	return pgtestdb.Config{
		DriverName: "pgx", Host: u.Hostname(), Port: port, User: u.User.Username(), Password: password,
		Database: strings.TrimPrefix(u.Path, "/"), Options: u.RawQuery,
		// A test may kill a process in the middle of a transaction.
		ForceTerminateConnections: true,
	}
}

// quiet keeps the URL of the database, with its password, out of the log.
type quiet struct{ testing.TB }

func (quiet) Logf(string, ...any) {}

// noMigrations leaves the database empty: making its tables is what is tested.
type noMigrations struct{}

func (noMigrations) Hash() (string, error)                                   { return "empty", nil }
func (noMigrations) Migrate(context.Context, *sql.DB, pgtestdb.Config) error { return nil }
