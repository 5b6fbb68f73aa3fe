package httpapi

import (
	"context"
	"errors"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/projection"
	"github.com/peering/peering/internal/readmodel"
)

// stackOperations are the operations on the tables of a stack, as the app
// package puts them together.
type stackOperations struct {
	*readmodel.DB
	jobs *projection.Operator
}

func newStackOperations(t testing.TB, s *stack) *stackOperations {
	t.Helper()
	o := &stackOperations{s.db, projection.NewOperator(s.log, s.db, projection.Options{})}
	t.Cleanup(o.jobs.Close)
	return o
}

func (o *stackOperations) Projections(ctx context.Context) ([]Projection, error) {
	var out []Projection
	for _, p := range readmodel.Projections() {
		s, err := o.State(ctx, p)
		if err != nil {
			return nil, err
		}
		row := Projection{Name: s.Name, Version: s.Version, Position: s.Position, End: s.Position, Owner: orNull(s.Owner), Dead: s.Dead, Held: []Held{}}
		for _, h := range s.Held {
			row.Held = append(row.Held, Held(h))
		}
		out = append(out, row)
	}
	return out, nil
}

func (o *stackOperations) Rebuild(ctx context.Context, name string) (Job, error) {
	return begun(o.jobs.Rebuild(ctx, name))
}

func (o *stackOperations) Verify(ctx context.Context, name string) (Job, error) {
	return begun(o.jobs.Verify(ctx, name))
}

func begun(j projection.Job, err error) (Job, error) {
	var busy *projection.BusyError
	if errors.As(err, &busy) {
		err = &BusyError{Msg: busy.Error()}
	}
	return Job{Projection: j.Projection, Kind: string(j.Kind), Position: j.Position, End: j.End, StartedAt: j.StartedAt.UTC()}, err
}

func (o *stackOperations) Retry(ctx context.Context, name string, at events.Seq) (bool, error) {
	r, err := o.RetryDead(ctx, name, at)
	if err != nil {
		return false, err
	}
	return o.AwaitRetry(ctx, r)
}

func (o *stackOperations) Discard(ctx context.Context, name string, at events.Seq, d readmodel.Discard) error {
	return o.DiscardDead(ctx, name, at, d)
}
