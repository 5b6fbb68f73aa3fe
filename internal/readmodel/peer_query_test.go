package readmodel

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// few are the peers that the filters are tried on.
func few(s *stage) {
	one := added("p1", "Ärger_100% in Zürich")
	one.Hostname, one.Address = "uc.lyon.example", "2001:db8::1"
	two := added("p2", `back\slash`)
	two.Hostname = "lyon_1.example"
	s.registers(acme, one, two, domaintest.ExternalAdded("p3", "Gateway"), added("p4", "Lyon off"), added("p5", "LYON gone"))
	s.happens(acme, status("p1", events.StatusUp, 99), events.PeerDisabled{Peer: "p4"}, events.PeerDeleted{Peer: "p5"})
	s.registers(beta, added("p1", "Lyon of another"))
}

func TestPeers_filters(t *testing.T) {
	on, off := true, false
	cases := []struct {
		name string
		q    PeerQuery
		want string
	}{
		{"none", PeerQuery{}, "p1 p2 p3 p4"},
		{"status", PeerQuery{Status: events.StatusUp}, "p1"},
		{"status unknown", PeerQuery{Status: events.StatusUnknown}, "p2"},
		{"status N/A", PeerQuery{Status: events.StatusNA}, "p3"},
		{"status disabled", PeerQuery{Status: events.StatusDisabled}, "p4"},
		{"status down", PeerQuery{Status: events.StatusDown}, ""},
		{"type", PeerQuery{Type: events.PeerExternal}, "p3"},
		{"other type", PeerQuery{Type: events.PeerMiCollab}, "p1 p2 p4"},
		{"enabled", PeerQuery{Enabled: &on}, "p1 p2 p3"},
		{"not enabled", PeerQuery{Enabled: &off}, "p4"},
		{"deleted", PeerQuery{Deleted: true}, "p5"},
		{"deleted and not", PeerQuery{Deleted: true, Status: events.StatusUp}, ""},
		{"description", PeerQuery{Description: "GATEWAY"}, "p3"},
		{"description in Unicode", PeerQuery{Description: "äRGER_100% IN zÜRICH"}, "p1"},
		{"part of a description", PeerQuery{Description: "Gate"}, ""},
		{"description with a wildcard", PeerQuery{Description: "Gate%"}, ""},
		{"all at once", PeerQuery{Status: "up", Type: events.PeerMiCollab, Enabled: &on, ListQuery: ListQuery{Q: "zürich"}}, "p1"},
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		few(s)
		for _, c := range cases {
			c.q.Sort = "id"
			if got := found(s, c.q); got != c.want {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
	})
}

// found are the ids of a list, separated by spaces.
func found(s *stage, q PeerQuery) string {
	s.t.Helper()
	page := must(s.Directory().Peers(s.t.Context(), acme, q))(s.t)
	return strings.Trim(fmt.Sprint(ids(page.Items)), "[]")
}

// TestPeers_search: what is searched is text, not a pattern, and has no case.
func TestPeers_search(t *testing.T) {
	cases := []struct{ q, want string }{
		{"lyon", "p1 p2 p4"},
		{"LYON", "p1 p2 p4"},
		{"ÄRGER", "p1"},
		{"zürich", "p1"},
		{"zurich", ""},
		{"%", "p1"},
		{"_", "p1 p2"},
		{`\`, "p2"},
		{"100%", "p1"},
		{"1__%", ""},
		{"%lyon%", ""},
		{"lyon_", "p2"},
		{`\%`, ""},
		{"'", ""},
		{"' OR '1'='1", ""},
		{"?", ""},
		{"$1", ""},
		{"2001:DB8", "p1"},
		{"uc.lyon.example", "p1"},
		{"globex", ""},
		{" ", "p1 p4"},
		{"😀", ""},
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		few(s)
		for _, c := range cases {
			if got := found(s, PeerQuery{ListQuery: ListQuery{Q: c.q, Sort: "id"}}); got != c.want {
				t.Errorf("%q: got %q, want %q", c.q, got, c.want)
			}
		}
	})
}

func TestPeers_filterThatCannotBeAnswered(t *testing.T) {
	s := newStage(t, testkit.SQLite(t))
	few(s)
	for field, q := range map[string]PeerQuery{
		"status": {Status: "Up"}, "type": {Type: "sip"}, "description": {Description: strings.Repeat("x", maxFilter+1)},
	} {
		_, err := s.Directory().Peers(t.Context(), acme, q)
		refused(t, err, field)
	}
	for _, text := range []string{"a\x00", "\xff"} {
		_, err := s.Directory().Peers(t.Context(), acme, PeerQuery{Description: text})
		refused(t, err, "description")
		_, err = s.Directory().TrustedServers(t.Context(), TrustedServerQuery{Host: text})
		refused(t, err, "host")
	}
	for field, q := range map[string]TrustedServerQuery{
		"type": {Type: "all"}, "origin": {Origin: "Manual"}, "enterprise": {Enterprise: "\x00"}, "host": {Host: strings.Repeat("x", maxFilter+1)},
	} {
		_, err := s.Directory().TrustedServers(t.Context(), q)
		refused(t, err, field)
	}
}

func TestPage_saysWhereTheProjectionIs(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		few(s)
		for _, l := range s.listers() {
			page, err := l.page(ListQuery{})
			if err != nil || page.Sequence != s.last || page.NextCursor != "" || len(page.Items) == 0 {
				t.Errorf("%s: %+v, %v", l.name, page, err)
			}
		}
		s.registers("gamma")
		page := must(s.Directory().Peers(t.Context(), "gamma", PeerQuery{}))(t)
		if page.Items == nil || len(page.Items) != 0 || page.Sequence != s.last {
			t.Errorf("an empty list is %+v", page)
		}
	})
}

func TestPeers_limit(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, crowd(maxLimit+1)...)
		for limit, want := range map[int]int{0: defaultLimit, 1: 1, maxLimit: maxLimit} {
			page := must(s.Directory().Peers(t.Context(), acme, PeerQuery{ListQuery: ListQuery{Limit: limit}}))(t)
			if len(page.Items) != want || page.NextCursor == "" {
				t.Errorf("limit %d: %d rows, cursor %q", limit, len(page.Items), page.NextCursor)
			}
		}
	})
}

// TestPeers_upnPresenceIsSortedAsShown: the column is computed from both sides.
func TestPeers_upnPresenceIsSortedAsShown(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		for i, version := range []string{"", "9.3", "9.4", "9.10", "10.0", "old"} {
			e := added(events.PeerID(fmt.Sprintf("p%d", i)), fmt.Sprintf("Peer %d", i))
			e.Version = version
			s.happens(acme, e)
		}
		for local, want := range map[string][]string{
			"9.8": {"no", "unknown", "unknown", "yes", "yes", "yes"},
			"9.3": {"no", "no", "no", "no", "no", "no"},
			"":    {"no", "unknown", "unknown", "unknown", "unknown", "unknown"},
		} {
			server := registered(acme).Server
			server.Version = local
			s.happens(acme, events.EnterpriseServerChanged{To: server})
			for _, limit := range []int{1, 100} {
				var got []string
				q := PeerQuery{ListQuery: ListQuery{Sort: "upn_presence", Limit: limit}}
				for more := true; more; more = q.Cursor != "" {
					page := must(s.Directory().Peers(t.Context(), acme, q))(t)
					for _, p := range page.Items {
						got = append(got, p.UPNPresence)
					}
					q.Cursor = page.NextCursor
				}
				if !slices.Equal(got, want) {
					t.Errorf("local %q, limit %d: got %v, want %v", local, limit, got, want)
				}
			}
		}
	})
}
