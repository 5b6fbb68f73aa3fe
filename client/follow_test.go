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
	"time"
)

func nothing(Event) error { return nil }

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
}

func TestFollow_endsWithWhatIsNoStreamOfEvents(t *testing.T) {
	for name, c := range map[string]struct{ contentType, body, says string }{
		"no JSON":            {streamType, "data: no JSON\n\n", "something that is no event"},
		"a line without end": {streamType, "data: " + strings.Repeat("x", maxFrame+1), "a line is longer than"},
		"a page":             {"text/html", "<html>welcome", "status 200: <html>welcome"},
	} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.contentType)
			_, _ = io.WriteString(w, c.body)
		})
		err := connect(t, s.URL).Follow(t.Context(), FollowQuery{}, nothing)
		if Code(err) != CodeUnexpected || !strings.Contains(err.Error(), c.says) || len(s.got()) != 1 {
			t.Errorf("%s: got %v after %d requests", name, err, len(s.got()))
		}
	}
}

// TestFollow_givesUpAFirstConnection within the patience and the tries of the
// client: nobody there, a server that is silent, one that is not ready.
func TestFollow_givesUpAFirstConnection(t *testing.T) {
	nobody := serve(t, nil)
	nobody.Close()
	silent := serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	busy := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { unavailable(w, "") })
	later := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { unavailable(w, "60") })
	for name, c := range map[string]struct {
		url      string
		tries    uint
		patience time.Duration
		code     string
	}{
		"nobody, by tries":    {nobody.URL, 2, time.Minute, CodeNoAnswer},
		"nobody, by patience": {nobody.URL, 1000, 300 * time.Millisecond, CodeNoAnswer},
		"silent":              {silent.URL, 1000, 300 * time.Millisecond, CodeNoAnswer},
		"busy":                {busy.URL, 2, time.Minute, CodeUnavailable},
		"much later":          {later.URL, 1000, time.Second, CodeUnavailable},
	} {
		began := time.Now()
		err := connect(t, c.url, WithRetries(c.tries, c.patience)).Follow(t.Context(), FollowQuery{}, nothing)
		if took := time.Since(began); Code(err) != c.code || took > 3*time.Second {
			t.Errorf("%s: got %v after %s", name, err, took)
		}
		if name == "silent" && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("silent: got %v", err)
		}
	}
}

// TestFollow_goesOnTryingAfterItWasConnected, though a first connection would get
// one try alone, and tells when the connection goes and comes.
func TestFollow_goesOnTryingAfterItWasConnected(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		switch n {
		case 0:
			answerStream(w, 5)
		case 1, 2:
			panic(http.ErrAbortHandler)
		default:
			answerStream(w, 7)
		}
	})
	done := errors.New("done")
	var told []string
	q := FollowQuery{Connection: func(lost error) { told = append(told, Code(lost)) }}
	err := connect(t, s.URL, WithRetries(1, time.Millisecond*500)).Follow(t.Context(), q, func(e Event) error {
		if e.Sequence == 7 {
			return done
		}
		return nil
	})
	if want := []string{CodeNoAnswer, ""}; !errors.Is(err, done) || !slices.Equal(told, want) || len(s.got()) != 4 {
		t.Errorf("got %v, was told %q in %d requests", err, told, len(s.got()))
	}
}

// TestFollow_endsWhenItsTokenIsRevoked: the stream ends without a word, and the
// next connection is refused.
func TestFollow_endsWhenItsTokenIsRevoked(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			answerStream(w, 5)
			return
		}
		answerProblem(w, http.StatusUnauthorized, `{"status":401,"code":"unauthenticated","detail":"The token was revoked."}`)
	})
	var got []Seq
	err := connect(t, s.URL).Follow(t.Context(), FollowQuery{}, func(e Event) error { got = append(got, e.Sequence); return nil })
	if Code(err) != CodeUnauthenticated || !slices.Equal(got, []Seq{5}) || len(s.got()) != 2 {
		t.Errorf("got %v and %v in %d requests", err, got, len(s.got()))
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
