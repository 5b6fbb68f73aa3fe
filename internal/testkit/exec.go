package testkit

import "testing"

// Exec runs a statement past the product, as a person with access to the
// database could.
func (d Database) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	db := d.open(t)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
