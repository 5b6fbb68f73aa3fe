package domain

import (
	"fmt"
	"time"

	"github.com/peering/peering/internal/events"
)

// FoldError says that an event does not fit the state it was folded into. The
// log is not that of this enterprise, or was not read whole and in order.
type FoldError struct {
	Enterprise events.EnterpriseID
	Seq        events.Seq
	Type       events.Type
	Detail     string
}

func (e *FoldError) Error() string {
	return fmt.Sprintf("domain: event %d (%s) of enterprise %s does not fit: %s", e.Seq, e.Type, e.Enterprise, e.Detail)
}

// Evolve folds one event of the enterprise's configuration into the state. It
// is deterministic and reads no clock. It accepts every event ever stored, even
// one that today's rules would refuse; what cannot follow on what was folded
// before is a *FoldError, and the state stays as it was.
//
// Events of a prober (status, detected version, certificate) are not part of
// this state: they change nothing, not even Seq.
func (e *Enterprise) Evolve(r events.Recorded) error {
	if detail := e.misfit(r); detail != "" {
		return e.foldError(r, detail)
	}
	if isProbe(r.Event) {
		return nil
	}
	at := Stamp{Seq: r.Seq, Time: eventTime(r), By: r.Actor}
	var known bool
	switch ev := r.Event.(type) {
	case events.PeerEvent:
		known = e.foldPeer(ev, at, r)
	case events.TrustedServerEvent:
		known = e.foldTrustedServer(ev, at, r)
	default:
		known = e.foldEnterprise(ev, at, r)
	}
	if !known {
		return e.foldError(r, "this program does not know how to fold it")
	}
	e.seq = r.Seq
	if at.Time.After(e.latest) {
		e.latest = at.Time
	}
	e.memory.note(r, e.latest)
	return nil
}

// foldEnterprise applies an event about the enterprise itself; it reports false
// for an event it does not know.
func (e *Enterprise) foldEnterprise(event events.Event, at Stamp, r events.Recorded) bool {
	switch ev := event.(type) {
	case events.EnterpriseRegistered:
		e.registered = true
		e.description, e.domain, e.server = ev.Description, ev.Domain, ev.Server
	case events.EnterpriseDescribed:
		e.description = ev.To
	case events.EnterpriseDomainChanged:
		e.domain = ev.To
	case events.EnterpriseServerChanged:
		e.server = ev.To
	case events.EnterpriseRemoved:
		e.close(r)
	default:
		return false
	}
	e.changed = at
	return true
}

// close ends the enterprise and whatever is still in it.
func (e *Enterprise) close(r events.Recorded) {
	story := removal(r)
	for _, id := range sortedKeys(e.peers) {
		e.unindexPeer(e.peers.at(id))
		e.peers.remove(id)
		e.peersGone.add(id, story)
	}
	for _, id := range sortedKeys(e.manual) {
		e.unindexManual(e.manual.at(id))
		e.manual.remove(id)
		e.trustedGone.add(id, story)
	}
	e.registered, e.removed = false, &story
	e.description, e.domain, e.server = "", "", events.Server{}
}

// misfit says why r cannot follow on what was folded so far; empty: it can.
func (e *Enterprise) misfit(r events.Recorded) string {
	if r.Event == nil {
		return "it has no event"
	}
	if r.Enterprise != e.id {
		return fmt.Sprintf("it belongs to enterprise %s", r.Enterprise)
	}
	if isProbe(r.Event) {
		return ""
	}
	if r.Seq <= e.seq {
		return fmt.Sprintf("sequence %d was folded already", e.seq)
	}
	if _, opens := r.Event.(events.EnterpriseRegistered); opens == e.registered {
		if opens {
			return "the enterprise is registered already"
		}
		return "the enterprise is not registered"
	}
	switch ev := r.Event.(type) {
	case events.PeerEvent:
		return e.peerMisfit(ev)
	case events.TrustedServerEvent:
		return e.trustedServerMisfit(ev)
	}
	return ""
}

func (e *Enterprise) peerMisfit(ev events.PeerEvent) string {
	_, adds := ev.(events.PeerAdded)
	live := e.peers.has(ev.PeerID())
	switch {
	case adds && live:
		return fmt.Sprintf("peer %s exists already", ev.PeerID())
	case !adds && !live:
		return fmt.Sprintf("there is no peer %s", ev.PeerID())
	}
	return ""
}

func (e *Enterprise) trustedServerMisfit(ev events.TrustedServerEvent) string {
	id := ev.TrustedServerID()
	_, adds := ev.(events.TrustedServerAdded)
	_, renames := ev.(events.TrustedServerRenamed)
	peer, derived := events.PeerOfTrustedServer(id)
	live := e.manual.has(id)
	if derived && renames {
		live = e.peers.has(peer)
	}
	switch {
	case adds && derived:
		return fmt.Sprintf("the id %s belongs to a peer", id)
	case adds && live:
		return fmt.Sprintf("trusted server %s exists already", id)
	case !adds && !live:
		return fmt.Sprintf("there is no trusted server %s", id)
	}
	return ""
}

func (e *Enterprise) foldError(r events.Recorded, detail string) error {
	var typ events.Type
	if r.Event != nil {
		typ = r.Event.Type()
	}
	return &FoldError{Enterprise: e.id, Seq: r.Seq, Type: typ, Detail: detail}
}

func isProbe(ev events.Event) bool {
	switch ev.(type) {
	case events.PeerStatusChanged, events.PeerVersionDetected, events.PeerCertificateSeen:
		return true
	}
	return false
}

// eventTime is the time of r as the log keeps it, whether r was read from there
// or was just appended.
func eventTime(r events.Recorded) time.Time { return r.Time.UTC().Truncate(time.Microsecond) }
