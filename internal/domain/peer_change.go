package domain

import (
	"crypto/sha256"
	"fmt"

	"github.com/peering/peering/internal/events"
)

// bulk judges the operations of a ChangePeers one after another.
type bulk struct {
	draft   *Enterprise // the state that the operations so far lead to
	in      Input
	events  []events.Event
	results []OperationResult
	added   map[events.PeerID]int // by which operation
	deleted map[events.PeerID]int
	left    []left
}

// left is a host that a peer's trusted-server entry does not name any more.
type left struct {
	index int // of the operation
	host  string
	entry events.TrustedServerID
}

func changePeers(e *Enterprise, c ChangePeers, in Input) (Decision, *Error) {
	if err := stale(in, "the enterprise", e.changed); err != nil {
		return Decision{}, err
	}
	most, inParts := MaxOperations, in.DryRun && !c.Atomic
	if inParts {
		most = MaxRows
	}
	if n := len(c.Operations); n < 1 || n > most {
		return Decision{}, invalid("operations", "there must be 1 to %d operations, not %d", most, n)
	}
	in.IfRevision, in.quiet = nil, true // it was the enterprise's
	b := &bulk{draft: e.draft(), in: in, added: map[events.PeerID]int{}, deleted: map[events.PeerID]int{}}
	for _, op := range c.Operations {
		if err := b.add(op); err != nil {
			return Decision{}, err
		}
	}
	b.warn()
	if err := b.refusal(c.Atomic); err != nil {
		return Decision{}, err
	}
	if n := len(b.events); n > maxEvents && !inParts {
		return Decision{}, b.nothingDone(invalid("operations",
			"the operations make %d events, and at most %d can be written at once: send fewer of them at a time", n, maxEvents))
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
	b.results = append(b.results, r)
	b.events = append(b.events, d.Events...)
	before, _ := b.draft.Peer(events.PeerID(d.ID))
	if err := b.fold(r, d.Events); err != nil {
		return err
	}
	after, _ := b.draft.Peer(before.ID)
	if host, leaves := leaves(before, after); leaves && before.ID != "" && r.Result == Done {
		b.left = append(b.left, left{r.Index, host, events.TrustedServerOfPeer(before.ID)})
	}
	return nil
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
		switch ev := ev.(type) {
		case events.PeerAdded:
			b.added[ev.Peer] = r.Index
		case events.PeerDeleted:
			b.deleted[ev.Peer] = r.Index
		}
	}
	return nil
}

// explain says which operation stands in the way where the refusal would name
// what has not happened: a peer that may never be, or the story of its removal.
func (b *bulk) explain(op PeerOperation, refusal *Error) *Error {
	peer, description := subjectOf(op)
	by, deleted := b.deleted[peer]
	if refusal.Code == Gone && deleted {
		return &Error{
			Code: NotFound, Field: refusal.Field,
			Msg: fmt.Sprintf("there is no peer %s any more: %s deletes it", peer, operationPath(by, "")),
		}
	}
	other, _ := b.draft.peerNames.other(foldCase(description), peer)
	by, added := b.added[other]
	if refusal.Code == Exists && refusal.Field == "description" && added {
		return &Error{
			Code: Exists, Field: refusal.Field,
			Msg: fmt.Sprintf("the description %q is used by the peer of %s already", description, operationPath(by, "")),
		}
	}
	return refusal
}

// subjectOf returns the peer that op names and the description it gives.
func subjectOf(op PeerOperation) (peer events.PeerID, description string) {
	switch c := op.(type) {
	case AddPeer:
		return "", c.Description
	case EditPeer:
		return c.Peer, c.Description.Value
	case DeletePeer:
		return c.Peer, ""
	case EnablePeer:
		return c.Peer, ""
	case DisablePeer:
		return c.Peer, ""
	case AcknowledgePeerNotice:
		return c.Peer, ""
	}
	return "", ""
}

// warn warns of what is true when all operations are done: an entry that still
// names a host at one operation may be gone with a later one. A host is looked at
// once, because thousands of entries may name it.
func (b *bulk) warn() {
	hosts := map[string][]Warning{}
	for _, l := range b.left {
		if t, ok := b.draft.TrustedServer(l.entry); ok && t.Host == l.host { // it came back
			b.results[l.index].Warnings = b.draft.stillTrusted(l.host, l.entry)
			continue
		}
		known, ok := hosts[l.host]
		if !ok {
			known = b.draft.stillTrusted(l.host, "")
			hosts[l.host] = known
		}
		b.results[l.index].Warnings = known
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
	return nil
}

// nothingDone gives whole the results, without what would be true only if
// something had been done.
func (b *bulk) nothingDone(whole *Error) *Error {
	for i := range b.results {
		b.results[i].Warnings = nil
		if _, added := b.added[events.PeerID(b.results[i].ID)]; added {
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
