package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// alone is a deployment on one server with SQLite.
func alone(t *testing.T) *deployment {
	t.Helper()
	return deploy(t, "nats://"+testkit.Server(t).Addr(), 1, testkit.SQLite(t))
}

// crowded registers n enterprises that each peer with hq.
func (w *deployment) crowded(n int) (ents []events.EnterpriseID, peers []events.PeerID) {
	w.t.Helper()
	at := domain.ServerIdentity{Hostname: "a.example", Address: "192.0.2.1"}
	w.registers(hq, domain.Server{Hostname: at.Hostname, Address: at.Address})
	for i := range n {
		ent := events.EnterpriseID(fmt.Sprintf("ent-%d", i))
		w.registers(ent, domain.Server{Hostname: "uc.many.example"})
		ents, peers = append(ents, ent), append(peers, w.peers(ent, hq, at))
	}
	return ents, peers
}

func (w *deployment) counted(end string) int {
	return counted(w.t, w.reg, "peering_reactions_total", end)
}

// TestReactions_removedEnterprise: its tokens end, those of the next one of that
// id and those of others do not.
func TestReactions_removedEnterprise(t *testing.T) {
	everywhere(t, func(t *testing.T, w *deployment) {
		admin := access.Principal{Actor: "root", Role: access.Admin}
		token := func(ent events.EnterpriseID) string {
			_, secret, err := w.keeper.Create(t.Context(), admin, access.Grant{Role: access.Admin, Enterprise: ent})
			if err != nil {
				t.Fatal(err)
			}
			return secret
		}
		token("")
		w.registers(hq, domain.Server{Hostname: "a.example"})
		w.registers(partner, domain.Server{Hostname: "b.example"})
		old, others := token(hq), token(partner)
		w.do(hq, domain.RemoveEnterprise{})
		w.registers(hq, domain.Server{Hostname: "a.example"})
		next := token(hq)
		w.reacting()
		w.settled()
		for secret, good := range map[string]bool{old: false, others: true, next: true} {
			if _, err := w.keeper.Authenticate(t.Context(), secret); (err == nil) != good {
				t.Errorf("good: %t, got %v", good, err)
			}
		}
		if n := w.counted(reactionRevoked); n != 1 {
			t.Errorf("%d revocations", n)
		}
	})
}

// TestReactions_oneTargetKeepsNobodyFromTheirs: an enterprise whose history
// cannot be read, and one in which a rule stands against it, are parked; the
// others follow, and so they do the next time.
func TestReactions_oneTargetKeepsNobodyFromTheirs(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		w := deploy(t, top.URL, top.Replicas, testkit.SQLite(t))
		ents, peers := w.crowded(5)
		taken := w.peers(ents[1], "stranger", domain.ServerIdentity{Hostname: "b.example"})
		w.do(ents[1], domain.ChangePeerEnterprise{Peer: taken, PeerEnterpriseID: string(hq)})
		garbage := string(events.ConfigSubject(ents[2]))
		if _, err := w.nc.Request(garbage, []byte("hello"), time.Second); err != nil {
			t.Fatal(err)
		}
		w.reacting()
		w.do(hq, domain.ChangeEnterpriseServer{Hostname: domain.Give("b.example"), Address: domain.Give("192.0.2.2")})
		w.settled()
		reasons := map[events.EnterpriseID]string{}
		for _, c := range w.parked() {
			reasons[c.Enterprise] = c.Reason
		}
		if len(reasons) != 2 || reasons[ents[1]] != "reaction_refused" || reasons[ents[2]] != "unreadable_history" {
			t.Errorf("parked: %v", reasons)
		}
		for i, ent := range ents {
			want := "192.0.2.2"
			if i == 1 || i == 2 {
				want = "192.0.2.1" // nothing is half changed
			}
			testkit.Eventually(t, string(ent)+" to be projected", func() bool { return w.row(ent, peers[i]).Address == want })
		}
		w.do(hq, domain.ChangeEnterpriseServer{Address: domain.Give("192.0.2.3")})
		w.settled()
		testkit.Eventually(t, "the others to follow again", func() bool { return w.row(ents[4], peers[4]).Address == "192.0.2.3" })
		w.canBeGivenAgain(ents[1], peers[1], taken)
	})
}

// canBeGivenAgain clears what stands in the way of the refused order, and has an
// operator give it again.
func (w *deployment) canBeGivenAgain(ent events.EnterpriseID, peer, inTheWay events.PeerID) {
	w.t.Helper()
	w.do(ent, domain.DeletePeer{Peer: inTheWay})
	parking := w.parkingOf(w.start())
	for _, c := range w.parked() {
		if c.Enterprise != ent || c.Reason != parkReactionRefused {
			continue
		}
		if got, err := parking.Retry(w.t.Context(), c.Seq, "ops", "the way is clear"); err != nil || !got.Done {
			w.t.Errorf("given again: %+v, %v", got, err)
		}
		if out := w.outcome(string(ent), string(c.CommandID)); out.Result != command.Accepted || len(out.Events) != 2 {
			w.t.Errorf("the outcome is %+v", out)
		}
	}
	testkit.Eventually(w.t, "the row to have moved", func() bool {
		row := w.row(ent, peer)
		return row.Hostname == "b.example" && row.Address == "192.0.2.3" // where the server is by now
	})
}

