package readmodel

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// lister is one of the lists, with rows told by their ids.
type lister struct {
	name  string
	sorts []string
	page  func(q ListQuery) (Page[string], error)
}

func (s *stage) listers() []lister {
	dir, ctx := s.Directory(), s.t.Context()
	return []lister{
		{"enterprises", slices.Sorted(maps.Keys(enterpriseSorts())), func(q ListQuery) (Page[string], error) {
			page, err := dir.Enterprises(ctx, EnterpriseQuery{ListQuery: q})
			return named(page, func(e Enterprise) string { return string(e.ID) }), err
		}},
		{"peers", slices.Sorted(maps.Keys(peerSorts(upnPresence("9.8"), nil))), func(q ListQuery) (Page[string], error) {
			page, err := dir.Peers(ctx, acme, PeerQuery{ListQuery: q})
			return named(page, func(p Peer) string { return string(p.ID) }), err
		}},
		{"deleted peers", []string{"description", "status", "revision"}, func(q ListQuery) (Page[string], error) {
			page, err := dir.Peers(ctx, acme, PeerQuery{ListQuery: q, Deleted: true})
			return named(page, func(p Peer) string { return string(p.ID) }), err
		}},
		{"trusted servers", slices.Sorted(maps.Keys(trustedServerSorts())), func(q ListQuery) (Page[string], error) {
			page, err := dir.TrustedServers(ctx, TrustedServerQuery{ListQuery: q})
			return named(page, func(t TrustedServer) string { return string(t.Enterprise) + " " + string(t.ID) }), err
		}},
	}
}

func named[T any](page Page[T], name func(T) string) Page[string] {
	out := Page[string]{NextCursor: page.NextCursor, Sequence: page.Sequence}
	for _, item := range page.Items {
		out.Items = append(out.Items, name(item))
	}
	return out
}

// whole follows the cursors to the end, calling between after each page.
func whole(t testing.TB, l lister, q ListQuery, between func()) (rows []string) {
	t.Helper()
	for pages := 0; pages < 200; pages++ {
		page, err := l.page(q)
		if err != nil {
			t.Fatalf("%s by %s: %v", l.name, q.Sort, err)
		}
		if len(page.Items) > q.Limit {
			t.Fatalf("%s by %s: %d rows, the limit is %d", l.name, q.Sort, len(page.Items), q.Limit)
		}
		rows = append(rows, page.Items...)
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return rows
		}
		between()
	}
	t.Fatalf("%s by %s: the pages do not end", l.name, q.Sort)
	return nil
}

// variety fills two enterprises with rows that differ in every column, and with
// many that do not.
func variety(s *stage) {
	s.registers(acme)
	s.registers(beta)
	for i := range 12 {
		ent := events.EnterpriseID(fmt.Sprintf("ent-%02d", i))
		e := registered(ent)
		e.Description, e.Server.Version = []string{"Ätna", "zebra", "Zebra", "ätna 2", "_", "a b"}[i%6], []string{"9.4", "9.10", ""}[i%3]
		s.happens(ent, e, added("p", "Same"), domaintest.TrustedAdded("t", "Same", "hub.example", events.TrustIM))
	}
	names := []string{"Émile", "emile", "EMILE", "zoo", "Zoo-1", "a b", "A-B", "ärger", "Ärger 2", "10", "9"}
	for i := range 22 {
		id := events.PeerID(fmt.Sprintf("%c%02d", "pP"[i%2], i))
		e := added(id, names[i%len(names)])
		e.Port, e.Version, e.DialingPrefix = 443+i%3, []string{"9.4", "9.10", "", "9.3"}[i%4], []string{"", "9", "*7"}[i%3]
		e.Hostname = fmt.Sprintf("uc%d.example", i%5)
		if i%7 == 6 {
			e = domaintest.ExternalAdded(id, names[i%len(names)])
		}
		more := [][]events.Event{
			{status(id, events.StatusUp, 9999)},
			{events.PeerDisabled{Peer: id}},
			{events.PeerAddressChanged{Peer: id, To: fmt.Sprintf("192.0.2.%d", i%4)}},
			{events.PeerCertificateSeen{Peer: id, NotAfter: at(events.Seq(i))}, events.PeerVersionDetected{Peer: id, To: "9.5"}},
			{events.PeerNoticeRaised{Peer: id, Changes: []events.NoticeChange{{Field: "address", To: "x"}}}, events.PeerMaintenanceScheduled{Peer: id, Start: at(1), End: at(2)}},
			{events.PeerDeleted{Peer: id}},
			{},
		}[i%7]
		s.happens(acme, append([]events.Event{e}, more...)...)
		if i%4 < 3 {
			s.keeps(sample(id, events.Seq(i%5), s.last+events.Seq(i%2)-1)) // #nosec G115 -- small
		}
	}
}

