package domain_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// visible is what a state shows, but for the commands it remembers, which a
// draft does not.
type visible struct {
	Description, Domain string
	Server              events.Server
	Peers               []domain.Peer
	Trusted             []domain.TrustedServer
	Seq                 events.Seq
}

func show(e *domain.Enterprise) visible {
	return visible{e.Description(), e.Domain(), e.Server(), e.Peers(), e.TrustedServers(), e.Seq()}
}

func TestDraft_foldsLikeTheStateAndLeavesItAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := domaintest.NewHistory()
		for _, cmd := range commands(t) {
			h.Do(cmd)
		}
		cut := rapid.IntRange(0, len(h.Log)).Draw(t, "cut")
		again := rapid.IntRange(cut, len(h.Log)).Draw(t, "draft of a draft")
		base := fold(t, domain.NewEnterprise(domaintest.Enterprise), h.Log[:cut])
		before := snapshot(t, base)
		draft := fold(t, fold(t, base.Draft(), h.Log[cut:again]).Draft(), h.Log[again:])
		if diff := cmp.Diff(show(h.State), show(draft)); diff != "" {
			t.Fatalf("the draft at %d differs (-state +draft):\n%s", cut, diff)
		}
		if err := errors.Join(draft.CheckIndexes(), base.CheckIndexes()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, snapshot(t, base)) {
			t.Fatal("the state under the draft was changed")
		}
		for range 3 { // what is remembered of the deleted
			cmd := domaintest.Commands().Draw(t, "then")
			in := domain.Input{Now: domaintest.Start(), NewID: "fresh"}
			want, err1 := domain.Decide(h.State, cmd, in)
			got, err2 := domain.Decide(draft, cmd, in)
			if diff := cmp.Diff(want, got) + cmp.Diff(err1, err2); diff != "" {
				t.Fatalf("%+v is decided differently on the draft:\n%s", cmd, diff)
			}
		}
	})
}

// TestChangePeers_isItsOperationsOneByOne: not atomically, many operations come
// to what they come to one after another; atomically, to the same or nothing.
func TestChangePeers_isItsOperationsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := domaintest.NewHistory()
		for _, cmd := range commands(t) {
			h.Do(cmd)
		}
		ops := domaintest.Operations().Draw(t, "operations")
		before := snapshot(t, h.State)
		in := domain.Input{Now: domaintest.Start(), NewID: "bulk"}
		d, err := domain.Decide(h.State, domain.ChangePeers{Operations: ops}, in)
		whole, atomicErr := domain.Decide(h.State, domain.ChangePeers{Atomic: true, Operations: ops}, in)
		if !bytes.Equal(before, snapshot(t, h.State)) {
			t.Fatal("deciding changed the state")
		}
		if !h.State.Registered() {
			return
		}
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		evs, refused := oneByOne(t, h.State, ops, in, d.Results)
		if diff := cmp.Diff(evs, d.Events); diff != "" {
			t.Fatalf("events (-one by one +together):\n%s", diff)
		}
		if (atomicErr != nil) != refused || atomicErr == nil && cmp.Diff(d, whole) != "" {
			t.Fatalf("atomically: %+v, %v; not atomically %+v", whole, atomicErr, d)
		}
	})
}

// oneByOne gives the operations one after another, compares what becomes of each
// with results, and returns their events and whether one was refused.
func oneByOne(t *rapid.T, state *domain.Enterprise, ops []domain.PeerOperation, in domain.Input, results []domain.OperationResult) (evs []events.Event, refused bool) {
	newID := in.NewID
	for i, op := range ops {
		in.NewID = domain.OperationID(newID, i)
		d, err := domain.Decide(state, op, in)
		want := domain.Unchanged
		var refusal *domain.Error
		switch got := results[i]; {
		case errors.As(err, &refusal):
			want, refused = domain.Refused, true
			if got.Error == nil || got.Error.Code != refusal.Code && refusal.Code != domain.Gone || got.Error.Field != refusal.Field {
				t.Fatalf("operation %d, %+v: refused with %+v, alone with %+v", i, op, got.Error, refusal)
			}
		case len(d.Events) > 0:
			want = domain.Done
		}
		if results[i].Result != want || results[i].ID != d.ID {
			t.Fatalf("operation %d, %+v: got %+v, alone %s %q", i, op, results[i], want, d.ID)
		}
		for _, r := range domaintest.Record(domaintest.Enterprise, state.Seq()+1, in.Now, "alone", d.Events...) {
			if err := state.Evolve(r); err != nil {
				t.Fatalf("operation %d: %v", i, err)
			}
		}
		evs = append(evs, d.Events...)
	}
	return evs, refused
}
