// Package prober looks outside: it owns which peers are to be probed, when, by
// which of several probers, and what is made of it. It follows the log for its
// targets, and what it finds about them goes back into the log as events, when it
// changes what is known.
//
// It imports domain for the judgement, probe for the looking, events and
// eventstore. The way of one probe: schedule (when) → probe (what is there) →
// domain.Judgement (what that means) → append (the event, when there is one).
package prober

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// Source is the log as the prober follows it; the event store implements it.
type Source interface {
	Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error
	Identity(ctx context.Context) (events.Identity, error)
}

// Store takes what the prober reports, as eventstore.Store says.
type Store interface {
	Append(ctx context.Context, subject events.Subject, after events.Seq, evs ...events.Envelope) (events.Seq, error)
}

// Looker looks at a server; *probe.Probe is one.
type Looker interface {
	Look(ctx context.Context, t probe.Target) probe.Result
}

// Options are what a prober works with. Those without a default are required.
type Options struct {
	ID       string // of this prober, unique among all; must do as a key of the registry
	Source   Source
	Store    Store
	Registry Registry
	Probe    Looker
	// Keep takes a sample of every probe and does not wait.
	Keep func(events.Sample) error
	// Used is the share of the log's limit that is used. At maxUsed and above
	// nothing is reported, so that administrators never stand before a full log.
	Used func(ctx context.Context) (float64, error)

	Interval    time.Duration     // between two probes of a peer; 0: 30 s
	Concurrency int               // probes at the same time; 0: 256
	PerHost     int               // of them at one host; 0: 2
	Rules       domain.JudgeRules // the zero value: domain.DefaultJudgeRules
	Logger      *slog.Logger
	Metrics     prometheus.Registerer
}

func (o Options) withDefaults() Options {
	if o.Interval == 0 {
		o.Interval = 30 * time.Second
	}
	if o.Concurrency == 0 {
		o.Concurrency = 256
	}
	if o.PerHost == 0 {
		o.PerHost = 2
	}
	if o.Rules == (domain.JudgeRules{}) {
		o.Rules = domain.DefaultJudgeRules()
	}
	return o
}

// maxUsed is the share of the log's limit above which probers are silent
// (architecture: the log).
const maxUsed = 0.9

// Prober probes its share of the targets and reports what changes.
type Prober struct {
	o       Options
	id      string
	codec   events.Codec
	targets *Targets
	roster  *roster
	metrics *metrics
	log     *slog.Logger
	started time.Time
	wake    chan struct{} // there may be something due
	hurry   chan struct{} // there is something to say to the other probers
	tests   chan struct{} // places for looks at servers that are no peers

	mu          sync.Mutex
	stream      time.Time // when the stream that is followed was created
	caughtUp    bool      // the targets are those of the log's end, as it was found
	members     []string  // that the peers are shared out among; nil: not known
	leasedSince time.Time // the lease that they were shared out under
	peers       map[domain.PeerKey]*peer
	schedule    *schedule
	suspicion   suspicion
	// unwatchedSince is since when nobody had probed when the peers were shared out;
	// zero: somebody had.
	unwatchedSince time.Time
	lost           time.Time // since when the log is not followed; zero: it is
	mutedSince     time.Time // since when the log is too full for reports; zero: it is not
	held           map[events.EnterpriseID]time.Time
}

// New returns a prober. Its metrics are registered with o.Metrics.
func New(o Options) *Prober {
	o = o.withDefaults()
	p := &Prober{
		o: o, id: o.ID, codec: events.NewCodec(events.Default()), targets: NewTargets(), roster: newRoster(o.ID),
		log: o.Logger.With("prober", o.ID), started: time.Now().UTC(),
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), tests: make(chan struct{}, maxTests),
		peers: map[domain.PeerKey]*peer{}, schedule: newSchedule(o.PerHost), held: map[events.EnterpriseID]time.Time{},
	}
	p.suspicion = suspicion{lasts: 4 * o.Interval, log: p.log}
	p.metrics = newMetrics(p, o.Metrics)
	return p
}

// Targets is what is to be probed, as far as the log has been read.
func (p *Prober) Targets() *Targets { return p.targets }

// Run probes until ctx ends and returns ctx's error after everything has
// stopped. It leaves the registry then, so that others take over at once.
// Trouble with the log, the registry or the network is logged and tried again.
func (p *Prober) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for what, part := range map[string]func(context.Context) error{
		"following the log":        p.follow,
		"watching the probers":     p.watch,
		"saying that it is there":  p.attend,
		"looking at the log's use": p.watchSpace,
		"forgetting old probers":   p.forget,
		"probing":                  p.work,
	} {
		group.Go(func() error { return p.keepAt(ctx, what, part) })
	}
	err := group.Wait()
	p.leave(context.WithoutCancel(ctx))
	return err
}

