package bus

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// followNow carries out a parked FollowServer, which says where a server went
// when it was parked. The server may have moved on since, and where it was may be
// anybody's by now: the peer follows to where the log has the server, and once
// more when it moves while that is carried out. Without a server there is nothing
// to follow.
func (p *Parking) followNow(ctx context.Context, req command.Request, cmd domain.FollowServer) error {
	for first := true; ; first = false {
		server, registered, err := p.Writer.Server(ctx, cmd.PeerEnterpriseID)
		if err != nil {
			return err
		}
		now := identity(server)
		if cmd.From.Version == "" { // a version that a prober detected, or none
			now.Version = ""
		}
		if !registered || !first && cmd.From == now {
			return nil
		}
		if cmd.To = now; !first {
			req.ID = further(req.ID, now)
		}
		req.Command = cmd
		if _, err := p.Writer.Handle(ctx, req); err != nil {
			return err
		}
		cmd.From = now
	}
}

// further is the id of a command that follows on another one, to where a server is.
func further(id events.CommandID, to domain.ServerIdentity) events.CommandID {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%q", id, to))
	return events.CommandID(fmt.Sprintf("further-%x", h[:16]))
}
