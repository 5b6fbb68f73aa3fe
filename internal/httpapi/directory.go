package httpapi

import (
	"context"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// Directory answers the reads. Errors: readmodel.ErrNotFound for a row that
// never was, *readmodel.QueryError for a list that cannot be answered,
// *readmodel.HeldError, and readmodel.ErrUnavailable. A row that is gone is
// returned with its story.
type Directory interface {
	// Await returns when a read of ent sees everything up to min, or with the
	// error of ctx. An empty ent means the reads of all enterprises.
	Await(ctx context.Context, ent events.EnterpriseID, min events.Seq) error

	Enterprise(ctx context.Context, ent events.EnterpriseID) (readmodel.Enterprise, error)
	Enterprises(ctx context.Context, q readmodel.EnterpriseQuery) (readmodel.Page[readmodel.Enterprise], error)
	Peer(ctx context.Context, ent events.EnterpriseID, id events.PeerID) (readmodel.Peer, error)
	Peers(ctx context.Context, ent events.EnterpriseID, q readmodel.PeerQuery) (readmodel.Page[readmodel.Peer], error)
	TrustedServer(ctx context.Context, ent events.EnterpriseID, id events.TrustedServerID) (readmodel.TrustedServer, error)
	TrustedServers(ctx context.Context, q readmodel.TrustedServerQuery) (readmodel.Page[readmodel.TrustedServer], error)
}
