// Package domaintest owns the kit in which the domain's rules are tested —
// given these events, when this command, then these events or that refusal —
// and generators of commands and histories for properties, here and in the
// packages that fold the same events.
//
// It imports domain and events, and is for tests only.
package domaintest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// What scenarios are made of.
const (
	Enterprise = events.EnterpriseID("acme")
	Actor      = "alice"
	NewID      = "new1" // the id of what a command adds, of whatever kind
)

// Start is when the first event of a scenario happened; each further one
// happened a second later, and the command comes a minute after the last.
func Start() time.Time { return time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC) }

// Registered is the event with which Given begins.
func Registered() events.EnterpriseRegistered {
	return events.EnterpriseRegistered{
		Enterprise: Enterprise, Description: "Acme", Domain: "acme.example",
		Server: events.Server{Hostname: "mas.acme.example", Version: "9.8", Deployment: events.DeploymentStandard},
	}
}

// PeerAdded is a MiCollab peer with the enterprise "<id>-ent" on hostname.
func PeerAdded(id events.PeerID, description, hostname string) events.PeerAdded {
	return events.PeerAdded{
		Peer: id, PeerType: events.PeerMiCollab, Description: description, Hostname: hostname,
		Port: domain.DefaultPort, PeerEnterpriseID: events.EnterpriseID(id) + "-ent",
	}
}

// ExternalAdded is an external peer.
func ExternalAdded(id events.PeerID, description string) events.PeerAdded {
	return events.PeerAdded{Peer: id, PeerType: events.PeerExternal, Description: description}
}

// TrustedAdded is a manual entry of the trusted-server list.
func TrustedAdded(id events.TrustedServerID, description, host string, typ events.TrustType) events.TrustedServerAdded {
	return events.TrustedServerAdded{TrustedServer: id, Description: description, Host: host, TrustType: typ}
}

// Record gives evs their places in the log of ent, as the events of one command
// from the first sequence on.
func Record(ent events.EnterpriseID, first events.Seq, at time.Time, id events.CommandID, evs ...events.Event) []events.Recorded {
	out := make([]events.Recorded, len(evs))
	for i, ev := range evs {
		out[i] = events.Recorded{
			Seq: first + events.Seq(i), Subject: events.ConfigSubject(ent),
			Envelope: events.Envelope{
				ID: events.NewEventID(ent, id, i), Enterprise: ent, Time: at, CommandID: id,
				CommandHash: "hash-of-" + string(id), Index: i, Count: len(evs),
				Actor: Actor, Reason: "because", Event: ev,
			},
		}
	}
	return out
}

// Scenario is what has happened before the command.
type Scenario struct {
	history []events.Event
	in      domain.Input
}

// Given is the history of a registered enterprise: Registered is at sequence 1,
// the first of history at 2, and so on.
func Given(history ...events.Event) Scenario {
	return GivenNothing(append([]events.Event{Registered()}, history...)...)
}

// GivenNothing is the whole history, the registration not implied.
func GivenNothing(history ...events.Event) Scenario {
	now := Start().Add(time.Duration(len(history))*time.Second + time.Minute)
	return Scenario{history: history, in: domain.Input{Now: now, NewID: NewID}}
}

// IfRevision sets the revision that the command insists on.
func (s Scenario) IfRevision(seq events.Seq) Scenario {
	s.in.IfRevision = &seq
	return s
}

// WithNewID sets the id of what the command adds.
func (s Scenario) WithNewID(id string) Scenario {
	s.in.NewID = id
	return s
}

// Now is when the command is accepted.
func (s Scenario) Now() time.Time { return s.in.Now }

// State folds the history.
func (s Scenario) State(t testing.TB) *domain.Enterprise {
	t.Helper()
	state := domain.NewEnterprise(Enterprise)
	for i, ev := range s.history {
		seq := events.Seq(i + 1)
		at := Start().Add(time.Duration(i) * time.Second)
		for _, r := range Record(Enterprise, seq, at, "given-"+events.CommandID(rune('a'+i%26)), ev) {
			if err := state.Evolve(r); err != nil {
				t.Fatalf("given: %v", err)
			}
		}
	}
	return state
}

// When is the command.
func (s Scenario) When(cmd domain.Command) Trial { return Trial{s, cmd} }

// Trial is a scenario with its command, ready to be judged.
type Trial struct {
	scenario Scenario
	cmd      domain.Command
}

// Then demands that the command is accepted with exactly these events, and that
// they can be folded. It returns the decision for a look at id and warnings.
func (r Trial) Then(t testing.TB, want ...events.Event) domain.Decision {
	t.Helper()
	d, state, err := r.decide(t)
	if err != nil {
		t.Fatalf("%s was refused: %v", r.cmd.Name(), err)
	}
	if diff := cmp.Diff(want, d.Events); diff != "" && len(want)+len(d.Events) > 0 {
		t.Fatalf("%s made other events (-want +got):\n%s", r.cmd.Name(), diff)
	}
	for _, rec := range Record(Enterprise, state.Seq()+1, r.scenario.in.Now, "when", d.Events...) {
		if err := state.Evolve(rec); err != nil {
			t.Fatalf("what was decided does not fold: %v", err)
		}
	}
	return d
}

// ThenRefused demands a refusal with this code and field, whose sentence
// contains each of words.
func (r Trial) ThenRefused(t testing.TB, code domain.Code, field string, words ...string) *domain.Error {
	t.Helper()
	d, _, err := r.decide(t)
	if err == nil {
		t.Fatalf("%s was accepted with %v", r.cmd.Name(), d.Events)
	}
	var refusal *domain.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("%s was refused with a %T, want *domain.Error", r.cmd.Name(), err)
	}
	if refusal.Code != code || refusal.Field != field {
		t.Fatalf("%s was refused with %s on field %q (%s), want %s on %q", r.cmd.Name(), refusal.Code, refusal.Field, refusal.Msg, code, field)
	}
	for _, w := range append(words, "") {
		if refusal.Msg == "" || !strings.Contains(refusal.Msg, w) {
			t.Fatalf("%s was refused with the words %q, want %q in them", r.cmd.Name(), refusal.Msg, w)
		}
	}
	return refusal
}

// decide runs the command and makes sure that deciding left the state alone.
func (r Trial) decide(t testing.TB) (domain.Decision, *domain.Enterprise, error) {
	t.Helper()
	state := r.scenario.State(t)
	before := Snapshot(t, state)
	d, err := domain.Decide(state, r.cmd, r.scenario.in)
	if diff := cmp.Diff(before, Snapshot(t, state)); diff != "" {
		t.Fatalf("deciding %s changed the state:\n%s", r.cmd.Name(), diff)
	}
	return d, state, err
}

// Snapshot is the state as bytes; equal bytes are equal states.
func Snapshot(t testing.TB, state *domain.Enterprise) []byte {
	t.Helper()
	b, err := state.MarshalSnapshot()
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	return b
}
