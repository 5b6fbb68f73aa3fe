package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func unavailable(w http.ResponseWriter, after string) {
	w.Header().Set("Retry-After", after)
	answerProblem(w, http.StatusServiceUnavailable, `{"status":503,"code":"unavailable","detail":"not now"}`)
}

func TestWrite_isRepeatedUnderOneKey(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n < 2 {
			unavailable(w, "0")
			return
		}
		answerJSON(w, http.StatusOK, aReceipt)
	})
	r, err := connect(t, s.URL).DeletePeer(t.Context(), "acme", "p1")
	if err != nil || r.ID != "p1" || r.Sequence != 7 {
		t.Fatalf("got %+v, %v", r, err)
	}
	got := s.got()
	if len(got) != 3 {
		t.Fatalf("%d requests, want 3", len(got))
	}
	key := got[0].header.Get("Idempotency-Key")
	if id, err := uuid.Parse(key); err != nil || id.Version() != 7 {
		t.Errorf("the key %q is not a UUID of version 7: %v", key, err)
	}
	for i, g := range got {
		if g.header.Get("Idempotency-Key") != key {
			t.Errorf("try %d has the key %q, the first %q", i, g.header.Get("Idempotency-Key"), key)
		}
	}
}

func TestRead_waitsAsLongAsRetryAfterSays(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			unavailable(w, "1")
			return
		}
		answerJSON(w, http.StatusOK, `{"id":"acme"}`)
	})
	began := time.Now()
	if _, err := connect(t, s.URL).Enterprise(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("tried again after %s, want 1s", took)
	}
}

func TestRead_aWaitLongerThanPatienceIsNotBegun(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { unavailable(w, "3600") })
	began := time.Now()
	_, err := connect(t, s.URL).Enterprise(t.Context(), "acme")
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeUnavailable || e.RetryAfter != time.Hour || e.Status != 503 {
		t.Errorf("got %#v", err)
	}
	if n, took := len(s.got()), time.Since(began); n != 1 || took > 2*time.Second {
		t.Errorf("%d requests in %s", n, took)
	}
}

func TestCall_triesAreBounded(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { unavailable(w, "") })
	_, err := connect(t, s.URL).AddPeer(t.Context(), "acme", NewPeer{}, IdempotencyKey("mine"))
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeUnavailable || e.IdempotencyKey != "mine" {
		t.Errorf("got %#v", err)
	}
	if n := len(s.got()); n != DefaultTries {
		t.Errorf("%d tries, want %d", n, DefaultTries)
	}
}

func TestCall_aRefusalIsNotRepeated(t *testing.T) {
	for _, status := range []int{400, 403, 404, 409, 410, 412, 422, 500, 502} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			answerProblem(w, status, `{"code":"x","detail":"no"}`)
		})
		_, err := connect(t, s.URL).DeletePeer(t.Context(), "acme", "p1")
		var e *Error
		if !errors.As(err, &e) || e.Status != status || e.Code != "x" {
			t.Errorf("%d: got %#v", status, err)
		}
		if n := len(s.got()); n != 1 {
			t.Errorf("%d: %d requests, want 1", status, n)
		}
	}
}

// cut ends the connection in the middle of an answer.
func cut(t *testing.T, w http.ResponseWriter, part string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = conn.Write([]byte(part))
	_ = conn.Close()
}

func TestCall_aCutConnectionIsTriedAgain(t *testing.T) {
	parts := []string{
		"",
		"HTTP/1.1 200 OK\r\nContent-Type: app",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"id\":\"p1\",",
	}
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n < len(parts) {
			cut(t, w, parts[n])
			return
		}
		answerJSON(w, http.StatusOK, aReceipt)
	})
	if r, err := connect(t, s.URL).EnablePeer(t.Context(), "acme", "p1"); err != nil || r.Sequence != 7 {
		t.Errorf("got %+v, %v", r, err)
	}
	if n := len(s.got()); n != len(parts)+1 {
		t.Errorf("%d requests, want %d", n, len(parts)+1)
	}
}

func TestCall_alwaysCutIsNoAnswer(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		cut(t, w, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
	})
	_, err := connect(t, s.URL, WithRetries(2, time.Minute)).DisablePeer(t.Context(), "acme", "p1")
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeNoAnswer || e.Status != 0 || e.IdempotencyKey == "" {
		t.Errorf("got %#v", err)
	}
	if n := len(s.got()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestCall_nobodyListensIsNoAnswer(t *testing.T) {
	s := serve(t, nil)
	s.Close()
	_, err := connect(t, s.URL, WithRetries(2, time.Minute)).Enterprises(t.Context(), ListQuery{})
	if Code(err) != CodeNoAnswer || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "/api/v1") {
		t.Errorf("got %v", err)
	}
}

// TestCall_endsWithItsContext: while the server is silent, and while it waits
// for the next try.
func TestCall_endsWithItsContext(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"silent":  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"waiting": func(w http.ResponseWriter, _ *http.Request) { unavailable(w, "15") },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
				time.AfterFunc(50*time.Millisecond, cancel)
				answer(w, r)
			})
			began := time.Now()
			_, err := connect(t, s.URL).Peers(ctx, "acme", PeerQuery{})
			var e *Error
			if !errors.Is(err, context.Canceled) || !errors.As(err, &e) {
				t.Errorf("got %#v", err)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestCall_aTryHasATimeout(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 0 {
			<-r.Context().Done()
			return
		}
		answerJSON(w, http.StatusOK, aReceipt)
	})
	if _, err := connect(t, s.URL, WithTimeout(100*time.Millisecond)).DeletePeer(t.Context(), "acme", "p1"); err != nil {
		t.Error(err)
	}
	if n := len(s.got()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestCall_patienceBoundsAllTries(t *testing.T) {
	s := serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	began := time.Now()
	_, err := connect(t, s.URL, WithRetries(100, 200*time.Millisecond)).Enterprise(t.Context(), "acme")
	if Code(err) != CodeNoAnswer || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestRetryAfter_isSecondsOrATime(t *testing.T) {
	soon := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	if d := retryAfter(soon); d < 59*time.Minute || d > time.Hour {
		t.Errorf("%q is %s", soon, d)
	}
	for text, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "soon": 0, "99999999999999": 0,
		"Mon, 01 Jan 2001 00:00:00 GMT": 0,
	} {
		if got := retryAfter(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}
