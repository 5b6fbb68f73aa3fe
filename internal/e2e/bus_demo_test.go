package e2e_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/peering/peering/internal/testkit"
)

// demoBus runs scripts/demo-bus with a program in the place of one that it would
// build, and returns what it says. It must leave no file behind.
func demoBus(t *testing.T, program string) (stdout, stderr string, err error) {
	t.Helper()
	bash, missing := exec.LookPath("bash")
	if missing != nil {
		testkit.Absent(t, "there is no bash, which scripts/demo-bus is written in: "+missing.Error())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	work := t.TempDir()
	cmd := exec.CommandContext(ctx, bash, filepath.Join("..", "..", "scripts", "demo-bus"))
	cmd.Env = append(os.Environ(), "PEERING="+program, "TMPDIR="+work)
	// Asked to end, it stops its server.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = testkit.Patience
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if left, e := os.ReadDir(work); e != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind, %v", left, e)
	}
	return out.String(), errs.String(), err
}

// TestDemoBus_showsEachOutcomeOnce: the demo of the bus does what it says, with
// the program as it is built.
func TestDemoBus_showsEachOutcomeOnce(t *testing.T) {
	out, errs, err := demoBus(t, filepath.Join(bin, "peering"))
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, errs)
	}
	for id, result := range map[string]string{"demo-1": "accepted", "demo-2": "accepted", "demo-3": "rejected", "demo-4": "rejected", "demo-5": "failed"} {
		line := "<- peering.outcomes.demo-bus." + id + " "
		_, told, found := strings.Cut(out, line)
		told, _, _ = strings.Cut(told, "\n")
		if !found || !strings.Contains(told, `"result":"`+result+`"`) || strings.Count(out, line) != 1 {
			t.Errorf("of %s it shows %q, want it to be %s, once", id, told, result)
		}
	}
	for _, want := range []string{"6 published and kept, 5 outcomes", "one outcome for each of 6 ids"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// TestDemoBus_failsWithoutAServer: its end tells whether it worked.
func TestDemoBus_failsWithoutAServer(t *testing.T) {
	no := filepath.Join(t.TempDir(), "peering")
	if err := os.WriteFile(no, []byte("#!/bin/sh\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, errs, err := demoBus(t, no); err == nil || !strings.Contains(errs, "the server has ended") {
		t.Errorf("got %v\n%s\n%s", err, out, errs)
	}
}
