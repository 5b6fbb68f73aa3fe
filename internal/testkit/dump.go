package testkit

import (
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// Dump is the content of the tables whose names begin with one of prefixes:
// every column of every row, in an order that does not depend on the database.
// The number of a generation is left out, so that the dumps of two generations, two databases and two moments can be compared as texts.
func (d Database) Dump(t testing.TB, prefixes ...string) string {
	t.Helper()
	db := d.open(t)
	defer db.Close()
	var lines []string
	for _, table := range d.tables(t, db) {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(table, p) }) {
			lines = append(lines, dumpTable(t, db, table)...)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// open connects past the product.
func (d Database) open(t testing.TB) *sql.DB {
	t.Helper()
	driver, source := "pgx", d.URL
	if !d.Postgres() {
		driver, source = "sqlite", strings.TrimPrefix(d.URL, "sqlite:")+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (d Database) tables(t testing.TB, db *sql.DB) []string {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table'"
	if d.Postgres() {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
	}
	return column(t, db, query)
}

func column(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

var generationOf = regexp.MustCompile(`_g\d+_`)

func dumpTable(t testing.TB, db *sql.DB, table string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM "`+table+`"`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		values, places := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			places[i] = &values[i]
		}
		if err := rows.Scan(places...); err != nil {
			t.Fatal(err)
		}
		line := generationOf.ReplaceAllString(table, "_")
		for i, name := range names {
			if name == "generation" {
				continue
			}
			line += fmt.Sprintf(" %s=%q", name, fmt.Sprint(values[i]))
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}
