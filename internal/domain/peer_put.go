package domain

import "github.com/peering/peering/internal/events"

func putPeer(e *Enterprise, c PutPeer, in Input) (Decision, *Error) {
	ids, total := e.peerNames.others(foldCase(c.Description), "", 1)
	switch {
	case total == 0:
		return insertPeer(e, AddPeer{
			Type: c.Type.Value, Description: c.Description, Hostname: c.Hostname, Port: c.Port, Address: c.Address,
			PeerEnterpriseID: c.PeerEnterpriseID, DialingPrefix: c.DialingPrefix, Version: c.Version,
		}, c.Enabled, in)
	case total > 1: // of a time with other rules
		return Decision{}, invalid("description", "%d peers have this description: edit the one that is meant by its id", total)
	}
	return editPeer(e, EditPeer{
		Peer: ids[0], Type: c.Type, Description: Give(c.Description), Hostname: c.Hostname, Port: c.Port, Address: c.Address,
		PeerEnterpriseID: c.PeerEnterpriseID, DialingPrefix: c.DialingPrefix, Version: c.Version, Enabled: c.Enabled,
	}, in)
}

// insertPeer decides the adding of a peer, which is enabled unless that is given.
func insertPeer(e *Enterprise, c AddPeer, enabled Field[bool], in Input) (Decision, *Error) {
	if err := firstError(stale(in, "what is to be added", Stamp{}), e.mustSupportPeering("")); err != nil {
		return Decision{}, err
	}
	p := Peer{ID: events.PeerID(in.NewID), Type: c.Type, Enabled: true}
	switch c.Type {
	case events.PeerMiCollab:
		p.Port = DefaultPort
	case events.PeerExternal:
	default:
		return Decision{}, invalid("type", "the type must be %s or %s", events.PeerMiCollab, events.PeerExternal)
	}
	if err := e.checkNewPeerID(p.ID); err != nil {
		return Decision{}, err
	}
	err := p.patch(EditPeer{
		Description: Give(c.Description), Hostname: c.Hostname, Port: c.Port, Address: c.Address,
		PeerEnterpriseID: c.PeerEnterpriseID, DialingPrefix: c.DialingPrefix, Version: c.Version, Enabled: enabled,
	})
	if err := firstError(err, e.checkPeer(Peer{}, p)); err != nil {
		return Decision{}, err
	}
	d := Decision{ID: in.NewID, Events: []events.Event{events.PeerAdded{
		Peer: p.ID, PeerType: p.Type, Description: p.Description, Hostname: p.Hostname, Port: p.Port,
		Address: p.Address, PeerEnterpriseID: p.PeerEnterpriseID, DialingPrefix: p.DialingPrefix, Version: p.Version,
	}}}
	if !p.Enabled {
		d.Events = append(d.Events, events.PeerDisabled{Peer: p.ID})
	}
	return d, nil
}
