package prober

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// work probes what is due until ctx ends, so many at a time. It returns when the
// last of them is done.
func (p *Prober) work(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(p.o.Concurrency)
	for {
		e, err := p.next(ctx)
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error {
			p.look(ctx, e)
			return nil
		})
	}
}

// idle is the longest time that nobody looks at the schedule.
const idle = time.Minute

// next waits until a peer is due.
func (p *Prober) next(ctx context.Context) (*entry, error) {
	for ctx.Err() == nil {
		p.mu.Lock()
		e, wait := p.schedule.next(time.Now(), idle)
		p.mu.Unlock()
		if e != nil {
			return e, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil, ctx.Err()
}

// look probes one peer and makes of it what it means.
func (p *Prober) look(ctx context.Context, e *entry) {
	p.mu.Lock()
	known := p.peers[e.key]
	t, ok := p.targets.Get(e.key)
	var asked []chan<- Report
	if known != nil {
		asked, known.asked = known.asked, nil
	}
	p.mu.Unlock()
	report, started := Report{Error: errNotProbed}, time.Now()
	if ok && known != nil {
		res := p.o.Probe.Look(ctx, probe.Target{Hostname: t.Hostname, Port: t.Port})
		p.metrics.looked(&res)
		report, started = p.reportOf(&res), res.Started
		if !res.Aborted {
			p.keep(&t, &res, len(asked) > 0)
			p.conclude(ctx, known, &t, &res, &report, len(asked) > 0)
		}
	}
	(&peer{asked: asked}).answer(report)
	p.mu.Lock()
	defer p.mu.Unlock()
	next := time.Now()
	if known != nil {
		next = p.due(known, started, next)
	}
	p.schedule.done(e, next)
	p.rouse()
}

// keep hands the sample of a probe on. One that is lost harms nobody.
func (p *Prober) keep(t *Target, res *probe.Result, byHand bool) {
	r := p.reportOf(res)
	err := p.o.Keep(events.Sample{
		Enterprise: t.Enterprise, Peer: t.Peer, ConfigSeq: t.Connection.From, Prober: p.id, Started: micro(res.Started),
		OK: r.OK, Cause: res.Failure, LatencyMS: r.LatencyMS, ByHand: byHand,
		Addresses: r.Addresses, Version: res.Version, Steps: res.Steps,
	})
	if err != nil {
		p.metrics.lost.Inc()
		p.log.Debug("a sample was lost", "enterprise", t.Enterprise, "peer_id", t.Peer, "err", err)
	}
}

// conclude judges a peer by a probe of what it was when that began, and appends
// what changes. The probe does not count when the peer, or who may speak for it,
// is another since.
func (p *Prober) conclude(ctx context.Context, known *peer, t *Target, res *probe.Result, report *Report, byHand bool) {
	p.mu.Lock()
	now, ok := p.targets.Get(t.Key())
	until, counts := p.counts(known, t, res)
	if !ok || !counts {
		p.mu.Unlock()
		p.metrics.dropped.WithLabelValues("outdated").Inc()
		return
	}
	next, change := p.observe(known, &now, res, byHand)
	list := changesOf(&now, res, change)
	if len(list) == 0 {
		known.judgement = next
		report.Status, report.StatusCause = next.Status(), next.Cause()
		p.mu.Unlock()
		return
	}
	known.writing = true
	after := max(now.StatusSeq, known.reported)
	p.mu.Unlock()

	seq, err := p.write(ctx, until, &now, after, list)
	if err != nil {
		p.metrics.dropped.WithLabelValues("not_written").Inc()
	}
	if err != nil && ctx.Err() == nil { // otherwise it stops: whoever comes next finds the same
		p.log.Warn("what a probe found could not be reported", "enterprise", t.Enterprise, "peer_id", t.Peer, "err", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known.writing = false
	if known.config == now.Connection.From {
		p.settle(known, &now, next, seq, err == nil || change == nil)
	}
	report.Sequence = seq
	report.Status, report.StatusCause = known.judgement.Status(), known.judgement.Cause()
}

// settle makes next the judgement of a peer after an append: seq is that of the
// last event that was written, 0 when none was. A change that was not written is
// not made: the next probe leads to it again. What others have reported meanwhile
// counts instead.
func (p *Prober) settle(known *peer, t *Target, next domain.Judgement, seq events.Seq, made bool) {
	known.reported = max(known.reported, seq)
	if made {
		known.judgement = next
	}
	if latest, ok := p.targets.Get(t.Key()); ok && latest.StatusSeq > known.reported {
		p.judge(known, &latest)
	}
	if known.judgement.Status() == events.StatusDown {
		p.isolation.Forget(t.Key())
	}
}

// counts reports whether a probe says something about a peer as it is now, and
// whether this prober may say so, and until when. One that was stopped for a
// while and goes on may not: others have taken over (architecture, trap 10).
func (p *Prober) counts(known *peer, t *Target, res *probe.Result) (until time.Time, ok bool) {
	since, until, held := p.roster.lease(time.Now())
	return until, held && p.peers[t.Key()] == known && known.config == t.Connection.From &&
		!res.Started.Before(since) && !res.Started.Before(known.since)
}

// observe judges one probe. While most of what answered before fails, the prober
// suspects itself, and says so of each peer that fails.
func (p *Prober) observe(known *peer, t *Target, res *probe.Result, byHand bool) (domain.Judgement, *domain.Change) {
	failed := res.Failure != events.Cause{} && res.Failure.Layer != events.LayerPolicy
	p.isolation.Observe(t.Key(), t.Hostname, failed)
	suspected := p.isolation.Suspected()
	if suspected != p.isolated {
		p.isolated = suspected
		if suspected {
			p.log.Error("most peers stopped answering at the same time: this prober may be cut off, and reports them as unknown")
		} else {
			p.log.Info("most peers answer again")
		}
	}
	if failed && suspected {
		return known.judgement.Isolate(time.Now())
	}
	return known.judgement.Observe(p.o.Rules, known.finding(p.o.Rules, t, res, byHand))
}

// errMuted says that the log is too full for reports.
var errMuted = errors.New("prober: the log is nearly full, so that only administrators write")

// write appends what changes of a peer, unless it is too late for this prober.
func (p *Prober) write(ctx context.Context, until time.Time, t *Target, after events.Seq, list []events.Event) (events.Seq, error) {
	if p.muted.Load() {
		return 0, errMuted
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	seq, err := p.append(ctx, t, after, list)
	if err == nil {
		p.metrics.reported.Add(float64(len(list)))
	}
	return seq, err
}
