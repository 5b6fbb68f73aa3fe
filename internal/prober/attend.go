package prober

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/peering/peering/internal/events"
)

// attend says that this prober is there, and shares the peers out again when who
// is there has changed. It returns with ctx's error alone: a beat that is not
// acknowledged is tried again with the next.
func (p *Prober) attend(ctx context.Context) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for failing := false; ; {
		err := p.beat(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if (err != nil) != failing {
			failing = err != nil
			p.log.Warn("saying that this prober is there", "acknowledged", !failing, "err", err)
		}
		p.share()
		select {
		case <-tick.C:
		case <-p.hurry:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *Prober) beat(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, beatEvery)
	defer cancel()
	if err := p.o.Registry.Beat(ctx, p.member()); err != nil {
		return err
	}
	p.roster.acknowledged(began, time.Now())
	return nil
}

// member is what this prober says of itself.
func (p *Prober) member() Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Member{
		ID: p.id, Started: p.started, Targets: p.targets.Len(), Owned: len(p.peers),
		Isolated: p.suspicion.reported, Muted: !p.mutedSince.IsZero(), MutedSince: p.mutedSince, Held: maps.Clone(p.held),
		Starting: !p.ready(time.Now()),
	}
}

// ready reports whether this prober knows what is to be probed: it has read the
// log to its end, and still follows it.
func (p *Prober) ready(now time.Time) bool {
	return p.caughtUp && (p.lost.IsZero() || now.Sub(p.lost) < leaseFor)
}

// share shares the peers out anew when who is there has changed. Peers that
// change hands are judged anew, from what the log says; after a gap in the lease
// all are: others may have seen them meanwhile, and found nothing to report.
func (p *Prober) share() {
	p.mu.Lock()
	now := time.Now()
	var live []string
	if p.ready(now) {
		live = p.roster.live(now)
	}
	since, _, _ := p.roster.lease(now)
	gap := !since.Equal(p.leasedSince)
	same := !gap && slices.Equal(p.members, live)
	first := p.members == nil && live != nil
	p.members, p.leasedSince = live, since
	if first {
		p.nobodyProbed(live, since)
	}
	if gap {
		for key := range p.peers {
			p.drop(key)
		}
	}
	p.mu.Unlock()
	if same {
		return
	}
	p.log.Info("the peers are shared out anew", "probers", live)
	p.refreshAll()
}

// watch hears the probers, itself among them.
func (p *Prober) watch(ctx context.Context) error {
	return p.o.Registry.Watch(ctx, func(m Member, old time.Duration) {
		if m.ID == p.id && old > 0 {
			return // what it said before says nothing of this watch
		}
		p.roster.hear(m, time.Now().Add(-old))
		p.share()
	})
}

// forget removes from the registry who is long gone, once an hour.
func (p *Prober) forget(ctx context.Context) error {
	for {
		for _, id := range p.roster.forgotten(time.Now()) {
			if err := p.o.Registry.Forget(ctx, id); err != nil {
				return err
			}
		}
		if err := sleep(ctx, time.Hour); err != nil {
			return err
		}
	}
}

// leave says that this prober stops, so that nobody waits for it.
func (p *Prober) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	m := p.member()
	m.Left, m.Owned = true, 0
	if err := p.o.Registry.Beat(ctx, m); err != nil {
		p.log.Debug("leaving could not be said", "err", err)
	}
}

// Status is how a prober is, for health reports.
type Status struct {
	Seq      events.Seq    // the position in the log up to which its targets are right
	Targets  int           // all that are to be probed
	Owned    int           // those that this one probes
	Late     time.Duration // how long the one that is due longest has been waiting
	Isolated bool          // it suspects itself
	Muted    bool          // the log is too full for reports
	Leased   bool          // it may speak for what it owns
	Probers  int           // that are known to be there
	Held     int           // enterprises that are not probed, because an event cannot be read
}

// Status describes the prober as it is now.
func (p *Prober) Status() Status {
	now := time.Now()
	_, _, leased := p.roster.lease(now)
	p.mu.Lock()
	defer p.mu.Unlock()
	return Status{
		Seq: p.targets.Seq(), Targets: p.targets.Len(), Owned: len(p.peers), Late: p.schedule.late(now),
		Isolated: p.suspicion.reported, Muted: !p.mutedSince.IsZero(), Leased: leased, Probers: len(p.members), Held: len(p.targets.Held()),
	}
}
