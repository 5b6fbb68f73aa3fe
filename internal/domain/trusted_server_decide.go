package domain

import (
	"fmt"

	"github.com/peering/peering/internal/events"
)

func addTrustedServer(e *Enterprise, c AddTrustedServer, in Input) (Decision, *Error) {
	t := TrustedServer{ID: events.TrustedServerID(in.NewID)}
	err := firstError(
		stale(in, "what is to be added", Stamp{}),
		e.checkNewTrustedServerID(t.ID),
		t.patch(EditTrustedServer{Description: Give(c.Description), Host: Give(c.Host), Type: Give(c.Type)}),
	)
	if err := firstError(err, e.checkManual(TrustedServer{}, t)); err != nil {
		return Decision{}, err
	}
	return Decision{ID: in.NewID, Events: []events.Event{events.TrustedServerAdded{
		TrustedServer: t.ID, Description: t.Description, Host: t.Host, TrustType: t.Type,
	}}}, nil
}

// editTrustedServer decides every change of an entry; on a peer's entry only
// the description may differ from what it is.
func editTrustedServer(e *Enterprise, c EditTrustedServer, in Input) (Decision, *Error) {
	now, err := e.liveTrustedServer(c.TrustedServer, in)
	if err != nil {
		return Decision{}, err
	}
	next := now
	if now.Peer != "" {
		err = now.checkFollows(c)
		c = EditTrustedServer{Description: c.Description}
	}
	if err := firstError(err, next.patch(c)); err != nil {
		return Decision{}, err
	}
	if now.Peer == "" {
		if err := e.checkManual(now, next); err != nil {
			return Decision{}, err
		}
	}
	d := Decision{ID: string(now.ID)}
	if now.Description != next.Description {
		d.Events = append(d.Events, events.TrustedServerRenamed{
			TrustedServer: now.ID, Peer: now.Peer, From: now.Description, To: next.Description,
		})
	}
	if now.Host != next.Host || now.Type != next.Type {
		d.Events = append(d.Events, events.TrustedServerChanged{
			TrustedServer: now.ID, FromHost: now.Host, ToHost: next.Host, FromType: now.Type, ToType: next.Type,
		})
	}
	if now.Host != next.Host {
		d.Warnings = e.stillTrusted(now.Host, now.ID)
	}
	return d, nil
}

func removeTrustedServer(e *Enterprise, c RemoveTrustedServer, in Input) (Decision, *Error) {
	t, err := e.liveTrustedServer(c.TrustedServer, in)
	if err != nil {
		return Decision{}, err
	}
	if t.Peer != "" {
		return Decision{}, followsPeer("trusted_server", t.Peer, "it goes when its peer is deleted or disabled")
	}
	return Decision{
		ID:       string(t.ID),
		Events:   []events.Event{t.removed()},
		Warnings: e.stillTrusted(t.Host, t.ID),
	}, nil
}

// removed is the fact that the entry went.
func (t TrustedServer) removed() events.Event {
	return events.TrustedServerRemoved{TrustedServer: t.ID, Description: t.Description, Host: t.Host, TrustType: t.Type}
}

// patch applies the given fields of c and checks each of them by itself.
func (t *TrustedServer) patch(c EditTrustedServer) *Error {
	if c.Description.Set {
		t.Description = c.Description.Value
		if err := breaks("description", "the description", checkPeerDescription(t.Description)); err != nil {
			return err
		}
	}
	if c.Host.Set {
		host, rule := NormaliseHost(c.Host.Value)
		if rule != nil {
			return breaks("host", "the host", rule)
		}
		t.Host = host
	}
	if c.Type.Set {
		switch c.Type.Value {
		case events.TrustPresence, events.TrustIM, events.TrustPeer:
			t.Type = c.Type.Value
		default:
			return invalid("type", "the type must be %s, %s or %s", events.TrustPresence, events.TrustIM, events.TrustPeer)
		}
	}
	return nil
}

