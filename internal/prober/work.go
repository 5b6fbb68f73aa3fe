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
		e, wait := p.schedule.next(time.Now())
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
		res := p.o.Probe.Look(ctx, probe.Target{Hostname: t.Hostname, Port: t.Port, Trusted: trustedName(&t)})
		p.metrics.looked(&res)
		finding := p.finding(known, &t, &res, len(asked) > 0)
		report, started = p.reportOf(&res, finding.Attention), res.Started
		if !res.Aborted {
			p.keep(&t, report, len(asked) > 0)
			p.conclude(ctx, known, &t, &res, finding, &report)
		}
	}
	answer(asked, report)
	p.mu.Lock()
	defer p.mu.Unlock()
	next := time.Now()
	if now, ok := p.targets.Get(e.key); ok && known != nil && known.config == t.Connection.From { // else it is another one by now
		next = p.due(known, &now, started, next)
	}
	p.schedule.done(e, next)
	p.rouse()
}

// keep hands the sample of a probe on. One that is lost harms nobody.
func (p *Prober) keep(t *Target, r Report, byHand bool) {
	err := p.o.Keep(events.Sample{
		Enterprise: t.Enterprise, Peer: t.Peer, ConfigSeq: t.Connection.From, Prober: p.id, Started: r.Started,
		OK: r.OK, Cause: r.Cause, LatencyMS: r.LatencyMS, ByHand: byHand,
		Addresses: r.Addresses, Version: r.Version, Steps: r.Steps,
	})
	if err != nil {
		p.metrics.lost.Inc()
		p.log.Debug("a sample was lost", "enterprise", t.Enterprise, "peer_id", t.Peer, "err", err)
	}
}

// conclude judges a peer by a probe of what it was when that began, and appends
// what changes.
func (p *Prober) conclude(ctx context.Context, known *peer, t *Target, res *probe.Result, f domain.Finding, report *Report) {
	c, ok := p.consider(known, t, res, f)
	if !ok {
		p.metrics.dropped.WithLabelValues("outdated").Inc()
		return
	}
	report.Status, report.StatusCause = c.next.Status(), c.next.Cause()
	if len(c.events) == 0 {
		return
	}
	seq, err := p.write(ctx, &c)
	if err != nil {
		p.metrics.dropped.WithLabelValues("not_written").Inc()
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, errMuted) { // that was said, or whoever comes next finds the same
		p.log.Warn("what a probe found could not be reported", "enterprise", t.Enterprise, "peer_id", t.Peer, "err", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known.writing = false
	if known.config == c.target.Connection.From {
		p.settle(known, &c, seq, err == nil || !c.changes)
	}
	report.Sequence = seq
	if latest, ok := p.targets.Get(t.Key()); ok {
		j := known.judged(&latest)
		report.Status, report.StatusCause = j.Status(), j.Cause()
	}
}

// conclusion is what a probe means for a peer.
type conclusion struct {
	target  Target // as it is now
	next    domain.Judgement
	changes bool // the status
	events  []events.Event
	after   events.Seq // that they are appended behind
	until   time.Time  // when this prober may append them
}

// consider judges a peer by a probe. Without events that is its judgement then;
// with them once they are written, and nothing else is concluded of it meanwhile.
// It is not ok when the probe does not count.
func (p *Prober) consider(known *peer, t *Target, res *probe.Result, f domain.Finding) (c conclusion, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.target, c.until, ok = p.counts(known, t, res); !ok {
		return c, false
	}
	now := &c.target
	if known.reported < now.StatusSeq { // somebody else's, that nobody has judged it by yet
		p.judge(known, now)
	}
	c.after, c.events = known.reported, p.unwatched(known, now, res)
	judgement := known.judged(now)
	next, change := p.observe(known, judgement, now, f)
	c.next, c.changes = next, change != nil
	if known.reported == now.StatusSeq { // else what it showed may be what was reported last
		c.events = append(c.events, shownOf(now, res)...)
	}
	if change != nil {
		c.events = append(c.events, changeOf(now, judgement.Status(), res, change))
	}
	if known.writing = len(c.events) > 0; !known.writing {
		known.think(next, now)
	}
	return c, true
}

// settle makes a conclusion the judgement of a peer after the append: seq is that
// of the last event that was written, 0 when none was. A change that was not written is
// not made: the next probe leads to it again. What others have reported meanwhile
// counts instead.
func (p *Prober) settle(known *peer, c *conclusion, seq events.Seq, made bool) {
	known.reported = max(known.reported, seq)
	if seq > 0 {
		known.unwatched = time.Time{}
	}
	key := c.target.Key()
	latest, ok := p.targets.Get(key)
	switch {
	case !ok:
		return
	case latest.StatusSeq > known.reported:
		p.judge(known, &latest)
	case made:
		known.think(c.next, &latest)
	}
	if j := known.judged(&latest); j.Status() == events.StatusDown {
		p.suspicion.Forget(key)
	}
}

// counts reports whether a probe of what a peer was when it began says something
// about the peer as it is now, and whether this prober may say so, and until when.
// One that was stopped for a while and goes on may not: others have taken over
// (architecture, trap 10).
func (p *Prober) counts(known *peer, t *Target, res *probe.Result) (now Target, until time.Time, ok bool) {
	since, until, held := p.roster.lease(time.Now())
	now, ok = p.targets.Get(t.Key())
	ok = ok && now.Connection.From == t.Connection.From && known.config == t.Connection.From
	mine := held && p.peers[t.Key()] == known && !known.since.Before(since) && !res.Started.Before(known.since)
	return now, until, ok && mine && !known.writing
}

// observe judges one probe. While most of what answered before fails, the prober
// suspects itself, and says so of each peer that fails. What may not be dialled
// says nothing about that: it neither answered nor failed to.
func (p *Prober) observe(known *peer, before domain.Judgement, t *Target, f domain.Finding) (domain.Judgement, *domain.Change) {
	barred := f.Failure.Layer == events.LayerPolicy
	failed := f.Failure != events.Cause{} && !barred
	if barred {
		p.suspicion.Forget(t.Key())
	} else {
		p.suspicion.Observe(t.Key(), t.Hostname, failed)
	}
	if known.failures++; !failed {
		known.failures = 0
	}
	if p.suspicion.holds(time.Now()) && known.failures >= isolateAfter && before.Status() != events.StatusDown {
		p.suspicion.report()
		return before.Isolate(p.o.Rules, time.Now())
	}
	return before.Observe(p.o.Rules, f)
}

// errMuted says that the log is too full for reports.
var errMuted = errors.New("prober: the log is nearly full, so that only administrators write")

// write appends the events of a conclusion, unless it is too late for this prober.
func (p *Prober) write(ctx context.Context, c *conclusion) (events.Seq, error) {
	p.mu.Lock()
	muted := !p.mutedSince.IsZero()
	p.mu.Unlock()
	if muted {
		return 0, errMuted
	}
	ctx, cancel := context.WithDeadline(ctx, c.until)
	defer cancel()
	seq, err := p.append(ctx, &c.target, c.after, c.events)
	if err == nil {
		p.metrics.reported.Add(float64(len(c.events)))
	}
	return seq, err
}
