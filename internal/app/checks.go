package app

import (
	"context"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/eventstore"
)

// Where the log's use becomes visible (architecture: the log).
const (
	logAmber = 0.70
	logRed   = 0.85
)

// addChecks says what this process looks at. Everything that it needs for its
// work is required; how full the log is has to be seen, and stops nobody yet.
func (p *process) addChecks() {
	p.health.add("log", true, p.checkLog)
	p.health.add("log_space", false, p.checkLogSpace)
	if p.decides() || p.projects() {
		p.health.add("database", true, p.checkDatabase)
		p.health.add("caught_up", true, p.checkCaughtUp)
		p.health.add("projection", false, p.checkProjection)
	}
	if p.probes() {
		p.health.add("targets", true, p.checkTargets)
	}
	if p.cfg.Demo {
		p.health.add("demo", true, p.checkDemo)
	}
}

// checkLog writes to the log's disk: a server that answers may still be unable
// to write. The embedded server's storage is taken up again when it has stopped.
func (p *process) checkLog(ctx context.Context) finding {
	if p.nc.Status() != nats.CONNECTED {
		return red("no connection to the NATS server")
	}
	l, ok := p.events.now()
	if !ok {
		return red("the streams are not there yet")
	}
	err := l.health.Canary(ctx)
	if err == nil {
		return green("a write to the log's disk was acknowledged")
	}
	if p.heal == nil {
		return red("%v", err)
	}
	if healing := p.heal(); healing != nil {
		return red("%v; taking the storage up again: %v", err, healing)
	}
	if err = l.health.Canary(ctx); err == nil {
		p.log.Warn("the log could not be written; its storage was taken up again")
		return green("a write to the log's disk was acknowledged")
	}
	return red("%v", err)
}

func (p *process) checkLogSpace(ctx context.Context) finding {
	l, ok := p.events.now()
	if !ok {
		return red("the streams are not there yet")
	}
	r, err := l.health.Report(ctx)
	if err != nil {
		return red("%v", err)
	}
	used := spaceText(r)
	switch {
	case r.Current < r.Replicas:
		return amber("%s; %d of %d replicas are up to date", used, r.Current, r.Replicas)
	case r.UsedRatio >= logRed:
		return red("%s: raise log_max_bytes", used)
	case r.UsedRatio >= logAmber:
		return amber("%s: raise log_max_bytes", used)
	case p.heal == nil && r.Replicas == 1:
		return amber("%s, in one replica: one lost disk loses the log", used)
	}
	return green("%s", used)
}

func spaceText(r eventstore.Report) string {
	return humanize.IBytes(uint64(max(r.Bytes, 0))) + " of " + humanize.IBytes(uint64(max(r.MaxBytes, 0))) + " used" // #nosec G115 -- not negative
}
