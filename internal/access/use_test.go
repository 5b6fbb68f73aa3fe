package access

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/peering/peering/internal/testkit"
)

// TestUse_thatItCannotBeWrittenDownIsSaidOnce: until it works again.
func TestUse_thatItCannotBeWrittenDownIsSaidOnce(t *testing.T) {
	d, c := testkit.SQLite(t), newClock()
	var out bytes.Buffer
	k := NewKeeper(open(t, d.URL).Tokens(), Options{Now: c.Now, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	_, secret := root(t, k)
	said := func(what string, want int) {
		t.Helper()
		if got := strings.Count(out.String(), "level=WARN"); got != want {
			t.Errorf("%s: %d warnings, want %d:\n%s", what, got, want, &out)
		}
	}
	use := func() {
		t.Helper()
		c.pass(freshFor)
		holder(t, k, secret)
	}
	use()
	k.flush(ended(t))
	said("whoever listed tokens has gone", 0)
	for round := 1; round <= 2; round++ {
		d.Exec(t, "CREATE TRIGGER no BEFORE UPDATE OF last_used ON tokens BEGIN SELECT RAISE(ABORT, 'no'); END")
		for range 3 {
			use()
			k.flush(t.Context())
			said("it fails", round)
		}
		d.Exec(t, "DROP TRIGGER no")
		k.flush(t.Context())
		if len(k.used.list) > 0 || strings.Count(out.String(), "level=INFO") != round {
			t.Errorf("it works again, and %d are left:\n%s", len(k.used.list), &out)
		}
		said("it works again", round)
	}
	if strings.Contains(out.String(), secret) {
		t.Error("the secret is in the log")
	}
}
