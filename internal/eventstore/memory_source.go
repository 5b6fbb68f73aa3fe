package eventstore

import (
	"context"
	"strings"

	"github.com/peering/peering/internal/events"
)

// Follow is described at projection.Source.
func (m *Memory) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	for {
		m.mu.Lock()
		end := min(int(after)+max(limit, 1), len(m.messages))
		var batch []events.Message
		if int(after) < end {
			batch = m.messages[after:end:end]
		}
		grown := m.grown
		m.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(batch) > 0 {
			if err := sink(batch); err != nil {
				return err
			}
			after = batch[len(batch)-1].Seq
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Range is described at projection.Source.
func (m *Memory) Range(ctx context.Context, ent events.EnterpriseID, after, upTo events.Seq, fn func(events.Message) error) error {
	m.mu.Lock()
	messages := m.messages
	m.mu.Unlock()
	prefix := strings.TrimSuffix(events.EnterpriseFilter(ent), ">")
	for i := int(after); i < len(messages) && messages[i].Seq <= upTo; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !strings.HasPrefix(messages[i].Subject, prefix) {
			continue
		}
		if err := fn(messages[i]); err != nil {
			return err
		}
	}
	return nil
}

// Identity is described at projection.Source.
func (m *Memory) Identity(context.Context) (events.Identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return events.Identity{Created: m.created, First: 1, Last: events.Seq(len(m.messages))}, nil
}

// At is described at projection.Source.
func (m *Memory) At(_ context.Context, seq events.Seq) (events.Message, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seq == 0 || int(seq) > len(m.messages) {
		return events.Message{}, false, nil
	}
	return m.messages[seq-1], true, nil
}
