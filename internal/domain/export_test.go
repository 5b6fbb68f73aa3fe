package domain

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/peering/peering/internal/events"
)

// CheckIndexes computes the indexes anew, naively, and compares.
func (e *Enterprise) CheckIndexes() error {
	want := NewEnterprise(e.id)
	for _, p := range e.peers.all() {
		want.indexPeer(p)
	}
	for _, t := range e.manual.all() {
		want.indexManual(t)
	}
	for name, pair := range map[string][2]any{
		"peer names":    {e.peerNames.entries(), want.peerNames.entries()},
		"peerings":      {e.peerings.entries(), want.peerings.entries()},
		"manual names":  {e.manualNames.entries(), want.manualNames.entries()},
		"manual trusts": {e.manualTrusts.entries(), want.manualTrusts.entries()},
		"hosts":         {e.hosts.entries(), want.hosts.entries()},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			return fmt.Errorf("index of %s: has %v, want %v", name, pair[0], pair[1])
		}
	}
	return nil
}

// entries lists the index without its inner order.
func (x index[K, V]) entries() map[K][]V {
	out := map[K][]V{}
	for k, v := range x.first.all() {
		out[k] = append(slices.Collect(maps.Keys(x.more.at(k))), v)
		slices.Sort(out[k])
	}
	for k, set := range x.more.all() {
		if _, ok := x.first.get(k); !ok || len(set) == 0 {
			out[k] = nil // a member without a first, or a set that should be gone
		}
	}
	return out
}

// NewIndex makes an index for tests.
func NewIndex() index[string, events.PeerID] { return newIndex[string, events.PeerID]() }

// Add, Remove, Others and Other give tests the index's methods.
func (x index[K, V]) Add(k K, v V)                               { x.add(k, v) }
func (x index[K, V]) Remove(k K, v V)                            { x.remove(k, v) }
func (x index[K, V]) Others(k K, besides V, most int) ([]V, int) { return x.others(k, besides, most) }
func (x index[K, V]) Other(k K, besides V) (V, bool)             { return x.other(k, besides) }

// Seal closes a snapshot's body as MarshalSnapshot does.
func Seal(body []byte) []byte { return (&snapshotWriter{buf: slices.Clone(body)}).sealed() }

// PeerInState puts p into the state as it is, to see what a snapshot keeps of it.
func (e *Enterprise) PeerInState(p Peer) { e.peers.put(p.ID, &p); e.indexPeer(&p) }

// ManualInState puts t into the state as it is.
func (e *Enterprise) ManualInState(t TrustedServer) { e.manual.put(t.ID, &t); e.indexManual(&t) }

// Draft gives tests a draft of the state.
func (e *Enterprise) Draft() *Enterprise { return e.draft() }

// OperationID gives tests the ids of what operations add.
func OperationID(newID string, index int) string { return operationID(newID, index) }
