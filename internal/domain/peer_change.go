package domain

import (
	"crypto/sha256"
	"fmt"

	"github.com/peering/peering/internal/events"
)

// bulk judges the operations of a ChangePeers one after another.
type bulk struct {
	draft   *Enterprise // the state that the operations so far lead to
	real    events.Seq  // where the state ends that has happened
	in      Input
	events  []events.Event
	results []OperationResult
	deleted map[string]int // peers that operations deleted, by which
	moved   []moved
}

// moved is a peer's entry that an operation took from a host, with a warning.
type moved struct {
	index int
	host  string
	entry events.TrustedServerID
}

func changePeers(e *Enterprise, c ChangePeers, in Input) (Decision, *Error) {
	if err := stale(in, "the enterprise", e.changed); err != nil {
		return Decision{}, err
	}
	if n := len(c.Operations); n < 1 || n > MaxOperations {
		return Decision{}, invalid("operations", "there must be 1 to %d operations, not %d", MaxOperations, n)
	}
	in.IfRevision = nil // it was the enterprise's
	b := &bulk{draft: e.draft(), real: e.seq, in: in, deleted: map[string]int{}}
	for _, op := range c.Operations {
		if err := b.add(op); err != nil {
			return Decision{}, err
		}
	}
	b.warn()
	if err := b.refusal(c.Atomic); err != nil {
		return Decision{}, err
	}
	return Decision{ID: string(e.id), Events: b.events, Results: b.results}, nil
}

// add judges one more operation and folds what it makes into the draft. The
// error means that what was decided does not fold, so nothing can be.
func (b *bulk) add(op PeerOperation) *Error {
	r := OperationResult{Index: len(b.results), Result: Unchanged}
	in := b.in
	in.NewID = operationID(in.NewID, r.Index)
	d, refusal := decidePeer(b.draft, op, in)
	switch {
	case refusal != nil:
		r.Result, r.Error = Refused, b.explain(op, refusal)
	case len(d.Events) > 0:
		r.Result = Done
	}
	r.ID = d.ID
	if len(d.Warnings) > 0 {
		p := b.draft.peers.at(events.PeerID(d.ID))
		b.moved = append(b.moved, moved{r.Index, p.Host(), events.TrustedServerOfPeer(p.ID)})
	}
	b.results = append(b.results, r)
	b.events = append(b.events, d.Events...)
	return b.fold(r, d.Events)
}

func (b *bulk) fold(r OperationResult, evs []events.Event) *Error {
	for _, ev := range evs {
		err := b.draft.Evolve(events.Recorded{
			Seq:      b.draft.seq + 1,
			Envelope: events.Envelope{Enterprise: b.draft.id, Time: b.in.Now, Event: ev},
		})
		if err != nil {
			return invalid(operationPath(r.Index, ""), "does not go with the operations before it: %v", err)
		}
		if _, gone := ev.(events.PeerDeleted); gone {
			b.deleted[r.ID] = r.Index
		}
	}
	return nil
}

// explain turns the story of a removal that has not happened, the one by an
// operation before, into words that are true.
func (b *bulk) explain(op PeerOperation, refusal *Error) *Error {
	if refusal.Gone == nil || refusal.Gone.Seq <= b.real {
		return refusal
	}
	peer := peerOf(op)
	return &Error{
		Code: NotFound, Field: refusal.Field,
		Msg: fmt.Sprintf("there is no peer %s any more: %s deletes it", peer, operationPath(b.deleted[string(peer)], "")),
	}
}

func peerOf(op PeerOperation) events.PeerID {
	switch c := op.(type) {
	case EditPeer:
		return c.Peer
	case DeletePeer:
		return c.Peer
	case EnablePeer:
		return c.Peer
	case DisablePeer:
		return c.Peer
	case AcknowledgePeerNotice:
		return c.Peer
	}
	return ""
}

// warn warns of what is true when all operations are done: an entry that still
// names a host at one operation may be gone with a later one.
func (b *bulk) warn() {
	for _, m := range b.moved {
		b.results[m.index].Warnings = b.draft.stillTrusted(m.host, m.entry)
	}
}

// refusal is why nothing is to be done, if so.
func (b *bulk) refusal(atomic bool) *Error {
	for i := range b.results {
		if first := b.results[i].Error; atomic && first != nil {
			whole := *first
			whole.Field = operationPath(i, first.Field)
			return b.nothingDone(&whole)
		}
	}
	if n := len(b.events); n > maxEvents {
		return b.nothingDone(invalid("operations",
			"the operations make %d events, and at most %d can be written at once: send fewer of them at a time", n, maxEvents))
	}
	return nil
}

func (b *bulk) nothingDone(whole *Error) *Error {
	added := map[string]bool{}
	for _, ev := range b.events {
		if a, ok := ev.(events.PeerAdded); ok {
			added[string(a.Peer)] = true
		}
	}
	for i := range b.results {
		if added[b.results[i].ID] {
			b.results[i].ID = ""
		}
	}
	whole.Results = b.results
	return whole
}

// operationPath is the field of an operation as a refusal of the whole names it.
func operationPath(index int, field string) string {
	path := fmt.Sprintf("operations[%d]", index)
	if field == "" {
		return path
	}
	return path + "." + field
}

// operationID is the id of what the operation at index adds, the same in every
// attempt at one command. The form is that of a UUID of version 8.
func operationID(newID string, index int) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", newID, index))
	u := h[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
