package testkit_test

import (
	"testing"

	"github.com/peering/peering/internal/testkit"
)

// verdict is a test that only notes how it was ended.
type verdict struct {
	testing.TB

	failed, skipped bool
}

func (v *verdict) Helper()               {}
func (v *verdict) Fatalf(string, ...any) { v.failed = true; panic(v) }
func (v *verdict) Skip(...any)           { v.skipped = true; panic(v) }

// TestAbsent_failsWhereNothingMayBeAbsent, as in CI, and skips elsewhere.
func TestAbsent_failsWhereNothingMayBeAbsent(t *testing.T) {
	for strict, want := range map[string]verdict{"1": {failed: true}, "": {skipped: true}} {
		t.Setenv(testkit.StrictVariable, strict)
		var got verdict
		func() {
			defer func() { _ = recover() }()
			testkit.Absent(&got, "it is not here")
		}()
		if got != want {
			t.Errorf("%s=%q: got %+v, want %+v", testkit.StrictVariable, strict, got, want)
		}
	}
}
