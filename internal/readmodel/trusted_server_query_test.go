package readmodel

import (
	"slices"
	"testing"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

func TestTrustedServers_filters(t *testing.T) {
	cases := []struct {
		name string
		q    TrustedServerQuery
		want []string
	}{
		{"all", TrustedServerQuery{}, []string{"acme/peer-p1", "acme/t1", "acme/t2", "beta-1/peer-p1", "beta-1/t1"}},
		{"enterprise", TrustedServerQuery{Enterprise: beta}, []string{"beta-1/peer-p1", "beta-1/t1"}},
		{"enterprise that never was", TrustedServerQuery{Enterprise: "gamma"}, nil},
		{"type", TrustedServerQuery{Type: events.TrustIM}, []string{"acme/t1", "beta-1/t1"}},
		{"type of peers", TrustedServerQuery{Type: events.TrustPeer}, []string{"acme/peer-p1", "beta-1/peer-p1"}},
		{"manual", TrustedServerQuery{Origin: "manual"}, []string{"acme/t1", "acme/t2", "beta-1/t1"}},
		{"of peers", TrustedServerQuery{Origin: "peer", Enterprise: acme}, []string{"acme/peer-p1"}},
		{"host", TrustedServerQuery{Host: "hub.example"}, []string{"acme/t1", "beta-1/t1"}},
		{"host is exact", TrustedServerQuery{Host: "hub"}, nil},
		{"description", TrustedServerQuery{Description: "ÄTNA"}, []string{"acme/t2"}},
		{"search", TrustedServerQuery{ListQuery: ListQuery{Q: "EXAMPLE"}}, []string{"acme/peer-p1", "acme/t1", "beta-1/peer-p1", "beta-1/t1"}},
		{"search is no pattern", TrustedServerQuery{ListQuery: ListQuery{Q: "%"}}, nil},
		{"search by description", TrustedServerQuery{ListQuery: ListQuery{Q: "Ä"}}, []string{"acme/t2"}},
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for _, ent := range []events.EnterpriseID{acme, beta} {
			s.registers(ent, added("p1", "Lyon"), domaintest.TrustedAdded("t1", "Hub", "hub.example", events.TrustIM))
		}
		s.happens(acme, domaintest.TrustedAdded("t2", "Ätna", "192.0.2.1", events.TrustPresence),
			domaintest.TrustedAdded("t3", "Gone", "hub.example", events.TrustIM), events.TrustedServerRemoved{TrustedServer: "t3"},
			added("p2", "Off"), events.PeerDisabled{Peer: "p2"}, added("p3", "Gone"), events.PeerDeleted{Peer: "p3"})
		for _, c := range cases {
			var got []string
			for _, e := range must(s.Directory().TrustedServers(t.Context(), c.q))(t).Items {
				got = append(got, string(e.Enterprise)+"/"+string(e.ID))
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
	})
}
