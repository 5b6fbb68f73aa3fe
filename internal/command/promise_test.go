package command

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// keptOutcome returns the outcome that is kept for id.
func keptOutcome(t testing.TB, b backend, id events.CommandID) (out Outcome, ok bool) {
	t.Helper()
	data, ok, err := b.outcomes.Find(context.Background(), acme, id)
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		if err := json.Unmarshal(data, &out); err != nil {
			t.Fatal(err)
		}
	}
	return out, ok
}

func mustKeep(t testing.TB, b backend, id events.CommandID, want Result) Outcome {
	t.Helper()
	out, ok := keptOutcome(t, b, id)
	if !ok || out.Result != want {
		t.Fatalf("outcome of %s: got %+v, %t; want %s", id, out, ok, want)
	}
	return out
}

// sameEffect fails unless again is r, said once more.
func sameEffect(t testing.TB, r, again Receipt) {
	t.Helper()
	r.Repeated, r.Warnings, again.Warnings = true, nil, nil
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("the repeat has another receipt (-first +again):\n%s", diff)
	}
}

func TestPromise_repeatGetsTheSameReceiptInEveryProcess(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	r := must(t, h, withID("c1", addPeer("Berlin")))
	for _, process := range []*Handler{h, b.handler()} {
		sameEffect(t, r, must(t, process, withID("c1", addPeer("Berlin"))))
	}
	if n := len(history(t, b)); n != 2 {
		t.Errorf("%d events; want 2", n)
	}
	out := mustKeep(t, b, "c1", Accepted)
	want := Outcome{CommandID: "c1", Command: "AddPeer", Hash: out.Hash, Result: Accepted, ID: r.ID, Sequence: r.Sequence, Events: r.Events, At: out.At}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

func TestPromise_warningsAreRepeated(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	peer := must(t, h, addPeer("Berlin"))
	must(t, h, Request{Enterprise: acme, Command: domain.AddTrustedServer{Description: "Edge", Host: "uc.peer.example", Type: events.TrustIM}})
	remove := withID("c1", Request{Enterprise: acme, Command: domain.DeletePeer{Peer: events.PeerID(peer.ID)}})
	first := must(t, h, remove)
	again := must(t, b.handler(), remove)
	if len(first.Warnings) != 1 || len(again.Warnings) != 1 {
		t.Errorf("warned %v, then %v", first.Warnings, again.Warnings)
	}
}

func TestPromise_repeatIsNotJudgedByTheRevisionItChanged(t *testing.T) {
	b := inMemory()
	h := b.handler()
	rev := must(t, h, register(acme)).Sequence
	req := withID("c1", Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "New"}})
	req.IfRevision = &rev
	r := must(t, h, req)
	sameEffect(t, r, must(t, h, req))
	req.ID = "c2"
	if stale := mustRefuse(t, h, req, domain.Stale); stale.Stale == nil || stale.Stale.Current != r.Sequence {
		t.Errorf("got %+v", stale.Stale)
	}
}

