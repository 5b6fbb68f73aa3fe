package domain

import (
	"time"

	"github.com/peering/peering/internal/events"
)

// Enterprise is the state of one enterprise, folded from its configuration
// events: what Decide needs and no more. It is the aggregate (ADR 0002): every
// rule that spans peers is decided on it.
//
// Evolve alone changes it. It is not safe for concurrent use while Evolve runs;
// what the accessors return stays as it is.
type Enterprise struct {
	id     events.EnterpriseID
	seq    events.Seq
	latest time.Time // running maximum of the events' times

	registered  bool
	description string
	domain      string
	server      events.Server
	changed     Stamp
	removed     *Removal // the last removal

	peers  *table[events.PeerID, *Peer]
	manual *table[events.TrustedServerID, *TrustedServer]

	peersGone   tombstones[events.PeerID]
	trustedGone tombstones[events.TrustedServerID]
	memory      memory

	// What follows is computed from the above and never stored.
	peerNames    index[string, events.PeerID]
	peerings     index[peering, events.PeerID]
	manualNames  index[string, events.TrustedServerID]
	manualTrusts index[trust, events.TrustedServerID]
	hosts        index[string, events.TrustedServerID] // all live entries
}

// Stamp says which event last changed a thing, when and by whom.
type Stamp struct {
	Seq  events.Seq
	Time time.Time
	By   string
}

// peering is what may exist once among the MiCollab peers of an enterprise.
type peering struct {
	hostname   string
	enterprise events.EnterpriseID
}

// trust is what may exist once among the manual entries of an enterprise.
type trust struct {
	host string
	typ  events.TrustType
}

// NewEnterprise returns the state of an enterprise of which nothing has
// happened yet. Fold its events with Evolve.
func NewEnterprise(id events.EnterpriseID) *Enterprise {
	return &Enterprise{
		id:           id,
		peers:        newTable[events.PeerID, *Peer](),
		manual:       newTable[events.TrustedServerID, *TrustedServer](),
		peersGone:    newTombstones[events.PeerID](),
		trustedGone:  newTombstones[events.TrustedServerID](),
		memory:       newMemory(),
		peerNames:    newIndex[string, events.PeerID](),
		peerings:     newIndex[peering, events.PeerID](),
		manualNames:  newIndex[string, events.TrustedServerID](),
		manualTrusts: newIndex[trust, events.TrustedServerID](),
		hosts:        newIndex[string, events.TrustedServerID](),
	}
}

// ID is the enterprise's id.
func (e *Enterprise) ID() events.EnterpriseID { return e.id }

// Seq is the sequence of the last event that was folded: what the next append
// expects. Zero: nothing has happened.
func (e *Enterprise) Seq() events.Seq { return e.seq }

// Registered reports whether the enterprise exists now: it was registered and
// not removed since.
func (e *Enterprise) Registered() bool { return e.registered }

// Removed tells of the removal when the enterprise is gone.
func (e *Enterprise) Removed() (Removal, bool) {
	if e.registered || e.removed == nil {
		return Removal{}, false
	}
	return *e.removed, true
}

// Description is the enterprise's description.
func (e *Enterprise) Description() string { return e.description }

// Domain is the enterprise's domain.
func (e *Enterprise) Domain() string { return e.domain }

// Server is the local server that hosts the enterprise.
func (e *Enterprise) Server() events.Server { return e.server }

// Changed says which event last changed the enterprise itself; its Seq is the
// enterprise's revision. Events of peers and trusted servers do not count.
func (e *Enterprise) Changed() Stamp { return e.changed }

// PeerCount is the number of peers, disabled ones included.
func (e *Enterprise) PeerCount() int { return e.peers.len() }

// Peer returns the peer id; ok is false when there is none (any more).
func (e *Enterprise) Peer(id events.PeerID) (p Peer, ok bool) {
	if found := e.peers.at(id); found != nil {
		return *found, true
	}
	return Peer{}, false
}

// Peers lists the peers in the order of their ids.
func (e *Enterprise) Peers() []Peer {
	list := make([]Peer, 0, e.peers.len())
	for _, id := range sortedKeys(e.peers) {
		list = append(list, *e.peers.at(id))
	}
	return list
}

// Size is roughly how many bytes the state takes in memory, for whoever keeps
// many of them. It costs nothing to ask; a test holds the weights to the heap.
func (e *Enterprise) Size() int {
	const base, perPeer, perManual, perTombstone, perCommand = 4 << 10, 850, 500, 250, 350
	return base + perPeer*e.peers.len() + perManual*e.manual.len() +
		perTombstone*(e.peersGone.len()+e.trustedGone.len()) + perCommand*e.memory.len()
}
