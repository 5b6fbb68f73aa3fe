package testkit

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDatabases_eachTestFindsAnEmptyOne(t *testing.T) {
	for range 2 {
		Databases(t, func(t *testing.T, d Database) {
			db := d.open(t)
			defer db.Close()
			if _, err := db.ExecContext(t.Context(), "CREATE TABLE only_here (id INTEGER)"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPostgres_runsOnlyWhileTheProcessDoes(t *testing.T) {
	p := &postgres{}
	url := p.url(t)
	if url != p.url(t) {
		t.Error("asking twice starts it twice")
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	pid, err := os.ReadFile(filepath.Join(p.dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); err == nil {
		t.Errorf("it still answers after it was stopped (process %s)", strings.SplitN(string(pid), "\n", 2)[0])
	}
	if _, err := os.Stat(p.dir); !os.IsNotExist(err) {
		t.Errorf("its directory is still there: %v", err)
	}
}

func TestPostgres_aWrongURLIsSaid(t *testing.T) {
	config := adminConfig(t, "postgres://admin:secret@db.example/postgres?sslmode=disable")
	if config.Port != "5432" || config.User != "admin" || config.Password != "secret" || config.Database != "postgres" {
		t.Errorf("got %+v", config)
	}
}
