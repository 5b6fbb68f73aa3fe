package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHealth_readyWithoutRedRequiredChecks(t *testing.T) {
	check := func(level Level, required bool) Check {
		return Check{Name: "log", Level: level, Message: "the log is at 88 %", Since: noon(), Required: required}
	}
	for _, c := range []struct {
		name          string
		checks        []Check
		ready, health int
	}{
		{"nothing to check", nil, 200, 200},
		{"all green", []Check{check(Green, true), check(Green, false)}, 200, 200},
		{"amber", []Check{check(Amber, true)}, 200, 200},
		{"red, not required", []Check{check(Red, false)}, 200, 503},
		{"red, required", []Check{check(Green, true), check(Red, true)}, 503, 503},
		{"a level that is none", []Check{check("blue", true)}, 503, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newAPI(t, forbidden(t), &condition{}, func(o *Options) {
				o.Health = healthFunc(func() Report { return Report{Checks: c.checks} })
			})
			ready := ask(h, "GET", "/readyz", "")
			if ready.Code != c.ready {
				t.Errorf("/readyz: status %d, want %d: %s", ready.Code, c.ready, ready.Body)
			}
			if c.ready == 503 {
				p := wantProblem(t, ready, 503, codeNotReady, "")
				if diff := cmp.Diff([]string{"log: the log is at 88 %"}, p.Reasons); diff != "" {
					t.Errorf("reasons (-want +got):\n%s", diff)
				}
			}
			health := ask(h, "GET", "/health", "")
			if health.Code != c.health || health.Header.Get("Content-Type") != "application/json" {
				t.Errorf("/health: status %d, want %d: %s", health.Code, c.health, health.Body)
			}
			body := into[struct {
				Ready  bool
				Checks []Check
			}](t, health)
			if body.Ready != (c.ready == 200) || body.Checks == nil || len(body.Checks) != len(c.checks) {
				t.Errorf("/health says %s", health.Body)
			}
			if live := ask(h, "GET", "/livez", ""); live.Code != 200 {
				t.Errorf("/livez: status %d", live.Code)
			}
		})
	}
}

func TestHealth_levelIsTheWorst(t *testing.T) {
	for want, levels := range map[Level][]Level{
		Green: {Green, Green}, Amber: {Green, Amber, Green}, Red: {Amber, Red, Green},
	} {
		var r Report
		for _, l := range levels {
			r.Checks = append(r.Checks, Check{Level: l})
		}
		if got := r.Level(); got != want {
			t.Errorf("%v: %s, want %s", levels, got, want)
		}
	}
}

// stuck is a source that answers only when it is given up.
type stuck struct{}

func (stuck) Report(ctx context.Context) Report {
	deadline, ok := ctx.Deadline()
	if !ok || time.Until(deadline) > healthTimeout {
		return Report{}
	}
	return Report{Checks: []Check{{Name: "deadline", Level: Red, Message: "given", Required: true}}}
}

func TestHealth_aReportHasADeadline(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{}, func(o *Options) { o.Health = stuck{} })
	if a := ask(h, "GET", "/readyz", ""); a.Code != 503 {
		t.Errorf("status %d: the source got no deadline", a.Code)
	}
}

func TestStarting_routesAnswerUntilTheBackEndsAreThere(t *testing.T) {
	connected := false
	h := newAPI(t, nil, nil, func(o *Options) {
		o.Backends = func() Backends {
			if !connected {
				return Backends{}
			}
			return Backends{Tokens: noTokens{}, Commands: commandsFunc(accept), Directory: &condition{}}
		}
	})
	for _, target := range reads() {
		wantProblem(t, ask(h, "GET", target, ""), 503, codeStarting, "")
	}
	for _, w := range writes() {
		wantProblem(t, ask(h, w.method, w.path, w.body), 503, codeStarting, "")
	}
	for _, target := range []string{"/livez", "/readyz", "/health", "/openapi.json"} {
		if a := ask(h, "GET", target, ""); a.Code != 200 {
			t.Errorf("%s: status %d while starting", target, a.Code)
		}
	}
	connected = true
	for _, target := range reads() {
		if a := ask(h, "GET", target, ""); a.Code != 200 {
			t.Errorf("%s: status %d after the start", target, a.Code)
		}
	}
}

func TestNew_withoutBackendsServesOperationsOnly(t *testing.T) {
	h, err := New(Options{Health: healthy()})
	if err != nil {
		t.Fatal(err)
	}
	if a := ask(h, "GET", "/health", ""); a.Code != 200 {
		t.Errorf("/health: status %d", a.Code)
	}
	if a := ask(h, "GET", enterprisesURL, ""); a.Code != http.StatusNotFound {
		t.Errorf("%s: status %d", enterprisesURL, a.Code)
	}
	if doc := ask(h, "GET", "/openapi.json", ""); strings.Contains(doc.Body, "/api/v1") {
		t.Error("the document describes routes that are not there")
	}
}

func TestNew_needsHealth(t *testing.T) {
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "Health") {
		t.Errorf("got %v", err)
	}
}
