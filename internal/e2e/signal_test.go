package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	ossignal "os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestServe_stopsWhenItsTerminalIsClosed: as gracefully as with SIGTERM.
func TestServe_stopsWhenItsTerminalIsClosed(t *testing.T) {
	// These tests may be run by nohup: a program inherits what is ignored, not
	// what is caught.
	caught := make(chan os.Signal, 1)
	ossignal.Notify(caught, syscall.SIGHUP)
	defer ossignal.Stop(caught)
	p := serve(t, t.TempDir())
	signal(t, p, syscall.SIGHUP)
	if code := p.Wait(); code != 0 || !strings.Contains(p.Log(), "stopped") {
		t.Errorf("code %d: %s", code, p.Log())
	}
}

func TestServe_outlivesItsTerminalUnderNohup(t *testing.T) {
	ossignal.Ignore(syscall.SIGHUP)
	defer ossignal.Reset(syscall.SIGHUP)
	p := serve(t, t.TempDir())
	signal(t, p, syscall.SIGHUP)
	for range 3 { // a program that was to stop would not take commands for long
		p.Must("enterprise", "list")
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("stopped with code %d", code)
	}
}

// TestCommand_isGivenUpWithControlC: at once, and says what happened.
func TestCommand_isGivenUpWithControlC(t *testing.T) {
	arrived := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	defer s.Close()
	p := launch(t, nil, "peering", "--server", s.URL, "enterprise", "remove", "acme")
	<-arrived
	signal(t, p, syscall.SIGINT)
	if code := p.Wait(); code != 1 {
		t.Errorf("code %d, want 1", code)
	}
	lines := strings.Split(strings.TrimSpace(p.Log()), "\n")
	if lines[0] != "peering: given up before the server answered" || slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "running?") }) {
		t.Errorf("it says %q", lines)
	}
	if len(lines) != 2 || !strings.HasPrefix(lines[1], "It may have taken effect. To repeat it safely, add --idempotency-key ") {
		t.Errorf("it does not say how to repeat the write: %q", lines)
	}
	if out := p.Stdout(); len(out) > 0 {
		t.Errorf("standard output has %q", out)
	}
}

// TestCommand_completesWhatTheServerSortsBy: neither knows a column alone.
func TestCommand_completesWhatTheServerSortsBy(t *testing.T) {
	p := serve(t, t.TempDir(), "--demo")
	for _, list := range []string{"enterprise list", "peer list demo-acme", "trusted list demo-acme"} {
		refused := p.CLI(append(strings.Fields(list), "--sort", "moon")...).Err
		_, after, _ := strings.Cut(refused, "must be one of ")
		names, _, ok := strings.Cut(after, ", with ")
		if !ok {
			t.Fatalf("%s: the server says %q", list, refused)
		}
		offered := strings.Split(p.Must(append(append([]string{"__complete"}, strings.Fields(list)...), "--sort", "")...), "\n:")
		want, got := strings.Split(names, ", "), strings.Split(offered[0], "\n")
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got  %q\nwant %q", list, got, want)
		}
	}
}
