package eventstore_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// whole is a parked command of which everything is known.
func whole() eventstore.ParkedCommand {
	return eventstore.ParkedCommand{
		Tail: "acme.AddPeer@pbx+operator", Enterprise: "acme", Command: "AddPeer", CommandID: "c-1", Reason: "not_handled",
		Detail: "The history cannot be read: Größe.", Actor: "service pbx", OnBehalfOf: "Ann", Why: "moved", CorrelationID: "co", CausationID: "ca",
		Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Source: 7, Deliveries: 3, Body: []byte(`{"a":1}`), BodySize: 7,
	}
}

func park(t testing.TB, p *eventstore.Parked, c eventstore.ParkedCommand) events.Seq {
	t.Helper()
	seq, err := p.Park(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func shown(t testing.TB, p *eventstore.Parked, seq events.Seq) eventstore.ParkedCommand {
	t.Helper()
	c, err := p.Get(t.Context(), seq)
	if err != nil {
		t.Fatalf("get %d: %v", seq, err)
	}
	return c
}

func listed(t testing.TB, p *eventstore.Parked, q eventstore.ParkedQuery) []eventstore.ParkedCommand {
	t.Helper()
	list, err := p.List(t.Context(), q)
	if err != nil {
		t.Fatalf("list %+v: %v", q, err)
	}
	return list
}

func count(t testing.TB, p *eventstore.Parked) uint64 {
	t.Helper()
	n, err := p.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPark_comesBackAsItWas(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		_, parked := busOf(t, top)
		want := whole()
		want.Seq = park(t, parked, want)
		got := shown(t, parked, want.Seq)
		if got.At.IsZero() {
			t.Error("it was parked at no time")
		}
		want.At = got.At
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		want.Body = nil
		if d := cmp.Diff([]eventstore.ParkedCommand{want}, listed(t, parked, eventstore.ParkedQuery{Enterprise: "acme"})); d != "" {
			t.Error(d)
		}
		if got := listed(t, parked, eventstore.ParkedQuery{Enterprise: "other"}); len(got) != 0 {
			t.Errorf("another enterprise's: got %+v", got)
		}
		if n := count(t, parked); n != 1 {
			t.Errorf("got a count of %d, want 1", n)
		}
	})
}

func TestPark_theSameMessageIsNotDoubled(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		_, parked := busOf(t, top)
		c := whole()
		first := park(t, parked, c)
		c.Reason, c.Deliveries = "too_many_deliveries", 5
		if again := park(t, parked, c); again != first {
			t.Errorf("got %d, want the first one, %d", again, first)
		}
		for name, change := range map[string]func(*eventstore.ParkedCommand){
			"another body, at the same place of another queue": func(c *eventstore.ParkedCommand) { c.Body = []byte("{}") },
			"another id":                 func(c *eventstore.ParkedCommand) { c.CommandID = "c-2" },
			"another tail":               func(c *eventstore.ParkedCommand) { c.Tail = "acme.AddPeer" },
			"another place in the queue": func(c *eventstore.ParkedCommand) { c.Source = 8 },
			"no place in the queue":      func(c *eventstore.ParkedCommand) { c.Source = 0 },
			"no place either":            func(c *eventstore.ParkedCommand) { c.Source = 0 },
		} {
			c := whole()
			change(&c)
			if park(t, parked, c) == first {
				t.Errorf("%s: is taken for the first one", name)
			}
		}
		if n := count(t, parked); n != 7 {
			t.Errorf("got %d, want 7", n)
		}
	})
}

func TestPark_whatCannotStandInASubjectOrAHeader(t *testing.T) {
	nc := testkit.NATS(t)
	commands, parked := busOf(t, testkit.Topology{Replicas: 1, Conn: nc})
	for _, c := range []eventstore.ParkedCommand{
		{Tail: "a*b.Add>", Enterprise: "a*b", Command: "Add>"},
		{Tail: "x.y.z", Enterprise: "x.y", Command: "y.z"},
		{Tail: "", Enterprise: "", Command: ""},
		{Tail: "_._", Enterprise: "_", Command: "_"},
		{Tail: "acme.AddPeer\x01@svc+viewer", Enterprise: "abc", Command: "AddPeer@svc"},
		{Tail: strings.Repeat("ü", 3000) + ".X@svc+viewer", Command: strings.Repeat("A", 65)},
		{Tail: "acme." + strings.Repeat("A", 5000) + "@svc+viewer", CommandID: "a.b", Detail: strings.Repeat("\r\nNats-TTL: 1s", 1000), Actor: "\xff\x00\u2028 x"},
	} {
		got := shown(t, parked, park(t, parked, c))
		if got.Enterprise != "" || got.Command != "" || got.CommandID != "" {
			t.Errorf("%.40q: got %q, %q, %q, want nothing that could be used", c.Tail, got.Enterprise, got.Command, got.CommandID)
		}
		for _, s := range []string{got.Tail, got.Detail, got.Actor} {
			if len(s) > 2048 || !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n\x00\x01\u2028") {
				t.Errorf("kept %.80q, %d bytes", s, len(s))
			}
		}
		if got.Tail == c.Tail {
			continue
		}
		if _, err := commands.Publish(t.Context(), got.Tail, nil, nil); err == nil {
			t.Errorf("%.40q was published again without who published it", c.Tail)
		}
	}
	if n := len(listed(t, parked, eventstore.ParkedQuery{})); n != 7 {
		t.Errorf("got %d, want 7", n)
	}
}

