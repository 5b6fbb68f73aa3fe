package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/command"
)

// logged returns the lines that were written as JSON.
func logged(t *testing.T, buf *bytes.Buffer) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(buf.String()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		lines = append(lines, v)
	}
	return lines
}

func logTo(buf *bytes.Buffer) func(*Options) {
	return func(o *Options) {
		o.Logger = slog.New(slog.NewJSONHandler(buf, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}

func TestLog_oneLineForEachRequest(t *testing.T) {
	var buf bytes.Buffer
	h := newAPI(t, commandsFunc(accept), &condition{}, logTo(&buf))
	ask(h, "GET", peerURL+"?min_seq=1", "", "Reason", "secret plan")
	ask(h, "BREW", "/coffee/secret", "")
	lines := logged(t, &buf)
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), buf.String())
	}
	for i, want := range []map[string]any{
		{"level": "DEBUG", "msg": "request answered", "method": "GET", "route": "/api/v1/enterprises/{enterprise}/peers/{peer}", "status": 200.0},
		{"level": "DEBUG", "msg": "request answered", "method": "other", "route": "none", "status": 404.0},
	} {
		for k, v := range want {
			if lines[i][k] != v {
				t.Errorf("line %d: %s is %v, want %v", i, k, lines[i][k], v)
			}
		}
		if _, ok := lines[i]["ms"].(float64); !ok {
			t.Errorf("line %d: ms is %v", i, lines[i]["ms"])
		}
	}
	if strings.Contains(buf.String(), "secret") {
		t.Errorf("the log shows what the caller sent: %s", buf.String())
	}
}

func TestLog_unforeseenErrorsHaveTheIDThatIsShown(t *testing.T) {
	var buf bytes.Buffer
	h := newAPI(t, refuse(errors.New("disk on fire")), &condition{}, logTo(&buf))
	w := writes()[1]
	p := into[Problem](t, ask(h, w.method, w.path, w.body))
	line := logged(t, &buf)[0]
	if line["level"] != "ERROR" || line["instance"] != p.Instance || line["err"] != "disk on fire" || p.Instance == "" {
		t.Errorf("instance %s, line %v", p.Instance, line)
	}
}

func TestLog_anUnavailableBackEndIsAWarning(t *testing.T) {
	var buf bytes.Buffer
	h := newAPI(t, refuse(errors.Join(command.ErrUnavailable, errors.New("nats: timeout"))), &condition{}, logTo(&buf))
	w := writes()[1]
	ask(h, w.method, w.path, w.body)
	if line := logged(t, &buf)[0]; line["level"] != "WARN" || !strings.Contains(line["err"].(string), "nats: timeout") {
		t.Errorf("got %v", line)
	}
}

func TestPanic_isA500WithAnID(t *testing.T) {
	var buf bytes.Buffer
	h := newAPI(t, commandsFunc(func(context.Context, command.Request) (command.Receipt, error) {
		panic("index out of secret range")
	}), &condition{}, logTo(&buf))
	w := writes()[1]
	a := ask(h, w.method, w.path, w.body)
	p := wantProblem(t, a, 500, codeInternal, "")
	line := logged(t, &buf)[0]
	if line["instance"] != p.Instance || !strings.Contains(line["stack"].(string), "observe_test") || strings.Contains(a.Body, "secret") {
		t.Errorf("answered %s, logged %v", a.Body, line)
	}
	if answered := logged(t, &buf)[1]; answered["status"] != 500.0 {
		t.Errorf("the access log says %v", answered)
	}
}

func TestMetrics_countRoutesNotPaths(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := newAPI(t, commandsFunc(accept), &condition{}, func(o *Options) { o.Metrics, o.Gatherer = reg, reg })
	for _, id := range []string{"p1", "p2", "p3"} {
		ask(h, "GET", peersURL+"/"+id, "")
		ask(h, "X"+id, "/"+id, "")
	}
	text := ask(h, "GET", "/metrics", "").Body
	for _, want := range []string{
		`peering_http_requests_total{method="GET",route="/api/v1/enterprises/{enterprise}/peers/{peer}",status="200"} 3`,
		`peering_http_requests_total{method="other",route="none",status="404"} 3`,
		`peering_http_request_duration_seconds_count{method="GET",route="/api/v1/enterprises/{enterprise}/peers/{peer}"} 3`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if _, err := New(Options{Health: healthy(), Metrics: reg}); err == nil {
		t.Error("metrics are registered twice without a word")
	}
}

func TestMetrics_withoutAGathererThereIsNoRoute(t *testing.T) {
	if a := ask(newAPI(t, forbidden(t), &condition{}), "GET", "/metrics", ""); a.Code != 404 {
		t.Errorf("status %d", a.Code)
	}
}
