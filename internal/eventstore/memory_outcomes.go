package eventstore

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/peering/peering/internal/events"
)

// MemoryOutcomes keeps outcomes in memory, for as long as the process runs: the
// twin of StreamOutcomes.
type MemoryOutcomes struct {
	mu   sync.Mutex
	kept map[outcomeKey][]byte
}

type outcomeKey struct {
	ent events.EnterpriseID
	id  events.CommandID
}

// NewMemoryOutcomes returns an empty one.
func NewMemoryOutcomes() *MemoryOutcomes {
	return &MemoryOutcomes{kept: map[outcomeKey][]byte{}}
}

// Find is described at Outcomes.
func (o *MemoryOutcomes) Find(ctx context.Context, ent events.EnterpriseID, id events.CommandID) ([]byte, bool, error) {
	if err := ended(ctx); err != nil {
		return nil, false, fmt.Errorf("eventstore: find the outcome %s of %s: %w", id, ent, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	data, ok := o.kept[outcomeKey{ent, id}]
	return slices.Clone(data), ok, nil
}

// Keep is described at Outcomes.
func (o *MemoryOutcomes) Keep(ctx context.Context, ent events.EnterpriseID, id events.CommandID, data []byte) ([]byte, error) {
	if err := ended(ctx); err != nil {
		return nil, fmt.Errorf("eventstore: keep the outcome %s of %s: %w", id, ent, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	key := outcomeKey{ent, id}
	if _, ok := o.kept[key]; !ok {
		o.kept[key] = slices.Clone(data)
	}
	return slices.Clone(o.kept[key]), nil
}

// MemorySnapshots keeps snapshots in memory: the twin of StreamSnapshots.
type MemorySnapshots struct {
	mu   sync.Mutex
	kept map[events.EnterpriseID]Snapshot
}

// NewMemorySnapshots returns an empty one.
func NewMemorySnapshots() *MemorySnapshots {
	return &MemorySnapshots{kept: map[events.EnterpriseID]Snapshot{}}
}

// Load is described at Snapshots.
func (m *MemorySnapshots) Load(ctx context.Context, ent events.EnterpriseID) (Snapshot, bool, error) {
	if err := ended(ctx); err != nil {
		return Snapshot{}, false, fmt.Errorf("eventstore: load the snapshot of %s: %w", ent, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.kept[ent]
	s.Data = slices.Clone(s.Data)
	return s, ok, nil
}

// Save is described at Snapshots.
func (m *MemorySnapshots) Save(ctx context.Context, ent events.EnterpriseID, s Snapshot) error {
	if err := ended(ctx); err != nil {
		return fmt.Errorf("eventstore: save the snapshot of %s: %w", ent, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.kept[ent]; ok && old.Seq > s.Seq {
		return nil
	}
	s.Data = slices.Clone(s.Data)
	m.kept[ent] = s
	return nil
}

// Drop is described at Snapshots.
func (m *MemorySnapshots) Drop(ctx context.Context, ent events.EnterpriseID, seq events.Seq) error {
	if err := ended(ctx); err != nil {
		return fmt.Errorf("eventstore: drop the snapshot of %s: %w", ent, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept[ent].Seq == seq {
		delete(m.kept, ent)
	}
	return nil
}

// ended is what a call that does not wait says when ctx has ended: the same as
// one that waited for the log.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return unanswered(ctx)
}
