package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/peering/peering/internal/bus"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// stackParked are parked commands on real streams beside the log of a stack, as
// the app package puts them together.
type stackParked struct {
	parking *bus.Parking
	lot     *eventstore.Parked
	n       events.Seq // were parked
}

func newStackParked(t testing.TB, s *stack) *stackParked {
	t.Helper()
	nc := testkit.NATS(t)
	opts := eventstore.StreamOptions{MaxBytes: 16 << 20}
	err := eventstore.Ensure(t.Context(), nc, opts)
	if err == nil {
		_, err = eventstore.EnsureBus(t.Context(), nc, opts)
	}
	if err != nil {
		t.Fatal(err)
	}
	lot, err1 := eventstore.NewParked(nc)
	queue, err2 := eventstore.NewCommands(nc)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return &stackParked{lot: lot, parking: bus.NewParking(bus.ParkingParts{Lot: lot, Queue: queue, Writer: s.command, Outcomes: s.outcomes, Now: noon})}
}

// park puts a command aside that was not handled.
func (s *session) park() {
	s.parked.n++
	body := `{"type":"external","description":"Parked"}`
	at, err := s.parked.lot.Park(s.t.Context(), eventstore.ParkedCommand{
		Tail: "acme.AddPeer@billing+operator", Enterprise: "acme", Command: "AddPeer", CommandID: events.CommandID(fmt.Sprint("parked-", s.parked.n)),
		Reason: "not_handled", Detail: "it could not be carried out", Actor: "service billing", Why: "New branch", Source: s.parked.n, Deliveries: 2,
		Body: []byte(body), BodySize: len(body), KeepWhole: true,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.ids["sequence"] = strconv.FormatUint(uint64(at), 10)
}

func (p *stackParked) List(ctx context.Context, q ParkedQuery) ([]ParkedRow, error) {
	list, err := p.parking.List(ctx, eventstore.ParkedQuery(q))
	rows := make([]ParkedRow, 0, len(list))
	for _, c := range list {
		rows = append(rows, stackRow(bus.Unparked{Command: c, Done: c.Settled}))
	}
	return rows, err
}

func (p *stackParked) Show(ctx context.Context, at events.Seq) (ParkedRow, error) {
	return stackUnparked(p.parking.Show(ctx, at))
}

func (p *stackParked) Retry(ctx context.Context, at events.Seq, by, reason string) (ParkedRow, error) {
	return stackUnparked(p.parking.Retry(ctx, at, by, reason))
}

func (p *stackParked) Discard(ctx context.Context, at events.Seq, by, reason string) (ParkedRow, error) {
	return stackUnparked(p.parking.Discard(ctx, at, by, reason))
}

func stackUnparked(u bus.Unparked, err error) (ParkedRow, error) {
	var decided *bus.DecidedError
	switch {
	case errors.Is(err, eventstore.ErrNoParked):
		err = readmodel.ErrNotFound
	case errors.As(err, &decided):
		d := decided.Decision
		err = &DecidedError{Decision: ParkedDecision{Action: d.Action, By: d.By, At: d.At, Reason: d.Reason}}
	}
	return stackRow(u), err
}

func stackRow(u bus.Unparked) ParkedRow {
	c := u.Command
	row := ParkedRow{
		Seq: c.Seq, At: c.At, Subject: eventstore.CommandSubject(c.Tail), Enterprise: c.Enterprise, Command: c.Command, CommandID: c.CommandID,
		Reason: c.Reason, Detail: c.Detail, Actor: c.Actor, Why: c.Why, Deliveries: c.Deliveries, Body: c.Body, BodySize: c.BodySize, Outcome: u.Outcome,
	}
	if d := c.Decision; d != nil {
		row.Decision = &ParkedDecision{Action: d.Action, By: d.By, At: d.At, Reason: d.Reason, CarriedOut: u.Done}
	}
	return row
}

// TestContract_aParkedCommandIsDecidedAboutOnce: whoever comes later is told by
// whom and when, and what it is to be for good shows from then on.
func TestContract_aParkedCommandIsDecidedAboutOnce(t *testing.T) {
	s := newSession(t)
	s.stack.acme()
	s.park()
	discard, retry := s.operation("discard-parked-command"), s.operation("retry-parked-command")
	a := s.send(s.stack.http, discard, s.target(discard, ""), `{"reason":"ordered again"}`)
	got := into[ParkedCommand](t, a)
	if a.Code != 200 || got.Decision == nil || got.Decision.By != loopbackActor || got.Decision.Reason != "ordered again" || !got.Decision.CarriedOut || got.Outcome == nil || *got.Outcome.Code != "discarded" {
		t.Fatalf("%d: %s", a.Code, a.Body)
	}
	a = s.send(s.stack.http, retry, s.target(retry, ""), "")
	if p := wantProblem(t, a, 409, codeConflict, ""); p.Detail != "It was discarded by loopback at 2026-03-01T12:00:00Z: ordered again" {
		t.Errorf("it says %q", p.Detail)
	}
	a = s.send(s.stack.http, discard, s.target(discard, ""), `{"reason":"again"}`)
	if again := into[ParkedCommand](t, a); a.Code != 200 || again.Decision.Reason != "ordered again" {
		t.Errorf("repeated: %d: %s", a.Code, a.Body)
	}
	// The same command over HTTP has the same end.
	add := s.operation("add-peer")
	a = s.send(s.stack.http, add, s.target(add, ""), `{"type":"external","description":"Parked"}`, "Idempotency-Key", "parked-1")
	wantProblem(t, a, 409, codeDiscarded, "")
}
