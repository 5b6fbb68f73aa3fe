package app

import (
	"sync/atomic"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/httpapi"
	"github.com/peering/peering/internal/readmodel"
)

// lateBackends are the back ends of the API, each from the moment it is
// connected: commands work while the database is away, and queries while the
// log is.
type lateBackends struct {
	tokens     atomic.Pointer[access.Keeper]
	commands   atomic.Pointer[command.Handler]
	directory  atomic.Pointer[readmodel.Directory]
	audit      atomic.Pointer[readmodel.Audit]
	timeline   atomic.Pointer[readmodel.Timeline]
	prober     atomic.Pointer[remoteProber]
	samples    atomic.Pointer[eventstore.Samples]
	operations atomic.Pointer[operations]
	parked     atomic.Pointer[parkedCommands]
}

// now returns those that are connected.
func (b *lateBackends) now() httpapi.Backends {
	var out httpapi.Backends
	if k := b.tokens.Load(); k != nil {
		out.Tokens = k
	}
	if h := b.commands.Load(); h != nil {
		out.Commands = h
	}
	if d := b.directory.Load(); d != nil {
		out.Directory = d
	}
	if a := b.audit.Load(); a != nil {
		out.Audit = a
	}
	if t := b.timeline.Load(); t != nil {
		out.Timeline = t
	}
	if p := b.prober.Load(); p != nil {
		out.Prober = p
	}
	if s := b.samples.Load(); s != nil {
		out.Samples = s
	}
	if o := b.operations.Load(); o != nil {
		out.Operations = o
	}
	if c := b.parked.Load(); c != nil {
		out.Parked = c
	}
	return out
}
