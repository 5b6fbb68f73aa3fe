package bus

import (
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Results of requests in the metrics, besides those of commands and the codes of
// answers that are no outcome.
const (
	resultFound   = "found"
	resultIgnored = "ignored" // the reply could not be sent where it was asked to go
)

// requestMetrics count requests, for Prometheus and for the statistics that the
// NATS service shows.
type requestMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	totals   map[string]*requestTotals // by endpoint
}

type requestTotals struct {
	answered, errors, busy, ignored atomic.Uint64
	took                            atomic.Int64
}

func newRequestMetrics(reg prometheus.Registerer) *requestMetrics {
	f := promauto.With(reg)
	return &requestMetrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "peering_requests_total",
			Help: "Requests over NATS by endpoint and result: that of the command, or why there is none.",
		}, []string{"endpoint", "result"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "peering_request_duration_seconds",
			Help:    "Time from the arrival of a request over NATS to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), // 0.5 ms to 8 s
		}, []string{"endpoint"}),
		totals: map[string]*requestTotals{endpointCommand: {}, endpointOutcome: {}},
	}
}

// count counts a request that gets no answer.
func (m *requestMetrics) count(endpoint, result string) {
	m.requests.WithLabelValues(endpoint, result).Inc()
	m.totals[endpoint].ignored.Add(1)
}

// answered counts a request and its answer.
func (m *requestMetrics) answered(j job, a answer) {
	took := time.Since(j.at)
	m.requests.WithLabelValues(j.endpoint, a.result).Inc()
	m.duration.WithLabelValues(j.endpoint).Observe(took.Seconds())
	t := m.totals[j.endpoint]
	t.answered.Add(1)
	t.took.Add(int64(took))
	switch {
	case a.problem == nil || a.problem.Status == 404:
	case a.problem.Code == codeTooMany:
		t.busy.Add(1)
	default:
		t.errors.Add(1)
	}
}

// requestStats is what the service shows as the data of an endpoint. The numbers
// that the library counts are about the arrival of requests, not about the work.
type requestStats struct {
	Answered              uint64        `json:"answered"`
	Errors                uint64        `json:"errors"`  // no outcome, because of us
	Busy                  uint64        `json:"busy"`    // too many
	Ignored               uint64        `json:"ignored"` // no place for a reply
	Waiting               int           `json:"waiting"` // now, at all endpoints
	Working               int           `json:"working"` // now, at all endpoints
	AverageProcessingTime time.Duration `json:"average_processing_time"`
}

func (s *server) stats(e *micro.Endpoint) any {
	t, ok := s.metrics.totals[e.Name]
	if !ok {
		return nil
	}
	out := requestStats{Answered: t.answered.Load(), Errors: t.errors.Load(), Busy: t.busy.Load(), Ignored: t.ignored.Load()}
	out.Waiting, out.Working = s.queue.load()
	if out.Answered > 0 {
		out.AverageProcessingTime = time.Duration(uint64(t.took.Load()) / out.Answered) //nolint:gosec // times are positive
	}
	return out
}
