package cli

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestTail_saysWhenTheConnectionIsLostAndThereAgain, and ends when the server
// refuses it then.
func TestTail_saysWhenTheConnectionIsLostAndThereAgain(t *testing.T) {
	var n atomic.Int64
	url := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) > 2 {
			answer(w, http.StatusUnauthorized, `{"code":"unauthenticated","detail":"the token was revoked"}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "id: 5\ndata: {\"sequence\":5,\"type\":\"PeerDisabled\",\"enterprise\":\"acme\"}\n\n")
	}, nil)
	got := command(t.Context(), url, "events", "tail")
	lost, back := strings.Index(got.err, "The connection is lost"), strings.Index(got.err, "The connection is there again")
	if got.code != exitRefused || lost < 0 || back < lost || !strings.Contains(got.err, "the token was revoked") || strings.Count(got.out, "PeerDisabled") != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestTail_failsWhereNobodyListens(t *testing.T) {
	got := command(t.Context(), "http://127.0.0.1:1", "events", "tail")
	if got.code != exitFailed || !strings.Contains(got.err, "no answer") || strings.Contains(got.err, "lost") {
		t.Errorf("got %+v", got)
	}
}
