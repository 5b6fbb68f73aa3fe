package command

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/peering/peering/internal/domain"
)

type metrics struct {
	commands  *prometheus.CounterVec
	duration  prometheus.Histogram
	conflicts prometheus.Counter
}

// newMetrics registers the metrics with reg; nil: they are counted for nobody.
// It panics when another Handler has registered them there: a bug found at start.
func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		commands: f.NewCounterVec(prometheus.CounterOpts{
			Name: "peering_commands_total",
			Help: "Commands by name and result: accepted, rejected, failed, or dry_run whatever it came to. Repeats count.",
		}, []string{"command", "result"}),
		duration: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "peering_command_duration_seconds",
			Help:    "Time from a command to its receipt or refusal.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 15), // 0.25 ms to 4 s
		}),
		conflicts: f.NewCounter(prometheus.CounterOpts{
			Name: "peering_append_conflicts_total",
			Help: "Appends that found newer events and were decided again.",
		}),
	}
}

func (m *metrics) handled(req Request, err error, took time.Duration) {
	if req.Command == nil {
		return
	}
	result := Accepted
	var refusal *domain.Error
	switch {
	case req.DryRun:
		result = "dry_run"
	case errors.As(err, &refusal):
		result = Rejected
	case err != nil:
		result = Failed
	}
	m.commands.WithLabelValues(string(req.Command.Name()), string(result)).Inc()
	m.duration.Observe(took.Seconds())
}
