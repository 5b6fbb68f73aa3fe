package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// parkingOf is what operators of a process do about parked commands.
func (w *world) parkingOf(p *process, change ...func(*ParkingParts)) *Parking {
	w.t.Helper()
	lot, err1 := eventstore.NewParked(p.nc)
	queue, err2 := eventstore.NewCommands(p.nc)
	outcomes, err3 := eventstore.NewOutcomes(p.nc)
	if err := errors.Join(err1, err2, err3); err != nil {
		w.t.Fatal(err)
	}
	parts := ParkingParts{Lot: lot, Queue: queue, Writer: p.handler, Outcomes: outcomes}
	for _, c := range change {
		c(&parts)
	}
	return NewParking(parts)
}

// unhandled is a command as it is parked when it could not be handled.
func unhandled(tail, id, body string) eventstore.ParkedCommand {
	ent, name, _ := strings.Cut(tail, ".")
	name, _, _ = strings.Cut(name, "@")
	return eventstore.ParkedCommand{
		Tail: tail, Enterprise: events.EnterpriseID(ent), Command: name, CommandID: events.CommandID(id),
		Reason: parkNotHandled, Detail: "it could not be carried out", Actor: insider, Source: 1, Deliveries: 2,
		Body: []byte(body), BodySize: len(body), KeepWhole: true,
	}
}

// park puts a command aside.
func (w *world) park(c eventstore.ParkedCommand) events.Seq {
	w.t.Helper()
	seq, err := w.lot.Park(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return seq
}

// commandsIn counts the events of each command of an enterprise.
func (w *world) commandsIn(ent string) map[events.CommandID]int {
	n := map[events.CommandID]int{}
	for _, r := range w.history(ent) {
		n[r.CommandID]++
	}
	return n
}

// settled waits until nothing that was decided is left to do.
func (w *world) settled(finish ...*Parking) {
	w.t.Helper()
	testkit.Eventually(w.t, "all decisions to be carried out", func() bool {
		for _, p := range finish {
			_ = p.Finish(context.Background())
		}
		left, err := w.lot.Unsettled(context.Background(), 1)
		return err == nil && len(left) == 0
	})
}

// TestParking_retryKeepsWhoPublishedAndWhatTravelled: it is judged and shown as
// the command itself, not as one of the operator.
func TestParking_retryKeepsWhoPublishedAndWhatTravelled(t *testing.T) {
	w := single(t)
	p := w.start()
	w.register("acme")
	parking := w.parkingOf(p)
	c := unhandled("acme.AddPeer@billing+operator", "order-1", addition("Lyon"))
	c.Actor, c.OnBehalfOf, c.Why, c.CorrelationID = "service billing", "j.doe", "new branch", "case-7"
	c.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	at := w.park(c)
	got, err := parking.Retry(t.Context(), at, "ops", "it is back")
	if err != nil || !got.Done || got.Command.Decision.By != "ops" || got.Command.Decision.Reason != "it is back" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if out := w.outcome("acme", "order-1"); out.Result != command.Accepted {
		t.Fatalf("the outcome is %+v", out)
	}
	all := w.history("acme")
	r := all[len(all)-1]
	if r.Actor != "service billing" || r.OnBehalfOf != "j.doe" || r.Reason != "new branch" || r.CorrelationID != "case-7" || r.Traceparent != c.Traceparent || r.CommandID != "order-1" {
		t.Errorf("the event says %+v", r.Envelope)
	}
	shown, err := parking.Show(t.Context(), at)
	if err != nil || !shown.Command.Settled || shown.Outcome == nil || shown.Outcome.Sequence != r.Seq || shown.Command.Decision.By != "ops" {
		t.Errorf("it is shown as %+v, %v", shown, err)
	}
	if n, err := w.lot.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("%d are parked, %v", n, err)
	}
	again, err := parking.Retry(t.Context(), at, "another", "")
	if err != nil || !again.Done || again.Command.Decision.By != "ops" {
		t.Errorf("repeated: %+v, %v", again, err)
	}
	w.idle()
	if n := w.commandsIn("acme")["order-1"]; n != 1 {
		t.Errorf("%d events", n)
	}
}

