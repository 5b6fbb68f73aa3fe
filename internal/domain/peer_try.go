package domain

import "github.com/peering/peering/internal/events"

// TryPeer judges what may become a peer while not all of it is known: the fields
// that are given obey the rules of adding one, and there is a hostname. It
// returns the peer as far as it is known, with the defaults of adding.
func TryPeer(c AddPeer) (Peer, *Error) {
	switch c.Type {
	case "", events.PeerMiCollab:
	case events.PeerExternal:
		return Peer{}, invalid("type", "an external peer is not probed: there is nothing to try")
	default:
		return Peer{}, invalid("type", "the type must be %s", events.PeerMiCollab)
	}
	const open = "not-given" // stands for what adding requires and trying does not
	p := Peer{Type: events.PeerMiCollab, Port: DefaultPort, Enabled: true, PeerEnterpriseID: open}
	edit := EditPeer{Hostname: c.Hostname, Port: c.Port, Address: c.Address, DialingPrefix: c.DialingPrefix, Version: c.Version}
	if c.Description != "" {
		edit.Description = Give(c.Description)
	}
	if c.PeerEnterpriseID.given() {
		edit.PeerEnterpriseID = c.PeerEnterpriseID
	}
	if err := p.patch(edit); err != nil {
		return Peer{}, err
	}
	if !c.PeerEnterpriseID.given() {
		p.PeerEnterpriseID = ""
	}
	return p, nil
}
