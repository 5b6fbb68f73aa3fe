package command

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// undecodable is the conclusion of a body that is no AddPeer.
func undecodable(id events.CommandID, body string) Conclusion {
	return Conclusion{
		Enterprise: acme, ID: id, Name: "AddPeer", Body: []byte(body), Result: Failed,
		Error: &domain.Error{Code: domain.Malformed, Msg: "the body is not JSON"},
	}
}

func mustConclude(t *testing.T, h *Handler, c Conclusion) Outcome {
	t.Helper()
	out, err := h.Conclude(t.Context(), c)
	if err != nil {
		t.Fatalf("conclude %s: %v", c.ID, err)
	}
	return out
}

func mustNotConclude(t *testing.T, h *Handler, c Conclusion, code domain.Code) {
	t.Helper()
	out, err := h.Conclude(t.Context(), c)
	var refusal *domain.Error
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Fatalf("conclude %s: got %+v, %v; want a refusal with code %s", c.ID, out, err, code)
	}
}

func TestConclude_keepsOneOutcomeForEveryProcess(t *testing.T) {
	b := inMemory()
	first := mustConclude(t, b.handler(), undecodable("c1", "{"))
	if first.Result != Failed || first.Command != "AddPeer" || first.Error.Code != domain.Malformed || first.At.IsZero() {
		t.Errorf("got %+v", first)
	}
	data, ok, err := b.outcomes.Find(t.Context(), acme, "c1")
	var kept Outcome
	if err := errors.Join(err, json.Unmarshal(data, &kept)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if diff := cmp.Diff(first, kept); diff != "" {
		t.Errorf("(-answered +kept):\n%s", diff)
	}
	if diff := cmp.Diff(first, mustConclude(t, b.handler(), undecodable("c1", "{"))); diff != "" {
		t.Errorf("(-first +repeat):\n%s", diff)
	}
	if n := len(history(t, b)); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestConclude_anotherBodyUnderTheIDIsRefused(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	mustConclude(t, h, undecodable("c1", "{"))
	mustNotConclude(t, h, undecodable("c1", "{{"), domain.IDReused)
	mustRefuse(t, h, withID("c1", addPeer("Berlin")), domain.IDReused)
	must(t, h, withID("c2", addPeer("Paris")))
	for _, process := range []*Handler{h, b.handler()} {
		mustNotConclude(t, process, undecodable("c2", "{"), domain.IDReused)
	}
	mustRefuse(t, h, withID("c3", Request{Enterprise: acme, Command: domain.RenamePeer{Peer: "p9", Description: "x"}}), domain.NotFound)
	mustNotConclude(t, h, undecodable("c3", "{"), domain.IDReused)
	mustKeep(t, b, "c2", Accepted)
	mustKeep(t, b, "c3", Rejected)
}

// The command is recognised though its sender may not give it any more, or an
// operator discards it, and however its body is written.
func TestConclude_ofACommandIsThatOfTheCommand(t *testing.T) {
	const body = `{"peer":"p9","description":"Berlin"}`
	discard := Conclusion{
		Enterprise: acme, ID: "c1", Name: "RenamePeer", Body: []byte(body),
		Result: Failed, Error: &domain.Error{Code: "discarded", Msg: "an operator decided so"},
	}
	rename := withID("c1", Request{Enterprise: acme, Command: domain.RenamePeer{Peer: "p9", Description: "Berlin"}})
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	mustConclude(t, h, discard)
	mustRefuse(t, h, rename, "discarded")
	other := discard
	other.Body = []byte(`{ "description":"B\u0065rlin", "peer":"p9"}`)
	if out := mustConclude(t, b.handler(), other); out.Error.Code != "discarded" {
		t.Errorf("got %+v", out)
	}
}

// A command that took effect before a crash could keep its outcome took effect,
// whatever is concluded about it afterwards.
func TestConclude_whatTheLogSaysStands(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	crashing := b
	crashing.outcomes = &hookedOutcomes{Outcomes: b.outcomes, beforeKeep: fail}
	req := withID("c1", addPeer("Berlin"))
	if _, err := crashing.handler().Handle(t.Context(), req); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	out := mustConclude(t, b.handler(), Conclusion{
		Enterprise: acme, ID: "c1", Name: "AddPeer", Result: Failed, Error: &domain.Error{Code: "discarded"},
		Body: []byte(`{"type":"micollab","description":"Berlin","hostname":"uc.peer.example","peer_enterprise_id":"ent-Berlin"}`),
	})
	if out.Result != Accepted || out.Sequence != 2 || len(out.Events) != 1 {
		t.Errorf("got %+v", out)
	}
	mustKeep(t, b, "c1", Accepted)
}

// An acceptance that gets there while the conclusion is being kept wins.
func TestConclude_anAcceptanceInBetweenWins(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	slow := b
	slow.outcomes = &hookedOutcomes{Outcomes: b.outcomes, beforeKeep: once(func() error {
		must(t, b.handler(), withID("c1", addPeer("Berlin")))
		return nil
	})}
	mustNotConclude(t, slow.handler(), undecodable("c1", "{"), domain.IDReused)
	mustKeep(t, b, "c1", Accepted)
}

func TestConclude_needsAPlaceForTheOutcome(t *testing.T) {
	h := inMemory().handler()
	for _, c := range []Conclusion{
		{Enterprise: "a", ID: "c1"},
		{Enterprise: "a.b.c", ID: "c1"},
		{Enterprise: acme},
		{Enterprise: acme, ID: "c.1"},
	} {
		mustNotConclude(t, h, c, domain.Invalid)
	}
}

func TestConclude_hostileNameIsCut(t *testing.T) {
	h := inMemory().handler()
	name := domain.CommandName("\xff" + strings.Repeat("x", 5000))
	c := undecodable("c1", "{}")
	c.Name = name
	out := mustConclude(t, h, c)
	if len(out.Command) > 100 || strings.Contains(string(out.Command), "\xff") {
		t.Errorf("got %q", out.Command)
	}
	c.Name += "y"
	mustNotConclude(t, h, c, domain.IDReused)
}

func TestConclude_failsLikeHandle(t *testing.T) {
	for name, prepare := range map[string]func(*hookedStore, *hookedOutcomes){
		"load": func(s *hookedStore, _ *hookedOutcomes) { s.beforeLoad = fail },
		"keep": func(_ *hookedStore, o *hookedOutcomes) { o.beforeKeep = fail },
		"kept": func(_ *hookedStore, o *hookedOutcomes) { o.afterKeep = fail },
		"last": func(s *hookedStore, _ *hookedOutcomes) { s.beforeLast = fail },
	} {
		b := inMemory()
		must(t, b.handler(), register(acme))
		store, outcomes := &hookedStore{Store: b.store}, &hookedOutcomes{Outcomes: b.outcomes}
		prepare(store, outcomes)
		failing := backend{store, outcomes, b.snapshots}
		if out, err := failing.handler().Conclude(t.Context(), undecodable("c1", "{")); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: got %+v, %v", name, out, err)
		}
		mustConclude(t, b.handler(), undecodable("c1", "{"))
	}
	b := inMemory()
	b.outcomes = &hookedOutcomes{Outcomes: b.outcomes, beforeKeep: func(context.Context) error { return eventstore.ErrFull }}
	if _, err := b.handler().Conclude(t.Context(), undecodable("c1", "{")); !errors.Is(err, ErrFull) {
		t.Errorf("full: got %v", err)
	}
}

func TestConclude_atOnceInManyProcessesIsOneOutcome(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	outcomes := make([]Outcome, 16)
	var wg sync.WaitGroup
	for i := range outcomes {
		h := b.handler()
		wg.Go(func() {
			c := undecodable("c1", "{")
			c.Error = &domain.Error{Code: domain.Malformed, Msg: strings.Repeat("x", i)}
			outcomes[i] = mustConclude(t, h, c)
		})
	}
	wg.Wait()
	for _, out := range outcomes[1:] {
		if diff := cmp.Diff(outcomes[0], out); diff != "" {
			t.Fatalf("two outcomes:\n%s", diff)
		}
	}
}

func TestConclude_unreadableHistoryIsToldApart(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	b.store.(*eventstore.Memory).Put(string(events.ConfigSubject(acme)), nil, []byte("hello"))
	for range 2 {
		_, err := h.Conclude(t.Context(), undecodable("c1", "{"))
		if !errors.Is(err, ErrUnreadable) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("conclude: %v", err)
		}
		_, err = h.Handle(t.Context(), addPeer("Berlin"))
		if !errors.Is(err, ErrUnreadable) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("handle: %v", err)
		}
	}
	b.store = &hookedStore{Store: b.store, beforeLoad: fail}
	if _, err := b.handler().Handle(t.Context(), addPeer("Berlin")); errors.Is(err, ErrUnreadable) {
		t.Errorf("a log that does not answer is no unreadable history: %v", err)
	}
}

// On the bus nobody waits who could put right what travels with a command.
func TestFinal_refusalOfWhatTravelsWithTheCommandIsRemembered(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	req := withID("c1", addPeer("Berlin"))
	req.Reason = strings.Repeat("x", maxReason+1)
	mustRefuse(t, h, req, domain.Invalid)
	if _, ok, _ := b.outcomes.Find(t.Context(), acme, "c1"); ok {
		t.Error("a refusal that can be put right was kept")
	}
	req.Final = true
	mustRefuse(t, h, req, domain.Invalid)
	mustKeep(t, b, "c1", Rejected)
	req.Reason = ""
	mustRefuse(t, b.handler(), req, domain.Invalid)
}
