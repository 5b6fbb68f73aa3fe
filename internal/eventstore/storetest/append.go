package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

var appending = map[string]func(*testing.T, Fixture){
	"an event comes back as it went in": func(t *testing.T, f Fixture) {
		e := Event(Ent, "c1")
		e.CommandHash, e.CorrelationID, e.CausationID = "hash", "corr", "cause"
		e.OnBehalfOf, e.Reason, e.Traceparent = "somebody", "a reason: with ünïcode", "00-ab-cd-01"
		seq := Append(t, f.Store, 0, e)
		got := Load(t, f.Store, Subject, 0)
		if len(got) != 1 || got[0].Seq != seq || got[0].Subject != Subject {
			t.Errorf("got %+v, want one event at %d", got, seq)
		}
		Holds(t, f.Store, Subject, e)
	},
	"each append expects the one before": func(t *testing.T, f Fixture) {
		a, b := Event(Ent, "c1"), Event(Ent, "c2")
		seq := Append(t, f.Store, 0, a)
		if next := Append(t, f.Store, seq, b); next <= seq {
			t.Errorf("got %d after %d", next, seq)
		}
		Holds(t, f.Store, Subject, a, b)
	},
	"an old expectation is a conflict and writes nothing": func(t *testing.T, f Fixture) {
		a, b := Event(Ent, "c1"), Event(Ent, "c2")
		seq := Append(t, f.Store, 0, a)
		seq = Append(t, f.Store, seq, b)
		for _, after := range []events.Seq{0, seq - 1, seq + 1, seq + 100} {
			for _, n := range []int{1, 3} {
				conflicts(t, f, after, Events(Ent, fmt.Sprintf("late-%d-%d", after, n), n)...)
			}
		}
		Holds(t, f.Store, Subject, a, b)
	},
	"other subjects are no conflict": func(t *testing.T, f Fixture) {
		Append(t, f.Store, 0, Event("other-one", "c1"))
		Append(t, f.Store, 0, Event(Ent, "c1"))
		Append(t, f.Store, 0, Event("other-two", "c1"))
		Holds(t, f.Store, Subject, Event(Ent, "c1"))
	},
	"the events of a command are consecutive": func(t *testing.T, f Fixture) {
		first := Append(t, f.Store, 0, Event(Ent, "c1"))
		evs := Events(Ent, "c2", 5)
		if last := Append(t, f.Store, first, evs...); last != first+5 {
			t.Errorf("last of five after %d: got %d, want %d", first, last, first+5)
		}
		Holds(t, f.Store, Subject, append([]events.Envelope{Event(Ent, "c1")}, evs...)...)
	},
	"a thousand events are stored together, one more is refused": func(t *testing.T, f Fixture) {
		evs := Events(Ent, "c1", eventstore.MaxAppend)
		last := Append(t, f.Store, 0, evs...)
		Holds(t, f.Store, Subject, evs...)
		more := Events(Ent, "c2", eventstore.MaxAppend+1)
		if _, err := f.Store.Append(t.Context(), Subject, last, more...); err == nil || !strings.Contains(err.Error(), "1000") {
			t.Errorf("got %v, want an error that names the limit", err)
		}
		if got, err := f.Store.Last(t.Context(), Subject); err != nil || got != last {
			t.Errorf("last: got %d, %v, want %d", got, err, last)
		}
	},
	"a repeat is the same success": func(t *testing.T, f Fixture) {
		for _, n := range []int{1, 4} {
			cmd := fmt.Sprintf("c%d", n)
			ent := events.EnterpriseID("ent-" + cmd)
			first := Append(t, f.Store, 0, Events(ent, cmd, n)...)
			if again := Append(t, f.Store, 0, Events(ent, cmd, n)...); again != first {
				t.Errorf("%d events: the repeat got %d, want %d", n, again, first)
			}
			Append(t, f.Store, first, Event(ent, "later"))
			if again := Append(t, f.Store, 0, Events(ent, cmd, n)...); again != first {
				t.Errorf("%d events: the late repeat got %d, want %d", n, again, first)
			}
			Holds(t, f.Store, events.ConfigSubject(ent), append(Events(ent, cmd, n), Event(ent, "later"))...)
		}
	},
	"the same id with other content is a conflict": func(t *testing.T, f Fixture) {
		Append(t, f.Store, 0, Event(Ent, "c1"))
		for name, change := range map[string]func(*events.Envelope){
			"body":  func(e *events.Envelope) { e.Event = events.EnterpriseDescribed{To: "else"} },
			"hash":  func(e *events.Envelope) { e.CommandHash = "other" },
			"time":  func(e *events.Envelope) { e.Time = e.Time.AddDate(0, 0, 1) },
			"actor": func(e *events.Envelope) { e.Actor = "somebody else" },
		} {
			e := Event(Ent, "c1")
			change(&e)
			t.Log(name)
			conflicts(t, f, 0, e)
		}
		Holds(t, f.Store, Subject, Event(Ent, "c1"))
	},
	"an incomplete event is refused and writes nothing": func(t *testing.T, f Fixture) {
		good, bad := Event(Ent, "c1"), Event(Ent, "c1")
		bad.Reason = "two\nlines"
		if _, err := f.Store.Append(t.Context(), Subject, 0, bad); err == nil {
			t.Error("a header with a control character was stored")
		}
		if _, err := f.Store.Append(t.Context(), Subject, 0); err == nil {
			t.Error("an append of nothing succeeded")
		}
		if _, err := f.Store.Append(t.Context(), events.ConfigSubject("other-one"), 0, good); err == nil {
			t.Error("an event was stored under another enterprise's subject")
		}
		Holds(t, f.Store, Subject)
	},
	"a large event comes back whole": func(t *testing.T, f Fixture) {
		e := Event(Ent, "c1")
		e.Event = events.EnterpriseDescribed{To: strings.Repeat("x", events.MaxData-100)}
		Append(t, f.Store, 0, e)
		Holds(t, f.Store, Subject, e)
	},
	"one of many writers wins each round": func(t *testing.T, f Fixture) {
		const writers, rounds = 16, 8
		after := events.Seq(0)
		for round := range rounds {
			seqs := make([]events.Seq, writers)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					evs := Events(Ent, fmt.Sprintf("r%d-w%d", round, w), 1+w%2)
					seq, err := f.Store.Append(t.Context(), Subject, after, evs...)
					var lost *eventstore.ConflictError
					if err != nil && !errors.As(err, &lost) {
						t.Errorf("round %d, writer %d: %v", round, w, err)
					}
					seqs[w] = seq
				})
			}
			wg.Wait()
			won := 0
			for _, seq := range seqs {
				if seq > 0 {
					won, after = won+1, seq
				}
			}
			if won != 1 {
				t.Fatalf("round %d: %d writers won, want 1 (%v)", round, won, seqs)
			}
		}
		if got := Load(t, f.Store, Subject, 0); got[len(got)-1].Seq != after {
			t.Errorf("the last event is %d, want %d", got[len(got)-1].Seq, after)
		}
	},
}

// conflicts appends and wants a *ConflictError that says where.
func conflicts(t *testing.T, f Fixture, after events.Seq, evs ...events.Envelope) {
	t.Helper()
	_, err := f.Store.Append(t.Context(), Subject, after, evs...)
	var c *eventstore.ConflictError
	if !errors.As(err, &c) || c.Subject != Subject || c.After != after {
		t.Errorf("append of %d after %d: got %v, want a conflict", len(evs), after, err)
	}
}
