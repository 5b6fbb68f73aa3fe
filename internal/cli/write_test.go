package cli

import (
	"net/http"
	"strings"
	"testing"
)

const receipt = `{"id":"acme","sequence":7,"warnings":[{"code":"c","message":"look \u001b[31mout"}]}`

func TestWrite_succeedsThoughReadsLagBehind(t *testing.T) {
	url := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("min_seq") != "7" {
			t.Errorf("read by %s", r.URL)
		}
		w.Header().Set("Retry-After", "30")
		answer(w, http.StatusServiceUnavailable, `{"code":"projection_held","detail":"stuck at 5"}`)
	}, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, receipt) })
	got := command(t.Context(), url, "enterprise", "describe", "acme", "x")
	if got.code != 0 || !strings.Contains(got.out, "sequence 7") || !strings.Contains(got.err, "it is done, but lists do not show it yet: stuck at 5") {
		t.Errorf("got %+v", got)
	}
}

func TestWrite_warningsAreForPeopleAndSafe(t *testing.T) {
	url := fake(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, `{}`) },
		func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, receipt) })
	for _, format := range []string{"table", "json", "csv"} {
		got := command(t.Context(), url, "-o", format, "enterprise", "remove", "acme")
		if got.code != 0 || !strings.Contains(got.err, "warning: look ?[31mout\n") {
			t.Errorf("%s: got %+v", format, got)
		}
	}
}

func TestWrite_saysHowToRepeatWhatMayHaveHappened(t *testing.T) {
	url := fake(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		answer(w, http.StatusServiceUnavailable, `{"code":"unavailable","detail":"the log does not answer"}`)
	})
	got := command(t.Context(), url, "enterprise", "remove", "acme", "--idempotency-key", "k1")
	if got.code != 1 || !strings.Contains(got.err, "add --idempotency-key k1\n") || !strings.Contains(got.err, "wait 30s") {
		t.Errorf("got %+v", got)
	}
}

// TestWrite_neverActsOnAnotherPeer: a list that does not filter must not make
// the first peer the one that was meant.
func TestWrite_neverActsOnAnotherPeer(t *testing.T) {
	const rows = `{"items":[{"id":"p1","enterprise":"acme","description":"Berlin"}],"next_cursor":null,"sequence":3}`
	url := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/peers") || strings.HasSuffix(r.URL.Path, "/trusted-servers") {
			answer(w, http.StatusOK, rows)
			return
		}
		answer(w, http.StatusNotFound, `{"code":"not_found","detail":"no"}`)
	}, func(http.ResponseWriter, *http.Request) { t.Error("something was written") })
	for _, what := range []string{"peer delete", "peer disable", "trusted remove"} {
		args := append(strings.Fields(what), "acme", "Lyon")
		if got := command(t.Context(), url, args...); got.code != 4 {
			t.Errorf("%s: got %+v", what, got)
		}
	}
}
