package bus

import (
	"context"
	"errors"
	"fmt"
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

// dyingLot is that of a process that dies at a step: nothing after it happens.
type dyingLot struct {
	ParkingLot
	afterDecide, beforeSettle bool
}

var errDied = errors.New("the process has ended")

func (l dyingLot) Decide(ctx context.Context, seq events.Seq, d eventstore.ParkedDecision) (eventstore.ParkedDecision, error) {
	stands, err := l.ParkingLot.Decide(ctx, seq, d)
	if err == nil && l.afterDecide {
		err = errDied
	}
	return stands, err
}

func (l dyingLot) Settle(ctx context.Context, seq events.Seq) error {
	if l.beforeSettle {
		return errDied
	}
	return l.ParkingLot.Settle(ctx, seq)
}

// ago has a process decide at that time before now.
func ago(d time.Duration) func(*ParkingParts) {
	return func(parts *ParkingParts) { parts.Now = func() time.Time { return time.Now().Add(-d) } }
}

// TestFinish_carriesOutWhatAProcessLeft: whether it died before or after it acted,
// and though two processes finish it at once, there is one effect.
func TestFinish_carriesOutWhatAProcessLeft(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, on testkit.Topology) {
		w := newWorld(t, on.URL, on.Replicas)
		p, q := w.start(), w.start()
		w.register("acme")
		const each = 5
		for i := range each {
			for _, before := range []bool{true, false} {
				dying := w.parkingOf(p, ago(finishAfter), func(parts *ParkingParts) {
					parts.Lot = dyingLot{parts.Lot, before, true}
				})
				for _, action := range []string{eventstore.ParkedRetried, eventstore.ParkedDiscarded} {
					id := fmt.Sprintf("%s-%t-%d", action, before, i)
					c := unhandled("acme.AddPeer", id, addition(id))
					at := w.park(c)
					decide := dying.Retry
					if action == eventstore.ParkedDiscarded {
						decide = dying.Discard
					}
					if got, err := decide(t.Context(), at, "ops", "why"); before != (err != nil) || got.Done {
						t.Fatalf("%s: %+v, %v", id, got, err)
					}
				}
			}
		}
		left, err := w.lot.Unsettled(t.Context(), 100)
		if err != nil || len(left) != 4*each {
			t.Fatalf("%d are left, %v", len(left), err)
		}
		var finishing sync.WaitGroup
		for _, one := range []*process{p, q} {
			parking := w.parkingOf(one)
			finishing.Go(func() {
				if err := parking.Finish(t.Context()); err != nil {
					t.Errorf("finish: %v", err)
				}
			})
		}
		finishing.Wait()
		if left, err := w.lot.Unsettled(t.Context(), 100); err != nil || len(left) != 0 {
			t.Errorf("%d are left, %v", len(left), err)
		}
		for _, c := range left {
			id := string(c.CommandID)
			out := w.outcome("acme", id)
			retried := c.Decision.Action == eventstore.ParkedRetried
			if (out.Result == command.Accepted) != retried {
				t.Errorf("%s has the outcome %+v", id, out)
			}
		}
		w.idle()
		for id, n := range w.commandsIn("acme") {
			if n != 1 || strings.HasPrefix(string(id), eventstore.ParkedDiscarded) {
				t.Errorf("%s has %d events", id, n)
			}
		}
		if n := len(w.commandsIn("acme")); n != 1+2*each {
			t.Errorf("%d commands have events, want %d", n, 1+2*each)
		}
	})
}

