package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	peersPath = enterprisePath + "/peers"
	peerPath  = peersPath + "/{peer}"
	peerTag   = "peers"
)

const oneMaintenance = "Its time counts as maintenance alone in the uptime. A peer has one at a time: another that was announced is taken back with it. An external peer, which is not probed, has none."

func (a *api) peerRoutes() {
	write := []domain.Code{domain.NotFound, domain.Gone, domain.Exists, domain.Stale, domain.Unsupported}
	register(a, operation{
		id: "list-peers", tag: peerTag, method: http.MethodGet, path: peersPath,
		summary: "List the peers of an enterprise", about: "Sorted by any column of a row, last_probe and latency_ms among them.", codes: []domain.Code{domain.NotFound, domain.Gone},
		params: listParams([]*huma.Param{enterpriseParam()}, "description, server or address",
			textParam("status", "Only peers of this status.", statuses()...),
			textParam("type", "Only peers of this type.", string(events.PeerMiCollab), string(events.PeerExternal)),
			boolParam("enabled", "Only peers that are enabled, or only those that are disabled."),
			boolParam("deleted", "The deleted peers instead of the living."),
			textParam("description", "Only the peer of exactly this description, in any case.")),
	}, a.listPeers)
	register(a, operation{
		id: "add-peer", tag: peerTag, right: access.ChangePeers, method: http.MethodPost, path: peersPath, status: http.StatusCreated,
		summary: "Add a peer", about: "A MiCollab peer brings its trusted-server entry with it.",
		params: addParams(enterpriseParam()), body: addPeerDoc(),
		codes: []domain.Code{domain.NotFound, domain.Gone, domain.Exists, domain.Unsupported},
	}, a.addPeer)
	register(a, operation{
		id: "show-peer", tag: peerTag, method: http.MethodGet, path: peerPath,
		summary: "Show a peer", params: readParams(enterpriseParam(), peerParam()),
		codes: []domain.Code{domain.NotFound, domain.Gone},
	}, a.showPeer)
	for _, o := range []struct {
		command          domain.Command
		id, method, path string
		summary, about   string
		body             *bodyDoc
	}{
		{
			domain.EditPeer{},
			"edit-peer", http.MethodPatch, peerPath, "Change a peer",
			"A merge patch (RFC 7396): all the given fields change, or none, in one event each and in one write. A new address moves the trusted-server entry with it.", editPeerDoc(),
		},
		{
			domain.DeletePeer{},
			"delete-peer", http.MethodDelete, peerPath, "Delete a peer",
			"Removes the peer and its trusted-server entry. Its history stays, and its names are free again. Warns of what keeps its host trusted.", nil,
		},
		{domain.EnablePeer{}, "enable-peer", http.MethodPost, peerPath + "/enable", "Enable a peer", "Restores its trusted-server entry.", nil},
		{domain.DisablePeer{}, "disable-peer", http.MethodPost, peerPath + "/disable", "Disable a peer", "Keeps the peer and withdraws its trusted-server entry.", nil},
		{domain.AcknowledgePeerNotice{}, "acknowledge-notice", http.MethodPost, peerPath + "/acknowledge", "Tick the notice of a peer off", "Says that the other side was told of what changed here.", nil},
		{domain.ScheduleMaintenance{}, "schedule-maintenance", http.MethodPost, peerPath + "/maintenance", "Announce a maintenance of a peer", oneMaintenance, maintenanceDoc()},
		{domain.CancelMaintenance{}, "cancel-maintenance", http.MethodDelete, peerPath + "/maintenance", "Take the maintenance of a peer back", "One that is over took place and stays; nothing changes then.", nil},
	} {
		register(a, operation{
			id: o.id, tag: peerTag, right: access.ChangePeers, method: o.method, path: o.path, summary: o.summary, about: o.about,
			params: changeParams(enterpriseParam(), peerParam()), body: o.body, codes: write,
		}, toPeer(o.command.Name()))
	}
}

