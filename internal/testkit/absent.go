package testkit

import (
	"os"
	"testing"
)

// StrictVariable is the environment variable that turns every skip into a
// failure: a run that must exercise everything sets it to 1.
const StrictVariable = "PEERING_TEST_STRICT"

// Absent ends the test because something that it needs is not on this machine.
// It is the one way to skip a test: it skips, or fails when StrictVariable is 1.
// reason says what is absent and how to get it.
func Absent(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(StrictVariable) == "1" {
		t.Fatalf("%s=1, but %s", StrictVariable, reason)
	}
	t.Skip(reason)
}
