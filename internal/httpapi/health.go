package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Level says how serious a finding is.
type Level string

// The levels: all is well; works, but somebody should look; does not work.
const (
	Green Level = "green"
	Amber Level = "amber"
	Red   Level = "red"
)

// Check is what one part of the program says about itself.
type Check struct {
	Name    string    `json:"name"`
	Level   Level     `json:"level"`
	Message string    `json:"message"` // a sentence for a person
	Since   time.Time `json:"since"`   // since when it has this level
	// Required checks have to be green or amber before the program is ready.
	Required bool `json:"required"`
}

// Report is what all parts of the program say.
type Report struct {
	Checks []Check
}

// Level returns the worst level of the checks; none at all are green.
func (r Report) Level() Level {
	worst := Green
	for _, c := range r.Checks {
		switch c.Level {
		case Green:
		case Amber:
			if worst == Green {
				worst = Amber
			}
		default:
			return Red
		}
	}
	return worst
}

// NotReady lists what keeps the program from being ready: its required checks
// that are red. Empty: it is ready.
func (r Report) NotReady() []string {
	var reasons []string
	for _, c := range r.Checks {
		if c.Required && c.Level != Green && c.Level != Amber {
			reasons = append(reasons, c.Name+": "+c.Message)
		}
	}
	return reasons
}

// HealthSource tells how the program is. Report must answer within ctx and may
// be called at any time, before the back ends are connected too.
type HealthSource interface {
	Report(ctx context.Context) Report
}

// healthTimeout bounds a report: whoever asks wants to know soon, and no answer
// is an answer.
const healthTimeout = 4 * time.Second

// healthRoutes serves /livez (the process answers), /readyz (it can do its
// work; else 503 with the reasons) and /health (everything that is known; 503
// when something is red).
func (a *api) healthRoutes() {
	a.plain("/livez", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "live"})
	}))
	a.plain("/readyz", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reasons := a.report(r).NotReady()
		if len(reasons) > 0 {
			p := problem(codeNotReady, "", "The program is not ready.")
			p.Reasons = reasons
			p.write(w)
			return
		}
		writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	}))
	a.overall("/health", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		report := a.report(r)
		status := http.StatusOK
		if report.Level() == Red {
			status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "5")
		}
		checks := report.Checks
		if checks == nil {
			checks = []Check{}
		}
		writeJSON(w, status, map[string]any{"level": report.Level(), "ready": len(report.NotReady()) == 0, "checks": checks})
	}))
}

func (a *api) report(r *http.Request) Report {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	return a.opts.Health.Report(ctx)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		problem(codeInternal, "", "The answer cannot be written.").write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
