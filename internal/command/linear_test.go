package command

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

const slots = 6 // descriptions that peers compete for

// object is what one part of the check is about: the peer with one description,
// or the description of the enterprise. Linearizability of the parts is that of
// the whole; the search is exponential, so the parts are searched.
type object struct {
	seq   events.Seq // of the last event
	value string     // id of the peer, "": none; or the text
}

// step is one command of the check, with an id of its own.
type step struct {
	op   string
	slot int    // add: which description; describe: which text
	peer string // delete: which peer, in slot
	rev  events.Seq
}

// ending is how a step ended.
type ending struct {
	code    domain.Code // empty: accepted
	receipt Receipt
}

func (s step) request(id string) Request {
	req := Request{Enterprise: acme, ID: events.CommandID(id)}
	switch s.op {
	case "add":
		req.Command = addPeer(fmt.Sprint("Slot ", s.slot)).Command
	case "delete":
		req.Command = domain.DeletePeer{Peer: events.PeerID(s.peer)}
	case "describe":
		req.Command = domain.DescribeEnterprise{Description: fmt.Sprint("Text ", s.slot)}
	case "swap":
		req.Command, req.IfRevision = domain.DescribeEnterprise{Description: fmt.Sprint("Text ", s.slot)}, &s.rev
	}
	return req
}

// part names the object that s is about.
func (s step) part() string {
	if s.op == "add" || s.op == "delete" {
		return fmt.Sprint("slot ", s.slot)
	}
	return "description"
}

// apply says whether s can end like this on o, and what o is afterwards. next
// is the sequence of the next event of the same part.
func (o object) apply(s step, e ending, next map[events.Seq]events.Seq) (bool, object) {
	refused := func(code domain.Code) (bool, object) { return e.code == code, o }
	value := fmt.Sprint("Text ", s.slot)
	switch {
	case s.op == "add" && o.value != "":
		return refused(domain.Exists)
	case s.op == "add":
		value = e.receipt.ID
	case s.op == "delete" && o.value != s.peer:
		return refused(domain.Gone)
	case s.op == "delete":
		value = ""
	case s.op == "swap" && s.rev != o.seq:
		return refused(domain.Stale)
	case value == o.value:
		return e.code == "" && len(e.receipt.Events) == 0 && e.receipt.Sequence >= o.seq, o
	}
	ok := e.code == "" && len(e.receipt.Events) == 1 && e.receipt.Sequence == next[o.seq]
	return ok, object{e.receipt.Sequence, value}
}

func checkLinearizable(t *testing.T, first Receipt, history []porcupine.Operation) {
	t.Helper()
	parts := map[string][]porcupine.Operation{}
	for _, op := range history {
		part := op.Input.(step).part()
		parts[part] = append(parts[part], op)
	}
	for part, ops := range parts {
		start := object{}
		if part == "description" {
			start = object{first.Sequence, "Test"}
		}
		next := nextEvents(start.seq, ops)
		model := porcupine.Model{
			Init: func() any { return start },
			Step: func(state, in, out any) (bool, any) { return state.(object).apply(in.(step), out.(ending), next) },
		}
		if got := porcupine.CheckOperationsTimeout(model, ops, time.Minute); got != porcupine.Ok {
			t.Errorf("the history of %d commands to %s is not linearizable: %s", len(ops), part, got)
		}
	}
}

// nextEvents maps the sequence of each event that ops tell of to the next.
func nextEvents(start events.Seq, ops []porcupine.Operation) map[events.Seq]events.Seq {
	var seqs []events.Seq
	for _, op := range ops {
		if r := op.Output.(ending).receipt; len(r.Events) > 0 {
			seqs = append(seqs, r.Sequence)
		}
	}
	slices.Sort(seqs)
	next := map[events.Seq]events.Seq{}
	for _, seq := range seqs {
		next[start] = seq
		start = seq
	}
	return next
}

// checkOrder compares the order of the events with the order in which their
// commands were given, over all parts.
func checkOrder(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	for _, a := range history {
		for _, b := range history {
			early, late := a.Output.(ending).receipt, b.Output.(ending).receipt
			if a.Return < b.Call && late.Sequence > 0 && late.Sequence < early.Sequence {
				t.Fatalf("%+v was over at sequence %d before %+v began, which ended at %d", a.Input, early.Sequence, b.Input, late.Sequence)
			}
		}
	}
}

func checkNothingLostNothingDoubled(t *testing.T, b backend, first Receipt, told []porcupine.Operation) {
	t.Helper()
	want := map[events.EventID]events.Seq{first.Events[0]: first.Sequence}
	for _, op := range told {
		receipt := op.Output.(ending).receipt
		for _, id := range receipt.Events {
			want[id] = receipt.Sequence
		}
	}
	for _, r := range history(t, b) {
		if want[r.ID] != r.Seq {
			t.Errorf("event %s stands at %d; its receipt says %d", r.ID, r.Seq, want[r.ID])
		}
		delete(want, r.ID)
	}
	if len(want) > 0 {
		t.Errorf("lost: %v", want)
	}
}
