package command

import (
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// twoProcesses returns two handlers that both know acme as it is now, and a
// peer in it.
func twoProcesses(t *testing.T, b backend) (one, two *Handler, peer events.PeerID) {
	t.Helper()
	one, two = b.handler(), b.handler()
	must(t, one, register(acme))
	r := must(t, one, addPeer("Berlin"))
	must(t, two, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Known to both"}})
	must(t, one, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Known to both"}})
	return one, two, events.PeerID(r.ID)
}

func TestFreshness_refusalIsNotGivenOnAnOldState(t *testing.T) {
	one, two, peer := twoProcesses(t, inMemory())
	must(t, one, Request{Enterprise: acme, Command: domain.DeletePeer{Peer: peer}})
	must(t, two, addPeer("Berlin"))
}

func TestFreshness_acceptanceIsNotGivenOnAnOldState(t *testing.T) {
	b := inMemory()
	one, two, peer := twoProcesses(t, b)
	must(t, one, Request{Enterprise: acme, Command: domain.DeletePeer{Peer: peer}})
	gone := mustRefuse(t, two, Request{Enterprise: acme, Command: domain.DisablePeer{Peer: peer}}, domain.Gone)
	if gone.Gone == nil || gone.Gone.By != "" || gone.Gone.Seq == 0 {
		t.Errorf("the story is %+v", gone.Gone)
	}
	if n := len(history(t, b)); n != 4 {
		t.Errorf("%d events; want 4", n)
	}
}

func TestFreshness_nothingToChangeIsNotSaidOnAnOldState(t *testing.T) {
	one, two, _ := twoProcesses(t, inMemory())
	must(t, one, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Other"}})
	r := must(t, two, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Known to both"}})
	if len(r.Events) != 1 {
		t.Errorf("got %+v; want an event", r)
	}
}

func TestFreshness_missingEnterpriseIsLookedForAgain(t *testing.T) {
	b := inMemory()
	one, two := b.handler(), b.handler()
	mustRefuse(t, two, addPeer("Berlin"), domain.NotFound)
	must(t, one, register(acme))
	must(t, two, addPeer("Berlin"))
}

func TestFreshness_sequenceOfNothingToChangeIsTheCurrentOne(t *testing.T) {
	one, two, _ := twoProcesses(t, inMemory())
	last := must(t, one, addPeer("Paris")).Sequence
	r := must(t, two, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Known to both"}})
	if len(r.Events) != 0 || r.Sequence != last {
		t.Errorf("got %+v; want sequence %d and no event", r, last)
	}
}

// A log that was restored from a backup, or made anew, under a running process.
func TestFreshness_anotherLogIsReadAnew(t *testing.T) {
	b := inMemory()
	old := &hookedStore{Store: b.store}
	b.store = old
	h := b.handler()
	must(t, h, register(acme))
	must(t, h, addPeer("Berlin"))

	old.Store = eventstore.NewMemory(events.NewCodec(events.Default()))
	mustRefuse(t, h, addPeer("Paris"), domain.NotFound)
	must(t, h, register(acme))
	must(t, h, addPeer("Berlin"))
	if n := len(history(t, b)); n != 2 {
		t.Errorf("%d events; want 2", n)
	}
}
