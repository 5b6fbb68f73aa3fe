package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// calls are all calls of a store that wait for the log.
func calls(f Fixture) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Append": func(ctx context.Context) error {
			_, err := f.Store.Append(ctx, Subject, 0, Event(Ent, "late"))
			return err
		},
		"Load": func(ctx context.Context) error {
			_, err := f.Store.Load(ctx, Subject, 0, func(events.Recorded) error { return nil })
			return err
		},
		"Last": func(ctx context.Context) error {
			_, err := f.Store.Last(ctx, Subject)
			return err
		},
		"Outcomes.Find": func(ctx context.Context) error {
			_, _, err := f.Outcomes.Find(ctx, Ent, "c1")
			return err
		},
		"Outcomes.Keep": func(ctx context.Context) error {
			_, err := f.Outcomes.Keep(ctx, Ent, "c1", []byte("late"))
			return err
		},
		"Snapshots.Load": func(ctx context.Context) error {
			_, _, err := f.Snapshots.Load(ctx, Ent)
			return err
		},
		"Snapshots.Save": func(ctx context.Context) error {
			return f.Snapshots.Save(ctx, Ent, eventstore.Snapshot{Seq: 1, Data: []byte("late")})
		},
		"Snapshots.Drop": func(ctx context.Context) error { return f.Snapshots.Drop(ctx, Ent, 1) },
	}
}

var givingUp = map[string]func(*testing.T, Fixture){
	"a caller that has given up is told so, and nothing is written": func(t *testing.T, f Fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, call := range calls(f) {
			if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, eventstore.ErrUnavailable) {
				t.Errorf("%s: got %v, want the context's error", name, err)
			}
		}
		untouched(t, f)
	},
	"a caller whose time is over is told that nobody answered, and nothing is written": func(t *testing.T, f Fixture) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		for name, call := range calls(f) {
			if err := call(ctx); !errors.Is(err, eventstore.ErrUnavailable) {
				t.Errorf("%s: got %v, want ErrUnavailable", name, err)
			}
		}
		untouched(t, f)
	},
}

// untouched fails the test when anything is kept of Ent.
func untouched(t *testing.T, f Fixture) {
	t.Helper()
	Holds(t, f.Store, Subject)
	if data, ok, err := f.Outcomes.Find(t.Context(), Ent, "c1"); ok || err != nil {
		t.Errorf("outcome: got %q, %v, want none", data, err)
	}
	if s, ok, err := f.Snapshots.Load(t.Context(), Ent); ok || err != nil {
		t.Errorf("snapshot: got %+v, %v, want none", s, err)
	}
}
