package readmodel

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/testkit"
)

func TestOpen_badURLNamesTheFaultAndNeverThePassword(t *testing.T) {
	for _, c := range []struct{ url, names string }{
		{"", "must begin with"},
		{"mysql://peering:s3cret@db/peering", "must begin with"},
		{"/var/lib/peering.db", "must begin with"},
		{"peering:s3cret@db:5432", "must begin with"},
		{"sqlite:", "path of a file"},
		{"sqlite::memory:", "path of a file"},
		{"postgres://peering:s3cret@db:port/peering", "port"},
		{"postgres://peering:s3cret@db:99999/peering", "port"},
		{"postgres://peering:s3cret@db/peering?sslmode=perhaps", "sslmode"},
		{"postgres://peering:s3cret%zz@db/peering", "URL"},
		{"postgres://peering:s3cret@db:5432:5433/peering", "URL"},
		{"postgres://peering:s3cret@[db/peering", "URL"},
		{"postgres://peering:s3cret/x@db/peering", "URL"},
		{"postgresql://peering@db/peering?password=s3cret&connect_timeout=soon", "connect_timeout"},
	} {
		_, err := Open(t.Context(), c.url)
		if err == nil {
			t.Errorf("%s: no error", c.url)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: %v; want %q in it, and not the password", c.url, err, c.names)
		}
	}
}

func TestOpen_pathIsTakenAsItIs(t *testing.T) {
	for _, name := range []string{"a b.db", "100%.db", "a?mode=ro.db", "a#b.db", "%41.db", "ü.db"} {
		path := filepath.Join(t.TempDir(), name)
		prepare(t, open(t, testkit.Database{Name: "SQLite", URL: "sqlite:" + path}))
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestPing_databaseThatAnswers(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := connect(t, d.URL)
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// unavailableNow fails the test unless everything says that the database cannot
// be had now.
func unavailableNow(t *testing.T, db *DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := db.State(ctx, directory{})
	for what, err := range map[string]error{"ping": db.Ping(ctx), "migrate": db.Migrate(ctx), "state": err} {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", what, err)
		}
	}
}

func TestOpen_unreachableSQLiteIsUsedAsSoonAsItAnswers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	db := connect(t, "sqlite:"+filepath.Join(dir, "test.db"))
	unavailableNow(t, db)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	prepare(t, db)
}

func TestOpen_unreachablePostgresIsUsedAsSoonAsItAnswers(t *testing.T) {
	d := testkit.Postgres(t)
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	line := testkit.Proxy(t, u.Host)
	u.Host = strings.TrimPrefix(line.URL(), "nats://")
	line.LoseAnswers()
	db := connect(t, u.String())
	unavailableNow(t, db)
	line.Cut() // new connections work
	testkit.Eventually(t, "the database to answer", func() bool { return db.Migrate(t.Context()) == nil })
	prepare(t, db)
	line.Cut() // the idle connections are dead
	testkit.Eventually(t, "another connection", func() bool { return db.Ping(t.Context()) == nil })
}

func TestOpen_nobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	db := connect(t, "postgres://peering:s3cret@"+host+"/peering?sslmode=disable")
	unavailableNow(t, db)
	if err := db.Ping(t.Context()); strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the password is in %q", err)
	}
}

func TestClose_isTheEndOfEverything(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := open(t, d)
		l := acquire(t, db, "owner")
		for range 2 {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Ping(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("ping: %v", err)
		}
		if err := write(t, l, 1); !errors.Is(err, ErrUnavailable) {
			t.Errorf("write: %v", err)
		}
		if err := db.Directory().Await(t.Context(), acme, 1); !errors.Is(err, ErrUnavailable) {
			t.Errorf("await: %v", err)
		}
	})
}

func TestReading_endOfContextIsNotABug(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := newStage(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := db.Directory().Enterprises(ctx, EnterpriseQuery{})
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
