package httpapi

import (
	"context"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// Audit answers the reads of history, with the errors of Directory.
type Audit interface {
	// Await is Directory.Await for what Audit shows.
	Await(ctx context.Context, ent events.EnterpriseID, min events.Seq) error
	Events(ctx context.Context, q readmodel.EventQuery) (readmodel.Page[readmodel.Event], error)

	// Passed and Between are what the live stream is made of, and Moves says when
	// to ask again.
	Passed(ctx context.Context, only events.EnterpriseID, after events.Seq, limit int) ([]readmodel.Event, readmodel.Horizon, error)
	Between(ctx context.Context, ent events.EnterpriseID, from, to events.Seq, limit int) ([]readmodel.Event, error)
	Moves() (*readmodel.Moves, error)
}
