package client

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"
)

// TestProbes_requests: every method about what was found at a peer sends what
// the API has for it.
func TestProbes_requests(t *testing.T) {
	at := time.Date(2026, 3, 1, 22, 0, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		call              func(ctx context.Context, c *Client) error
		method, uri, body string
	}{
		{func(ctx context.Context, c *Client) error {
			_, err := c.ProbePeer(ctx, "acme", "p1", MinSeq(9))
			return err
		}, "POST", "/api/v1/enterprises/acme/peers/p1/probe?min_seq=9", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.TestPeer(ctx, "acme", PeerTest{Hostname: new("h.example"), Port: new(8443)})
			return err
		}, "POST", "/api/v1/enterprises/acme/peers:test", `{"hostname":"h.example","port":8443}`},
		{func(ctx context.Context, c *Client) error { _, err := c.Samples(ctx, "acme", "p1", 0); return err }, "GET", "/api/v1/enterprises/acme/peers/p1/samples", ""},
		{func(ctx context.Context, c *Client) error { _, err := c.Samples(ctx, "acme", "p1", 5); return err }, "GET", "/api/v1/enterprises/acme/peers/p1/samples?limit=5", ""},
		{func(ctx context.Context, c *Client) error { _, err := c.CheckPresence(ctx, "acme", "p1"); return err }, "GET", "/api/v1/enterprises/acme/peers/p1/presence-check", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.Timeline(ctx, "acme", "p1", TimelineQuery{Limit: 5, Cursor: "c+"}, MinSeq(4))
			return err
		}, "GET", "/api/v1/enterprises/acme/peers/p1/timeline?cursor=c%2B&limit=5&min_seq=4", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.Maintenances(ctx, "acme", "p1", TimelineQuery{})
			return err
		}, "GET", "/api/v1/enterprises/acme/peers/p1/maintenances", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.Uptime(ctx, "acme", "p1", UptimeQuery{}, MinSeq(3))
			return err
		}, "GET", "/api/v1/enterprises/acme/peers/p1/uptime?min_seq=3", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.Uptime(ctx, "acme", "p1", UptimeQuery{By: "month", From: at, To: at.Add(time.Hour)})
			return err
		}, "GET", "/api/v1/enterprises/acme/peers/p1/uptime?by=month&from=2026-03-01T21%3A00%3A00Z&to=2026-03-01T22%3A00%3A00Z", ""},
	} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, `{}`) })
		if err := c.call(t.Context(), connect(t, s.URL)); err != nil {
			t.Errorf("%s: %v", c.uri, err)
		}
		if got := s.got(); len(got) != 1 || got[0].method != c.method || got[0].uri != c.uri || got[0].body != c.body {
			t.Errorf("sent %+v, want %s %s %s", got, c.method, c.uri, c.body)
		}
	}
}

// TestProbe_answersAreRead, nulls among them.
func TestProbe_answersAreRead(t *testing.T) {
	const body = `{"steps":[{"layer":"tls","ok":false,"code":"expired","message":"m","took_ms":2.5},{"layer":"dns","ok":true,"code":null,"message":"n","took_ms":1}],
		"ok":false,"cause":null,"status":"down","status_cause":{"layer":"tls","code":"expired","message":"m"},"version":null,"certificate":null,
		"addresses":["192.0.2.1"],"latency_ms":null,"started_at":"2026-03-01T12:00:00Z","prober":"host-1","sequence":57}`
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, body) })
	var kept bytes.Buffer
	got, err := connect(t, s.URL).ProbePeer(t.Context(), "acme", "p1", Body(&kept))
	if err != nil || got.Steps[0].Code != "expired" || got.Steps[1].Code != "" || got.LatencyMS != nil || got.Cause != nil || got.StatusCause.Layer != "tls" || got.Sequence != 57 {
		t.Errorf("got %+v, %v", got, err)
	}
	if kept.String() != body {
		t.Errorf("kept %q", kept.String())
	}
}

// TestProbe_isNotRepeatedWhenItMayHaveBeenDone: a second look would only add
// traffic.
func TestProbe_isNotRepeatedWhenItMayHaveBeenDone(t *testing.T) {
	for status, want := range map[int]int{http.StatusServiceUnavailable: 1, http.StatusTooManyRequests: 2} {
		s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 0 {
				answerProblem(w, status, `{"code":"x","detail":"d"}`)
				return
			}
			answerJSON(w, http.StatusOK, `{"ok":true}`)
		})
		_, err := connect(t, s.URL).ProbePeer(t.Context(), "acme", "p1")
		if n := len(s.got()); n != want || (err == nil) != (want == 2) {
			t.Errorf("after %d: %d requests, %v", status, n, err)
		}
	}
}

func TestAllPeriods_goesThroughEveryPage(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, []string{`{"items":[{"sequence":9},{"sequence":7}],"next_cursor":"c2"}`, `{"items":[{"sequence":3}],"next_cursor":null}`}[n])
	})
	var got []Seq
	for p, err := range connect(t, s.URL).AllPeriods(t.Context(), "acme", "p1", TimelineQuery{Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p.Sequence)
	}
	if len(got) != 3 || got[2] != 3 {
		t.Errorf("got %v", got)
	}
}
