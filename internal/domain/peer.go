package domain

import (
	"time"

	"github.com/peering/peering/internal/events"
)

// Peer is a row of the peer table.
type Peer struct {
	ID               events.PeerID
	Type             events.PeerType
	Description      string
	Hostname         string
	Port             int
	Address          string // configured; empty: follows the hostname
	PeerEnterpriseID events.EnterpriseID
	DialingPrefix    string
	Version          string // entered by a person; what a prober detected is not known here
	Enabled          bool
	Notice           []events.NoticeChange // what the other side has to be told; never changed in place
	Maintenance      Maintenance           // zero: none
	Changed          Stamp                 // its Seq is the peer's revision

	// EntryDescription is the description of the peer's trusted-server entry;
	// it survives while the entry is suspended. EntryChanged is the last event
	// that changed the entry.
	EntryDescription string
	EntryChanged     Stamp
}

// Maintenance is when a peer may be away without alarm.
type Maintenance struct {
	Start, End time.Time
	Note       string
}

// Host is where the peer connects from and to: the configured address, or the
// hostname. Empty for an external peer.
func (p Peer) Host() string {
	if p.Address != "" {
		return p.Address
	}
	return p.Hostname
}

// TrustedServer is the entry that the peer brings with it. ok is false when it
// has none: an external peer never has one, a disabled peer not while it is.
func (p Peer) TrustedServer() (t TrustedServer, ok bool) {
	if p.Type != events.PeerMiCollab || !p.Enabled {
		return TrustedServer{}, false
	}
	return TrustedServer{
		ID:          events.TrustedServerOfPeer(p.ID),
		Description: p.EntryDescription,
		Host:        p.Host(),
		Type:        events.TrustPeer,
		Peer:        p.ID,
		Changed:     p.EntryChanged,
	}, true
}

// foldPeer applies an event about a peer; it reports false for an event it does
// not know. That the peer exists, or does not yet, was checked.
func (e *Enterprise) foldPeer(event events.PeerEvent, at Stamp, r events.Recorded) bool {
	var change func(*Peer)
	switch ev := event.(type) {
	case events.PeerAdded:
		e.foldPeerAdded(ev, at)
		return true
	case events.PeerDeleted:
		p := e.peers.at(ev.Peer)
		e.unindexPeer(p)
		e.peers.remove(p.ID)
		e.peersGone.add(p.ID, removal(r))
		return true
	case events.PeerRenamed:
		change = func(p *Peer) { p.Description = ev.To }
	case events.PeerAddressChanged:
		change = func(p *Peer) { p.Address = ev.To }
	case events.PeerHostnameChanged:
		change = func(p *Peer) { p.Hostname, p.Port = ev.To, ev.ToPort }
	case events.PeerEnterpriseChanged:
		change = func(p *Peer) { p.PeerEnterpriseID = ev.To }
	case events.PeerDialingPrefixChanged:
		change = func(p *Peer) { p.DialingPrefix = ev.To }
	case events.PeerVersionEntered:
		change = func(p *Peer) { p.Version = ev.To }
	case events.PeerDisabled:
		change = func(p *Peer) { p.Enabled = false }
	case events.PeerEnabled:
		change = func(p *Peer) { p.Enabled = true }
	case events.PeerNoticeRaised:
		change = func(p *Peer) { p.Notice = ev.Changes }
	case events.PeerNoticeAcknowledged:
		change = func(p *Peer) { p.Notice = nil }
	case events.PeerMaintenanceScheduled:
		change = func(p *Peer) { p.Maintenance = Maintenance{ev.Start.UTC(), ev.End.UTC(), ev.Note} }
	case events.PeerMaintenanceCancelled:
		change = func(p *Peer) { p.Maintenance = Maintenance{} }
	default:
		return false
	}
	e.changePeer(event.PeerID(), at, change)
	return true
}

func (e *Enterprise) foldPeerAdded(ev events.PeerAdded, at Stamp) {
	p := &Peer{
		ID: ev.Peer, Type: ev.PeerType, Description: ev.Description,
		Hostname: ev.Hostname, Port: ev.Port, Address: ev.Address,
		PeerEnterpriseID: ev.PeerEnterpriseID, DialingPrefix: ev.DialingPrefix,
		Version: ev.Version, Enabled: true, Changed: at,
		EntryDescription: ev.Description, EntryChanged: at,
	}
	e.peers.put(p.ID, p)
	e.indexPeer(p)
}

// changePeer puts the changed peer in the place of what it was and keeps the
// indexes and the stamp of its trusted-server entry true.
func (e *Enterprise) changePeer(id events.PeerID, at Stamp, change func(*Peer)) {
	now := e.peers.at(id)
	next := *now
	change(&next)
	next.Changed = at
	before, had := now.TrustedServer()
	if after, has := next.TrustedServer(); had != has || before != after {
		next.EntryChanged = at
	}
	e.unindexPeer(now)
	e.peers.put(id, &next)
	e.indexPeer(&next)
}

func (e *Enterprise) indexPeer(p *Peer) {
	e.peerNames.add(foldCase(p.Description), p.ID)
	if p.Type == events.PeerMiCollab {
		e.peerings.add(peering{p.Hostname, p.PeerEnterpriseID}, p.ID)
	}
	if t, ok := p.TrustedServer(); ok {
		e.hosts.add(t.Host, t.ID)
	}
}

func (e *Enterprise) unindexPeer(p *Peer) {
	e.peerNames.remove(foldCase(p.Description), p.ID)
	if p.Type == events.PeerMiCollab {
		e.peerings.remove(peering{p.Hostname, p.PeerEnterpriseID}, p.ID)
	}
	if t, ok := p.TrustedServer(); ok {
		e.hosts.remove(t.Host, t.ID)
	}
}
