package app

import (
	"context"
	"errors"
	"time"

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
	p.health.add("log_durability", false, p.checkDurability)
	if p.decides() || p.projects() {
		p.health.add("database", true, p.checkDatabase)
		p.health.add("caught_up", true, p.checkCaughtUp)
		for _, m := range p.models {
			p.health.add("projection_"+m.Name(), false, func(ctx context.Context) finding { return p.checkProjection(ctx, m) })
		}
	}
	if p.probes() {
		p.health.add("targets", true, p.checkTargets)
		p.health.add("probing", false, p.checkProbing)
		p.health.add("samples", false, p.checkSamples)
	}
	if p.projects() {
		p.health.add("reactions", false, p.checkReactions)
	}
	if p.decides() {
		p.health.add("bus", true, p.checkBus)
		p.health.add("probers", false, p.checkProbers)
		p.health.add("parked_commands", false, p.checkParked)
	}
	if p.demo != nil {
		p.health.add("demo", true, p.checkDemo)
	}
}

// checkLog writes to the log's disk: a server that answers may still be unable
// to write. The embedded server's storage is taken up again when it has stopped,
// see healing.
func (p *process) checkLog(ctx context.Context) finding {
	if p.nc.Status() != nats.CONNECTED {
		return red("no connection to the NATS server")
	}
	l, ok := p.events.now()
	if !ok {
		return red("the streams are not there yet")
	}
	stopped, err := p.canary(ctx, l)
	if p.healing.due(stopped, err, time.Now()) && p.storage != nil {
		if healing := p.storage.Heal(); healing != nil {
			return red("%v; taking the storage up again: %v", err, healing)
		}
		p.log.Warn("the log could not be written; its storage was taken up again", "err", err)
		_, err = p.canary(ctx, l)
	}
	if err != nil {
		return red("%v", err)
	}
	return green("a write to the log's disk was acknowledged")
}

// canary is an error when the log cannot be written, and stopped says that the
// storage knows so. A write that succeeds does not say that of every stream: one
// may have stopped for itself.
func (p *process) canary(ctx context.Context, l *eventLog) (stopped bool, err error) {
	if p.storage != nil {
		if err := p.storage.Check(); err != nil {
			return true, err
		}
	}
	return false, l.health.Canary(ctx)
}

// report asks the log how it is.
func (p *process) report(ctx context.Context) (eventstore.Report, error) {
	l, ok := p.events.now()
	if !ok {
		return eventstore.Report{}, errors.New("the streams are not there yet")
	}
	return l.health.Report(ctx)
}

func (p *process) checkLogSpace(ctx context.Context) finding {
	r, err := p.report(ctx)
	if err != nil {
		return red("%v", err)
	}
	used := spaceText(r)
	switch {
	case r.UsedRatio >= logRed:
		return red("%s: raise log_max_bytes", used)
	case r.UsedRatio >= logAmber:
		return amber("%s: raise log_max_bytes", used)
	}
	return green("%s", used)
}

// checkDurability says what an acknowledgement is worth (architecture, trap 3).
// When a server elsewhere syncs is its own setting, which no client can see.
func (p *process) checkDurability(ctx context.Context) finding {
	r, err := p.report(ctx)
	if err != nil {
		return red("%v", err)
	}
	if p.storage != nil {
		return green("every event is synced to the disk before it is acknowledged; nats-server %s, in this process", r.Server)
	}
	server := "nats-server " + r.Server + ", whose sync_interval must be always"
	switch {
	case r.Replicas == 1:
		return amber("one replica: one lost disk loses the log; %s", server)
	case r.Current < r.Replicas:
		return amber("%d of %d replicas are up to date; %s", r.Current, r.Replicas, server)
	}
	return green("%d replicas; %s", r.Replicas, server)
}

func spaceText(r eventstore.Report) string {
	return humanize.IBytes(uint64(max(r.Bytes, 0))) + " of " + humanize.IBytes(uint64(max(r.MaxBytes, 0))) + " used" // #nosec G115 -- not negative
}