func TestPromise_staleEditIsReadAgainAndRepeatedUnderItsID(t *testing.T) {
	b := inMemory()
	h := b.handler()
	old := must(t, h, register(acme)).Sequence
	now := must(t, h, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Somebody else's"}}).Sequence
	req := withID("c1", Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Mine"}})
	req.IfRevision = &old
	for _, process := range []*Handler{h, b.handler()} {
		mustRefuse(t, process, req, domain.Stale)
	}
	req.IfRevision = &now
	r := must(t, b.handler(), req)
	if r.Repeated || len(r.Events) != 1 {
		t.Errorf("got %+v; want a first receipt", r)
	}
	req.IfRevision = &old
	sameEffect(t, r, must(t, h, req))
	mustKeep(t, b, "c1", Accepted)
}

func TestPromise_rejectionIsRememberedWhenItWouldBeAcceptedLater(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	berlin := must(t, h, addPeer("Berlin"))
	first := mustRefuse(t, h, withID("c1", addPeer("Berlin")), domain.Exists)
	must(t, h, Request{Enterprise: acme, Command: domain.DeletePeer{Peer: events.PeerID(berlin.ID)}})
	for _, process := range []*Handler{h, b.handler()} {
		again := mustRefuse(t, process, withID("c1", addPeer("Berlin")), domain.Exists)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	}
	mustKeep(t, b, "c1", Rejected)
	must(t, h, withID("c2", addPeer("Berlin")))
}

func TestPromise_nothingToChangeIsRemembered(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	same := withID("c1", Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Test"}})
	r := must(t, h, same)
	if len(r.Events) != 0 || r.Sequence != 1 {
		t.Errorf("got %+v; want the current sequence and no event", r)
	}
	must(t, h, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Other"}})
	sameEffect(t, r, must(t, b.handler(), same))
	if n := len(history(t, b)); n != 2 {
		t.Errorf("%d events; want 2: the repeat took effect", n)
	}
}

func TestPromise_idWithAnotherBodyIsRefusedAndTheFirstOutcomeStands(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	r := must(t, h, withID("good", addPeer("Berlin")))
	mustRefuse(t, h, withID("bad", addPeer("Berlin")), domain.Exists)
	for _, process := range []*Handler{h, b.handler()} {
		mustRefuse(t, process, withID("good", addPeer("Paris")), domain.IDReused)
		mustRefuse(t, process, withID("bad", addPeer("Paris")), domain.IDReused)
	}
	sameEffect(t, r, must(t, h, withID("good", addPeer("Berlin"))))
	mustRefuse(t, h, withID("bad", addPeer("Berlin")), domain.Exists)
}

func TestPromise_idsOfTwoEnterprisesAreStrangers(t *testing.T) {
	h := inMemory().handler()
	one := must(t, h, withID("c1", register(acme)))
	other := must(t, h, withID("c1", register("beta-1")))
	if other.Repeated || one.Events[0] == other.Events[0] {
		t.Errorf("got %+v and %+v", one, other)
	}
}

func TestPromise_withoutAnIDNothingIsRemembered(t *testing.T) {
	b := inMemory()
	b.outcomes = &hookedOutcomes{Outcomes: b.outcomes, beforeFind: fail, beforeKeep: fail}
	h := b.handler()
	r := must(t, h, register(acme))
	mustRefuse(t, h, register(acme), domain.Exists)
	all := history(t, b)
	if len(all) != 1 || all[0].CommandHash != "" || all[0].CommandID != r.CommandID || r.CommandID == "" {
		t.Errorf("got %+v", all)
	}
}

func TestPromise_crashBetweenAppendAndOutcome(t *testing.T) {
	for name, outcomes := range map[string]hookedOutcomes{
		"the outcome is not kept":     {beforeKeep: fail},
		"the outcome's answer is cut": {afterKeep: fail},
	} {
		t.Run(name, func(t *testing.T) {
			b := inMemory()
			must(t, b.handler(), register(acme))
			crashing := b
			outcomes.Outcomes = b.outcomes
			crashing.outcomes = &outcomes
			h := crashing.handler()
			if r, err := h.Handle(t.Context(), withID("c1", addPeer("Berlin"))); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("acknowledged without an outcome: %+v, %v", r, err)
			}
			mustRefuse(t, b.handler(), withID("c1", addPeer("Paris")), domain.IDReused)

			r := must(t, b.handler(), withID("c1", addPeer("Berlin")))
			all := history(t, b)
			last := all[len(all)-1]
			if len(all) != 2 || !r.Repeated || r.Sequence != last.Seq || r.ID != string(last.Event.(events.PeerAdded).Peer) {
				t.Errorf("%d events, receipt %+v", len(all), r)
			}
			out := mustKeep(t, b, "c1", Accepted)
			if out.ID != r.ID || out.Sequence != r.Sequence || len(out.Events) != 1 || out.Events[0] != last.ID {
				t.Errorf("outcome %+v for %+v", out, r)
			}
			outcomes.beforeKeep, outcomes.afterKeep = nil, nil
			sameEffect(t, r, must(t, h, withID("c1", addPeer("Berlin"))))
		})
	}
}

func TestPromise_crashBeforeARejectionIsKeptLeavesNothing(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	berlin := must(t, b.handler(), addPeer("Berlin"))
	crashing := b
	crashing.outcomes = &hookedOutcomes{Outcomes: b.outcomes, beforeKeep: fail}
	if _, err := crashing.handler().Handle(t.Context(), withID("c1", addPeer("Berlin"))); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v; a refusal that is not remembered must not be given", err)
	}
	must(t, b.handler(), Request{Enterprise: acme, Command: domain.DeletePeer{Peer: events.PeerID(berlin.ID)}})
	if r := must(t, b.handler(), withID("c1", addPeer("Berlin"))); r.Repeated {
		t.Error("an outcome that was never given is repeated")
	}
}

func TestPromise_acceptanceThatOvertakesARefusalWins(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	berlin := must(t, b.handler(), addPeer("Berlin"))
	var accepted Receipt
	slow := b
	// Between the decision to refuse and the keeping of the refusal, another
	// process deletes what stands in the way, and a third accepts the same id.
	slow.outcomes = &hookedOutcomes{Outcomes: b.outcomes, beforeKeep: once(func() error {
		must(t, b.handler(), Request{Enterprise: acme, Command: domain.DeletePeer{Peer: events.PeerID(berlin.ID)}})
		accepted = must(t, b.handler(), withID("c1", addPeer("Berlin")))
		return nil
	})}
	sameEffect(t, accepted, must(t, slow.handler(), withID("c1", addPeer("Berlin"))))
	mustKeep(t, b, "c1", Accepted)
}

func TestPromise_refusalKeptBeforeADecisionHoldsInIt(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	berlin := must(t, b.handler(), addPeer("Berlin"))
	h := b.handler()
	must(t, h, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Warm"}})
	mustRefuse(t, b.handler(), withID("c1", addPeer("Berlin")), domain.Exists)
	must(t, b.handler(), Request{Enterprise: acme, Command: domain.DeletePeer{Peer: events.PeerID(berlin.ID)}})
	mustRefuse(t, h, withID("c1", addPeer("Berlin")), domain.Exists)
}

// The one window that is left: see Handler.
func TestPromise_logWinsOverARefusalKeptDuringTheAppend(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	must(t, b.handler(), addPeer("Berlin"))
	slow := b
	slow.store = &hookedStore{Store: b.store, beforeAppend: once(func() error {
		mustRefuse(t, b.handler(), withID("c1", addPeer("Berlin")), domain.Exists)
		return nil
	})}
	r := must(t, slow.handler(), withID("c1", addPeer("Paris")))
	for _, process := range []*Handler{slow.handler(), b.handler()} {
		sameEffect(t, r, must(t, process, withID("c1", addPeer("Paris"))))
		mustRefuse(t, process, withID("c1", addPeer("Berlin")), domain.IDReused)
	}
}

func TestPromise_unreadableOutcomeIsNoOutcome(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	for id, data := range map[events.CommandID]string{"c1": "not JSON", "c2": "null!"} {
		if _, err := b.outcomes.Keep(t.Context(), acme, id, []byte(data)); err != nil {
			t.Fatal(err)
		}
		if r, err := h.Handle(t.Context(), withID(id, addPeer("Berlin"))); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %+v, %v", r, err)
		}
	}
	if n := len(history(t, b)); n != 1 {
		t.Errorf("%d events; want 1", n)
	}
}

func TestPromise_failedOutcomeIsRepeatedAsARefusal(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	req := withID("c1", addPeer("Berlin"))
	data, err := json.Marshal(Outcome{CommandID: "c1", Command: "AddPeer", Hash: Hash(req.Command), Result: Failed})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.outcomes.Keep(t.Context(), acme, "c1", data); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, h, req, domain.Malformed)
}

// oneIDAtOnce sends one command 64 times at once through processes and checks
// that it had one effect and that everybody learnt of it. b is what they share.
func oneIDAtOnce(t *testing.T, b backend, processes ...*Handler) {
	t.Helper()
	must(t, b.handler(), register(acme))
	receipts := make([]Receipt, 64)
	errs := make([]error, len(receipts))
	var wg sync.WaitGroup
	for i := range receipts {
		wg.Go(func() {
			receipts[i], errs[i] = insist(t.Context(), processes[i%len(processes)], withID("c1", addPeer("Berlin")))
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	all := history(t, b)
	if len(all) != 2 {
		t.Fatalf("%d events; want 2", len(all))
	}
	want := Receipt{
		CommandID: "c1", ID: string(all[1].Event.(events.PeerAdded).Peer),
		Sequence: all[1].Seq, Events: []events.EventID{all[1].ID}, Repeated: true, At: all[1].Time,
	}
	first := 0
	for _, r := range receipts {
		if !r.Repeated {
			first++
		}
		r.Repeated = true
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("receipt (-want +got):\n%s", diff)
		}
	}
	if first > 1 {
		t.Errorf("%d receipts say that theirs was the first command", first)
	}
	mustKeep(t, b, "c1", Accepted)
}

func TestPromise_oneIDManyTimesAtOnceHasOneEffect(t *testing.T) {
	b := inMemory()
	oneIDAtOnce(t, b, b.handler(), b.handler(), b.handler())
}

func TestPromise_oneIDManyTimesAtOnceHasOneEffectThoughAnswersGetLost(t *testing.T) {
	for range 20 {
		b := inMemory()
		oneIDAtOnce(t, b, flaky(b).handler(), flaky(b).handler(), flaky(b).handler())
	}
}
