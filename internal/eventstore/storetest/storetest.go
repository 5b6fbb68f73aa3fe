// Package storetest owns the suite that every event store passes, and the
// events that tests of stores are written with.
//
// Only tests import it. It knows the interfaces of eventstore and nothing of
// what is behind them, apart from Put, which stores what no store would.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// Source is the log as the projections read it: projection.Source.
type Source interface {
	Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error
	Range(ctx context.Context, ent events.EnterpriseID, after, upTo events.Seq, fn func(events.Message) error) error
	Identity(ctx context.Context) (events.Identity, error)
	At(ctx context.Context, seq events.Seq) (m events.Message, ok bool, err error)
}

// Fixture is an empty log with everything that is kept on it.
type Fixture struct {
	Store     eventstore.Store
	Source    Source
	Outcomes  eventstore.Outcomes
	Snapshots eventstore.Snapshots
	// Put stores a message as it is, as anybody could who may publish.
	Put func(t *testing.T, subject string, header map[string][]string, data []byte) events.Seq
}

// Run runs the whole suite; open is called once for each rule.
func Run(t *testing.T, open func(*testing.T) Fixture) {
	groups := map[string]map[string]func(*testing.T, Fixture){
		"append": appending, "load": loading, "source": reading, "outcomes": outcomes, "snapshots": snapshots,
		"giving up": givingUp,
	}
	for name, rules := range groups {
		t.Run(name, func(t *testing.T) {
			for rule, test := range rules {
				t.Run(rule, func(t *testing.T) { test(t, open(t)) })
			}
		})
	}
}

// Ent is the enterprise that most tests write to.
const Ent events.EnterpriseID = "acme-berlin"

// Subject is its configuration.
var Subject = events.ConfigSubject(Ent)

// Event returns the only event of a command of ent; the command's id makes it
// different from others.
func Event(ent events.EnterpriseID, cmd string) events.Envelope {
	return Events(ent, cmd, 1)[0]
}

// Events returns the n events of a command of ent.
func Events(ent events.EnterpriseID, cmd string, n int) []events.Envelope {
	evs := make([]events.Envelope, n)
	for i := range evs {
		evs[i] = events.Envelope{
			ID:         events.NewEventID(ent, events.CommandID(cmd), i),
			Enterprise: ent,
			Time:       time.Date(2026, 3, 1, 12, 0, 0, 1000*i, time.UTC),
			CommandID:  events.CommandID(cmd),
			Index:      i, Count: n,
			Actor: "test",
			Event: events.EnterpriseDescribed{From: "before", To: fmt.Sprintf("%s %d", cmd, i)},
		}
	}
	return evs
}

// Append appends and fails the test when that fails.
func Append(t testing.TB, s eventstore.Store, after events.Seq, evs ...events.Envelope) events.Seq {
	t.Helper()
	seq, err := s.Append(t.Context(), events.ConfigSubject(evs[0].Enterprise), after, evs...)
	if err != nil {
		t.Fatalf("append after %d: %v", after, err)
	}
	return seq
}

// Load returns the events of subject after a position.
func Load(t testing.TB, s eventstore.Store, subject events.Subject, after events.Seq) []events.Recorded {
	t.Helper()
	var all []events.Recorded
	last, err := s.Load(t.Context(), subject, after, func(r events.Recorded) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatalf("load %s after %d: %v", subject, after, err)
	}
	want := after
	if len(all) > 0 {
		want = all[len(all)-1].Seq
	}
	if last != want {
		t.Errorf("load %s after %d: says the last is %d, gave %d", subject, after, last, want)
	}
	return all
}

// Holds fails the test when the events of subject are not exactly want, in order.
func Holds(t testing.TB, s eventstore.Store, subject events.Subject, want ...events.Envelope) {
	t.Helper()
	got := []events.Envelope{}
	for _, r := range Load(t, s, subject, 0) {
		got = append(got, r.Envelope)
	}
	if want == nil {
		want = []events.Envelope{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s holds something else (-want +got):\n%s", subject, diff)
	}
}
