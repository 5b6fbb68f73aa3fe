package readmodel

import (
	"fmt"

	"github.com/peering/peering/internal/events"
)

// Projections are those that this program knows, in the versions that it reads.
func Projections() []Projection { return []Projection{directory{}, audit{}, timeline{}} }

// FindProjection returns the projection with that name; the error wraps
// ErrNotFound when this program knows none.
func FindProjection(name string) (Projection, error) {
	for _, p := range Projections() {
		if p.Name() == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%w: projection %q", ErrNotFound, name)
}

// DeadEventError says why a dead event cannot be retried or discarded. Nothing
// was changed.
type DeadEventError struct {
	Projection string
	Seq        events.Seq
	Msg        string // safe to show to a user
}

func (e *DeadEventError) Error() string {
	return fmt.Sprintf("readmodel: event %d of projection %s %s", e.Seq, e.Projection, e.Msg)
}

func (e *DeadEventError) ours() {}
