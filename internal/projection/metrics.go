package projection

import "github.com/prometheus/client_golang/prometheus"

// metrics collects the status of a runner.
type metrics struct {
	runner              *Runner
	position, lag, dead *prometheus.Desc
}

func newMetrics(r *Runner) *metrics {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, nil, prometheus.Labels{"projection": r.options.Projection.Name()})
	}
	return &metrics{
		runner:   r,
		position: describe("peering_projection_position", "Stream sequence up to which the projection is applied."),
		lag:      describe("peering_projection_lag_events", "Events of the log that the projection has not applied yet."),
		dead:     describe("peering_projection_dead_events", "Events that the projection could not apply."),
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.position
	out <- m.lag
	out <- m.dead
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	s := m.runner.Status()
	out <- prometheus.MustNewConstMetric(m.position, prometheus.GaugeValue, float64(s.Position))
	out <- prometheus.MustNewConstMetric(m.lag, prometheus.GaugeValue, float64(s.Lag()))
	out <- prometheus.MustNewConstMetric(m.dead, prometheus.GaugeValue, float64(s.Dead))
}
