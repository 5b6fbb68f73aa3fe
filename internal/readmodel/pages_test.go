package readmodel

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// TestPages_whatIsKeptIsWhatTheTablesHave: after each kind of event, a page that
// was read before is as one who has read nothing before finds it.
func TestPages_whatIsKeptIsWhatTheTablesHave(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(beta, crowd(3)...)
		s.registers(acme, crowd(5)...)
		yes, no := true, false
		queries := []PeerQuery{
			{},
			{Enabled: &yes},
			{Enabled: &no},
			{Deleted: true},
			{Status: events.StatusUp},
			{Type: events.PeerMiCollab},
			{Description: "peer 1"},
			{ListQuery: ListQuery{Q: "r 3"}},
			{ListQuery: ListQuery{Sort: "-status"}},
			{ListQuery: ListQuery{Sort: "id", Limit: 2}},
		}
		check := func(after any) {
			t.Helper()
			fresh := connect(t, d.URL).Directory()
			for _, ent := range []events.EnterpriseID{acme, beta} {
				for _, q := range queries {
					want := must(fresh.Peers(t.Context(), ent, q))(t)
					for range 2 {
						if diff := cmp.Diff(want, must(s.Directory().Peers(t.Context(), ent, q))(t)); diff != "" {
							t.Errorf("%s %+v after %T (-want +got):\n%s", ent, q, after, diff)
						}
					}
				}
			}
		}
		check(nil)
		for _, e := range []events.Event{
			events.PeerRenamed{Peer: "p1", To: "Other"},
			status("p2", events.StatusUp, 99),
			events.PeerDisabled{Peer: "p3"},
			events.PeerDeleted{Peer: "p4"},
			added("p9", "Peer 3 too"),
			events.PeerEnabled{Peer: "p3"},
			events.EnterpriseServerChanged{To: events.Server{Hostname: "old.example", Version: "9.1"}},
			events.PeerCertificateSeen{Peer: "p2", NotAfter: at(5)},
			events.EnterpriseRemoved{},
			registered(acme), added("p0", "Anew"),
		} {
			s.happens(acme, e)
			check(e)
		}
	})
}

// TestPages_rebuiltTablesAreReadAnew: the pages of a generation do not stand for
// those of the next, however far both are.
func TestPages_rebuiltTablesAreReadAnew(t *testing.T) {
	s := newStage(t, testkit.SQLite(t))
	last := s.registers(acme, added("p1", "Before"))
	page := func() string {
		return must(s.Directory().Peers(t.Context(), acme, PeerQuery{}))(t).Items[0].Description
	}
	if got := page(); got != "Before" {
		t.Fatal(got)
	}
	next := build(t, s.DB, "builder")
	if err := write(t, next, last, record(acme, 1, registered(acme), added("p1", "After"))...); err != nil {
		t.Fatal(err)
	}
	if ok := must(next.Activate(t.Context()))(t); !ok {
		t.Fatal("not activated")
	}
	if got := page(); got != "After" {
		t.Errorf("got %q", got)
	}
}

// TestPages_areOfOneMoment: while a peer is renamed to the sequence of each
// renaming, every page shows the name that its own sequence stands for.
func TestPages_areOfOneMoment(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		last := s.registers(acme, added("p0", "0"))
		s.happens(acme, events.PeerRenamed{Peer: "p0", To: fmt.Sprint(last + 1)})
		end := make(chan struct{})
		var readers sync.WaitGroup
		for i := range 6 {
			readers.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-end:
						return
					default:
					}
					page, err := s.Directory().Peers(t.Context(), acme, PeerQuery{ListQuery: ListQuery{Sort: []string{"", "status", "port"}[(n+i)%3]}})
					if err != nil || len(page.Items) != 1 || page.Items[0].Description != fmt.Sprint(page.Sequence) {
						t.Errorf("got %+v, %v", page, err)
						return
					}
				}
			})
		}
		for range 200 {
			s.happens(acme, events.PeerRenamed{Peer: "p0", To: fmt.Sprint(s.last + 1)})
		}
		close(end)
		readers.Wait()
	})
}

// TestPages_belongToTheirCaller: changing the rows of a page changes no other.
func TestPages_belongToTheirCaller(t *testing.T) {
	s := newStage(t, testkit.SQLite(t))
	s.registers(acme, crowd(2)...)
	for range 3 {
		page := must(s.Directory().Peers(t.Context(), acme, PeerQuery{}))(t)
		if page.Items[0].Description != "Peer 0" {
			t.Errorf("got %q", page.Items[0].Description)
		}
		page.Items[0].Description = "mine"
	}
}

// TestPages_stayWithinTheirBytes: those that were not used for longest go, and
// one that is too large is not kept.
func TestPages_stayWithinTheirBytes(t *testing.T) {
	p := newPeerPages(1000)
	key := func(i int) pageKey { return pageKey{query: PeerQuery{ListQuery: ListQuery{Q: fmt.Sprint(i)}}} }
	has := func(i int) bool { _, ok, _ := p.get(key(i), 7); return ok }
	for i := range 50 {
		p.put(key(i), 7, Page[Peer]{}, 200)
		p.put(key(i), 7, Page[Peer]{}, 200)
		if !has(0) && i > 0 || p.bytes > 1000 || len(p.byKey) != p.order.Len() {
			t.Fatalf("after %d: %d bytes, %d pages", i, p.bytes, len(p.byKey))
		}
	}
	if !has(49) || !has(46) || has(45) {
		t.Error("not the last ones are kept")
	}
	if p.put(key(49), 8, Page[Peer]{}, 900); has(49) || p.bytes != 800 {
		t.Errorf("%d bytes", p.bytes)
	}
	if _, ok, _ := p.get(key(0), 6); ok {
		t.Error("a page of another moment is given out")
	}
}

// TestPages_bytesGrowWithTheRows, so that what is counted is not less than the
// texts that are kept.
func TestPages_bytesGrowWithTheRows(t *testing.T) {
	long := strings.Repeat("x", 5000)
	small := pageBytes(pageKey{}, []listedPeer{{}})
	for name, r := range map[string]peerRow{"message": {CauseMessage: long}, "description": {Description: long}, "certificate": {Certificate: long}} {
		if got := pageBytes(pageKey{}, []listedPeer{{peerRow: r}}); got < small+len(long) {
			t.Errorf("%s: %d", name, got)
		}
	}
}
