package bus

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/readmodel"
)

// pair is hq and an enterprise that peers with it, on a log in memory.
type pair struct {
	t         *rapid.T
	store     *eventstore.Memory
	handler   *command.Handler
	reactions *Reactions
	peer      events.PeerID

	delivered int             // how many changes of hq were reacted to, in their order
	byHand    map[string]bool // the fields of the peer that a person has set
	final     events.Seq      // of beta's last event by hand, once the hostname was set so
}

const partner = events.EnterpriseID("beta-1")

func newPair(t *rapid.T) *pair {
	p := &pair{t: t, store: eventstore.NewMemory(events.NewCodec(events.Default())), byHand: map[string]bool{}}
	p.handler = command.New(p.store, eventstore.NewMemoryOutcomes(), eventstore.NewMemorySnapshots(), command.Options{})
	s := &stub{}
	p.reactions = NewReactions(ReactionParts{p.handler, p, s, s, s, s.works}, Options{})
	for _, ent := range []events.EnterpriseID{hq, partner} {
		p.do(ent, domain.RegisterEnterprise{ID: string(ent), Description: "Test", Domain: string(ent) + ".example", Server: domain.Server{
			Hostname: "a.example", Address: "192.0.2.1", Version: "9.1", Deployment: events.DeploymentStandard,
		}})
	}
	p.peer = events.PeerID(p.do(partner, domain.AddPeer{
		Type: events.PeerMiCollab, Description: "HQ", Hostname: domain.Give("a.example"), Address: domain.Give("192.0.2.1"),
		PeerEnterpriseID: domain.Give(string(hq)), Version: domain.Give("9.1"),
	}).ID)
	return p
}

func (p *pair) do(ent events.EnterpriseID, cmd domain.Command) command.Receipt {
	p.t.Helper()
	r, err := p.handler.Handle(context.Background(), command.Request{Enterprise: ent, Command: cmd, Actor: "alice"})
	if err != nil {
		p.t.Fatalf("%s: %v", cmd.Name(), err)
	}
	return r
}

// Neighbours is what the directory says.
func (p *pair) Neighbours(context.Context, events.EnterpriseID, events.Seq) (n readmodel.Neighbours, err error) {
	n.Inside = []readmodel.Neighbour{{Enterprise: partner, Peer: p.peer, Type: events.PeerMiCollab}}
	return n, nil
}

func (p *pair) log(ent events.EnterpriseID) (all []events.Recorded) {
	p.t.Helper()
	_, err := p.store.Load(context.Background(), events.ConfigSubject(ent), 0, func(r events.Recorded) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// changes are the changes of hq's server so far.
func (p *pair) changes() []events.Recorded {
	return slices.DeleteFunc(p.log(hq), func(r events.Recorded) bool { return r.Event.Type() != events.EnterpriseServerChanged{}.Type() })
}

// react reacts to the i-th change.
func (p *pair) react(i int) {
	p.t.Helper()
	rec := p.changes()[i]
	if err := p.reactions.follow(context.Background(), rec, rec.Event.(events.EnterpriseServerChanged), 1); err != nil { //nolint:forcetypeassert // it is one
		p.t.Fatal(err)
	}
}

func (p *pair) state() domain.Peer {
	p.t.Helper()
	state := domain.NewEnterprise(partner)
	for _, r := range p.log(partner) {
		if err := state.Evolve(r); err != nil {
			p.t.Fatal(err)
		}
	}
	peer, _ := state.Peer(p.peer)
	return peer
}

// edit is a person who sets a field to what the server of hq never has.
func (p *pair) edit(field string) {
	edit := domain.EditPeer{Peer: p.peer}
	switch field {
	case "hostname":
		edit.Hostname = domain.Give("hand.example")
	case "address":
		edit.Address = domain.Give("198.51.100.1")
	case "version":
		edit.Version = domain.Give("1.0")
	}
	r := p.do(partner, edit)
	if p.byHand[field] = true; p.byHand["hostname"] {
		p.final = r.Sequence
	}
}

// TestReactions_lateAndRepeatedOnesUndoNothing: hq's server moves, back and
// forth too; the reactions come late, in the order of the log, and each perhaps
// again at any time after; and people edit the peer in between. In the end what
// nobody has touched is as hq's server is, and what somebody has touched is as
// he left it. One who moved the peer to another server has it for himself.
func TestReactions_lateAndRepeatedOnesUndoNothing(t *testing.T) {
	hosts, addresses, versions := []string{"a.example", "b.example", "c.example"}, []string{"192.0.2.1", "192.0.2.2", "edge.example"}, []string{"9.1", "9.2", "9.10"}
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(t)
		withdrawn := map[string]bool{}
		pick := func(field string, of []string) domain.Field[string] {
			switch n := rapid.IntRange(0, 9).Draw(t, field); {
			case n == 0 && field != "hostname":
				withdrawn[field] = true
				return domain.Withdraw[string]()
			case n < 6:
				return domain.Give(rapid.SampledFrom(of).Draw(t, field))
			}
			return domain.Field[string]{}
		}
		for range rapid.IntRange(0, 25).Draw(t, "steps") {
			switch n := rapid.IntRange(0, 9).Draw(t, "step"); {
			case n < 4:
				p.do(hq, domain.ChangeEnterpriseServer{Hostname: pick("hostname", hosts), Address: pick("address", addresses), Version: pick("version", versions)})
			case n < 7 && p.delivered < len(p.changes()):
				p.react(p.delivered)
				p.delivered++
			case n < 9 && p.delivered > 0:
				p.react(rapid.IntRange(0, p.delivered-1).Draw(t, "again"))
			case n == 9:
				p.edit(rapid.SampledFrom([]string{"address", "version", "address", "version", "hostname"}).Draw(t, "by hand"))
			}
		}
		for ; p.delivered < len(p.changes()); p.delivered++ {
			p.react(p.delivered)
		}
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, max(p.delivered-1, 0)), 0, 3).Draw(t, "at last") {
			if i < p.delivered {
				p.react(i)
			}
		}
		p.check(withdrawn)
	})
}

// check holds the peer against hq's server. withdrawn are the fields that the
// server once did not have: the peer has not followed those since.
func (p *pair) check(withdrawn map[string]bool) {
	p.t.Helper()
	server := domain.NewEnterprise(hq)
	for _, r := range p.log(hq) {
		if err := server.Evolve(r); err != nil {
			p.t.Fatal(err)
		}
	}
	got, want := p.state(), server.Server()
	for _, f := range []struct{ field, got, server, hand string }{
		{"hostname", got.Hostname, want.Hostname, "hand.example"},
		{"address", got.Address, want.Address, "198.51.100.1"},
		{"version", got.Version, want.Version, "1.0"},
	} {
		switch {
		case p.byHand[f.field]:
			if f.got != f.hand {
				p.t.Fatalf("%s was set to %q by hand and is %q", f.field, f.hand, f.got)
			}
		case p.byHand["hostname"]: // since then it is another server's
		case withdrawn[f.field]:
			if f.got != "" && f.got != f.server {
				p.t.Fatalf("%s is %q, of a server that has %q", f.field, f.got, f.server)
			}
		case f.got != f.server:
			p.t.Fatalf("%s is %q, that of the server is %q", f.field, f.got, f.server)
		}
	}
	if last := p.log(partner); p.byHand["hostname"] && last[len(last)-1].Seq != p.final {
		p.t.Fatalf("event %d follows on the one by hand, %d", last[len(last)-1].Seq, p.final)
	}
}