func (a *api) listPeers(ctx context.Context, c *call) (*reply[List[Peer]], error) {
	ent, err := c.enterprise()
	if err != nil {
		return nil, err
	}
	q := readmodel.PeerQuery{
		ListQuery: c.listQuery(),
		Status:    events.Status(c.query.Get("status")), Type: events.PeerType(c.query.Get("type")),
		Enabled: c.flag("enabled"), Deleted: c.query.Get("deleted") == "true",
		Description: c.query.Get("description"),
	}
	page, err := read(ctx, c, ent, func(ctx context.Context) (readmodel.Page[readmodel.Peer], error) {
		page, err := c.Directory.Peers(ctx, ent, q)
		if errors.Is(err, readmodel.ErrNotFound) {
			err = noSuch("enterprise", string(ent))
		}
		if err == nil && len(page.Items) == 0 {
			err = c.knownEnterprise(ctx, ent)
		}
		return page, err
	})
	if err != nil {
		return nil, err
	}
	return listOf(page, a.peerOf), nil
}

func (a *api) addPeer(ctx context.Context, c *call) (*reply[Receipt], error) {
	ent, err := c.enterprise()
	if err != nil {
		return nil, err
	}
	return c.add(ctx, ent, domain.AddPeer{}.Name(), enterprisesPath+"/"+string(ent)+"/peers/")
}

func (a *api) showPeer(ctx context.Context, c *call) (*reply[Peer], error) {
	row, err := c.livingPeer(ctx)
	if err != nil {
		return nil, err
	}
	return &reply[Peer]{ETag: etagOf(row.Revision, row.LastSeq), Body: a.peerOf(row)}, nil
}

// toPeer returns the handler that reads the command called name and gives it to
// the peer of the path.
func toPeer(name domain.CommandName) func(context.Context, *call) (*reply[Receipt], error) {
	return toResource(name, (*call).peer, aimAtPeer)
}

// aimAtPeer returns cmd for the peer id. A body that names another peer than
// the path is refused.
func aimAtPeer(cmd domain.Command, id events.PeerID) (domain.Command, error) {
	var err error
	switch order := cmd.(type) {
	case domain.EditPeer:
		order.Peer, err = aim("peer", order.Peer, id)
		cmd = order
	case domain.DeletePeer:
		order.Peer, err = aim("peer", order.Peer, id)
		cmd = order
	case domain.EnablePeer:
		order.Peer, err = aim("peer", order.Peer, id)
		cmd = order
	case domain.DisablePeer:
		order.Peer, err = aim("peer", order.Peer, id)
		cmd = order
	case domain.AcknowledgePeerNotice:
		order.Peer, err = aim("peer", order.Peer, id)
		cmd = order
	case domain.ScheduleMaintenance:
		order.Peer, err = aim("peer", order.Peer, id)
		cmd = order
	case domain.CancelMaintenance:
		order.Peer, err = aim("peer", order.Peer, id)
		cmd = order
	default:
		return nil, fmt.Errorf("%s is not a command to a peer", cmd.Name())
	}
	return cmd, err
}

// livingPeer reads the peer that a request is about, after min_seq; one that is
// gone is refused with its story.
func (c *call) livingPeer(ctx context.Context) (readmodel.Peer, error) {
	row, err := c.anyPeer(ctx)
	if err == nil && row.Deleted != nil {
		err = gone("The peer "+row.Description, *row.Deleted)
	}
	return row, err
}

// anyPeer is livingPeer for what is also told of a peer that is gone.
func (c *call) anyPeer(ctx context.Context) (readmodel.Peer, error) {
	ent, id, err := c.peer()
	if err != nil {
		return readmodel.Peer{}, err
	}
	row, err := read(ctx, c, ent, func(ctx context.Context) (readmodel.Peer, error) { return c.Directory.Peer(ctx, ent, id) })
	if errors.Is(err, readmodel.ErrNotFound) {
		err = noSuch("peer", string(id))
	}
	return row, err
}
