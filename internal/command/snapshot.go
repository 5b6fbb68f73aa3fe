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
	// saveBudget is how long one snapshot may take, and all those that are still
	// due when the context ends.
	saveBudget = 2 * time.Second
)

// Run writes the snapshots that commands make due, one after another, until ctx
// ends; what is due then is written if two seconds are enough. It returns nil.
// Without it everything works, and loads take longer.
func (h *Handler) Run(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx) // a snapshot that was begun is finished
	for ctx.Err() == nil {
		select {
		case ent := <-h.due:
			h.snapshot(lasting, ent)
		case <-ctx.Done():
		}
	}
	lasting, cancel := context.WithTimeout(lasting, saveBudget)
	defer cancel()
	for lasting.Err() == nil {
		select {
		case ent := <-h.due:
			h.snapshot(lasting, ent)
		default:
			return nil
		}
	}
	return nil
}

// release ends the turn at e and notes when a snapshot has become due.
func (h *Handler) release(e *entry) {
	if e.state != nil && e.since >= max(snapshotEvery, e.state.PeerCount()/2) {
		select {
		case h.due <- e.enterprise:
			e.since = 0
		default:
		}
	}
	h.cache.release(e)
}

// snapshot saves the state of ent if it is still known here. Commands to ent
// wait while the state is encoded, not while it is written.
// One that fails is not tried again before the next is due.
func (h *Handler) snapshot(ctx context.Context, ent events.EnterpriseID) {
	ctx, cancel := context.WithTimeout(ctx, saveBudget)
	defer cancel()
	s, known, err := h.take(ctx, ent)
	if known && err == nil {
		err = h.snapshots.Save(ctx, ent, s)
	}
	if err != nil {
		h.log.Warn("snapshot not written", slog.String("enterprise", string(ent)), slog.Any("err", err))
	}
}

// take encodes the state of ent; known is false when it was forgotten meanwhile.
func (h *Handler) take(ctx context.Context, ent events.EnterpriseID) (s eventstore.Snapshot, known bool, err error) {
	e, err := h.cache.acquire(ctx, ent)
	if err != nil {
		return s, false, err
	}
	defer h.cache.release(e)
	if e.state == nil {
		return s, false, nil
	}
	data, err := e.state.MarshalSnapshot()
	return eventstore.Snapshot{Seq: e.state.Seq(), Format: domain.SnapshotFormat, Data: data}, true, err
}
