package readmodel

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/testkit"
)

// schema is everything that is not made by projections.
func schema(t *testing.T, d testkit.Database) string {
	t.Helper()
	return d.Dump(t, "projections", "dead_events", "held")
}

func TestMigrate_twiceChangesNothing(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := open(t, d)
		acquire(t, db, "owner")
		before := schema(t, d)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		open(t, d)
		if after := schema(t, d); after != before || before == "" {
			t.Errorf("before: %s\nafter: %s", before, after)
		}
	})
}

func TestMigrate_severalAtOnce(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		var group errgroup.Group
		for range 3 {
			db := connect(t, d.URL)
			group.Go(func() error {
				err := ErrUnavailable
				for errors.Is(err, ErrUnavailable) && t.Context().Err() == nil { // it may be tried again
					if err = db.Migrate(t.Context()); err == nil {
						_, err = db.Prepare(t.Context(), directory{})
					}
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(schema(t, d), "\n"); n != 0 {
			t.Errorf("%d generations were made, want one", n+1)
		}
	})
}

func TestMigrate_dataOfANewerProgramIsRefused(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := open(t, d)
		if _, err := db.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, "+yes(d)+")"); err != nil {
			t.Fatal(err)
		}
		err := db.Migrate(t.Context())
		var newer *NewerError
		if !errors.As(err, &newer) || newer.Database != 4711 || newer.Program < 1 {
			t.Fatalf("got %v, want a *NewerError about 4711", err)
		}
		if !strings.Contains(err.Error(), "4711") || !strings.Contains(err.Error(), "up to 3") {
			t.Errorf("the message is %q, want both versions in it", err)
		}
	})
}

// yes is true, as the tables of goose have it.
func yes(d testkit.Database) string {
	if d.Postgres() {
		return "true"
	}
	return "1"
}