// TestFinish_leavesWhoeverHasJustDecidedItsTime: it is at it.
func TestFinish_leavesWhoeverHasJustDecidedItsTime(t *testing.T) {
	w := single(t)
	p := w.start()
	w.register("acme")
	at := w.park(unhandled("acme.AddPeer", "order-1", addition("Lyon")))
	if _, err := w.lot.Decide(t.Context(), at, eventstore.ParkedDecision{Action: eventstore.ParkedRetried, By: "ops", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := w.parkingOf(p).Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := w.lot.Get(t.Context(), at); err != nil || c.Settled {
		t.Errorf("it is %+v, %v", c, err)
	}
	shown, err := w.parkingOf(p).List(t.Context(), eventstore.ParkedQuery{})
	if err != nil || len(shown) != 1 || shown[0].Decision == nil || shown[0].Settled {
		t.Errorf("listed as %+v, %v", shown, err)
	}
}

// TestFinish_publishesNothingWhoseIDMayBeForgotten: it is parked anew, and only to
// be discarded.
func TestFinish_publishesNothingWhoseIDMayBeForgotten(t *testing.T) {
	w := single(t)
	p := w.start()
	w.register("acme")
	c := unhandled("acme.AddPeer", "order-1", addition("Lyon"))
	c.Reason = parkUnreadableHistory
	first := w.park(c)
	d := eventstore.ParkedDecision{Action: eventstore.ParkedRetried, By: "ops", At: time.Now().Add(margin - events.CommandMemory - time.Minute)}
	if _, err := w.lot.Decide(t.Context(), first, d); err != nil {
		t.Fatal(err)
	}
	// It is not the same message at once: by then the streams have forgotten it.
	parking := w.parkingOf(p, func(parts *ParkingParts) { parts.Lot = otherSource{parts.Lot} })
	if err := parking.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := w.parked()
	if len(list) != 1 || list[0].Seq == first || list[0].Reason != parkNotHandled || !strings.Contains(list[0].Detail, "ops retried it at") {
		t.Fatalf("parked are %+v", list)
	}
	if _, err := parking.Retry(t.Context(), list[0].Seq, "ops", ""); isRefusal(err) == nil {
		t.Errorf("retried again: %v", err)
	}
	if n := w.commandsIn("acme")["order-1"]; n != 0 {
		t.Errorf("%d events", n)
	}
	if got, err := parking.Discard(t.Context(), list[0].Seq, "ops", "looked: it did nothing"); err != nil || !got.Done {
		t.Errorf("discarded: %+v, %v", got, err)
	}
}

type otherSource struct{ ParkingLot }

func (l otherSource) Park(ctx context.Context, c eventstore.ParkedCommand) (events.Seq, error) {
	c.Source += 1000
	return l.ParkingLot.Park(ctx, c)
}

// sickWriter cannot write one enterprise.
type sickWriter struct {
	Writer
	sick  events.EnterpriseID
	asked int
}

func (s *sickWriter) Conclude(ctx context.Context, c command.Conclusion) (command.Outcome, error) {
	if c.Enterprise == s.sick {
		s.asked++
		return command.Outcome{}, command.ErrUnavailable
	}
	return s.Writer.Conclude(ctx, c)
}

// TestFinish_oneEnterpriseKeepsNoOtherWaiting: and its own decisions stay, until
// they can be carried out.
func TestFinish_oneEnterpriseKeepsNoOtherWaiting(t *testing.T) {
	w := single(t)
	p := w.start()
	w.register("acme")
	w.register("sick")
	writer := &sickWriter{sick: "sick"}
	ill := w.parkingOf(p, func(parts *ParkingParts) { writer.Writer, parts.Writer = parts.Writer, writer })
	var at []events.Seq
	for i, ent := range []string{"sick", "sick", "acme"} {
		c := unhandled(ent+".AddPeer", fmt.Sprint("c", i), addition("Lyon"))
		seq := w.park(c)
		d := eventstore.ParkedDecision{Action: eventstore.ParkedDiscarded, By: "ops", At: time.Now().Add(-finishAfter), Reason: "why"}
		if _, err := w.lot.Decide(t.Context(), seq, d); err != nil {
			t.Fatal(err)
		}
		at = append(at, seq)
	}
	if err := ill.Finish(t.Context()); !errors.Is(err, command.ErrUnavailable) || writer.asked != 1 {
		t.Errorf("got %v, after %d tries", err, writer.asked)
	}
	for i, want := range []bool{false, false, true} {
		if c, err := w.lot.Get(t.Context(), at[i]); err != nil || c.Settled != want {
			t.Errorf("%d: %+v, %v", i, c, err)
		}
	}
	w.settled(w.parkingOf(p))
	if out := w.outcome("sick", "c1"); out.Result != command.Failed || out.Error.Code != CodeDiscarded {
		t.Errorf("the outcome is %+v", out)
	}
}

// TestParking_decisionsOutliveTheBroker: what was decided while a server of the
// cluster was gone, or when it went, has one effect.
func TestParking_decisionsOutliveTheBroker(t *testing.T) {
	c := testkit.Cluster(t)
	w := newWorld(t, c.URL(), 3)
	p := w.start()
	w.register("acme")
	parking := w.parkingOf(p)
	const commands = 30
	at := make([]events.Seq, commands)
	for i := range at {
		id := fmt.Sprint("c", i)
		one := unhandled("acme.AddPeer", id, addition(id))
		one.Source = events.Seq(i + 1)
		at[i] = w.park(one)
	}
	killed := c.Leader(t, eventstore.ParkedStream)
	gone := make(chan struct{})
	for i, seq := range at {
		if i == commands/3 {
			go func() { c.Kill(killed); close(gone) }()
		}
		testkit.Eventually(t, "the decision to be taken", func() bool {
			got, err := parking.Retry(context.Background(), seq, "ops", "")
			return err == nil && got.Command.Decision != nil && got.Command.Decision.By == "ops"
		})
	}
	<-gone
	c.Restart(t, killed)
	later := w.parkingOf(p, ago(-2*finishAfter))
	w.settled(later)
	for i := range at {
		if out := w.outcome("acme", fmt.Sprint("c", i)); out.Result != command.Accepted {
			t.Errorf("c%d has the outcome %+v", i, out)
		}
	}
	w.idle()
	for id, n := range w.commandsIn("acme") {
		if n != 1 {
			t.Errorf("%s has %d events", id, n)
		}
	}
}

// TestParking_reactionsGoThroughAgain: as what they are, not as a command of the
// bus, with the cause and the actor that they had.
func TestParking_reactionsGoThroughAgain(t *testing.T) {
	w := single(t)
	p := w.start()
	w.register("acme")
	w.publish("acme.AddPeer", "peer", `{"type":"micollab","description":"Lyon","hostname":"uc1.lyon.example","peer_enterprise_id":"lyon"}`)
	peer := w.outcome("acme", "peer").ID
	parking := w.parkingOf(p)
	notice := domain.RaisePeerNotice{Peer: events.PeerID(peer), Changes: []events.NoticeChange{{Field: events.NoticeAddress, From: "192.0.2.1", To: "192.0.2.2"}}}
	body, err := command.Encode(notice)
	if err != nil {
		t.Fatal(err)
	}
	req := command.Request{
		Enterprise: "acme", ID: "reaction-1-again", Command: notice, Actor: reactor, Reason: "the server of acme changed",
		CorrelationID: "case-7", CausationID: "3f0c8a5e-7b1d-5c52-9a57-2f6f0d3e1c11",
	}
	at := w.park(parkedOrder(req, body, garbage(parkReactionRefused, &domain.Error{Code: domain.Exists, Msg: "x"}), time.Now()))
	got, err := parking.Retry(t.Context(), at, "ops", "")
	if err != nil || !got.Done {
		t.Fatalf("got %+v, %v", got, err)
	}
	all := w.history("acme")
	r := all[len(all)-1]
	if r.Event.Type() != (events.PeerNoticeRaised{}).Type() || r.Actor != reactor || r.CausationID != req.CausationID || r.CorrelationID != "case-7" || r.CommandID != req.ID {
		t.Errorf("the event says %+v", r.Envelope)
	}
	if n := len(w.parked()); n != 0 {
		t.Errorf("%d are parked", n)
	}
}

// refusing refuses what is handed to it as long as it has a refusal.
type refusing struct {
	Writer
	with *domain.Error
}

func (r *refusing) Handle(ctx context.Context, req command.Request) (command.Receipt, error) {
	if r.with != nil {
		return command.Receipt{}, r.with
	}
	return r.Writer.Handle(ctx, req)
}

// TestParking_reactionsThatAreRefusedAgainAreParkedAnew: under an id that has no
// outcome, so that a later retry can succeed.
func TestParking_reactionsThatAreRefusedAgainAreParkedAnew(t *testing.T) {
	w := single(t)
	p := w.start()
	w.register("acme")
	w.publish("acme.AddPeer", "peer", `{"type":"micollab","description":"Lyon","hostname":"uc1.lyon.example","peer_enterprise_id":"lyon"}`)
	notice := domain.RaisePeerNotice{Peer: events.PeerID(w.outcome("acme", "peer").ID), Changes: []events.NoticeChange{{Field: events.NoticeAddress, From: "192.0.2.1", To: "192.0.2.2"}}}
	body, err := command.Encode(notice)
	if err != nil {
		t.Fatal(err)
	}
	writer := &refusing{with: &domain.Error{Code: domain.Exists, Msg: "another peer has this host"}}
	parking := w.parkingOf(p, func(parts *ParkingParts) { writer.Writer, parts.Writer = parts.Writer, writer })
	req := command.Request{Enterprise: "acme", ID: "reaction-1-again", Command: notice, Actor: reactor}
	at := w.park(parkedOrder(req, body, garbage(parkReactionRefused, writer.with), time.Now()))
	if got, err := parking.Retry(t.Context(), at, "ops", ""); err != nil || !got.Done {
		t.Fatalf("got %+v, %v", got, err)
	}
	list := w.parked()
	if len(list) != 1 || list[0].Seq == at || list[0].CommandID == req.ID || list[0].Reason != parkReactionRefused || !strings.Contains(list[0].Detail, "another peer") {
		t.Fatalf("parked are %+v", list)
	}
	writer.with = nil
	if got, err := parking.Retry(t.Context(), list[0].Seq, "ops", ""); err != nil || !got.Done {
		t.Fatalf("got %+v, %v", got, err)
	}
	if n := w.commandsIn("acme")[list[0].CommandID]; n != 1 || len(w.parked()) != 0 {
		t.Errorf("%d events, parked %+v", n, w.parked())
	}
}
