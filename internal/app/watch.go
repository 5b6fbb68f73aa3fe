package app

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/httpapi"
	"github.com/peering/peering/internal/prober"
	"github.com/peering/peering/internal/readmodel"
)

// watchProbers knows which probers are there, and reaches them, for the API.
func (p *process) watchProbers(ctx context.Context) error {
	if _, err := p.events.get(ctx); err != nil {
		return err
	}
	p.late.prober.Store(&remoteProber{prober.NewRemote(p.nc)})
	p.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "peering_probers", Help: "Probers that are there; without one the status of peers is not known, and peering_peer_status has no series.",
	}, func() float64 { return float64(len(p.roll.Members())) }))
	return p.roll.Run(ctx, func(ctx context.Context) (prober.Registry, error) {
		return prober.OpenKV(ctx, p.nc, p.cfg.Replicas)
	})
}

// unprobed tells the queries whose peers nobody probes.
func (p *process) unprobed(ent events.EnterpriseID) *readmodel.Unprobed {
	a, absent := p.roll.Absence(ent)
	if !absent {
		return nil
	}
	return &readmodel.Unprobed{Since: a.Since, Cause: a.Cause}
}

// remoteProber reaches the probers for the API.
type remoteProber struct{ *prober.Remote }

// Probe implements httpapi.Prober.
func (r *remoteProber) Probe(ctx context.Context, ent events.EnterpriseID, peer events.PeerID) (httpapi.ProbeReport, error) {
	report, err := r.Remote.Probe(ctx, ent, peer)
	return probeReportOf(report), unreached(err)
}

// Test implements httpapi.Prober.
func (r *remoteProber) Test(ctx context.Context, t httpapi.ProbeTarget) (httpapi.ProbeReport, error) {
	report, err := r.Remote.Test(ctx, t.Hostname, t.Port)
	return probeReportOf(report), unreached(err)
}

func probeReportOf(r prober.Report) httpapi.ProbeReport {
	return httpapi.ProbeReport{
		Steps: r.Steps, OK: r.OK, Cause: r.Cause, Status: r.Status, StatusCause: r.StatusCause, Sequence: r.Sequence,
		Version: r.Version, Certificate: r.Certificate, Addresses: r.Addresses, Started: r.Started, LatencyMS: r.LatencyMS, Prober: r.Prober,
	}
}

// unreached turns an error of the probers into that of the API.
func unreached(err error) error {
	for is, becomes := range map[error]error{
		prober.ErrNoProber: httpapi.ErrNoProber, prober.ErrNotProbed: httpapi.ErrNotProbed, prober.ErrBusy: httpapi.ErrProberBusy,
	} {
		if errors.Is(err, is) {
			return becomes
		}
	}
	return err
}