// TestParking_aRoleIsAskedForAgain: to have been parked gives nobody a right.
func TestParking_aRoleIsAskedForAgain(t *testing.T) {
	w := single(t)
	p := w.start()
	w.register("acme")
	at := w.park(unhandled("acme.AddPeer@billing+viewer", "order-1", addition("Lyon")))
	if got, err := w.parkingOf(p).Retry(t.Context(), at, "ops", ""); err != nil || !got.Done {
		t.Fatalf("got %+v, %v", got, err)
	}
	if out := w.outcome("acme", "order-1"); out.Result != command.Rejected || out.Error.Code != domain.Forbidden {
		t.Errorf("the outcome is %+v", out)
	}
}

// TestParking_discardEndsWhoeverWaits: with one outcome; one that is there
// already stands, and is told.
func TestParking_discardEndsWhoeverWaits(t *testing.T) {
	w := single(t)
	p := w.start()
	w.register("acme")
	parking := w.parkingOf(p)
	open := w.park(unhandled("acme.AddPeer", "open", addition("Lyon")))
	got, err := parking.Discard(t.Context(), open, "ops", "ordered again")
	if err != nil || !got.Done || got.Outcome == nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	out := w.outcome("acme", "open")
	if out.Result != command.Failed || out.Error.Code != CodeDiscarded || !strings.Contains(out.Error.Msg, "ordered again") {
		t.Errorf("the outcome is %+v", out)
	}
	w.publish("acme.AddPeer", "open", addition("Lyon")) // whoever published it does so again
	w.publish("acme.AddPeer", "meanwhile", addition("Oslo"))
	done := w.outcome("acme", "meanwhile")
	accepted := w.park(unhandled("acme.AddPeer", "meanwhile", addition("Oslo")))
	got, err = parking.Discard(t.Context(), accepted, "ops", "no longer needed")
	if err != nil || !got.Done || got.Outcome == nil || got.Outcome.Result != command.Accepted || got.Outcome.Sequence != done.Sequence {
		t.Errorf("got %+v, %v, want the outcome %+v", got, err, done)
	}
	nobodys := unhandled("acme.AddPeer", "", "x")
	nobodys.Reason = parkUnusableID
	if got, err = parking.Discard(t.Context(), w.park(nobodys), "ops", "garbage"); err != nil || !got.Done || got.Outcome != nil {
		t.Errorf("without an id: %+v, %v", got, err)
	}
	w.idle()
	if n := w.commandsIn("acme"); n["open"] != 0 || n["meanwhile"] != 1 {
		t.Errorf("the log has %v", n)
	}
	list, err := parking.List(t.Context(), eventstore.ParkedQuery{Decided: true})
	if err != nil || len(list) != 3 || slices.ContainsFunc(list, func(c eventstore.ParkedCommand) bool { return !c.Settled || c.Decision.By != "ops" }) {
		t.Errorf("decided are %+v, %v", list, err)
	}
}

