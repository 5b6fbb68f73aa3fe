package command

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

const acme = events.EnterpriseID("acme")

// backend is what handlers share: the log, outcomes and snapshots.
type backend struct {
	store     eventstore.Store
	outcomes  eventstore.Outcomes
	snapshots eventstore.Snapshots
}

func inMemory() backend {
	return backend{
		eventstore.NewMemory(events.NewCodec(events.Default())),
		eventstore.NewMemoryOutcomes(), eventstore.NewMemorySnapshots(),
	}
}

// handler returns a new handler on b: another process.
func (b backend) handler() *Handler { return New(b.store, b.outcomes, b.snapshots, Options{}) }

func register(ent events.EnterpriseID) Request {
	return Request{Enterprise: ent, Actor: "test", Command: domain.RegisterEnterprise{
		ID: string(ent), Description: "Test", Domain: string(ent) + ".example",
		Server: domain.Server{Hostname: "uc." + string(ent) + ".example", Version: "9.8", Deployment: events.DeploymentStandard},
	}}
}

func addPeer(description string) Request {
	return Request{Enterprise: acme, Actor: "test", Command: domain.AddPeer{
		Type: events.PeerMiCollab, Description: description,
		Hostname: domain.Give("uc.peer.example"), PeerEnterpriseID: domain.Give(enterpriseNamed(description)),
	}}
}

// enterpriseNamed turns a description into an enterprise id.
func enterpriseNamed(description string) string {
	id := []byte("ent-" + description)
	for i, c := range id {
		if c == ' ' {
			id[i] = '-'
		}
	}
	return string(id)
}

func withID(id events.CommandID, req Request) Request {
	req.ID = id
	return req
}

func must(t testing.TB, h *Handler, req Request) Receipt {
	t.Helper()
	r, err := h.Handle(t.Context(), req)
	if err != nil {
		t.Fatalf("%s: %v", req.Command.Name(), err)
	}
	return r
}

func mustRefuse(t testing.TB, h *Handler, req Request, code domain.Code) *domain.Error {
	t.Helper()
	r, err := h.Handle(t.Context(), req)
	var refusal *domain.Error
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Fatalf("%s: got %+v, %v; want a refusal with code %s", req.Command.Name(), r, err, code)
	}
	return refusal
}

// history returns the events of acme's configuration.
func history(t testing.TB, b backend) []events.Recorded {
	t.Helper()
	var all []events.Recorded
	_, err := b.store.Load(context.Background(), events.ConfigSubject(acme), 0, func(r events.Recorded) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// fold returns the state that the whole log says.
func fold(t testing.TB, b backend) *domain.Enterprise {
	t.Helper()
	state := domain.NewEnterprise(acme)
	for _, r := range history(t, b) {
		if err := state.Evolve(r); err != nil {
			t.Fatal(err)
		}
	}
	return state
}

func TestHandle_storesWhoWhatAndWhy(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	req := withID("c1", addPeer("Berlin"))
	req.Actor, req.OnBehalfOf, req.Reason, req.CausationID, req.Traceparent = "alice", "portal", " because ", "cause", trace
	r := must(t, h, req)

	all := history(t, b)
	got := all[len(all)-1]
	if got.Event.Type() != "PeerAdded" || r.Sequence != got.Seq || r.CommandID != "c1" || r.Repeated {
		t.Errorf("got %+v for %s at %d", r, got.Event.Type(), got.Seq)
	}
	want := got.Envelope
	want.ID, want.CommandID, want.CommandHash = events.NewEventID(acme, "c1", 0), "c1", Hash(req.Command)
	want.CorrelationID, want.CausationID, want.Actor, want.OnBehalfOf = "c1", "cause", "alice", "portal"
	want.Reason, want.Traceparent, want.Index, want.Count = "because", trace, 0, 1
	if diff := cmp.Diff(want, got.Envelope); diff != "" {
		t.Errorf("envelope (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]events.EventID{got.ID}, r.Events); diff != "" {
		t.Error(diff)
	}
	if r.ID != string(got.Event.(events.PeerAdded).Peer) {
		t.Errorf("the receipt names %q", r.ID)
	}
}
