package bus

import (
	"crypto/sha256"
	"fmt"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// ordersOf is what follows from a change of the server of an enterprise, in the
// order of the enterprises that are ordered to. They are commands to one peer
// each, see causes.
func ordersOf(rec events.Recorded, e events.EnterpriseServerChanged, n readmodel.Neighbours) []command.Request {
	var orders []command.Request
	from, to := identity(e.From), identity(e.To)
	for _, p := range n.Inside {
		cmd := domain.FollowServer{Peer: p.Peer, PeerEnterpriseID: rec.Enterprise, From: from, To: to}
		if p.Detected { // what a prober saw is newer than what was entered
			cmd.From.Version, cmd.To.Version = "", ""
		}
		if cmd.From != cmd.To {
			orders = append(orders, order(rec, p, cmd))
		}
	}
	for _, p := range n.Outside {
		if changes := toBeTold(from, to, p.Type); len(changes) > 0 {
			orders = append(orders, order(rec, p, domain.RaisePeerNotice{Peer: p.Peer, Changes: changes}))
		}
	}
	return orders
}

func identity(s events.Server) domain.ServerIdentity {
	return domain.ServerIdentity{Hostname: s.Hostname, Address: s.Address, Version: s.Version}
}

// toBeTold is what the other side of a peer of this type has to learn. What is
// behind a gateway does not know versions.
func toBeTold(from, to domain.ServerIdentity, typ events.PeerType) []events.NoticeChange {
	var changes []events.NoticeChange
	add := func(field, from, to string) {
		if from != to {
			changes = append(changes, events.NoticeChange{Field: field, From: from, To: to})
		}
	}
	add(events.NoticeHostname, from.Hostname, to.Hostname)
	add(events.NoticeAddress, from.Address, to.Address)
	if typ != events.PeerExternal {
		add(events.NoticeVersion, from.Version, to.Version)
	}
	return changes
}

// order is a command to a peer that follows from rec. Its id follows from the
// two, so that it is the same each time.
func order(rec events.Recorded, p readmodel.Neighbour, cmd domain.Command) command.Request {
	return command.Request{
		Enterprise:    p.Enterprise,
		ID:            reactionID(rec.ID, p.Peer),
		Command:       cmd,
		Actor:         reactor,
		Reason:        fmt.Sprintf("the server of %s changed", rec.Enterprise),
		CorrelationID: rec.CorrelationID,
		CausationID:   string(rec.ID),
		Traceparent:   rec.Traceparent,
		Final:         true,
	}
}

func reactionID(cause events.EventID, p events.PeerID) events.CommandID {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s", cause, p))
	return events.CommandID(fmt.Sprintf("reaction-%x", h[:16]))
}

// again is the id under which a command that was refused is parked: the refusal
// is the answer to every repeat of the first one.
func again(id events.CommandID) events.CommandID { return id + "-again" }