// TestReactions_deadEventHoldsNobody: an enterprise whose events the directory
// holds is known as it was, and follows by what the log says of it.
func TestReactions_deadEventHoldsNobody(t *testing.T) {
	w := alone(t)
	ents, peers := w.crowded(2)
	w.reacting()
	ack, err := testkit.JetStream(t, w.nc).Publish(t.Context(), string(events.StatusSubject(ents[0], peers[0])), []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"b.example", "c.example"} {
		w.do(hq, domain.ChangeEnterpriseServer{Hostname: domain.Give(host)})
	}
	w.settled()
	var held *readmodel.HeldError
	if err := w.db.Directory().Await(t.Context(), ents[0], events.Seq(ack.Sequence)); !errors.As(err, &held) || w.row(ents[0], peers[0]).Hostname != "a.example" {
		t.Fatalf("the directory does not hold it: %v", err)
	}
	for _, ent := range ents {
		var to []string
		for _, r := range w.caused(ent) {
			if e, ok := r.Event.(events.PeerHostnameChanged); ok {
				to = append(to, e.To)
			}
		}
		if !slices.Equal(to, []string{"b.example", "c.example"}) {
			t.Errorf("%s followed to %q", ent, to)
		}
	}
}

// TestReactions_processesShareAndTakeOver: of two processes one is stopped in
// the middle of a change; everybody follows, once.
func TestReactions_processesShareAndTakeOver(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		w := deploy(t, top.URL, top.Replicas, testkit.SQLite(t))
		ents, peers := w.crowded(60)
		var done atomic.Int64
		middle := make(chan struct{})
		slow := func(r *Reactions) {
			r.Orders = slowOrders{w.handler, func() {
				if done.Add(1) == 20 {
					close(middle)
				}
			}}
		}
		stop := w.reacting(slow)
		w.do(hq, domain.ChangeEnterpriseServer{Address: domain.Give("192.0.2.2")})
		<-middle
		stop()
		w.do(hq, domain.ChangeEnterpriseServer{Address: domain.Give("192.0.2.3")})
		w.reacting()
		w.reacting()
		w.settled()
		for i, ent := range ents {
			testkit.Eventually(t, string(ent), func() bool { return w.row(ent, peers[i]).Address == "192.0.2.3" })
			if n := len(w.caused(ent)); n != 2 {
				t.Errorf("%s has %d events", ent, n)
			}
		}
	})
}

// slowOrders calls a function after each order.
type slowOrders struct {
	Orders
	after func()
}

func (s slowOrders) Handle(ctx context.Context, req command.Request) (command.Receipt, error) {
	r, err := s.Orders.Handle(ctx, req)
	s.after()
	return r, err
}

// TestReactions_longOnesAreNotHandedOn: the log hears that an event is worked
// on, so that nobody else begins with it.
func TestReactions_longOnesAreNotHandedOn(t *testing.T) {
	w := alone(t)
	w.crowded(1)
	told := make(chan string, 64)
	sub, err := w.nc.Subscribe("$JS.ACK."+events.Stream+".>", func(m *nats.Msg) { told <- string(m.Data) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	if err := w.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	w.reacting(func(r *Reactions) { r.Orders = slowOrders{w.handler, func() { <-release }} })
	t.Cleanup(func() { close(release) }) // before the end is waited for
	w.do(hq, domain.ChangeEnterpriseServer{Address: domain.Give("192.0.2.2")})
	wait := time.After(progressEvery + testkit.Patience)
	for {
		select {
		case got := <-told:
			if got == "+WPI" {
				return
			}
		case <-wait:
			t.Fatal("nobody said that it is worked on")
		}
	}
}

// TestReactions_forgedDeliveryIsIgnored, and answered nowhere. The server does not
// let a client publish with a reply subject like those of its own deliveries.
func TestReactions_forgedDeliveryIsIgnored(t *testing.T) {
	w := alone(t)
	ents, _ := w.crowded(1)
	w.reacting()
	w.settled() // it is there
	answers, err := w.nc.SubscribeSync("elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	m := happening(t, 1, moved)
	for _, reply := range []string{"", "elsewhere"} {
		forged := &nats.Msg{Subject: eventstore.ReactionDelivery, Reply: reply, Header: nats.Header(m.Header), Data: m.Data}
		if err := w.nc.PublishMsg(forged); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "the forged ones", func() bool { return w.counted(endForged) == 2 })
	if n, _, err := answers.Pending(); err != nil || n > 0 || len(w.caused(ents[0])) > 0 {
		t.Errorf("%d answers, %v; %d events", n, err, len(w.caused(ents[0])))
	}
}

// BenchmarkReactions is how long it takes until a thousand enterprises that peer
// with one have followed a change of its server.
func BenchmarkReactions(b *testing.B) {
	w := deploy(b, "nats://"+testkit.Server(b).Addr(), 1, testkit.SQLite(b))
	ents, _ := w.crowded(1000)
	w.reacting()
	w.settled()
	for i := 0; b.Loop(); i++ {
		w.do(hq, domain.ChangeEnterpriseServer{Address: domain.Give(fmt.Sprintf("192.0.2.%d", 2+i%200))})
		w.settled()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/change")
	if n := w.counted(reactionChanged); n != len(ents)*b.N {
		b.Errorf("%d followed", n)
	}
}