// TestList_pagesAreTheListCut: with every sort, in both directions and with small
// pages, the cursors give what one large page gives, on both databases the same.
func TestList_pagesAreTheListCut(t *testing.T) {
	orders := map[string][]string{}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		variety(s)
		for _, l := range s.listers() {
			for i, sort := range append(l.sorts, "") {
				for _, sort := range slices.Compact([]string{sort, strings.TrimSuffix("-"+sort, "-")}) {
					all := whole(t, l, ListQuery{Sort: sort, Limit: maxLimit}, func() {})
					name := l.name + " by " + sort
					if cut := whole(t, l, ListQuery{Sort: sort, Limit: i%7 + 1}, func() {}); !slices.Equal(all, cut) {
						t.Errorf("%s: whole %q\ncut %q", name, all, cut)
					}
					if len(all) < 3 {
						t.Errorf("%s: %q is too little", name, all)
					}
					if before, ok := orders[name]; ok && !slices.Equal(before, all) {
						t.Errorf("%s: on SQLite %q\non PostgreSQL %q", name, before, all)
					}
					orders[name] = all
				}
			}
		}
	})
	for name, up := range orders {
		up = slices.Clone(up)
		slices.Reverse(up)
		if list, sort, _ := strings.Cut(name, " by "); sort != "" && sort[0] != '-' && !slices.Equal(up, orders[list+" by -"+sort]) {
			t.Errorf("%s: descending is not ascending turned over", name)
		}
	}
}

// TestList_pagesWhileRowsComeAndGo: who was there throughout comes exactly once.
func TestList_pagesWhileRowsComeAndGo(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		variety(s)
		steady := slices.DeleteFunc(s.listers(), func(l lister) bool { return l.name == "deleted peers" })
		n := 0
		var last events.PeerID
		churn := func() { // before, between and after whatever is read
			var list []events.Event
			if last != "" {
				list = append(list, events.PeerDeleted{Peer: last})
			}
			n++
			last = events.PeerID(fmt.Sprintf("%cq%04d", "aPpz"[n%4], n))
			s.happens(acme, append(list, added(last, fmt.Sprintf("%c%d", "9Mm~"[n%4], n)))...)
		}
		for _, l := range steady {
			for i, sort := range l.sorts {
				if l.name == "enterprises" && (sort == "peers" || sort == "peers.total") {
					continue // this is what changes
				}
				if i%2 == 1 {
					sort = "-" + sort
				}
				transient := func(row string) bool { return strings.Contains(row, "q0") }
				want := slices.DeleteFunc(whole(t, l, ListQuery{Sort: sort, Limit: maxLimit}, func() {}), transient)
				got := slices.DeleteFunc(whole(t, l, ListQuery{Sort: sort, Limit: i%7 + 1}, churn), transient)
				if !slices.Equal(want, got) {
					t.Errorf("%s by %s: want %q\ngot %q", l.name, sort, want, got)
				}
			}
		}
	})
}

// TestList_orderIsThatOfBytes, whatever the database thinks of languages.
func TestList_orderIsThatOfBytes(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		variety(s)
		var got, want []string
		for _, p := range must(s.Directory().Peers(t.Context(), acme, PeerQuery{ListQuery: ListQuery{Sort: "description"}}))(t).Items {
			got = append(got, strings.ToLower(p.Description)+"\x00"+string(p.ID))
		}
		want = slices.Sorted(slices.Values(got))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by description (-want +got):\n%s", diff)
		}
		got = nil
		for _, p := range must(s.Directory().Peers(t.Context(), acme, PeerQuery{ListQuery: ListQuery{Sort: "id"}}))(t).Items {
			got = append(got, string(p.ID))
		}
		if !slices.IsSorted(got) || got[0][0] != 'P' {
			t.Errorf("by id: %q", got)
		}
	})
}

