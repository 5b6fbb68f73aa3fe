package eventstore

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
)

// canaryTimeout is how long a canary append may take before the log counts as
// one that cannot be written.
const canaryTimeout = 2 * time.Second

// Health looks at the log from outside.
type Health struct {
	log wire
	js  jetstream.JetStream
}

// NewHealth returns a look at the log on nc.
func NewHealth(nc *nats.Conn) (*Health, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("eventstore: %w", err)
	}
	return &Health{wire{nc: nc, stream: events.Stream}, js}, nil
}

// Report is the state of the log for the health page.
type Report struct {
	Server    string     // version of the server
	Created   time.Time  // of the log
	Last      events.Seq // newest event
	Bytes     int64
	MaxBytes  int64
	UsedRatio float64 // Bytes to MaxBytes
	Replicas  int
	Current   int    // replicas that are up to date, the leader included
	Leader    string // empty on a single server
}

// Report asks the leader of the log. An error wraps ErrUnavailable or
// ErrNoStream.
func (h *Health) Report(ctx context.Context) (Report, error) {
	st, err := h.log.state(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("health of the log: %w", err)
	}
	r := Report{
		Server:   h.log.nc.ConnectedServerVersion(),
		Created:  st.Created.UTC(),
		Last:     events.Seq(st.State.LastSeq),
		Bytes:    int64(st.State.Bytes),
		MaxBytes: st.Config.MaxBytes,
		Replicas: st.Config.Replicas,
		Current:  1,
	}
	if r.MaxBytes > 0 {
		r.UsedRatio = float64(r.Bytes) / float64(r.MaxBytes)
	}
	if c := st.Cluster; c != nil {
		r.Leader = c.Leader
		for _, p := range c.Replicas {
			if p.Current && !p.Offline {
				r.Current++
			}
		}
	}
	return r, nil
}

// UsedRatio is the share of the log's limit that is used: probers stop
// appending at 0.9, health turns amber at 0.7 and red at 0.85.
func (h *Health) UsedRatio(ctx context.Context) (float64, error) {
	r, err := h.Report(ctx)
	return r.UsedRatio, err
}

// Canary writes to a stream beside the log, on the same disks, and fails when
// the write is not acknowledged within two seconds. The server calls itself
// healthy while its disk is full; this does not.
func (h *Health) Canary(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, canaryTimeout)
	defer cancel()
	if _, err := h.js.Publish(ctx, healthSubject, nil); err != nil {
		return fmt.Errorf("the log cannot be written: %w: %w", ErrUnavailable, err)
	}
	return nil
}
