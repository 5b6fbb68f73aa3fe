package domain

import (
	"fmt"

	"github.com/peering/peering/internal/events"
)

func addPeer(e *Enterprise, c AddPeer, in Input) (Decision, *Error) {
	return insertPeer(e, c, Field[bool]{}, in)
}

// editPeer decides every change of a peer's fields: the single commands are
// patches of one field.
func editPeer(e *Enterprise, c EditPeer, in Input) (Decision, *Error) {
	now, err := e.livePeer(c.Peer, in)
	if err != nil {
		return Decision{}, err
	}
	next := *now
	if err := next.patch(c); err != nil {
		return Decision{}, err
	}
	if err := e.checkPeer(*now, next); err != nil {
		return Decision{}, err
	}
	d := Decision{ID: string(c.Peer), Events: peerChanges(*now, next)}
	if host, left := leaves(*now, next); left && !in.quiet {
		d.Warnings = e.stillTrusted(host, events.TrustedServerOfPeer(c.Peer))
	}
	return d, nil
}

func changePeerAddress(e *Enterprise, c ChangePeerAddress, in Input) (Decision, *Error) {
	now, err := e.livePeer(c.Peer, in)
	if err := firstError(err, present("address", c.Address)); err != nil {
		return Decision{}, err
	}
	if !holds(c.Expect, now.Address, NormaliseHost) {
		return Decision{ID: string(c.Peer)}, nil
	}
	return editPeer(e, EditPeer{Peer: c.Peer, Address: c.Address}, in)
}

func changePeerHostname(e *Enterprise, c ChangePeerHostname, in Input) (Decision, *Error) {
	now, err := e.livePeer(c.Peer, in)
	if err != nil {
		return Decision{}, err
	}
	if !holds(c.Expect, now.Hostname, NormaliseHostname) {
		return Decision{ID: string(c.Peer)}, nil
	}
	return editPeer(e, EditPeer{Peer: c.Peer, Hostname: Give(c.Hostname), Port: c.Port}, in)
}

// switchPeer enables or disables a peer. It is an edit of the field "enabled",
// which this command does not have by that name.
func switchPeer(e *Enterprise, id events.PeerID, enabled bool, in Input) (Decision, *Error) {
	d, err := editPeer(e, EditPeer{Peer: id, Enabled: Give(enabled)}, in)
	if err != nil && err.Field == "enabled" {
		err.Field = ""
	}
	return d, err
}

func deletePeer(e *Enterprise, c DeletePeer, in Input) (Decision, *Error) {
	p, err := e.livePeer(c.Peer, in)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{
		ID: string(p.ID),
		Events: []events.Event{events.PeerDeleted{
			Peer: p.ID, Description: p.Description, Hostname: p.Hostname,
			PeerEnterpriseID: p.PeerEnterpriseID, Host: p.Host(),
		}},
	}
	if host, left := leaves(*p, Peer{}); left && !in.quiet {
		d.Warnings = e.stillTrusted(host, events.TrustedServerOfPeer(p.ID))
	}
	return d, nil
}

// leaves tells which host is not named any more by the peer's trusted-server
// entry, if so; next is the zero Peer when the peer is deleted. A disabled one
// has no entry, but whoever deletes it thinks that its host is not trusted.
func leaves(now, next Peer) (host string, left bool) {
	if next.ID == "" {
		return now.Host(), true
	}
	before, had := now.TrustedServer()
	after, has := next.TrustedServer()
	return before.Host, had && (!has || after.Host != before.Host)
}

// holds reports whether expect, when given, still is the value now. A text that
// cannot be normalised never held.
func holds(expect Field[string], now string, normalise func(string) (string, error)) bool {
	if !expect.Set {
		return true
	}
	if expect.Null || expect.Value == "" {
		return now == ""
	}
	want, err := normalise(expect.Value)
	return err == nil && want == now
}

// checkNewPeerID guards against an id that was used before.
func (e *Enterprise) checkNewPeerID(id events.PeerID) *Error {
	if _, err := events.ParsePeerID(string(id)); err != nil {
		return invalid("", "the new peer's id cannot be used: %v", err)
	}
	if e.peersGone.stories.has(id) || e.peers.has(id) {
		return &Error{Code: Exists, Msg: fmt.Sprintf("the peer id %s was used already", id)}
	}
	return nil
}

// checkPeer holds the rules between a peer and the rest of its enterprise. Only
// what differs from now is checked, so that a row from the time of other rules
// can still be edited; now is the zero Peer when next is to be added.
func (e *Enterprise) checkPeer(now, next Peer) *Error {
	if next.Enabled && !now.Enabled && now.ID != "" {
		if err := e.mustSupportPeering("enabled"); err != nil {
			return err
		}
	}
	if name := foldCase(next.Description); now.ID == "" || name != foldCase(now.Description) {
		if other, taken := e.peerNames.other(name, next.ID); taken {
			return &Error{
				Code: Exists, Field: "description",
				Msg: fmt.Sprintf("the description %q is used by peer %s already", e.peers.at(other).Description, other),
			}
		}
	}
	return e.checkPeering(now, next)
}

// checkPeering holds the rules of hostname and peer enterprise id: the pair is
// unique, and it is not the enterprise itself.
func (e *Enterprise) checkPeering(now, next Peer) *Error {
	pair := peering{next.Hostname, next.PeerEnterpriseID}
	if next.Type != events.PeerMiCollab || pair == (peering{now.Hostname, now.PeerEnterpriseID}) {
		return nil
	}
	field := "hostname"
	if next.Hostname == now.Hostname {
		field = "peer_enterprise_id"
	}
	if pair == (peering{e.server.Hostname, e.id}) {
		return invalid(field, "this is the enterprise's own server and its own id: an enterprise cannot peer with itself")
	}
	if other, taken := e.peerings.other(pair, next.ID); taken {
		return &Error{
			Code: Exists, Field: field,
			Msg: fmt.Sprintf("the peer %q names enterprise %s on %s already", e.peers.at(other).Description, pair.enterprise, pair.hostname),
		}
	}
	return nil
}