// checkFollows refuses to part the peer's entry t from its peer (ADR 0002): a
// host or type that is given must be what it is. One that could be of no entry
// is refused like any other, because it is the peer where to go with it.
func (t TrustedServer) checkFollows(c EditTrustedServer) *Error {
	if c.Host.Set {
		if host, rule := NormaliseHost(c.Host.Value); rule != nil || host != t.Host {
			return followsPeer("host", t.Peer, "change the address of the peer instead")
		}
	}
	if c.Type.Set && c.Type.Value != t.Type {
		return followsPeer("type", t.Peer, "it is always "+string(events.TrustPeer))
	}
	return nil
}

func followsPeer(field string, peer events.PeerID, what string) *Error {
	return &Error{
		Code: FollowsPeer, Field: field, Peer: peer,
		Msg: fmt.Sprintf("this entry follows peer %s: %s", peer, what),
	}
}

// checkManual holds the rules between the manual entries: host and type
// together are unique, and so is the description. The entries of peers are not
// compared (ADR 0002). Only what differs from now is checked; now is the zero
// TrustedServer when next is to be added.
func (e *Enterprise) checkManual(now, next TrustedServer) *Error {
	if name := foldCase(next.Description); name != foldCase(now.Description) {
		if other, taken := e.manualNames.other(name, next.ID); taken {
			return &Error{
				Code: Exists, Field: "description",
				Msg: fmt.Sprintf("the description %q is used by trusted server %s already", e.manual.at(other).Description, other),
			}
		}
	}
	pair := trust{next.Host, next.Type}
	if pair == (trust{now.Host, now.Type}) {
		return nil
	}
	if other, taken := e.manualTrusts.other(pair, next.ID); taken {
		field := "host"
		if next.Host == now.Host {
			field = "type"
		}
		return &Error{
			Code: Exists, Field: field,
			Msg: fmt.Sprintf("the trusted server %q names %s with type %s already", e.manual.at(other).Description, next.Host, next.Type),
		}
	}
	return nil
}

// checkNewTrustedServerID guards against an id that was used before or that
// could be mistaken for a peer's entry.
func (e *Enterprise) checkNewTrustedServerID(id events.TrustedServerID) *Error {
	if _, err := events.ParseTrustedServerID(string(id)); err != nil {
		return invalid("", "the new trusted server's id cannot be used: %v", err)
	}
	_, derived := events.PeerOfTrustedServer(id)
	gone := e.trustedGone.stories.has(id)
	if derived || gone || e.manual.has(id) {
		return &Error{Code: Exists, Msg: fmt.Sprintf("the trusted server id %s was used already", id)}
	}
	return nil
}

// liveTrustedServer returns the entry that a command acts on, at the revision
// that its author saw.
func (e *Enterprise) liveTrustedServer(id events.TrustedServerID, in Input) (TrustedServer, *Error) {
	const field = "trusted_server"
	if _, err := events.ParseTrustedServerID(string(id)); err != nil {
		return TrustedServer{}, invalid(field, "%v", err)
	}
	t, ok := e.TrustedServer(id)
	if ok {
		return t, stale(in, "the trusted server", t.Changed)
	}
	if story, gone := e.trustedGone.stories.get(id); gone {
		return t, goneError(field, "trusted server "+string(id), story)
	}
	peer, derived := events.PeerOfTrustedServer(id)
	if story, gone := e.peersGone.stories.get(peer); derived && gone {
		return t, goneError(field, "trusted server "+string(id)+" went with its peer, which", story)
	}
	refusal := &Error{Code: NotFound, Field: field, Msg: fmt.Sprintf("there is no trusted server %s", id)}
	if p := e.peers.at(peer); derived && p != nil && p.Type == events.PeerMiCollab {
		refusal.Peer = peer
		refusal.Msg = fmt.Sprintf("trusted server %s is withdrawn while peer %s is disabled", id, peer)
	}
	return t, refusal
}
