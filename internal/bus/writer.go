package bus

import (
	"context"
	"log/slog"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
)

// Writer carries commands out. It is command.Handler.
type Writer interface {
	Handle(ctx context.Context, req command.Request) (command.Receipt, error)
	Conclude(ctx context.Context, c command.Conclusion) (command.Outcome, error)
	Known(ctx context.Context, ent events.EnterpriseID, id events.CommandID) (command.Outcome, bool, error)
	Server(ctx context.Context, ent events.EnterpriseID) (s events.Server, registered bool, err error)
}

// Options are what everything on the bus is given.
type Options struct {
	// Connect makes a connection of its own, which the callee closes. opts come
	// last.
	Connect func(name string, opts ...nats.Option) (*nats.Conn, error)
	Logger  *slog.Logger          // nil: nothing is logged
	Metrics prometheus.Registerer // nil: nothing is measured
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
