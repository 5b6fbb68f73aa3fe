// Package prober looks outside: it owns the targets, which peers are to be probed
// and how each can be reached.
//
// It imports domain, events and eventstore. It follows the log for its targets;
// what it finds about them goes back into the log as events.
package prober

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/events"
)

// Source is the log as the prober follows it; the event store implements it.
type Source interface {
	Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error
	Identity(ctx context.Context) (events.Identity, error)
}

// batch is how many messages are taken at once while catching up.
const batch = 4096

// Prober keeps the targets up to date with the log.
type Prober struct {
	source  Source
	codec   events.Codec
	targets *Targets
	log     *slog.Logger
	stream  time.Time // when the stream that is followed was created
}

// New returns a prober that follows source. Its metrics are registered with reg.
func New(source Source, log *slog.Logger, reg prometheus.Registerer) *Prober {
	p := &Prober{
		source:  source,
		codec:   events.NewCodec(events.Default()),
		targets: NewTargets(),
		log:     log,
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "peering_probe_targets",
		Help: "Peers that are to be probed.",
	}, func() float64 { return float64(p.targets.Len()) }))
	return p
}

// Targets is what is to be probed, as far as the log has been read.
func (p *Prober) Targets() *Targets { return p.targets }

// Run follows the log until ctx ends and returns ctx's error. Trouble with the
// log is logged and tried again; targets stay as they were meanwhile.
func (p *Prober) Run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	for {
		began := p.targets.Seq()
		err := p.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if p.targets.Seq() > began {
			wait.Reset()
		}
		p.log.Warn("following the log was interrupted", "stream_seq", p.targets.Seq(), "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait.NextBackOff()):
		}
	}
}

func (p *Prober) follow(ctx context.Context) error {
	id, err := p.source.Identity(ctx)
	if err != nil {
		return err
	}
	if !id.Created.Equal(p.stream) || id.Last < p.targets.Seq() {
		if !p.stream.IsZero() {
			p.log.Error("the stream is another one than before: its targets replace the old ones")
		}
		p.targets.Reset()
		p.stream = id.Created
	}
	return p.source.Follow(ctx, p.targets.Seq(), batch, p.take)
}

func (p *Prober) take(messages []events.Message) error {
	for _, m := range messages {
		recorded, err := p.codec.Decode(m)
		var undecodable *events.DecodeError
		switch {
		case errors.As(err, &undecodable):
			ent, peer, _ := events.ParseSubject(m.Subject)
			p.targets.Skip(m.Seq, ent, peer)
			p.log.Error("an event cannot be read; its enterprise is not probed until it can",
				"enterprise", ent, "stream_seq", m.Seq, "err", err)
		case err != nil:
			return err
		default:
			p.targets.Apply(recorded)
		}
	}
	return nil
}
