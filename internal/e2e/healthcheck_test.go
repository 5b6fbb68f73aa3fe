package e2e_test

import (
	"strings"
	"testing"
)

// TestHealthcheck_asksTheOneThatRuns is what the images ask themselves with.
func TestHealthcheck_asksTheOneThatRuns(t *testing.T) {
	p := serve(t, t.TempDir())
	address := strings.TrimPrefix(p.URL, "http://")
	if got := launch(t, nil, "peering", "serve", "--healthcheck", "--listen", address); got.Wait() != 0 {
		t.Errorf("a ready one: %s", got.Log())
	}
	down := launch(t, nil, "prober", "--healthcheck", "--listen", "127.0.0.1:1")
	if code := down.Wait(); code != 1 || !strings.Contains(down.Log(), "health check") {
		t.Errorf("nobody there: code %d: %s", code, down.Log())
	}
	red := start(t, []string{"NATS_URL=nats://127.0.0.1:1"}, "prober", "--listen", "127.0.0.1:0")
	asked := launch(t, nil, "prober", "--healthcheck", "--listen", strings.TrimPrefix(red.URL, "http://"))
	if code := asked.Wait(); code != 1 || !strings.Contains(asked.Log(), "not ready") {
		t.Errorf("one that is not ready: code %d: %s", code, asked.Log())
	}
}
