package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// parksFollowing parks the order to a peer of partner to follow the server of hq
// from one host to another.
func (w *deployment) parksFollowing(peer events.PeerID, from, to string) events.Seq {
	w.t.Helper()
	cmd := domain.FollowServer{
		Peer: peer, PeerEnterpriseID: hq,
		From: domain.ServerIdentity{Hostname: from}, To: domain.ServerIdentity{Hostname: to},
	}
	body, err := command.Encode(cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	req := command.Request{Enterprise: partner, ID: "reaction-1-again", Command: cmd, Actor: reactor, CausationID: "cause"}
	return w.park(parkedOrder(req, body, undecided(parkNotHandled, "x"), time.Now()))
}

// at is the hostname of a peer by what the log says.
func (w *deployment) at(ent events.EnterpriseID, peer events.PeerID) string {
	w.t.Helper()
	state := domain.NewEnterprise(ent)
	for _, r := range w.history(string(ent)) {
		if err := state.Evolve(r); err != nil {
			w.t.Fatal(err)
		}
	}
	p, _ := state.Peer(peer)
	return p.Hostname
}

func (w *deployment) moves(host string) {
	w.t.Helper()
	w.do(hq, domain.ChangeEnterpriseServer{Hostname: domain.Give(host)})
}

// movingWriter moves the server of hq while the first command is carried out.
type movingWriter struct {
	Writer
	move func()
}

func (m *movingWriter) Handle(ctx context.Context, req command.Request) (command.Receipt, error) {
	if move := m.move; move != nil {
		m.move = nil
		move()
	}
	return m.Writer.Handle(ctx, req)
}

// TestParking_followsToWhereTheServerIsNow: an order that was parked says where
// the server went then. Nobody is ever made to trust a host that it has left.
func TestParking_followsToWhereTheServerIsNow(t *testing.T) {
	for name, tc := range map[string]struct {
		before, meanwhile func(w *deployment)
		want              string
	}{
		"it is still there":           {func(*deployment) {}, nil, "b.example"},
		"it has moved on":             {func(w *deployment) { w.moves("c.example") }, nil, "c.example"},
		"it has come back":            {func(w *deployment) { w.moves("a.example") }, nil, "a.example"},
		"it moves while this goes on": {func(*deployment) {}, func(w *deployment) { w.moves("c.example") }, "c.example"},
		"its enterprise is not there": {func(w *deployment) { w.do(hq, domain.RemoveEnterprise{}) }, nil, "a.example"},
		"it is another one of that id": {func(w *deployment) {
			w.do(hq, domain.RemoveEnterprise{})
			w.registers(hq, domain.Server{Hostname: "d.example"})
		}, nil, "d.example"},
	} {
		t.Run(name, func(t *testing.T) {
			w := alone(t)
			w.registers(hq, domain.Server{Hostname: "a.example"})
			w.registers(partner, domain.Server{Hostname: "uc.beta.example"})
			peer := w.peers(partner, hq, domain.ServerIdentity{Hostname: "a.example"})
			w.moves("b.example")
			at := w.parksFollowing(peer, "a.example", "b.example")
			tc.before(w)
			parking := w.parkingOf(w.start(), func(parts *ParkingParts) {
				if tc.meanwhile != nil {
					parts.Writer = &movingWriter{parts.Writer, func() { tc.meanwhile(w) }}
				}
			})
			if got, err := parking.Retry(t.Context(), at, "ops", "why"); err != nil || !got.Done {
				t.Fatalf("got %+v, %v", got, err)
			}
			if got := w.at(partner, peer); got != tc.want {
				t.Errorf("the peer is at %s", got)
			}
			if n := len(w.parked()); n != 0 {
				t.Errorf("%d are parked", n)
			}
		})
	}
}

// blindWriter cannot tell where servers are.
type blindWriter struct{ Writer }

func (blindWriter) Server(context.Context, events.EnterpriseID) (events.Server, bool, error) {
	return events.Server{}, false, command.ErrUnavailable
}

// TestParking_doesNotFollowBlindly: without knowing where the server is, nothing
// is done, and it is finished later.
func TestParking_doesNotFollowBlindly(t *testing.T) {
	w := alone(t)
	w.registers(hq, domain.Server{Hostname: "b.example"})
	w.registers(partner, domain.Server{Hostname: "uc.beta.example"})
	peer := w.peers(partner, hq, domain.ServerIdentity{Hostname: "a.example"})
	at := w.parksFollowing(peer, "a.example", "b.example")
	p := w.start()
	blind := w.parkingOf(p, ago(finishAfter), func(parts *ParkingParts) { parts.Writer = blindWriter{parts.Writer} })
	if got, err := blind.Retry(t.Context(), at, "ops", "why"); err != nil && !errors.Is(err, command.ErrUnavailable) || got.Done {
		t.Fatalf("got %+v, %v", got, err)
	}
	if got := w.at(partner, peer); got != "a.example" {
		t.Errorf("the peer is at %s", got)
	}
	if err := w.parkingOf(p).Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.at(partner, peer); got != "b.example" {
		t.Errorf("the peer is at %s", got)
	}
}
