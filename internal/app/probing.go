package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/demo"
	"github.com/peering/peering/internal/httpapi"
	"github.com/peering/peering/internal/probe"
	"github.com/peering/peering/internal/prober"
)

// probe probes this process's share of the peers.
func (p *process) probe(ctx context.Context) error {
	l, err := p.events.get(ctx)
	if err != nil {
		return err
	}
	looker, err := newProbe(p.cfg, p.demo)
	if err != nil {
		return err
	}
	var registry prober.Registry
	err = untilItWorks(ctx, p.log, "the list of probers", never, func(ctx context.Context) (err error) {
		registry, err = prober.OpenKV(ctx, p.nc, p.cfg.Replicas)
		return err
	})
	if err != nil {
		return err
	}
	pr := prober.New(prober.Options{
		ID: proberID(), Source: l.reader, Store: l.store, Registry: registry, Probe: looker,
		Keep: p.keepSample, Used: l.health.UsedRatio,
		Interval: p.cfg.ProbeInterval, Concurrency: p.cfg.ProbeConcurrency, Logger: p.log, Metrics: p.metrics,
	})
	p.prober.Store(pr)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return pr.Run(ctx) })
	group.Go(func() error { return pr.Serve(ctx, p.nc) })
	return group.Wait()
}

// newProbe is what looks at peers, as configured, and at the servers of a demo.
// The error is a config.Faults that names the setting, unless it is the demo's.
func newProbe(c config.Config, kit *demo.Kit) (*probe.Probe, error) {
	var faults config.Faults
	check := func(setting string, err error) {
		if err != nil {
			faults = append(faults, config.Fault{Setting: setting, Problem: err.Error()})
		}
	}
	guard, err := probe.ParseAllow(c.ProbeAllow)
	check("probe_allow", err)
	version, err := probe.ParseVersionRule(c.ProbeVersionPath, c.ProbeVersionPattern)
	check("probe_version_path and probe_version_pattern", err)
	roots, err := probe.Roots(c.ProbeCAFile)
	check("probe_ca_file", err)
	if len(faults) > 0 {
		return nil, faults
	}
	o := probe.Options{Roots: roots, Version: version, Guard: guard, Resolver: resolver(c.ProbeResolver)}
	if kit != nil {
		o.Hosts = kit.Hosts()
		if o.Guard, err = guard.With(kit.Allow()...); err == nil {
			err = kit.Roots(roots)
		}
	}
	return probe.New(o), err
}

// resolver asks the DNS server at an address; empty: those of the system.
func resolver(address string) *net.Resolver {
	if address == "" {
		return nil
	}
	return &net.Resolver{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
}

// proberID is a name for this process among the probers: the machine's, so that
// people recognise it, and something that no other start has.
func proberID() string {
	host, err := os.Hostname()
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return -1
	}, strings.ToLower(host))
	if err != nil || host == "" {
		host = "prober"
	}
	return host[:min(len(host), 40)] + "-" + uuid.NewString()[:8]
}

// checkTargets is red until every peer in the log is known, and when some are
// not probed because an event cannot be read.
func (p *process) checkTargets(context.Context) finding {
	pr := p.prober.Load()
	if pr == nil {
		return red("the event log is not there yet")
	}
	s := pr.Status()
	f := p.targeted.at(p.events, s.Seq)
	switch {
	case f.level == httpapi.Red:
		return f
	case s.Held > 0:
		return amber("the peers of %d enterprises are not probed: an event of theirs cannot be read", s.Held)
	}
	return green("%d peers", s.Targets)
}

// checkProbing says how the probing goes.
func (p *process) checkProbing(context.Context) finding {
	pr := p.prober.Load()
	if pr == nil {
		return red("probing has not begun")
	}
	s := pr.Status()
	of := fmt.Sprintf("%d of %d peers are probed here; probers there: %d", s.Owned, s.Targets, s.Probers)
	switch {
	case !s.Leased:
		return red("this prober cannot say that it is there, so that nothing it finds counts; %s", of)
	case s.Isolated:
		return amber("most peers stopped answering at the same time: this prober may be cut off; %s", of)
	case s.Muted:
		return amber("the log is nearly full: changes are not reported; %s", of)
	case s.Late > p.cfg.ProbeInterval:
		return amber("probes are %s late: raise probe_concurrency or add a prober; %s", s.Late.Round(time.Second), of)
	}
	return green("%s", of)
}

// checkProbers says whether anybody probes.
func (p *process) checkProbers(context.Context) finding {
	members := p.roll.Members()
	if a, absent := p.roll.Absence(""); absent {
		return amber("%s", a.Cause.Message)
	}
	return green("%d there", len(members))
}
