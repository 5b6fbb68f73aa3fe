package prober

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// BenchmarkSchedule is one probe of 100,000 peers at 10,000 hosts: taken, done,
// moved.
func BenchmarkSchedule(b *testing.B) {
	const peers = 100_000
	s := newSchedule(2)
	for i := range peers {
		s.put(keyOf(i), fmt.Sprint("h", i%10_000), epoch.Add(time.Duration(i)*time.Millisecond))
	}
	now := epoch.Add(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		e, _ := s.next(now)
		now = now.Add(time.Millisecond)
		s.done(e, now.Add(30*time.Second))
		s.put(e.key, e.host, now.Add(40*time.Second))
	}
}

// BenchmarkProber_share is a change among three probers of 10,000 peers.
func BenchmarkProber_share(b *testing.B) {
	log := eventstore.NewMemory(events.NewCodec(events.Default()))
	p := New(Options{
		ID: "prober-0", Source: log, Store: log, Registry: newMemoryRegistry(), Keep: func(events.Sample) error { return nil },
		Used:   func(context.Context) (float64, error) { return 0, nil },
		Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	for i := range 10_000 {
		p.targets.Apply(recorded(events.Seq(i+1), added(peerID(i), fmt.Sprintf("h%d.example", i))))
	}
	p.arrived(10_000)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		p.mu.Lock()
		p.members = membersNamed(2 + n%2)
		p.mu.Unlock()
		p.refreshAll()
	}
}
