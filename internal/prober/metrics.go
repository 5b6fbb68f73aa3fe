package prober

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// metrics are those of a prober.
type metrics struct {
	took     *prometheus.HistogramVec
	probes   *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	reported prometheus.Counter
	lost     prometheus.Counter
}

func newMetrics(p *Prober, reg prometheus.Registerer) *metrics {
	m := &metrics{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "peering_probe_duration_seconds", Help: "How long a layer of a probe took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"layer"}),
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "peering_probes_total", Help: "Probes, by the layer that failed; layer none: all was well.",
		}, []string{"layer"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "peering_probe_verdicts_dropped_total",
			Help: "Probes whose result did not count: outdated by the time it was there, or not written to the log.",
		}, []string{"reason"}),
		reported: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "peering_probe_events_total", Help: "Events that probes led to.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "peering_probe_samples_lost_total", Help: "Samples that could not be handed to their stream.",
		}),
	}
	reg.MustRegister(m.took, m.probes, m.dropped, m.reported, m.lost, &gauges{
		prober:      p,
		targets:     prometheus.NewDesc("peering_probe_targets", "Peers that are to be probed.", nil, nil),
		owned:       prometheus.NewDesc("peering_probe_owned", "Peers that this prober probes.", nil, nil),
		late:        prometheus.NewDesc("peering_probe_late_seconds", "How long the peer that is due longest has been waiting.", nil, nil),
		isolated:    prometheus.NewDesc("peering_probe_isolated", "1 while this prober suspects that it is cut off.", nil, nil),
		status:      prometheus.NewDesc("peering_peer_status", "1 for the status of each peer that this prober probes.", []string{"enterprise", "peer", "status"}, nil),
		certificate: prometheus.NewDesc("peering_probe_certificate_not_after_timestamp_seconds", "When the certificate of a peer expires.", []string{"enterprise", "peer"}, nil),
	})
	return m
}

// looked counts a probe.
func (m *metrics) looked(res *probe.Result) {
	for _, s := range res.Steps {
		m.took.WithLabelValues(s.Layer).Observe(s.TookMS / 1000)
	}
	layer := "none"
	switch {
	case res.Aborted:
		layer = "aborted"
	case res.Failure != events.Cause{}:
		layer = res.Failure.Layer
	}
	m.probes.WithLabelValues(layer).Inc()
}

// gauges are what is read from the prober when somebody asks.
type gauges struct {
	prober                                              *Prober
	targets, owned, late, isolated, status, certificate *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.targets, g.owned, g.late, g.isolated, g.status, g.certificate} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	s := g.prober.Status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(g.targets, float64(s.Targets))
	gauge(g.owned, float64(s.Owned))
	gauge(g.late, s.Late.Seconds())
	isolated := 0.0
	if s.Isolated {
		isolated = 1
	}
	gauge(g.isolated, isolated)
	for _, p := range g.prober.standing() {
		gauge(g.status, 1, string(p.ent), string(p.peer), string(p.status))
		if !p.notAfter.IsZero() {
			gauge(g.certificate, float64(p.notAfter.Unix()), string(p.ent), string(p.peer))
		}
	}
}

// standing is how a peer stands, for metrics.
type standing struct {
	ent      events.EnterpriseID
	peer     events.PeerID
	status   events.Status
	notAfter time.Time
}

// standing lists how the peers that this prober owns stand.
func (p *Prober) standing() []standing {
	p.mu.Lock()
	out := make([]standing, 0, len(p.peers))
	for key, known := range p.peers {
		one := standing{ent: key.Enterprise, peer: key.Peer}
		if known.judging != nil {
			one.status = known.judging.Status()
		}
		out = append(out, one)
	}
	p.mu.Unlock()
	for i := range out {
		t, _ := p.targets.Get(domain.PeerKey{Enterprise: out[i].ent, Peer: out[i].peer})
		out[i].notAfter, out[i].status = t.NotAfter, cmp.Or(out[i].status, t.Connection.Status, events.StatusUnknown)
	}
	return out
}
