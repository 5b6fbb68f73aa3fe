package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

func bulk(atomic bool, ops ...domain.PeerOperation) Request {
	return Request{Enterprise: acme, Actor: "test", Command: domain.ChangePeers{Atomic: atomic, Operations: ops}}
}

func adding(description string) domain.AddPeer { return addPeer(description).Command.(domain.AddPeer) }

// additions are n operations that add peers.
func additions(n int) []domain.PeerOperation {
	ops := make([]domain.PeerOperation, n)
	for i := range ops {
		ops[i] = adding(fmt.Sprint("Peer ", i))
	}
	return ops
}

// ends are the results in short.
func ends(results []domain.OperationResult) string {
	var out []string
	for _, r := range results {
		out = append(out, string(r.Result))
	}
	return strings.Join(out, " ")
}

func TestBulk_repeatGetsTheSameResultsInEveryProcess(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	req := withID("c1", bulk(false, adding("Berlin"), domain.DeletePeer{Peer: "p7"}, adding("Paris"), adding("berlin")))
	r := must(t, h, req)
	if ends(r.Results) != "done refused done refused" || r.ID != string(acme) || len(r.Events) != 2 {
		t.Fatalf("got %+v", r)
	}
	for i, ev := range history(t, b)[1:] {
		if want := r.Results[2*i].ID; string(ev.Event.(events.PeerAdded).Peer) != want || ev.CommandID != "c1" {
			t.Errorf("event %d is %+v; want the peer %s", i, ev, want)
		}
	}
	for _, process := range []*Handler{h, b.handler()} {
		again := must(t, process, req)
		sameEffect(t, r, again)
		if !again.Repeated {
			t.Error("the repeat does not say so")
		}
	}
	mustRefuse(t, h, withID("c1", bulk(true, adding("Berlin"))), domain.IDReused)
	none := withID("c2", bulk(false, domain.DeletePeer{Peer: "p7"}))
	sameEffect(t, must(t, h, none), must(t, b.handler(), none))
	if n := len(history(t, b)); n != 3 {
		t.Errorf("%d events; want 3", n)
	}
}

func TestBulk_refusalIsRepeatedWithItsResults(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	req := withID("c1", bulk(true, adding("Berlin"), domain.DeletePeer{Peer: "p7"}))
	first := mustRefuse(t, h, req, domain.NotFound)
	if first.Field != "operations[1].peer" || ends(first.Results) != "done refused" || first.Results[0].ID != "" {
		t.Fatalf("got %+v", first)
	}
	for _, process := range []*Handler{h, b.handler()} {
		if diff := cmp.Diff(first, mustRefuse(t, process, req, domain.NotFound)); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	}
	mustKeep(t, b, "c1", Rejected)
	if n := len(history(t, b)); n != 1 {
		t.Errorf("%d events; want 1", n)
	}
}

func TestBulk_crashBetweenAppendAndOutcomeLosesTheResultsAndSaysSo(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	crashing := b
	crashing.outcomes = &hookedOutcomes{Outcomes: b.outcomes, beforeKeep: fail}
	req := withID("c1", bulk(true, adding("Berlin"), adding("Paris")))
	if r, err := crashing.handler().Handle(t.Context(), req); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("acknowledged without an outcome: %+v, %v", r, err)
	}
	r := must(t, b.handler(), req)
	if !r.Repeated || r.ID != string(acme) || r.Sequence != 3 || len(r.Events) != 2 || len(r.Results) != 0 {
		t.Errorf("got %+v", r)
	}
	if len(r.Warnings) != 1 || r.Warnings[0].Code != WarnResultsLost {
		t.Errorf("warned %+v", r.Warnings)
	}
	again := must(t, b.handler(), req)
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("(-first repeat +second):\n%s", diff)
	}
	mustKeep(t, b, "c1", Accepted)
}

