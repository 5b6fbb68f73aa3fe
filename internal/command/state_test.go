package command

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// What a process has in memory after its own commands is what every other
// process reads from the log: nothing is lost on the way through JSON.
func TestState_inMemoryIsTheFoldOfTheLog(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := inMemory()
		ids := 0
		h := New(b.store, b.outcomes, b.snapshots, Options{NewID: func() string { ids++; return fmt.Sprint("p", ids%10) }})
		must(t, h, register(acme))
		for i, cmd := range rapid.SliceOfN(domaintest.Commands(), 1, 40).Draw(rt, "commands") {
			req := Request{Enterprise: acme, Command: cmd, Actor: "test"}
			if i%2 == 0 {
				req.ID = events.CommandID(fmt.Sprint("c", i%7))
			}
			_, _ = h.Handle(context.Background(), req) // a refusal changes nothing, and that is what is looked at
		}
		mustBeTheFold(t, b, h)
	})
}

func TestState_isLoadedOnceForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inMemory()
		must(t, b.handler(), register(acme))
		describe(t, b.handler(), 50)
		gate := make(chan struct{})
		counted, store := counting(b)
		store.beforeLoad = func(context.Context) error { <-gate; return nil }
		h := counted.handler()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { must(t, h, addPeer(fmt.Sprint("Peer ", i))) })
		}
		synctest.Wait()
		close(gate)
		wg.Wait()
		if n := store.folded.Load(); n != 51 {
			t.Errorf("%d events were read; want each of 51 once", n)
		}
	})
}

func TestState_enterprisesDoNotWaitForOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inMemory()
		gate := make(chan struct{})
		b.store = &hookedStore{Store: b.store, beforeAppend: once(func() error { <-gate; return nil })}
		h := b.handler()
		var wg sync.WaitGroup
		wg.Go(func() { must(t, h, register(acme)) })
		synctest.Wait()
		must(t, h, register("other"))
		close(gate)
		wg.Wait()
	})
}

func TestCache_forgetsTheLeastRecentlyUsedFirst(t *testing.T) {
	state := domain.NewEnterprise(acme)
	each := entryWeight + state.Size()
	c := newCache(3 * each)
	use := func(ent events.EnterpriseID) (known bool) {
		e, err := c.acquire(t.Context(), ent)
		if err != nil {
			t.Fatal(err)
		}
		defer c.release(e)
		known = e.state != nil
		e.state = state
		return known
	}
	for _, ent := range []events.EnterpriseID{"a", "b", "c", "a", "d"} {
		use(ent)
	}
	if c.weight != 3*each || len(c.entries) != 3 || c.recent.Len() != 3 {
		t.Errorf("weight %d in %d entries; want %d in 3", c.weight, len(c.entries), 3*each)
	}
	for _, w := range []struct {
		ent   events.EnterpriseID
		known bool
	}{{"a", true}, {"c", true}, {"d", true}, {"b", false}} {
		if known := use(w.ent); known != w.known {
			t.Errorf("%s: known %t; want %t", w.ent, known, w.known)
		}
	}
}

func TestCache_keepsWhatIsInUse(t *testing.T) {
	c := newCache(1)
	a, err := c.acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	a.state = domain.NewEnterprise("a")
	b, err := c.acquire(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	c.release(b)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.acquire(gone, "a"); err == nil {
		t.Fatal("two have the turn")
	}
	if c.entries["a"] != a || a.users != 1 {
		t.Errorf("an entry in use was forgotten: %d users", a.users)
	}
	c.release(a)
	if len(c.entries) != 0 || c.weight != 0 {
		t.Errorf("weight %d in %d entries; want none", c.weight, len(c.entries))
	}
}
