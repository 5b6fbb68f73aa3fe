package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
)

// Samples keeps what single probes found in the stream events.SamplesStream.
// EnsureSamples must have succeeded before it is used. The stream has one
// replica and is not synced: samples may be lost, and nobody waits for them.
type Samples struct {
	wire
	js   jetstream.JetStream
	log  *slog.Logger
	lost atomic.Uint64
}

// NewSamples returns the samples on nc, which the caller closes after the last
// call has returned. log gets what cannot be kept, as debug lines.
func NewSamples(nc *nats.Conn, log *slog.Logger) (*Samples, error) {
	s := &Samples{wire: wire{nc: nc, stream: events.SamplesStream}, log: log}
	var err error
	s.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(2*samplesPending), jetstream.WithPublishAsyncTimeout(budget),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) {
			s.lost.Add(1)
			log.Debug("a sample was lost", "subject", m.Subject, "err", err)
		}))
	if err != nil {
		return nil, fmt.Errorf("eventstore: %w", err)
	}
	return s, nil
}

// Lost counts the samples that were handed over and not kept.
func (s *Samples) Lost() uint64 { return s.lost.Load() }

// errSamplesPending says that the stream does not take samples as quickly as they
// come, or not at all.
var errSamplesPending = errors.New("eventstore: too many samples wait to be kept")

const (
	samplesPending = 4096               // acknowledgements that may be outstanding
	samplesAge     = 7 * 24 * time.Hour // those of peers that are not probed any more go then
	sampleBatch    = 1024
)

// samplesStream is the stream as it must be. It takes little of the server's
// storage: what does not fit pushes the oldest samples out.
func (o StreamOptions) samplesStream() jetstream.StreamConfig {
	c := o.common()
	c.Name = events.SamplesStream
	c.Description = "What single probes found, the newest of each peer."
	c.Subjects = []string{events.FilterSamples}
	c.Replicas = 1
	c.MaxBytes = max(o.MaxBytes/64, 1<<20)
	c.MaxAge = samplesAge
	c.MaxMsgsPerSubject = events.SamplesPerPeer
	c.Discard = jetstream.DiscardOld
	c.PersistMode = jetstream.AsyncPersistMode
	return c
}

// EnsureSamples makes or verifies the stream of samples as Ensure does the
// others. It is apart from them: the log works without it, and its one replica
// may be away while the others have a majority.
func EnsureSamples(ctx context.Context, nc *nats.Conn, o StreamOptions) error {
	o = o.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("eventstore: %w", err)
	}
	want := o.samplesStream()
	faults, err := ensure(ctx, js, want, o.Logger)
	if err != nil {
		return fmt.Errorf("stream %s: %w", want.Name, err)
	}
	if len(faults) > 0 {
		return &SettingsError{Faults: faults}
	}
	return nil
}

// Keep hands a sample to the stream and does not wait for it. An error means that
// it is lost.
func (s *Samples) Keep(sample events.Sample) error {
	if s.js.PublishAsyncPending() >= samplesPending {
		return errSamplesPending
	}
	data, err := json.Marshal(sample)
	if err != nil {
		return fmt.Errorf("eventstore: sample: %w", err)
	}
	if _, err := s.js.PublishAsync(events.SampleSubject(sample.Enterprise, sample.Peer), data); err != nil {
		return fmt.Errorf("eventstore: sample: %w", err)
	}
	return nil
}

// Samples returns the newest samples of a peer, the newest first, at most limit.
// An error wraps ErrUnavailable or ErrNoStream.
func (s *Samples) Samples(ctx context.Context, ent events.EnterpriseID, peer events.PeerID, limit int) ([]events.Sample, error) {
	subject := events.SampleSubject(ent, peer)
	end, err := s.last(ctx, subject)
	if err != nil || end == 0 {
		return nil, err
	}
	var kept []events.Sample
	err = s.upTo(ctx, subject, 0, end, end, func(m events.Message) error {
		kept = append(kept, s.decoded(m.Subject, m.Data)...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []events.Sample
	for i := len(kept) - 1; i >= 0 && len(out) < limit; i-- {
		out = append(out, kept[i])
	}
	return out, nil
}

// decoded is the sample in a message, or none: anybody who may publish there can
// store what is no sample, and that harms nobody.
func (s *Samples) decoded(subject string, data []byte) []events.Sample {
	sample, err := events.DecodeSample(subject, data)
	if err != nil {
		s.log.Debug("a message is no sample", "subject", subject, "err", err)
		return nil
	}
	return []events.Sample{sample}
}

// FollowSamples hands the newest sample of every peer to sink, and then each as
// it comes, in batches, until ctx ends or sink returns an error, which is
// returned. Any other error is worth trying again; it then begins with the newest
// of every peer once more.
func (s *Samples) FollowSamples(ctx context.Context, sink func([]events.Sample) error) error {
	st, err := s.state(ctx)
	if err != nil {
		return fmt.Errorf("reading %s: %w", s.stream, err)
	}
	from := s.wire
	from.newest = true
	return from.read(ctx, events.FilterSamples, 0, sampleBatch, st.Created, func(list []events.Message) (bool, error) {
		var batch []events.Sample
		for _, m := range list {
			batch = append(batch, s.decoded(m.Subject, m.Data)...)
		}
		if len(batch) == 0 {
			return false, nil
		}
		return false, sink(batch)
	})
}