// TestPark_anyText: whatever text came with a command, it is parked, and shown
// the same from then on.
func TestPark_anyText(t *testing.T) {
	_, parked := busOf(t, testkit.Topology{Replicas: 1, Conn: testkit.NATS(t)})
	rapid.Check(t, func(r *rapid.T) {
		text := func(name string) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(r, name)) }
		c := eventstore.ParkedCommand{
			Tail: text("tail"), Enterprise: events.EnterpriseID(text("enterprise")), Command: text("command"), CommandID: events.CommandID(text("id")),
			Reason: "undecodable", Detail: text("detail"), Why: text("why"), Traceparent: rapid.String().Draw(r, "traceparent"), Body: []byte(text("body")),
		}
		first := shown(t, parked, park(t, parked, c))
		if string(first.Body) != string(c.Body) || first.BodySize != len(c.Body) {
			r.Fatalf("body: got %d bytes of %d, want %d", len(first.Body), first.BodySize, len(c.Body))
		}
		again := shown(t, parked, park(t, parked, first))
		again.Seq, again.At = first.Seq, first.At
		if d := cmp.Diff(first, again); d != "" {
			r.Fatal(d)
		}
	})
}

func TestPark_bodies(t *testing.T) {
	_, parked := busOf(t, testkit.Topology{Replicas: 1, Conn: testkit.NATS(t)})
	for _, tt := range []struct {
		size  int
		whole bool
		least int
	}{
		{0, false, 0},
		{64 << 10, false, 64 << 10},
		{64<<10 + 1, false, 64 << 10},
		{1 << 20, false, 64 << 10},
		{64<<10 + 1, true, 64<<10 + 1},
		{1000 << 10, true, 1000 << 10},
		{1 << 20, true, 1000 << 10},
		{3 << 20, true, 1000 << 10},
	} {
		c := whole()
		c.Source, c.Body, c.BodySize, c.KeepWhole = 0, []byte(strings.Repeat("x", tt.size)), 0, tt.whole
		got := shown(t, parked, park(t, parked, c))
		if got.BodySize != tt.size || len(got.Body) < tt.least || len(got.Body) > tt.size || !tt.whole && len(got.Body) > 64<<10 {
			t.Errorf("%d bytes, whole %v: got %d of %d, want at least %d", tt.size, tt.whole, len(got.Body), got.BodySize, tt.least)
		}
	}
}

func TestParked_hostileMessages(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		_, parked := busOf(t, top)
		for _, header := range hostileHeaders() {
			hpub(t, top.Conn, "peering.parked.acme.AddPeer", header, "x")
		}
		hpub(t, top.Conn, "peering.parked.acme.AddPeer", "NATS/1.0\r\nPeering-Body-Size: 99999999999999999999\r\nPeering-Source: -1\r\nPeering-Command: a.b\r\n\r\n", "x")
		for _, subject := range []string{"peering.decided.acme.x", "peering.decided.acme.0", "peering.decided.acme.18446744073709551616", "peering.unsettled.x", "peering.unsettled.77"} {
			hpub(t, top.Conn, subject, "", "x")
		}
		last := park(t, parked, whole())
		n := len(hostileHeaders()) + 1
		list := listed(t, parked, eventstore.ParkedQuery{Enterprise: "acme"})
		if len(list) != n+1 || list[n].Seq != last {
			t.Fatalf("got %d, want all %d", len(list), n+1)
		}
		for _, c := range list[:n] {
			if got := shown(t, parked, c.Seq); string(got.Body) != "x" || got.BodySize != 1 || got.Enterprise != "acme" || got.CommandID != "" || got.Command != "" {
				t.Errorf("got %+v", got)
			}
			if _, err := parked.Decide(t.Context(), c.Seq, decided("x")); err != nil {
				t.Error(err)
			}
			if err := parked.Settle(t.Context(), c.Seq); err != nil {
				t.Error(err)
			}
		}
		if got := listed(t, parked, eventstore.ParkedQuery{Decided: true}); len(got) != n {
			t.Errorf("got %d decided, want %d", len(got), n)
		}
		if got, err := parked.Unsettled(t.Context(), 10); err != nil || len(got) != 0 {
			t.Errorf("unsettled: got %+v, %v", got, err)
		}
	})
}

func TestList_pages(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		_, parked := busOf(t, top)
		var seqs []events.Seq
		for i := range 25 {
			c := whole()
			c.Source = events.Seq(i + 1)
			if i%5 == 0 {
				c.Enterprise = ""
			}
			seqs = append(seqs, park(t, parked, c))
		}
		for i := range 20 { // from the last to the sixth
			if _, err := parked.Decide(t.Context(), seqs[24-i], decided("x")); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				if err := parked.Settle(t.Context(), seqs[24-i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, tt := range []struct {
			q    eventstore.ParkedQuery
			want int
		}{
			{eventstore.ParkedQuery{}, 15},
			{eventstore.ParkedQuery{Decided: true}, 20},
			{eventstore.ParkedQuery{Enterprise: "acme"}, 12},
			{eventstore.ParkedQuery{Enterprise: "ACME", Decided: true}, 16},
		} {
			var all []eventstore.ParkedCommand
			for tt.q.Limit = 4; ; {
				page := listed(t, parked, tt.q)
				if len(page) > 4 {
					t.Fatalf("a page of %d", len(page))
				}
				if len(page) == 0 {
					break
				}
				all = append(all, page...)
				tt.q.After = page[len(page)-1].Seq
			}
			if len(all) != tt.want {
				t.Errorf("%+v: got %d, want %d", tt.q, len(all), tt.want)
			}
			for i, c := range all {
				if (c.Decision != nil) != tt.q.Decided && tt.q.Decided || i > 0 && (c.Seq < all[i-1].Seq) != tt.q.Decided {
					t.Errorf("%+v: %d after %d, decision %v", tt.q, c.Seq, all[max(i-1, 0)].Seq, c.Decision)
				}
			}
		}
	})
}
