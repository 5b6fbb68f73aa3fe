package client

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestError_hasAllThatTheProblemSays(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		status int
		body   string
		want   Error
		text   string
	}{
		"invalid": {
			422, `{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"is required","code":"invalid","field":"description"}`,
			Error{Type: "about:blank", Title: "Unprocessable Entity", Status: 422, Detail: "is required", Code: CodeInvalid, Field: "description"},
			"description: is required",
		},
		"stale": {
			412, `{"status":412,"detail":"the peer is at revision 9, not 3","code":"stale","current":9,"changed_by":"j.doe","changed_at":"2026-03-01T12:00:00Z"}`,
			Error{Status: 412, Detail: "the peer is at revision 9, not 3", Code: CodeStale, Current: 9, ChangedBy: "j.doe", ChangedAt: at},
			"the peer is at revision 9, not 3",
		},
		"gone": {
			410, `{"status":410,"detail":"deleted","code":"gone","deleted_by":"j.doe","deleted_at":"2026-03-01T12:00:00Z","reason":"closed","sequence":12}`,
			Error{Status: 410, Detail: "deleted", Code: CodeGone, DeletedBy: "j.doe", DeletedAt: at, Reason: "closed", Sequence: 12},
			"deleted",
		},
		"follows_peer": {
			422, `{"status":422,"detail":"it follows","code":"follows_peer","field":"host","peer":"p1"}`,
			Error{Status: 422, Detail: "it follows", Code: CodeFollowsPeer, Field: "host", Peer: "p1"},
			"host: it follows",
		},
		"without words": {500, `{"title":"Internal Server Error","code":"internal","instance":"urn:x"}`, Error{Title: "Internal Server Error", Status: 500, Code: "internal", Instance: "urn:x"}, "Internal Server Error"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answerProblem(w, c.status, c.body) })
			_, err := connect(t, s.URL).Peer(t.Context(), "acme", "p1")
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %#v", err)
			}
			if got, want := *e, c.want; got.Reasons != nil || !same(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if e.Error() != c.text {
				t.Errorf("it says %q, want %q", e.Error(), c.text)
			}
			if string(e.Document) != c.body {
				t.Errorf("the document is %s, want %s", e.Document, c.body)
			}
		})
	}
}

func same(a, b Error) bool {
	return a.Type == b.Type && a.Title == b.Title && a.Status == b.Status && a.Detail == b.Detail && a.Code == b.Code &&
		a.Field == b.Field && a.Instance == b.Instance && a.Peer == b.Peer && a.Current == b.Current && a.ChangedBy == b.ChangedBy &&
		a.ChangedAt.Equal(b.ChangedAt) && a.DeletedBy == b.DeletedBy && a.DeletedAt.Equal(b.DeletedAt) && a.Reason == b.Reason && a.Sequence == b.Sequence
}

func TestError_ofAnAnswerThatIsNotOfTheAPI(t *testing.T) {
	for name, c := range map[string]struct {
		status      int
		contentType string
		body        string
		says        string
	}{
		"a proxy's page":             {502, "text/html", "<html>\n<h1>Bad\x1b[31m Gateway</h1>", "status 502: <html> <h1>Bad?[31m Gateway</h1>"},
		"a page with status 200":     {200, "text/html", "<html>welcome", "status 200: <html>welcome"},
		"an empty answer":            {200, "application/json", "", "status 200"},
		"JSON that is no problem":    {404, "application/json", `{"code":"x"}`, "status 404"},
		"a problem that is cut":      {422, problemType, `{"code":"inv`, "status 422"},
		"a problem without code":     {422, problemType, `{"detail":"x"}`, "status 422"},
		"JSON of another shape":      {200, "application/json", `{"id":7}`, "not one of this API"},
		"JSON with something behind": {200, "application/json", `{"id":"a"} x`, "status 200"},
		"a redirect":                 {302, "text/plain", "", "redirected to http://elsewhere.example/"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				if c.status == http.StatusFound {
					w.Header().Set("Location", "http://elsewhere.example/")
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			_, err := connect(t, s.URL).Peer(t.Context(), "acme", "p1")
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeUnexpected || e.Document != nil || !strings.Contains(e.Error(), c.says) {
				t.Errorf("got %#v", err)
			}
			if n := len(s.got()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

func TestError_ofAHugeAnswer(t *testing.T) {
	for _, status := range []int{200, 404} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, status, `"`+strings.Repeat("x", 2000)+`"`)
		})
		c := connect(t, s.URL)
		c.maxAnswer = 1000
		_, err := c.Enterprise(t.Context(), "acme")
		if Code(err) != CodeUnexpected || !strings.Contains(err.Error(), "larger than 1000 bytes") {
			t.Errorf("%d: got %v", status, err)
		}
	}
}

func TestError_isSafeForATerminal(t *testing.T) {
	e := &Error{Field: "a\nb", Detail: "x\x1b[31m\u009by\xff"}
	if got, want := e.Error(), "a b: x?[31m?y?"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCode_ofOtherErrors(t *testing.T) {
	if Code(nil) != "" || Code(errors.New("x")) != "" {
		t.Error("there is a code where there is no *Error")
	}
}

// TestError_saysWhetherAnythingWasSent: not where nobody listens and not to a
// server that is not trusted; perhaps where the answer is cut.
func TestError_saysWhetherAnythingWasSent(t *testing.T) {
	nobody := serve(t, nil)
	nobody.Close()
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	t.Cleanup(stranger.Close)
	cuts := serve(t, func(int, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for name, c := range map[string]struct {
		url               string
		unsent, untrusted bool
	}{
		"nobody":   {nobody.URL, true, false},
		"stranger": {stranger.URL, true, true},
		"cut":      {cuts.URL, false, false},
	} {
		_, err := connect(t, c.url, WithRetries(1, time.Second)).Enterprise(t.Context(), "acme")
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeNoAnswer || e.Unsent() != c.unsent || e.Untrusted() != c.untrusted {
			t.Errorf("%s: got %v", name, err)
		}
		following := connect(t, c.url, WithRetries(1, time.Second)).Follow(t.Context(), FollowQuery{}, nothing)
		if !errors.As(following, &e) || e.Unsent() != c.unsent || e.Untrusted() != c.untrusted {
			t.Errorf("%s: following, got %v", name, following)
		}
	}
}