// keepAt runs a part until ctx ends.
func (p *Prober) keepAt(ctx context.Context, what string, part func(context.Context) error) error {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 10 * time.Second
	for {
		began := time.Now()
		err := part(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > wait.MaxInterval {
			wait.Reset()
		}
		p.log.Warn("a part of the prober was interrupted", "part", what, "stream_seq", p.targets.Seq(), "err", err)
		if err := sleep(ctx, wait.NextBackOff()); err != nil {
			return err
		}
	}
}

// sleep waits for d or for the end of ctx, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// batch is how many messages are taken at once while catching up.
const batch = 4096

// follow keeps the targets up to date with the log.
func (p *Prober) follow(ctx context.Context) error {
	id, err := p.o.Source.Identity(ctx)
	if err != nil {
		return err
	}
	p.begin(id)
	defer p.stopped()
	end := id.Last
	p.arrived(end)
	return p.o.Source.Follow(ctx, p.targets.Seq(), batch, func(messages []events.Message) error {
		keys, err := p.take(messages)
		p.refresh(keys...)
		p.arrived(end)
		return err
	})
}

// begin forgets everything when the stream is another one than before.
func (p *Prober) begin(id events.Identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = time.Time{}
	if id.Created.Equal(p.stream) && id.Last >= p.targets.Seq() {
		return
	}
	if !p.stream.IsZero() {
		p.log.Error("the stream is another one than before: its targets replace the old ones")
	}
	p.targets.Reset()
	p.stream, p.caughtUp = id.Created, false
	clear(p.held)
	for key := range p.peers {
		p.drop(key)
	}
}

// stopped notes that the log is not followed any more.
func (p *Prober) stopped() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = time.Now()
}

// arrived notes that the targets are those of the log's end, and begins to probe.
func (p *Prober) arrived(end events.Seq) {
	p.mu.Lock()
	first := !p.caughtUp && p.targets.Seq() >= end
	p.caughtUp = p.caughtUp || first
	p.mu.Unlock()
	if !first {
		return
	}
	p.refreshAll()
	select {
	case p.hurry <- struct{}{}: // it is a member from now on
	default:
	}
}

// take folds messages and returns the peers that they are about.
func (p *Prober) take(messages []events.Message) (keys []domain.PeerKey, err error) {
	for _, m := range messages {
		recorded, err := p.codec.Decode(m)
		var undecodable *events.DecodeError
		switch {
		case errors.As(err, &undecodable):
			keys = append(keys, p.skip(m, err)...)
		case err != nil:
			return keys, err
		default:
			p.targets.Apply(recorded)
			switch e := recorded.Event.(type) {
			case events.PeerEvent:
				keys = append(keys, domain.PeerKey{Enterprise: recorded.Enterprise, Peer: e.PeerID()})
			case events.EnterpriseRemoved:
				keys = append(keys, p.ownedOf(recorded.Enterprise)...)
			}
		}
	}
	return keys, nil
}

// skip passes a message that cannot be read and returns the peers that are not
// probed because of it.
func (p *Prober) skip(m events.Message, err error) []domain.PeerKey {
	ent, peer, _ := events.ParseSubject(m.Subject)
	p.targets.Skip(m.Seq, ent, peer)
	p.log.Error("an event cannot be read; its enterprise is not probed until it can", "enterprise", ent, "stream_seq", m.Seq, "err", err)
	p.mu.Lock()
	if _, known := p.held[ent]; !known && peer == "" && ent != "" {
		p.held[ent] = m.Stored.UTC()
	}
	p.mu.Unlock()
	return p.ownedOf(ent)
}

// ownedOf lists the peers of an enterprise that this prober owns.
func (p *Prober) ownedOf(ent events.EnterpriseID) (keys []domain.PeerKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.peers {
		if key.Enterprise == ent {
			keys = append(keys, key)
		}
	}
	return keys
}

// watchSpace looks at how full the log is.
func (p *Prober) watchSpace(ctx context.Context) error {
	for {
		used, err := p.o.Used(ctx)
		if err != nil {
			return err
		}
		p.mute(used)
		if err := sleep(ctx, 10*time.Second); err != nil {
			return err
		}
	}
}

// mute notes how full the log is.
func (p *Prober) mute(used float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	full := used >= maxUsed
	switch {
	case full == !p.mutedSince.IsZero():
	case full:
		p.mutedSince = time.Now().UTC()
		p.log.Error("the log is nearly full: changes of status are not reported until log_max_bytes is raised", "used", used)
	default:
		p.mutedSince = time.Time{}
		p.log.Info("the log has room again: changes of status are reported", "used", used)
	}
}