func TestBulk_resultsThatWereKeptAreFoundThoughTheAnswerWasCut(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	cut := b
	cut.outcomes = &hookedOutcomes{Outcomes: b.outcomes, afterKeep: once(func() error { return errCut })}
	req := withID("c1", bulk(true, adding("Berlin")))
	h := cut.handler()
	if _, err := h.Handle(t.Context(), req); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	for _, process := range []*Handler{h, b.handler()} {
		if r := must(t, process, req); ends(r.Results) != "done" || len(r.Warnings) != 0 || r.Results[0].ID == "" {
			t.Errorf("got %+v", r)
		}
	}
}

// Between the decision and the append another process takes a name.
func TestBulk_isDecidedAgainWhenAnotherWriterWasFaster(t *testing.T) {
	for _, atomic := range []bool{true, false} {
		b := inMemory()
		must(t, b.handler(), register(acme))
		slow := b
		slow.store = &hookedStore{Store: b.store, beforeAppend: once(func() error {
			must(t, b.handler(), addPeer("Paris"))
			return nil
		})}
		h := slow.handler()
		req := withID("c1", bulk(atomic, adding("Berlin"), adding("paris"), adding("Rome")))
		if atomic {
			refusal := mustRefuse(t, h, req, domain.Exists)
			if refusal.Field != "operations[1].description" || ends(refusal.Results) != "done refused done" {
				t.Errorf("got %+v", refusal)
			}
			if n := len(history(t, b)); n != 2 {
				t.Errorf("%d events; want 2", n)
			}
			continue
		}
		if r := must(t, h, req); ends(r.Results) != "done refused done" || r.Sequence != 4 {
			t.Errorf("got %+v", r)
		}
		mustBeTheFold(t, b, h)
	}
}

func TestBulk_oneIDManyTimesAtOnceHasOneEffectAndOneAnswer(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	processes := []*Handler{b.handler(), b.handler(), b.handler()}
	receipts := make([]Receipt, 32)
	var wg sync.WaitGroup
	for i := range receipts {
		wg.Go(func() {
			r, err := insist(t.Context(), processes[i%len(processes)], withID("c1", bulk(true, additions(20)...)))
			if err != nil {
				t.Error(err)
			}
			r.Repeated = false
			receipts[i] = r
		})
	}
	wg.Wait()
	for _, r := range receipts[1:] {
		// Another process may have found the events before their outcome was kept:
		// then that is what all later answers say.
		if len(r.Results) > 0 && len(receipts[0].Results) > 0 {
			sameIDs(t, receipts[0], r)
		}
	}
	if n := len(history(t, b)); n != 21 {
		t.Errorf("%d events; want 21", n)
	}
}

func sameIDs(t *testing.T, a, b Receipt) {
	t.Helper()
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("two answers to one id:\n%s", diff)
	}
}

func TestBulk_manyAdditionsAreOneBatch(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, p testkit.Topology) {
		b := onStreams(t, p)
		must(t, b.handler(), register(acme))
		for id, n := range map[events.CommandID]int{"c1": 300, "c2": domain.MaxOperations} {
			h := b.handler()
			ops := additions(n)
			for i, op := range ops {
				op := op.(domain.AddPeer)
				op.Description = fmt.Sprint(id, " ", i)
				op.PeerEnterpriseID = domain.Give(fmt.Sprint(id, "-", i))
				ops[i] = op
			}
			r := must(t, h, withID(id, bulk(true, ops...)))
			if len(r.Results) != n || len(r.Events) != n {
				t.Fatalf("%d results, %d events; want %d", len(r.Results), len(r.Events), n)
			}
			sameEffect(t, r, must(t, b.handler(), withID(id, bulk(true, ops...))))
			mustBeTheFold(t, b, h)
		}
		if n := len(history(t, b)); n != 1301 {
			t.Errorf("%d events; want 1301", n)
		}
	})
}

