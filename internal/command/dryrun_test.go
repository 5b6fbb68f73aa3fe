package command

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

func dry(req Request) Request {
	req.DryRun = true
	return req
}

// untouched fails unless a dry run left n events and no outcome of c1.
func untouched(t *testing.T, b backend, n int) {
	t.Helper()
	if got := len(history(t, b)); got != n {
		t.Errorf("%d events; want %d", got, n)
	}
	if out, ok := keptOutcome(t, b, "c1"); ok {
		t.Errorf("an outcome was kept: %+v", out)
	}
}

func TestDryRun_saysWhatWouldBecomeAndDoesNothing(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, p testkit.Topology) {
		b := onStreams(t, p)
		h := b.handler()
		must(t, h, register(acme))
		berlin := events.PeerID(must(t, h, addPeer("Berlin")).ID)
		try := bulk(true, adding("Paris"), domain.DisablePeer{Peer: berlin}, domain.EnablePeer{Peer: berlin}, domain.EnablePeer{Peer: berlin})
		for _, req := range []Request{try, withID("c1", try)} {
			for _, process := range []*Handler{h, b.handler()} {
				r := must(t, process, dry(req))
				if ends(r.Results) != "done done done unchanged" || r.Sequence != 2 || len(r.Events) != 3 || r.ID != string(acme) || r.Repeated {
					t.Errorf("got %+v", r)
				}
				if r.Results[0].ID != "" || r.Results[1].ID != string(berlin) {
					t.Errorf("ids %q and %q; want none and %s", r.Results[0].ID, r.Results[1].ID, berlin)
				}
			}
		}
		refused := withID("c1", bulk(true, adding("Berlin"), adding("Rome")))
		if refusal := mustRefuse(t, h, dry(refused), domain.Exists); ends(refusal.Results) != "refused done" {
			t.Errorf("got %+v", refusal)
		}
		untouched(t, b, 2)
		mustBeTheFold(t, b, h)
		if r := must(t, h, withID("c1", try)); r.Repeated || len(r.Events) != 3 {
			t.Errorf("the id was used up: %+v", r)
		}
	})
}

func TestDryRun_ofAnyCommand(t *testing.T) {
	b := inMemory()
	h := b.handler()
	if r := must(t, h, dry(register(acme))); len(r.Events) != 1 || r.Sequence != 0 {
		t.Errorf("got %+v", r)
	}
	mustRefuse(t, h, dry(addPeer("Berlin")), domain.NotFound)
	untouched(t, b, 0)
	must(t, h, register(acme))
	if r := must(t, h, dry(withID("c1", addPeer("Berlin")))); r.ID != "" || len(r.Events) != 1 {
		t.Errorf("got %+v", r)
	}
	manual := Request{Enterprise: acme, Command: domain.AddTrustedServer{Description: "Edge", Host: "edge.example", Type: events.TrustIM}}
	if r := must(t, h, dry(manual)); r.ID != "" || len(r.Events) != 1 {
		t.Errorf("got %+v", r)
	}
	wrong := dry(addPeer("Berlin"))
	wrong.Reason = "a\nb"
	mustRefuse(t, h, wrong, domain.Malformed)
	untouched(t, b, 1)
}

func TestDryRun_warnsWithoutIDsOfWhatWouldBeAdded(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	berlin := events.PeerID(must(t, h, addPeer("Berlin")).ID)
	try := bulk(true, adding("Paris"), domain.DeletePeer{Peer: berlin}) // on one host
	warned := must(t, h, dry(try)).Results[1].Warnings
	if len(warned) != 1 || warned[0].Code != domain.WarnHostStillTrusted || warned[0].Peer != "" || warned[0].TrustedServer != "" {
		t.Errorf("got %+v", warned)
	}
	r := must(t, h, try)
	if warned := r.Results[1].Warnings; len(warned) != 1 || string(warned[0].Peer) != r.Results[0].ID {
		t.Errorf("got %+v", r.Results)
	}
}

func TestDryRun_isDecidedOnTheNewestState(t *testing.T) {
	b := inMemory()
	one, two, peer := twoProcesses(t, b)
	must(t, one, Request{Enterprise: acme, Command: domain.DeletePeer{Peer: peer}})
	if r := must(t, two, dry(bulk(true, adding("Berlin")))); ends(r.Results) != "done" || r.Sequence != 4 {
		t.Errorf("got %+v", r)
	}
	must(t, one, addPeer("Berlin"))
	mustRefuse(t, two, dry(bulk(true, adding("Berlin"))), domain.Exists)
}

func TestDryRun_isJudgedAsAFirstCommandWhateverBecameOfItsID(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	add := withID("c1", addPeer("Berlin"))
	r := must(t, h, add)
	mustRefuse(t, h, dry(add), domain.Exists)
	if other := must(t, h, dry(withID("c1", addPeer("Paris")))); other.Repeated {
		t.Errorf("got %+v", other)
	}
	sameEffect(t, r, must(t, h, add))
}

func TestDryRun_theLogThatDoesNotAnswerIsUnavailable(t *testing.T) {
	b := inMemory()
	must(t, b.handler(), register(acme))
	for name, store := range map[string]*hookedStore{
		"loading":   {Store: b.store, beforeLoad: fail},
		"comparing": {Store: b.store, beforeLast: fail},
	} {
		on := b
		on.store = store
		h := on.handler()
		if name == "comparing" {
			must(t, h, addPeer("Berlin"))
		}
		if r, err := h.Handle(t.Context(), dry(addPeer("Rome"))); !errors.Is(err, ErrUnavailable) || !cmp.Equal(r, Receipt{}) {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}
}

func TestDryRun_isCountedAsOne(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	b := inMemory()
	h := New(b.store, b.outcomes, b.snapshots, Options{Metrics: reg})
	must(t, h, dry(register(acme)))
	mustRefuse(t, h, dry(addPeer("Berlin")), domain.NotFound)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "peering_commands_total" {
				got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	want := map[string]float64{"RegisterEnterprise dry_run": 1, "AddPeer dry_run": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}
