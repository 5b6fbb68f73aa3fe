package e2e_test

import (
	"fmt"
	"math/rand/v2"
)

// order is a message that is published as a command, and what must become of it.
type order struct {
	ent, name, id, body string

	result  string // of the outcome; empty: there is none of its own
	effects int    // events
	parked  string // the reason for which it is parked; empty: it is not
	rename  string // the description that it gives the counter
	repeat  bool   // of an id that was used before
}

// plan makes orders for some enterprises.
type plan struct {
	random  *rand.Rand
	n       int
	counter map[string]int     // renames of the counter of an enterprise
	peers   map[string]string  // the ids of the peers of the set-up, by enterprise and name
	used    map[string][]order // that may be repeated, by enterprise
}

func newPlan(seed uint64) *plan {
	return &plan{
		random:  rand.New(rand.NewPCG(seed, seed)),
		counter: map[string]int{}, peers: map[string]string{}, used: map[string][]order{},
	}
}

func accepted(ent, name, id, body string) order {
	return order{ent: ent, name: name, id: id, body: body, result: "accepted", effects: 1}
}

// setUp are the orders that make an enterprise with two peers.
func setUp(ent string) []order {
	return []order{
		accepted(ent, "RegisterEnterprise", "register", fmt.Sprintf(
			`{"id":%q,"description":"Crash","domain":"%s.example","server":{"hostname":"uc.%s.example","address":"","version":"9.8","deployment":"standard"}}`, ent, ent, ent)),
		accepted(ent, "AddPeer", "counter", `{"type":"external","description":"Counter 0"}`),
		accepted(ent, "AddPeer", "moving", `{"type":"micollab","description":"Moving","hostname":"uc.moving.example","peer_enterprise_id":"moving"}`),
	}
}

// next is one more order for ent, whose peers are known.
func (p *plan) next(ent string) order {
	p.n++
	id, counter, moving := fmt.Sprintf("c-%d", p.n), p.peers[ent+"/counter"], p.peers[ent+"/moving"]
	rejected := func(name, body string) order {
		return order{ent: ent, name: name, id: id, body: body, result: "rejected"}
	}
	var o order
	switch dice := p.random.IntN(100); {
	case dice < 50:
		p.counter[ent]++
		description := fmt.Sprintf("Counter %d", p.counter[ent])
		o = accepted(ent, "RenamePeer", id, fmt.Sprintf(`{"peer":%q,"description":%q}`, counter, description))
		o.rename = description
	case dice < 60:
		o = accepted(ent, "AddPeer", id, fmt.Sprintf(`{"type":"external","description":"Added %d"}`, p.n))
	case dice < 70:
		o = accepted(ent, "ChangePeerAddress", id, fmt.Sprintf(`{"peer":%q,"address":"10.%d.%d.%d"}`, moving, p.n>>16&255, p.n>>8&255, p.n&255))
	case dice < 73:
		o = order{ent: ent, name: "DescribeEnterprise", id: id, body: `{"description":"Crash"}`, result: "accepted"} // as it is
	case dice < 76:
		o = rejected("RenamePeer", fmt.Sprintf(`{"peer":%q,"description":"Moving"}`, counter))
	case dice < 79:
		o = rejected("ChangePeerAddress", fmt.Sprintf(`{"peer":%q,"address":"not an address"}`, moving))
	case dice < 81:
		o = rejected("Dance", `{}`)
	case dice < 84:
		o = rejected("RenamePeer", fmt.Sprintf(`{"peer":%q,"description":"Nobody's"}`, counter))
		o.ent = fmt.Sprintf("nobody-%d", p.random.IntN(5))
		return o // there is nothing to repeat in ent
	case dice < 88:
		return order{ent: ent, name: "RenamePeer", id: id, body: fmt.Sprintf(`{"peer":"%d`, p.n), result: "failed", parked: "undecodable"}
	case dice < 90:
		return order{ent: ent, name: "RenamePeer", body: fmt.Sprintf(`{"peer":%q,"description":"Nameless %d"}`, counter, p.n), parked: "unusable_id"}
	default:
		return p.again(ent)
	}
	p.used[ent] = append(p.used[ent], o)
	return o
}

// again uses an earlier id of ent once more, with the same body or another.
func (p *plan) again(ent string) order {
	used := p.used[ent]
	if len(used) == 0 {
		return p.next(ent)
	}
	// A late one as often as any: it may be on its way still.
	before := used[max(len(used)-1-p.random.IntN(3), 0)]
	if p.random.IntN(2) == 0 {
		before = used[p.random.IntN(len(used))]
	}
	o := order{ent: ent, name: before.name, id: before.id, body: before.body, repeat: true}
	if p.random.IntN(3) == 0 {
		o.name, o.parked = "RenamePeer", "id_reused"
		o.body = fmt.Sprintf(`{"peer":%q,"description":"Reused %d"}`, p.peers[ent+"/counter"], p.n)
	}
	return o
}
