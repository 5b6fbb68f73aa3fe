package command

import (
	"context"
	"log/slog"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

const (
	// snapshotEvery is the least number of events between two snapshots of an
	// enterprise; a large one has half as many as it has peers, so that what is
	// written stays a small multiple of what happens.
	snapshotEvery = 100
	// snapshotQueue is how many enterprises may wait for their snapshot. Those
	// that find no place come again with their next command.
	snapshotQueue = 256
	// saveBudget is how long one snapshot may take to write.
	saveBudget = 10 * time.Second
	// drainBudget is how long the writing goes on after the end of the context.
	drainBudget = 2 * time.Second
)

// Run writes the snapshots that commands make due, one after another, until ctx
// ends; what is due then is written if two seconds are enough. It returns nil.
// Without it everything works, and loads take longer.
func (h *Handler) Run(ctx context.Context) error {
	for {
		select {
		case ent := <-h.due:
			h.snapshot(ctx, ent)
		case <-ctx.Done():
			h.drain(ctx)
			return nil
		}
	}
}

func (h *Handler) drain(ended context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ended), drainBudget)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case ent := <-h.due:
			h.snapshot(ctx, ent)
		default:
			return
		}
	}
}

// release ends the turn at e and notes when a snapshot has become due.
func (h *Handler) release(e *entry) {
	if e.state != nil && !e.queued && e.since >= max(snapshotEvery, e.state.PeerCount()/2) {
		select {
		case h.due <- e.enterprise:
			e.queued = true
		default:
		}
	}
	h.cache.release(e)
}

// snapshot saves the state of ent if it is still known here. Commands to ent
// wait while the state is encoded, not while it is written.
func (h *Handler) snapshot(ctx context.Context, ent events.EnterpriseID) {
	e, err := h.cache.acquire(ctx, ent)
	if err != nil {
		return
	}
	s, err := take(e)
	h.cache.release(e)
	if err == nil && s.Data != nil {
		saving, cancel := context.WithTimeout(ctx, saveBudget)
		defer cancel()
		err = h.snapshots.Save(saving, ent, s)
	}
	if err != nil {
		h.log.Warn("snapshot not written", slog.String("enterprise", string(ent)), slog.Any("err", err))
	}
}

// take encodes the state of e; without one the snapshot has no data. A snapshot
// that fails is not tried again before the next is due.
func take(e *entry) (s eventstore.Snapshot, err error) {
	e.queued = false
	if e.state == nil {
		return s, nil
	}
	e.since = 0
	s = eventstore.Snapshot{Seq: e.state.Seq(), Format: domain.SnapshotFormat}
	s.Data, err = e.state.MarshalSnapshot()
	return s, err
}
