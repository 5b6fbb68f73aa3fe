package app

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/httpapi"
	"github.com/peering/peering/internal/readmodel"
)

// lateBackends are the back ends of the API, each from the moment it is
// connected: commands work while the database is away, and queries while the
// log is.
type lateBackends struct {
	commands  atomic.Pointer[command.Handler]
	directory atomic.Pointer[httpapi.Directory]
}

// Handle implements httpapi.Commands.
func (b *lateBackends) Handle(ctx context.Context, r command.Request) (command.Receipt, error) {
	h := b.commands.Load()
	if h == nil {
		return command.Receipt{}, fmt.Errorf("connecting to the event log: %w", command.ErrUnavailable)
	}
	return h.Handle(ctx, r)
}

func (b *lateBackends) reads() (httpapi.Directory, error) {
	d := b.directory.Load()
	if d == nil {
		return nil, fmt.Errorf("connecting to the database: %w", readmodel.ErrUnavailable)
	}
	return *d, nil
}

// Await implements httpapi.Directory.
func (b *lateBackends) Await(ctx context.Context, ent events.EnterpriseID, seq events.Seq) error {
	d, err := b.reads()
	if err != nil {
		return err
	}
	return d.Await(ctx, ent, seq)
}

// Enterprise implements httpapi.Directory.
func (b *lateBackends) Enterprise(ctx context.Context, ent events.EnterpriseID) (readmodel.Enterprise, error) {
	d, err := b.reads()
	if err != nil {
		return readmodel.Enterprise{}, err
	}
	return d.Enterprise(ctx, ent)
}

// Enterprises implements httpapi.Directory.
func (b *lateBackends) Enterprises(ctx context.Context, q readmodel.EnterpriseQuery) (readmodel.Page[readmodel.Enterprise], error) {
	d, err := b.reads()
	if err != nil {
		return readmodel.Page[readmodel.Enterprise]{}, err
	}
	return d.Enterprises(ctx, q)
}

// Peer implements httpapi.Directory.
func (b *lateBackends) Peer(ctx context.Context, ent events.EnterpriseID, id events.PeerID) (readmodel.Peer, error) {
	d, err := b.reads()
	if err != nil {
		return readmodel.Peer{}, err
	}
	return d.Peer(ctx, ent, id)
}

// Peers implements httpapi.Directory.
func (b *lateBackends) Peers(ctx context.Context, ent events.EnterpriseID, q readmodel.PeerQuery) (readmodel.Page[readmodel.Peer], error) {
	d, err := b.reads()
	if err != nil {
		return readmodel.Page[readmodel.Peer]{}, err
	}
	return d.Peers(ctx, ent, q)
}

// TrustedServer implements httpapi.Directory.
func (b *lateBackends) TrustedServer(ctx context.Context, ent events.EnterpriseID, id events.TrustedServerID) (readmodel.TrustedServer, error) {
	d, err := b.reads()
	if err != nil {
		return readmodel.TrustedServer{}, err
	}
	return d.TrustedServer(ctx, ent, id)
}

// TrustedServers implements httpapi.Directory.
func (b *lateBackends) TrustedServers(ctx context.Context, q readmodel.TrustedServerQuery) (readmodel.Page[readmodel.TrustedServer], error) {
	d, err := b.reads()
	if err != nil {
		return readmodel.Page[readmodel.TrustedServer]{}, err
	}
	return d.TrustedServers(ctx, q)
}
