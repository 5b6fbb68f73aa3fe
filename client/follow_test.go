package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// answerStream sends events with these sequences, and the connection is lost.
func answerStream(w http.ResponseWriter, seqs ...int) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "retry: 2000\n\nid: 1\nevent: ping\ndata: {\"sequence\":1}\n\n")
	for _, n := range seqs {
		_, _ = fmt.Fprintf(w, "id: %d\ndata: {\"sequence\":%d,\"type\":\"PeerDisabled\",\"enterprise\":\"acme\"}\n\n", n, n)
	}
}

func TestFollow_goesOnWhereItWas(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		switch n {
		case 0:
			answerStream(w, 5, 7)
		case 1:
			answerProblem(w, http.StatusServiceUnavailable, `{"status":503,"code":"unavailable","detail":"later"}`)
		default:
			answerStream(w, 9)
		}
	})
	done := errors.New("done")
	var got []Seq
	err := connect(t, s.URL, WithToken("secret-of-thirty-two-characters-x")).Follow(t.Context(), FollowQuery{Enterprise: "acme", Type: "PeerDisabled"}, func(e Event) error {
		got = append(got, e.Sequence)
		if e.Sequence == 9 {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) || !slices.Equal(got, []Seq{5, 7, 9}) {
		t.Errorf("got %v, %v", got, err)
	}
	for i, want := range []string{"", "7", "7"} {
		r := s.got()[i]
		if id := r.header.Get("Last-Event-ID"); id != want || r.header.Get("Authorization") == "" || r.uri != "/api/v1/stream?enterprise=acme&type=PeerDisabled" {
			t.Errorf("request %d: %s with id %q, want %q", i, r.uri, id, want)
		}
	}
}

func TestFollow_endsWithARefusalAndWithItsContext(t *testing.T) {
	refuses := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		answerProblem(w, http.StatusUnprocessableEntity, `{"status":422,"code":"invalid","field":"type","detail":"no"}`)
	})
	nothing := func(Event) error { return nil }
	at := Seq(3)
	err := connect(t, refuses.URL).Follow(t.Context(), FollowQuery{After: &at}, nothing)
	if Code(err) != CodeInvalid || len(refuses.got()) != 1 || refuses.got()[0].header.Get("Last-Event-ID") != "3" {
		t.Errorf("got %v after %d requests", err, len(refuses.got()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	lives := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answerStream(w, 2) })
	err = connect(t, lives.URL).Follow(ctx, FollowQuery{}, func(Event) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	garbled := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "data: no JSON\n\n") })
	if err := connect(t, garbled.URL).Follow(t.Context(), FollowQuery{}, nothing); Code(err) != CodeUnexpected {
		t.Errorf("got %v", err)
	}
}

func TestChangePeers_sendsOneBodyOrLines(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, `{"id":"acme","sequence":9,"results":[{"index":0,"result":"done","id":"p1","error":null}]}`)
	})
	c := connect(t, s.URL)
	ops := []Operation{{Op: OpPut, Description: "A", Address: Null[string]()}, {Op: OpDelete, Peer: "p2"}}
	for i, b := range []Bulk{{Operations: ops, Atomic: true, DryRun: true}, {Operations: ops}} {
		got, err := c.ChangePeers(t.Context(), "acme", b, IdempotencyKey("k"))
		if err != nil || got.Sequence != 9 || got.Results[0].ID != "p1" {
			t.Fatalf("%+v, %v", got, err)
		}
		r := s.got()[i]
		want := `{"dry_run":true,"operations":[{"op":"put","description":"A","address":null},{"op":"delete","peer":"p2"}]}`
		if !b.Atomic {
			want = "{\"op\":\"put\",\"description\":\"A\",\"address\":null}\n{\"op\":\"delete\",\"peer\":\"p2\"}\n"
		}
		if r.body != want || !strings.HasPrefix(r.uri, "/api/v1/enterprises/acme/peers:bulk") || r.header.Get("Idempotency-Key") != "k" {
			t.Errorf("sent %s to %s", r.body, r.uri)
		}
	}
}