// TestParking_discardOfWhatTookEffectIsTold: its events are in the log, and the
// outcome was not kept before it was parked.
func TestParking_discardOfWhatTookEffectIsTold(t *testing.T) {
	w := single(t)
	p := w.start(func(with *parts) { with.outcomes = lostOutcomes{with.outcomes} })
	real := w.start()
	p.stop()
	w.register("acme")
	_, err := p.handler.Handle(t.Context(), command.Request{Enterprise: "acme", ID: "order-1", Command: domain.AddPeer{Type: events.PeerExternal, Description: "Lyon"}})
	if !errors.Is(err, command.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	at := w.park(unhandled("acme.AddPeer", "order-1", addition("Lyon")))
	got, err := w.parkingOf(real).Discard(t.Context(), at, "ops", "ordered again")
	if err != nil || got.Outcome == nil || got.Outcome.Result != command.Accepted {
		t.Errorf("got %+v, %v", got, err)
	}
	if out := w.outcome("acme", "order-1"); out.Result != command.Accepted {
		t.Errorf("the outcome is %+v", out)
	}
}

// lostOutcomes are outcomes that cannot be kept.
type lostOutcomes struct{ eventstore.Outcomes }

func (lostOutcomes) Keep(context.Context, events.EnterpriseID, events.CommandID, []byte) ([]byte, error) {
	return nil, eventstore.ErrUnavailable
}

// TestParking_retryIsRefusedWhereItCouldDoHarm: nothing is decided then.
func TestParking_retryIsRefusedWhereItCouldDoHarm(t *testing.T) {
	w := single(t)
	p := w.start()
	w.register("acme")
	later := func(d time.Duration) func(*ParkingParts) {
		return func(parts *ParkingParts) { parts.Now = func() time.Time { return time.Now().Add(d) } }
	}
	almost, over := w.parkingOf(p, later(events.CommandMemory-margin-time.Minute)), w.parkingOf(p, later(events.CommandMemory-margin+time.Minute))
	source := events.Seq(10)
	parked := func(change func(*eventstore.ParkedCommand)) events.Seq {
		c := unhandled("acme.AddPeer", "order-1", addition("Lyon"))
		source++
		c.Source = source
		change(&c)
		return w.park(c)
	}
	because := func(reason string) func(*eventstore.ParkedCommand) {
		return func(c *eventstore.ParkedCommand) {
			c.Reason, c.CommandID = reason, events.CommandID(reason)
		}
	}
	w.publish("acme.AddPeer", "done", addition("Oslo"))
	w.outcome("acme", "done")
	for _, c := range []struct {
		name    string
		parking *Parking
		at      events.Seq
		want    string
	}{
		{"no enterprise", almost, parked(func(c *eventstore.ParkedCommand) { c.Enterprise, c.Tail = "", "x.AddPeer" }), "does not name an enterprise"},
		{"no command", almost, parked(func(c *eventstore.ParkedCommand) { c.Command = "" }), "does not name a command"},
		{"no id", almost, parked(func(c *eventstore.ParkedCommand) { c.CommandID = "" }), "no command id"},
		{"cut body", almost, parked(func(c *eventstore.ParkedCommand) { c.BodySize++ }), "only the first"},
		{"cut subject", almost, parked(func(c *eventstore.ParkedCommand) { c.Tail += "@" + strings.Repeat("x", 4000) }), "who published it"},
		{"an outcome", almost, parked(func(c *eventstore.ParkedCommand) { c.CommandID = "done" }), "has an outcome"},
		{"old and not handled", over, parked(because(parkNotHandled)), "may have taken effect"},
		{"old and delivered too often", over, parked(because(parkTooManyDeliveries)), "may have taken effect"},
		{"old and of no partition", over, parked(because(parkStray)), "may have taken effect"},
		{"old and panicked", over, parked(because(parkPanicked)), "may have taken effect"},
	} {
		_, err := c.parking.Retry(t.Context(), c.at, "ops", "")
		var refused *domain.Error
		if !errors.As(err, &refused) || refused.Code != domain.Invalid || !strings.Contains(refused.Msg, c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
		if got, err := w.lot.Get(t.Context(), c.at); err != nil || got.Decision != nil {
			t.Errorf("%s: decided %+v, %v", c.name, got.Decision, err)
		}
		if got, err := c.parking.Discard(t.Context(), c.at, "ops", "not needed"); err != nil || got.Command.Decision == nil {
			t.Errorf("%s: discarded %+v, %v", c.name, got, err)
		}
	}
	for name, c := range map[string]struct {
		parking *Parking
		change  func(*eventstore.ParkedCommand)
	}{
		"young and not handled":        {almost, because(parkNotHandled + "-young")},
		"old, and nothing was decided": {over, because(parkUnreadableHistory)},
	} {
		if got, err := c.parking.Retry(t.Context(), parked(c.change), "ops", ""); err != nil || !got.Done {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := almost.Retry(t.Context(), 4711, "ops", ""); !errors.Is(err, eventstore.ErrNoParked) {
		t.Errorf("unknown: %v", err)
	}
}

// TestParking_whatIsParkedAgainIsNotYoungerForIt: the id of a command that was
// retried once is remembered from then on, not from when it was parked again.
func TestParking_whatIsParkedAgainIsNotYoungerForIt(t *testing.T) {
	w := single(t)
	p := w.start()
	p.stop() // what is retried stays in the queue
	parking := w.parkingOf(p, func(parts *ParkingParts) {
		parts.Now = func() time.Time { return time.Now().Add(margin - events.CommandMemory - time.Minute) } // long ago
	})
	c := unhandled("acme.AddPeer", "order-1", addition("Lyon"))
	c.Reason = parkUnreadableHistory
	if _, err := parking.Retry(t.Context(), w.park(c), "ops", ""); err != nil {
		t.Fatal(err)
	}
	c.Source = 2
	_, err := w.parkingOf(p).Retry(t.Context(), w.park(c), "ops", "")
	if refused := isRefusal(err); refused == nil || !strings.Contains(refused.Msg, "may have taken effect") {
		t.Errorf("got %v", err)
	}
	c.Source, c.CommandID = 3, "order-2"
	if _, err := w.parkingOf(p).Retry(t.Context(), w.park(c), "ops", ""); err != nil {
		t.Errorf("another id: %v", err)
	}
}

// TestParking_twoWhoDecideAtOnceComeToOneEnd: of many retries and discards of each
// command one stands, the others are told of it, and there is one effect or one
// outcome that says that there is none.
func TestParking_twoWhoDecideAtOnceComeToOneEnd(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, on testkit.Topology) {
		w := newWorld(t, on.URL, on.Replicas)
		processes := []*process{w.start(), w.start()}
		w.register("acme")
		const commands, each = 12, 6
		for i := range commands {
			id := fmt.Sprint("c", i)
			c := unhandled("acme.AddPeer", id, addition(id))
			c.Source = events.Seq(i + 1)
			at := w.park(c)
			var racing sync.WaitGroup
			stands := make([]string, each)
			for n := range each {
				parking := w.parkingOf(processes[n%2])
				decide, action := parking.Retry, eventstore.ParkedRetried
				if n/2%2 == 1 {
					decide, action = parking.Discard, eventstore.ParkedDiscarded
				}
				racing.Go(func() {
					by := fmt.Sprint("ops", n)
					got, err := decide(t.Context(), at, by, "because of "+by)
					var other *DecidedError
					switch {
					case errors.As(err, &other) && other.Decision.Action != action:
						stands[n] = fmt.Sprint(other.Decision)
					case err == nil && got.Command.Decision.Action == action:
						stands[n] = fmt.Sprint(*got.Command.Decision)
					default:
						t.Errorf("%s: got %+v, %v", by, got, err)
					}
				})
			}
			racing.Wait()
			kept, err := w.lot.Get(t.Context(), at)
			if err != nil || kept.Decision == nil {
				t.Fatalf("kept is %+v, %v", kept, err)
			}
			for n, s := range stands {
				if want := fmt.Sprint(*kept.Decision); s != want {
					t.Errorf("ops%d was told %s, what stands is %s", n, s, want)
				}
			}
			out := w.outcome("acme", id)
			want, effects := command.Accepted, 1
			if kept.Decision.Action == eventstore.ParkedDiscarded {
				want, effects = command.Failed, 0
			}
			w.idle()
			if n := w.commandsIn("acme")[events.CommandID(id)]; out.Result != want || n != effects {
				t.Errorf("%s was %s: outcome %s, %d events", id, kept.Decision.Action, out.Result, n)
			}
		}
		w.settled()
		if n := len(w.parked()); n != 0 {
			t.Errorf("%d are parked", n)
		}
	})
}
