package client

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestCreateToken_isSentWithoutAKeyAndReadOnce(t *testing.T) {
	const document = `{"id":"t1","token":"peering_x"}` + "\n"
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusCreated, document) })
	var body bytes.Buffer
	made, err := connect(t, s.URL, WithToken("mine")).CreateToken(t.Context(), NewToken{Role: RoleOperator, Enterprise: "acme", Note: "n"}, Body(&body))
	if err != nil || made != (CreatedToken{"t1", "peering_x"}) || body.String() != document {
		t.Errorf("got %+v, %v, %q", made, err, body.String())
	}
	got := s.got()[0]
	if got.method != "POST" || got.uri != "/api/v1/tokens" || got.body != `{"role":"operator","enterprise":"acme","note":"n"}` ||
		got.header.Get("Idempotency-Key") != "" || got.header.Get("Authorization") != "Bearer mine" {
		t.Errorf("sent %+v", got)
	}
}

// TestCreateToken_isNotRepeatedWhenItMayHaveBeenMade: a second token would be one
// that nobody has.
func TestCreateToken_isNotRepeatedWhenItMayHaveBeenMade(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"broken off":  func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"unavailable": func(w http.ResponseWriter) { unavailable(w, "0") },
		"a proxy's":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
	} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answer(w) })
		if _, err := connect(t, s.URL).CreateToken(t.Context(), NewToken{Role: RoleViewer}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if n := len(s.got()); n != 1 {
			t.Errorf("%s: sent %d times", name, n)
		}
	}
}

// TestCreateToken_isRepeatedWhenItWasNotMade: nothing was sent, or the server
// says that it did nothing.
func TestCreateToken_isRepeatedWhenItWasNotMade(t *testing.T) {
	for code, status := range map[string]int{CodeTooMany: http.StatusTooManyRequests, CodeStarting: http.StatusServiceUnavailable} {
		s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 0 {
				w.Header().Set("Retry-After", "0")
				answerProblem(w, status, `{"code":"`+code+`","detail":"not now"}`)
				return
			}
			answerJSON(w, http.StatusCreated, `{"id":"t1","token":"x"}`)
		})
		if _, err := connect(t, s.URL).CreateToken(t.Context(), NewToken{Role: RoleViewer}); err != nil || len(s.got()) != 2 {
			t.Errorf("%s: %v after %d requests", code, err, len(s.got()))
		}
	}
	tries := 0
	var refusing http.Transport
	c := connect(t, "http://127.0.0.1:1", WithRetries(3, 5*time.Second), WithTransport(tripper(func(r *http.Request) (*http.Response, error) {
		tries++
		return refusing.RoundTrip(r)
	})))
	if _, err := c.CreateToken(t.Context(), NewToken{Role: RoleViewer}); Code(err) != CodeNoAnswer || tries != 3 {
		t.Errorf("nobody listens: %v after %d tries", err, tries)
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWrite_waitsWhenThereWereTooMany(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			w.Header().Set("Retry-After", "1")
			answerProblem(w, http.StatusTooManyRequests, `{"code":"too_many_requests","detail":"slow down"}`)
			return
		}
		answerJSON(w, http.StatusOK, aReceipt)
	})
	began := time.Now()
	if _, err := connect(t, s.URL).DeletePeer(t.Context(), "acme", "p1"); err != nil || time.Since(began) < time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func TestUnauthenticated_isNotTriedAgain(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		answerProblem(w, http.StatusUnauthorized, `{"code":"unauthenticated","field":"Authorization","detail":"needs a token"}`)
	})
	_, err := connect(t, s.URL).Enterprise(t.Context(), "acme")
	if Code(err) != CodeUnauthenticated || len(s.got()) != 1 {
		t.Errorf("%v after %d requests", err, len(s.got()))
	}
}

func TestTokens_areReadAndRevoked(t *testing.T) {
	const token = `{"id":"t1","role":"viewer","enterprise":null,"note":"n","created_at":"2026-03-01T12:00:00Z","created_by":"root","last_used":null,"revoked_at":null,"revoked_by":null}`
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodDelete || r.URL.Path != "/api/v1/tokens":
			answerJSON(w, http.StatusOK, token)
		case r.URL.Query().Get("cursor") == "":
			answerJSON(w, http.StatusOK, `{"items":[`+token+`],"next_cursor":"c","sequence":0}`)
		default:
			answerJSON(w, http.StatusOK, `{"items":[`+token+`],"next_cursor":null,"sequence":0}`)
		}
	})
	c := connect(t, s.URL)
	n := 0
	for got, err := range c.AllTokens(t.Context(), TokenQuery{Enterprise: "acme", Revoked: true, ListQuery: ListQuery{Sort: "-last_used"}}) {
		if err != nil || got.ID != "t1" || got.Enterprise != "" || !got.LastUsed.IsZero() || got.CreatedAt.IsZero() {
			t.Errorf("got %+v, %v", got, err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
	if q := mustQuery(t, s.got()[1].uri); q.Get("enterprise") != "acme" || q.Get("revoked") != "true" || q.Get("sort") != "-last_used" || q.Get("cursor") != "c" {
		t.Errorf("asked with %v", q)
	}
	if got, err := c.Token(t.Context(), "t1"); err != nil || got.Role != RoleViewer {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := c.RevokeToken(t.Context(), "t1"); err != nil {
		t.Error(err)
	}
	last := s.got()[3]
	if last.method != "DELETE" || last.uri != "/api/v1/tokens/t1" || last.header.Get("Idempotency-Key") != "" {
		t.Errorf("sent %+v", last)
	}
	for _, id := range []string{"", "..", "a/b"} {
		if _, err := c.RevokeToken(t.Context(), id); Code(err) != CodeNotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestRootCAs_areThoseThatMaySign(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, `{"id":"acme"}`) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that must fail
	s.StartTLS()
	t.Cleanup(s.Close)
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if e, err := connect(t, s.URL, WithRootCAs(own)).Enterprise(t.Context(), "acme"); err != nil || e.ID != "acme" {
		t.Errorf("got %+v, %v", e, err)
	}
	_, err := connect(t, s.URL).Enterprise(t.Context(), "acme")
	if Code(err) != CodeNoAnswer {
		t.Errorf("without: %v", err)
	}
	for _, text := range []string{"", "nonsense"} {
		if _, err := New(s.URL, WithRootCAs([]byte(text))); err == nil || errors.As(err, new(*Error)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
