package readmodel

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// NewerError says that the database was written by a newer version of the
// program, which this one must not touch.
type NewerError struct {
	Database int64 // the schema that the database has
	Program  int64 // the newest schema that this program knows
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("readmodel: the database has schema version %d, this program knows versions up to %d: use a newer program", e.Database, e.Program)
}

func (e *NewerError) ours() {}

// Migrate brings the tables that are not derived from the log to the version of
// this program. It may run in several processes at once. *NewerError: nothing
// was changed. An error that wraps ErrUnavailable may be tried again.
func (db *DB) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	options := []goose.ProviderOption{goose.WithLogger(goose.NopLogger())}
	if _, ok := db.dialect.(postgres); ok {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
		if err != nil {
			return fmt.Errorf("readmodel: migrate: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	// The provider is not closed: it would close the database with it.
	provider, err := goose.NewProvider(db.dialect.goose(), db.writer.DB, files, options...)
	if err != nil {
		return fmt.Errorf("readmodel: migrate: %w", err)
	}
	if err := refuseNewer(ctx, provider); err != nil {
		return db.explain("migrate", err)
	}
	return db.explain("migrate", up(ctx, provider))
}

// up applies what is missing. SQLite has no lock that keeps another process
// from doing the same: the one that comes second fails, and finds it done.
func up(ctx context.Context, provider *goose.Provider) error {
	for {
		before, err := provider.GetDBVersion(ctx)
		if err != nil {
			return err
		}
		if _, err = provider.Up(ctx); err == nil {
			return nil
		}
		if now, e := provider.GetDBVersion(ctx); e != nil || now <= before {
			return err
		}
	}
}

func refuseNewer(ctx context.Context, provider *goose.Provider) error {
	have, err := provider.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	if known := sources[len(sources)-1].Version; have > known {
		return &NewerError{Database: have, Program: known}
	}
	return nil
}