func TestList_versionsAreSortedByTheirNumbers(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		want := []string{"", "9.3.1.7", "9.4", "9.4.0.1", "9.7.1.105", "9.10", "10.0"}
		for i, v := range []string{"9.10", "", "10.0", "9.4", "9.7.1.105", "9.3.1.7", "9.4.0.1"} {
			e := added(events.PeerID(fmt.Sprintf("p%d", i)), fmt.Sprintf("Peer %d", i))
			e.Version = v
			s.happens(acme, e)
		}
		var got []string
		for _, p := range must(s.Directory().Peers(t.Context(), acme, PeerQuery{ListQuery: ListQuery{Sort: "version"}}))(t).Items {
			got = append(got, p.Version)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestList_whatCannotBeAnsweredIsNamed(t *testing.T) {
	d := testkit.SQLite(t)
	s := newStage(t, d)
	variety(s)
	long := strings.Repeat("x", maxFilter+1)
	for _, l := range s.listers() {
		for _, c := range []struct {
			q     ListQuery
			field string
		}{
			{ListQuery{Sort: "nothing"}, "sort"},
			{ListQuery{Sort: "--id"}, "sort"},
			{ListQuery{Sort: "-"}, "sort"},
			{ListQuery{Sort: "id; DROP TABLE held"}, "sort"},
			{ListQuery{Limit: -1}, "limit"},
			{ListQuery{Limit: maxLimit + 1}, "limit"},
			{ListQuery{Q: long}, "q"},
			{ListQuery{Q: "a\x00"}, "q"},
			{ListQuery{Q: "\xff"}, "q"},
			{ListQuery{Cursor: "not a cursor"}, "cursor"},
			{ListQuery{Cursor: strings.Repeat("A", maxCursor+4)}, "cursor"},
		} {
			_, err := l.page(c.q)
			refused(t, err, c.field)
		}
		if _, err := l.page(ListQuery{Q: strings.Repeat("x", maxFilter), Limit: maxLimit}); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
	}
}

// TestCursor_belongsToItsQuery: another list, another sort, another filter or a
// forged one is refused; the limit may change.
func TestCursor_belongsToItsQuery(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		variety(s)
		dir, yes := s.Directory(), true
		peersOf := func(ent events.EnterpriseID, q PeerQuery) (string, error) {
			page, err := dir.Peers(t.Context(), ent, q)
			return page.NextCursor, err
		}
		text := must(peersOf(acme, PeerQuery{ListQuery: ListQuery{Limit: 2, Sort: "hostname"}}))(t)
		number := must(peersOf(acme, PeerQuery{ListQuery: ListQuery{Limit: 2, Sort: "port"}}))(t)
		for name, q := range map[string]PeerQuery{
			"sort":        {ListQuery: ListQuery{Sort: "-hostname", Cursor: text}},
			"alias":       {ListQuery: ListQuery{Sort: "server", Cursor: text}},
			"no sort":     {ListQuery: ListQuery{Cursor: text}},
			"search":      {ListQuery: ListQuery{Sort: "hostname", Q: "x", Cursor: text}},
			"status":      {ListQuery: ListQuery{Sort: "hostname", Cursor: text}, Status: "up"},
			"enabled":     {ListQuery: ListQuery{Sort: "hostname", Cursor: text}, Enabled: &yes},
			"deleted":     {ListQuery: ListQuery{Sort: "hostname", Cursor: text}, Deleted: true},
			"description": {ListQuery: ListQuery{Sort: "hostname", Cursor: text}, Description: "x"},
			"padded":      {ListQuery: ListQuery{Sort: "hostname", Cursor: text + "=="}},
			"cut":         {ListQuery: ListQuery{Sort: "hostname", Cursor: text[:len(text)-3]}},
			"not text":    {ListQuery: ListQuery{Sort: "hostname", Cursor: forge(t, text, func(c *cursor) { c.Text, c.Integer = nil, new(int64(1)) })}},
			"both":        {ListQuery: ListQuery{Sort: "hostname", Cursor: forge(t, text, func(c *cursor) { c.Integer = new(int64(1)) })}},
			"neither":     {ListQuery: ListQuery{Sort: "hostname", Cursor: forge(t, text, func(c *cursor) { c.Text = nil })}},
			"not integer": {ListQuery: ListQuery{Sort: "port", Cursor: forge(t, number, func(c *cursor) { c.Text, c.Integer = new("x"), nil })}},
			"null":        {ListQuery: ListQuery{Sort: "hostname", Cursor: forge(t, text, func(c *cursor) { c.Text = new("a\x00") })}},
			"null tie":    {ListQuery: ListQuery{Sort: "hostname", Cursor: forge(t, text, func(c *cursor) { c.Ties[0] = "\x00" })}},
			"no ties":     {ListQuery: ListQuery{Sort: "hostname", Cursor: forge(t, text, func(c *cursor) { c.Ties = nil })}},
			"many ties":   {ListQuery: ListQuery{Sort: "hostname", Cursor: forge(t, text, func(c *cursor) { c.Ties = append(c.Ties, "x") })}},
		} {
			_, err := peersOf(acme, q)
			if refused(t, err, "cursor"); t.Failed() {
				t.Fatal(name)
			}
		}
		_, err := peersOf(beta, PeerQuery{ListQuery: ListQuery{Sort: "hostname", Cursor: text}})
		refused(t, err, "cursor")
		_, err = dir.TrustedServers(t.Context(), TrustedServerQuery{ListQuery: ListQuery{Sort: "host", Cursor: text}})
		refused(t, err, "cursor")
		if _, err := peersOf(acme, PeerQuery{ListQuery: ListQuery{Sort: "hostname", Limit: 5, Cursor: text}}); err != nil {
			t.Errorf("another limit: %v", err)
		}
		beyond := forge(t, number, func(c *cursor) { c.Integer = new(int64(1<<63 - 1)) })
		if _, err := peersOf(acme, PeerQuery{ListQuery: ListQuery{Sort: "port", Cursor: beyond}}); err != nil {
			t.Errorf("beyond the end: %v", err)
		}
	})
}

// forge changes a cursor, leaving it the fingerprint of its query.
func forge(t testing.TB, text string, change func(*cursor)) string {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	var c cursor
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	change(&c)
	if data, err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}
