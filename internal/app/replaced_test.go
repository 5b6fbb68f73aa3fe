package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/testkit"
)

// TestRun_logReplacedUnderItsTables: what is shown is of a log that is gone.
// That can still be read, by whoever does not ask to see a write to the new one;
// readiness and health say what has happened, in every process.
func TestRun_logReplacedUnderItsTables(t *testing.T) {
	data := t.TempDir()
	env := []string{"PEERING_DATA=" + data, "PEERING_DEMO=true", "PEERING_NATS_LISTEN=127.0.0.1:0"}
	first := run(t, config.Serve, env...)
	first.ready()
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(data, "nats"), filepath.Join(data, "elsewhere")); err != nil {
		t.Fatal(err)
	}

	address := freeAddress(t)
	serve := run(t, config.Serve, "PEERING_DATA="+data, "PEERING_NATS_LISTEN="+address)
	testkit.Eventually(t, "commands", func() bool {
		resp, _ := serve.do(http.MethodPost, "/api/v1/enterprises", acme)
		return resp.StatusCode == http.StatusCreated
	})
	api := run(t, config.API, "NATS_URL=nats://"+address, "PEERING_DATABASE_URL=sqlite:"+filepath.Join(data, "peering.db"))
	for name, x := range map[string]*role{"serve": serve, "api": api} {
		testkit.Eventually(t, "health of "+name+" to name the reason", func() bool {
			resp, text := x.do(http.MethodGet, "/health", "")
			return resp.StatusCode == http.StatusServiceUnavailable && strings.Contains(text, "the log is not the one that was read")
		})
		if s := x.status("/readyz"); s != http.StatusServiceUnavailable {
			t.Errorf("%s: /readyz answers %d", name, s)
		}
		unavailable(t, x, http.MethodGet, "/api/v1/enterprises?min_seq=1", "")
		if s := x.status("/api/v1/enterprises/demo-acme"); s != http.StatusOK {
			t.Errorf("%s: a read that does not wait answers %d", name, s)
		}
	}
}
