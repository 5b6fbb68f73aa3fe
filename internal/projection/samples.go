package projection

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/events"
)

// SampleSource gives out what probes have found.
type SampleSource interface {
	// FollowSamples calls sink with the newest sample of each peer and then with
	// new ones as they come, those of a peer in their order. It returns when ctx
	// ends, sink fails or the source does.
	FollowSamples(ctx context.Context, sink func([]events.Sample) error) error
}

// SampleTable keeps the newest sample of each peer; *readmodel.DB is one.
type SampleTable interface {
	KeepSamples(ctx context.Context, list []events.Sample, now time.Time) error
	PruneProbes(ctx context.Context, olderThan time.Time) error
}

const (
	// samplesEvery is how often samples are written at most.
	samplesEvery = time.Second
	// samplesKept is how long what the last probe found is kept: whoever is not
	// probed any more still reads when that was.
	samplesKept = 30 * 24 * time.Hour
	pruneEvery  = time.Hour
	// lastWrite is how long writing what has come may take at the end.
	lastWrite = 2 * time.Second
)

// Samples brings what probes have found into the database: of each peer the
// newest, in one transaction a second at most. Nothing depends on it: samples that
// are lost are followed by others within half a minute, and those that the source
// still has come again at the next start.
type Samples struct {
	source SampleSource
	table  SampleTable
	log    *slog.Logger

	mu      sync.Mutex
	pending map[sampleKey]events.Sample
	arrived chan struct{} // has a value when something is pending
}

type sampleKey struct {
	enterprise events.EnterpriseID
	peer       events.PeerID
}

// NewSamples returns a follower of source; Run starts it. A nil log says nothing.
func NewSamples(source SampleSource, table SampleTable, log *slog.Logger) *Samples {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Samples{source: source, table: table, log: log, pending: map[sampleKey]events.Sample{}, arrived: make(chan struct{}, 1)}
}

// Run works until ctx ends, and returns its error after what has come was written,
// if the database takes it. Trouble with the source or the database is logged and
// tried again.
func (s *Samples) Run(ctx context.Context) error {
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return s.follow(running) })
	group.Go(func() error { return s.write(running) })
	group.Go(func() error { return s.prune(running) })
	err := group.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
	defer cancel()
	if err := s.flush(last); err != nil {
		s.log.Debug("the last samples could not be written", "err", err)
	}
	return err
}

// follow takes what comes, whatever the database does meanwhile: there is one
// sample of each peer to remember.
func (s *Samples) follow(ctx context.Context) error {
	wait := patience()
	for {
		err := s.source.FollowSamples(ctx, func(list []events.Sample) error {
			wait.Reset()
			s.take(list)
			return nil
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.log.Warn("the samples were interrupted", "err", err)
		if err := pause(ctx, wait.NextBackOff()); err != nil {
			return err
		}
	}
}

// write writes what has come, and waits before it looks again.
func (s *Samples) write(ctx context.Context) error {
	wait := patience()
	for {
		select {
		case <-s.arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
		next := samplesEvery
		switch err := s.flush(ctx); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.log.Warn("the samples could not be written", "err", err)
			next = max(next, wait.NextBackOff())
		default:
			wait.Reset()
		}
		if err := pause(ctx, next); err != nil {
			return err
		}
	}
}

// prune drops what is old at the start and once an hour.
func (s *Samples) prune(ctx context.Context) error {
	for {
		if err := s.table.PruneProbes(ctx, time.Now().Add(-samplesKept)); err != nil && ctx.Err() == nil {
			s.log.Warn("old samples could not be dropped", "err", err)
		}
		if err := pause(ctx, pruneEvery); err != nil {
			return err
		}
	}
}

// flush writes what is pending. What could not be written is pending again.
func (s *Samples) flush(ctx context.Context) error {
	s.mu.Lock()
	list := make([]events.Sample, 0, len(s.pending))
	for _, sample := range s.pending {
		list = append(list, sample)
	}
	clear(s.pending)
	s.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	err := s.table.KeepSamples(ctx, list, time.Now())
	if err != nil {
		s.take(list)
	}
	return err
}

// take remembers the newest sample of each peer.
func (s *Samples) take(list []events.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sample := range list {
		k := sampleKey{sample.Enterprise, sample.Peer}
		if before, ok := s.pending[k]; !ok || before.Started.Before(sample.Started) {
			s.pending[k] = sample
		}
	}
	if len(s.pending) == 0 {
		return
	}
	select {
	case s.arrived <- struct{}{}:
	default: // it is known already
	}
}

// patience is how trouble is tried again.
func patience() *backoff.ExponentialBackOff {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 50*time.Millisecond, maxPause
	return wait
}
