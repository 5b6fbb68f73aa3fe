package command

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// hookedStore runs hooks around the calls of a store. A nil hook is none; an
// error of a hook is returned instead of calling the store.
type hookedStore struct {
	eventstore.Store
	beforeAppend func(context.Context) error
	afterAppend  func(context.Context) error
	beforeLoad   func(context.Context) error
	beforeLast   func(context.Context) error
	folded       atomic.Int64 // events that Load has handed out
}

func run(ctx context.Context, hook func(context.Context) error) error {
	if hook == nil {
		return nil
	}
	return hook(ctx)
}

func (s *hookedStore) Append(ctx context.Context, subject events.Subject, after events.Seq, evs ...events.Envelope) (events.Seq, error) {
	if err := run(ctx, s.beforeAppend); err != nil {
		return 0, err
	}
	seq, err := s.Store.Append(ctx, subject, after, evs...)
	if err != nil {
		return 0, err
	}
	return seq, run(ctx, s.afterAppend)
}

func (s *hookedStore) Load(ctx context.Context, subject events.Subject, after events.Seq, fn func(events.Recorded) error) (events.Seq, error) {
	if err := run(ctx, s.beforeLoad); err != nil {
		return after, err
	}
	return s.Store.Load(ctx, subject, after, func(r events.Recorded) error {
		s.folded.Add(1)
		return fn(r)
	})
}

func (s *hookedStore) Last(ctx context.Context, subject events.Subject) (events.Seq, error) {
	if err := run(ctx, s.beforeLast); err != nil {
		return 0, err
	}
	return s.Store.Last(ctx, subject)
}

// hookedOutcomes runs hooks around the keeping of outcomes.
type hookedOutcomes struct {
	eventstore.Outcomes
	beforeFind func(context.Context) error
	beforeKeep func(context.Context) error
	afterKeep  func(context.Context) error
}

func (o *hookedOutcomes) Find(ctx context.Context, ent events.EnterpriseID, id events.CommandID) ([]byte, bool, error) {
	if err := run(ctx, o.beforeFind); err != nil {
		return nil, false, err
	}
	return o.Outcomes.Find(ctx, ent, id)
}

func (o *hookedOutcomes) Keep(ctx context.Context, ent events.EnterpriseID, id events.CommandID, data []byte) ([]byte, error) {
	if err := run(ctx, o.beforeKeep); err != nil {
		return nil, err
	}
	stands, err := o.Outcomes.Keep(ctx, ent, id, data)
	if err != nil {
		return nil, err
	}
	return stands, run(ctx, o.afterKeep)
}

var errCut = fmt.Errorf("the connection was cut: %w", eventstore.ErrUnavailable)

// fail is a hook that always fails.
func fail(context.Context) error { return errCut }

// once is a hook that runs do on its first call and nothing afterwards, so that
// do may come by the same hook.
func once(do func() error) func(context.Context) error {
	var done atomic.Bool
	return func(context.Context) error {
		if done.Swap(true) {
			return nil
		}
		return do()
	}
}

// flaky is b with answers that get lost: before and after the append, before
// and after an outcome is kept, while reading.
func flaky(b backend) backend {
	sometimes := func(percent int) func(context.Context) error {
		return func(context.Context) error {
			if rand.IntN(100) < percent {
				return errCut
			}
			return nil
		}
	}
	return backend{
		&hookedStore{
			Store: b.store, beforeAppend: sometimes(5), afterAppend: sometimes(8),
			beforeLoad: sometimes(3), beforeLast: sometimes(3),
		},
		&hookedOutcomes{Outcomes: b.outcomes, beforeFind: sometimes(2), beforeKeep: sometimes(5), afterKeep: sometimes(5)},
		b.snapshots,
	}
}

// insist repeats a command with an id until its outcome is known, as a client
// does.
func insist(ctx context.Context, h *Handler, req Request) (Receipt, error) {
	for {
		r, err := h.Handle(ctx, req)
		if !errors.Is(err, ErrUnavailable) {
			return r, err
		}
	}
}
