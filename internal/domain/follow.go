package domain

import "github.com/peering/peering/internal/events"

// ServerIdentity is what a peer knows of the server on the other side.
type ServerIdentity struct {
	Hostname string `json:"hostname"`
	Address  string `json:"address,omitempty"` // empty: reached by its hostname
	Version  string `json:"version,omitempty"` // empty: not known
}

// followServer decides field by field: what a peer has by hand, or has from a
// newer change already, stays, and what still is as it was moves. The fields
// that move do so together or not at all.
//
// The hostname says whether the peer is about that server at all. A peer that
// follows its hostname goes on doing so: what it trusts then is a name, and
// learning an address is no reason to trust that instead. One whose address the
// server does not have any more follows its hostname from now on.
func followServer(e *Enterprise, c FollowServer, in Input) (Decision, *Error) {
	now, err := e.livePeer(c.Peer, in)
	if err != nil {
		return Decision{}, err
	}
	from, to := c.From, c.To
	about := now.Type == events.PeerMiCollab && now.PeerEnterpriseID == c.PeerEnterpriseID &&
		(now.Hostname == from.Hostname || now.Hostname == to.Hostname)
	if !about {
		return Decision{ID: string(c.Peer)}, nil
	}
	edit := EditPeer{Peer: c.Peer}
	if now.Hostname != to.Hostname {
		edit.Hostname = Give(to.Hostname)
	}
	if hasToFollow(now.Address, from.Address, to.Address) {
		edit.Address = unlessEmpty(to.Address)
	}
	if hasToFollow(now.Version, from.Version, to.Version) {
		edit.Version = unlessEmpty(to.Version)
	}
	return editPeer(e, edit, in)
}

// hasToFollow reports whether a value that may be missing has to follow.
func hasToFollow(now, from, to string) bool { return now != "" && now == from && from != to }

func unlessEmpty(s string) Field[string] { return emptyAsNull(Give(s)) }
