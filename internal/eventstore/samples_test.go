package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// sampling is the stream of samples, empty.
func sampling(t *testing.T) (*nats.Conn, *eventstore.Samples) {
	t.Helper()
	nc := testkit.NATS(t)
	err := testkit.JetStream(t, nc).DeleteStream(t.Context(), events.SamplesStream)
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Fatal(err)
	}
	if err := eventstore.EnsureSamples(t.Context(), nc, eventstore.StreamOptions{}); err != nil {
		t.Fatal(err)
	}
	s, err := eventstore.NewSamples(nc, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return nc, s
}

func sample(peer events.PeerID, i int) events.Sample {
	return events.Sample{
		Enterprise: "acme", Peer: peer, Prober: "p", Started: time.Date(2026, 1, 2, 3, 4, i, 0, time.UTC), OK: true,
		Steps: []events.Step{{Layer: events.LayerDNS, OK: true, Message: "found", TookMS: 0.5}},
	}
}

// keep stores samples and waits until they are there.
func keep(t *testing.T, nc *nats.Conn, s *eventstore.Samples, list ...events.Sample) {
	t.Helper()
	for _, one := range list {
		if err := s.Keep(one); err != nil {
			t.Fatal(err)
		}
	}
	last := list[len(list)-1]
	for {
		got, err := s.Samples(t.Context(), last.Enterprise, last.Peer, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 1 && got[0].Started.Equal(last.Started) {
			return
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSamples_theNewestComeFirstAndOnlySoManyAreKept(t *testing.T) {
	nc, s := sampling(t)
	if got, err := s.Samples(t.Context(), "acme", "p1", 10); err != nil || got != nil {
		t.Fatalf("of nobody: %v, %v", got, err)
	}
	var list []events.Sample
	for i := range events.SamplesPerPeer + 5 {
		list = append(list, sample("p1", i))
	}
	keep(t, nc, s, sample("p2", 1))
	keep(t, nc, s, list...)
	got, err := s.Samples(t.Context(), "acme", "p1", 3)
	want := []events.Sample{list[len(list)-1], list[len(list)-2], list[len(list)-3]}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if all, err := s.Samples(t.Context(), "acme", "p1", 1000); err != nil || len(all) != events.SamplesPerPeer {
		t.Errorf("%d kept, %v", len(all), err)
	}
}

func TestSamples_followBeginsWithTheNewestOfEachPeer(t *testing.T) {
	nc, s := sampling(t)
	keep(t, nc, s, sample("p1", 1), sample("p1", 2), sample("p2", 1))
	if err := nc.Publish(events.SampleSubject("acme", "p3"), []byte("no sample")); err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish(events.SampleSubject("acme", "p4"), []byte(`{"enterprise":"other","peer":"p4"}`)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan events.Sample, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- s.FollowSamples(ctx, func(batch []events.Sample) error {
			for _, one := range batch {
				seen <- one
			}
			return nil
		})
	}()
	next := func() string {
		one := <-seen
		return fmt.Sprint(one.Peer, " ", one.Started.Second())
	}
	if got := []string{next(), next()}; !cmp.Equal(got, []string{"p1 2", "p2 1"}) {
		t.Errorf("first %v", got)
	}
	keep(t, nc, s, sample("p1", 3))
	if got := next(); got != "p1 3" {
		t.Errorf("then %s", got)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestSamples_followEndsWhenTheStreamIsGone(t *testing.T) {
	nc, s := sampling(t)
	keep(t, nc, s, sample("p1", 1))
	seen := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- s.FollowSamples(t.Context(), func([]events.Sample) error { seen <- struct{}{}; return nil })
	}()
	<-seen
	if err := testkit.JetStream(t, nc).DeleteStream(t.Context(), events.SamplesStream); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, eventstore.ErrNoStream) {
		t.Errorf("ended with %v", err)
	}
	if _, err := s.Samples(t.Context(), "acme", "p1", 1); !errors.Is(err, eventstore.ErrNoStream) {
		t.Errorf("reading gives %v", err)
	}
	if err := s.FollowSamples(t.Context(), nil); !errors.Is(err, eventstore.ErrNoStream) {
		t.Errorf("following gives %v", err)
	}
}

func TestSamples_sinkEndsFollowing(t *testing.T) {
	nc, s := sampling(t)
	keep(t, nc, s, sample("p1", 1))
	full := errors.New("full")
	if err := s.FollowSamples(t.Context(), func([]events.Sample) error { return full }); !errors.Is(err, full) {
		t.Errorf("ended with %v", err)
	}
}
