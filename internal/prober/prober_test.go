package prober_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/prober"
)

var day = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func envelope(ent events.EnterpriseID, command string, e events.Event) events.Envelope {
	return events.Envelope{
		ID: events.NewEventID(ent, events.CommandID(command), 0), Enterprise: ent, Time: day,
		CommandID: events.CommandID(command), Count: 1, CorrelationID: command, Actor: "test", Event: e,
	}
}

// interrupted is a log whose first attempts fail.
type interrupted struct {
	prober.Source
	failures int
}

func (s *interrupted) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	if s.failures > 0 {
		s.failures--
		return errors.New("no leader")
	}
	return s.Source.Follow(ctx, after, limit, sink)
}

func TestProber_followsTheLogThroughInterruptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory()
		append1(t, store, 0, envelope(acme, "c1", added("p1")))
		p := prober.New(&interrupted{Source: store, failures: 3}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		time.Sleep(time.Minute)
		if p.Targets().Len() != 1 {
			t.Errorf("%d targets, want 1", p.Targets().Len())
		}
		append1(t, store, 1, envelope(acme, "c2", events.PeerDisabled{Peer: "p1"}))
		synctest.Wait()
		if p.Targets().Len() != 0 || p.Targets().Seq() != 2 {
			t.Errorf("%d targets at %d", p.Targets().Len(), p.Targets().Seq())
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

// replaced is a log that becomes another one when the first is interrupted.
type replaced struct {
	first, second prober.Source
	swap          chan struct{}
	swapped       bool
}

func (s *replaced) now() prober.Source {
	if s.swapped {
		return s.second
	}
	return s.first
}

func (s *replaced) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !s.swapped {
		go func() {
			select {
			case <-s.swap:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	err := s.now().Follow(ctx, after, limit, sink)
	s.swapped = true
	return err
}

func (s *replaced) Identity(ctx context.Context) (events.Identity, error) {
	id, err := s.now().Identity(ctx)
	if s.swapped {
		id.Created = id.Created.Add(time.Hour)
	}
	return id, err
}

func TestProber_anotherStreamReplacesTheTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := memory(), memory()
		append1(t, before, 0, envelope(acme, "c1", added("p1")))
		append1(t, after, 0, envelope("other", "c1", added("p2")))
		source := &replaced{first: before, second: after, swap: make(chan struct{})}
		p := prober.New(source, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		close(source.swap)
		time.Sleep(time.Minute)
		if n := count(p, acme); n != 0 || count(p, "other") != 1 {
			t.Errorf("%d targets of the old stream, %d of the new", n, count(p, "other"))
		}
		cancel()
		<-ended
	})
}

func count(p *prober.Prober, ent events.EnterpriseID) int {
	n := 0
	for range p.Targets().Of(ent) {
		n++
	}
	return n
}

func append1(t *testing.T, store eventstore.Store, after events.Seq, e events.Envelope) {
	t.Helper()
	if _, err := store.Append(t.Context(), events.ConfigSubject(e.Enterprise), after, e); err != nil {
		t.Fatal(err)
	}
}

func memory() *eventstore.Memory {
	return eventstore.NewMemory(events.NewCodec(events.Default()))
}
