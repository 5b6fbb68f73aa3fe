package cli

import (
	"net/http"
	"strings"
	"testing"
)

// TestTokenCreate_saysWhenOneMayHaveBeenMade, and only then.
func TestTokenCreate_saysWhenOneMayHaveBeenMade(t *testing.T) {
	const warning = "a token may have been made"
	for name, c := range map[string]struct {
		write http.HandlerFunc
		warns bool
	}{
		"broken off":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		"unavailable": {func(w http.ResponseWriter, _ *http.Request) { answer(w, 503, `{"code":"unavailable","detail":"x"}`) }, true},
		"refused":     {func(w http.ResponseWriter, _ *http.Request) { answer(w, 403, `{"code":"forbidden","detail":"x"}`) }, false},
	} {
		got := command(t.Context(), fake(t, c.write, c.write), "token", "create", "--role", "viewer")
		if got.code == 0 || strings.Contains(got.err, warning) != c.warns {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := command(t.Context(), "http://127.0.0.1:1", "token", "create", "--role", "viewer"); got.code != exitFailed || strings.Contains(got.err, warning) {
		t.Errorf("nobody there: %+v", got)
	}
}

func TestExit_tooManyAndNoToken(t *testing.T) {
	say := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, body) }
	}
	unauthenticated := say(401, `{"code":"unauthenticated","field":"Authorization","detail":"needs a token"}`)
	got := command(t.Context(), fake(t, unauthenticated, unauthenticated), "token", "list")
	if got.code != exitRefused || !strings.Contains(got.err, "PEERING_TOKEN, or by --token") {
		t.Errorf("got %+v", got)
	}
	tooMany := say(429, `{"code":"too_many_requests","detail":"slow down"}`)
	if got := command(t.Context(), fake(t, tooMany, tooMany), "token", "revoke", "x"); got.code != exitFailed || !strings.Contains(got.err, "slow down") {
		t.Errorf("got %+v", got)
	}
}