// The outcome fits in a message though every operation is refused with a story
// as long as there can be.
func TestBulk_outcomeFitsInAMessage(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, p testkit.Topology) {
		b := onStreams(t, p)
		h := b.handler()
		must(t, h, register(acme))
		peer := must(t, h, addPeer("Berlin")).ID
		remove := Request{
			Enterprise: acme, Command: domain.DeletePeer{Peer: events.PeerID(peer)},
			Reason: strings.Repeat("<", maxReason), Actor: strings.Repeat("&", maxActor),
		}
		must(t, h, remove)
		ops := make([]domain.PeerOperation, domain.MaxOperations)
		for i := range ops {
			ops[i] = domain.EnablePeer{Peer: events.PeerID(peer)}
		}
		for id, atomic := range map[events.CommandID]bool{"c1": false, "c2": true} {
			results := func(process *Handler) []domain.OperationResult {
				r, err := process.Handle(t.Context(), withID(id, bulk(atomic, ops...)))
				var refusal *domain.Error
				if errors.As(err, &refusal) {
					return refusal.Results
				}
				if err != nil {
					t.Fatal(err)
				}
				return r.Results
			}
			first := results(h)
			if len(first) != len(ops) || first[7].Error.Code != domain.Gone || !strings.Contains(first[7].Error.Msg, "history") {
				t.Fatalf("got %d results, one %+v", len(first), first[7].Error)
			}
			if diff := cmp.Diff(first, results(b.handler())); diff != "" {
				t.Errorf("(-first +again):\n%s", diff)
			}
		}
	})
}

func TestResults_shortenedKeepCodeAndPlace(t *testing.T) {
	results := make([]domain.OperationResult, domain.MaxOperations)
	for i := range results {
		results[i] = domain.OperationResult{
			Index: i, Result: domain.Done, ID: "p1",
			Warnings: []domain.Warning{{Code: domain.WarnHostStillTrusted, Message: strings.Repeat("x", 600)}},
		}
	}
	results[3] = domain.OperationResult{Index: 3, Result: domain.Refused, Error: &domain.Error{
		Code: domain.Invalid, Field: "hostname", Msg: strings.Repeat("é", 300),
	}}
	short := fitting(results)
	data, err := json.Marshal(short)
	if err != nil || len(data) > maxResults || len(short) != len(results) {
		t.Fatalf("%d results of %d bytes, %v", len(short), len(data), err)
	}
	if w := short[9].Warnings; len(w) != 1 || w[0].Code != domain.WarnHostStillTrusted || short[9].ID != "p1" {
		t.Errorf("got %+v", short[9])
	}
	if e := short[3].Error; e.Code != domain.Invalid || e.Field != "hostname" || len(e.Msg) > maxResultMsg+3 {
		t.Errorf("got %+v", e)
	}
	if fitting(results[:5])[0].Warnings[0].Message != results[0].Warnings[0].Message || len(results[9].Warnings[0].Message) != 600 {
		t.Error("results that fit, or those that were given, were changed")
	}
	if got := fitting(nil); got != nil {
		t.Errorf("no results became %+v", got)
	}
}

func TestBulk_operationThatIsNoneIsRefused(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	refusal := mustRefuse(t, h, withID("c1", bulk(true, adding("Berlin"), nil)), domain.Malformed)
	if refusal.Field != "operations[1]" || ends(refusal.Results) != "done refused" {
		t.Errorf("got %+v", refusal)
	}
}

func TestBulk_isHeldByTheFoldAsOneCommand(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	must(t, h, withID("c1", bulk(true, additions(1000)...)))
	e, err := h.cache.acquire(context.Background(), acme)
	if err != nil {
		t.Fatal(err)
	}
	defer h.cache.release(e)
	c, ok := e.state.Remembered("c1")
	if !ok || len(c.Events) != 1000 {
		t.Errorf("%d events are remembered, %t", len(c.Events), ok)
	}
}
