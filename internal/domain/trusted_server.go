package domain

import (
	"slices"
	"strings"

	"github.com/peering/peering/internal/events"
)

// TrustedServer is an entry of the list of servers that may connect without
// authentication.
type TrustedServer struct {
	ID          events.TrustedServerID
	Description string
	Host        string
	Type        events.TrustType
	Peer        events.PeerID // the peer that brings it; empty: manual
	Changed     Stamp         // its Seq is the entry's revision
}

// TrustedServer returns the live entry id, a manual one or a peer's.
func (e *Enterprise) TrustedServer(id events.TrustedServerID) (t TrustedServer, ok bool) {
	if found := e.manual.at(id); found != nil {
		return *found, true
	}
	if peer, derived := events.PeerOfTrustedServer(id); derived {
		if p := e.peers.at(peer); p != nil {
			return p.TrustedServer()
		}
	}
	return TrustedServer{}, false
}

// TrustedServers lists the live entries in the order of their ids: the manual
// ones, and those of enabled MiCollab peers.
func (e *Enterprise) TrustedServers() []TrustedServer {
	list := make([]TrustedServer, 0, e.manual.len()+e.peers.len())
	for _, t := range e.manual.all() {
		list = append(list, *t)
	}
	for _, p := range e.peers.all() {
		if t, ok := p.TrustedServer(); ok {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b TrustedServer) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return list
}

// foldTrustedServer applies an event about a trusted server; it reports false
// for an event it does not know. That the entry exists, or does not yet, was
// checked.
func (e *Enterprise) foldTrustedServer(event events.TrustedServerEvent, at Stamp, r events.Recorded) bool {
	switch ev := event.(type) {
	case events.TrustedServerAdded:
		t := &TrustedServer{ID: ev.TrustedServer, Description: ev.Description, Host: ev.Host, Type: ev.TrustType, Changed: at}
		e.manual.put(t.ID, t)
		e.indexManual(t)
	case events.TrustedServerRenamed:
		if peer, derived := events.PeerOfTrustedServer(ev.TrustedServer); derived {
			p := *e.peers.at(peer)
			p.EntryDescription, p.EntryChanged = ev.To, at
			e.peers.put(peer, &p)
			return true
		}
		e.changeManual(ev.TrustedServer, at, func(t *TrustedServer) { t.Description = ev.To })
	case events.TrustedServerChanged:
		e.changeManual(ev.TrustedServer, at, func(t *TrustedServer) { t.Host, t.Type = ev.ToHost, ev.ToType })
	case events.TrustedServerRemoved:
		e.unindexManual(e.manual.at(ev.TrustedServer))
		e.manual.remove(ev.TrustedServer)
		e.trustedGone.add(ev.TrustedServer, removal(r))
	default:
		return false
	}
	return true
}

func (e *Enterprise) changeManual(id events.TrustedServerID, at Stamp, change func(*TrustedServer)) {
	now := e.manual.at(id)
	next := *now
	change(&next)
	next.Changed = at
	e.unindexManual(now)
	e.manual.put(id, &next)
	e.indexManual(&next)
}

func (e *Enterprise) indexManual(t *TrustedServer) {
	e.manualNames.add(foldCase(t.Description), t.ID)
	e.manualTrusts.add(trust{t.Host, t.Type}, t.ID)
	e.hosts.add(t.Host, t.ID)
}

func (e *Enterprise) unindexManual(t *TrustedServer) {
	e.manualNames.remove(foldCase(t.Description), t.ID)
	e.manualTrusts.remove(trust{t.Host, t.Type}, t.ID)
	e.hosts.remove(t.Host, t.ID)
}
