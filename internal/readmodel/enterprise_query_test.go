package readmodel

import (
	"slices"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

func TestEnterprises_search(t *testing.T) {
	cases := []struct {
		q    string
		want []events.EnterpriseID
	}{
		{"", []events.EnterpriseID{"acme", "beta-1", "gamma"}},
		{"BETA", []events.EnterpriseID{"beta-1"}},
		{"ätna", []events.EnterpriseID{"gamma"}},
		{"gamma.EXAMPLE", []events.EnterpriseID{"gamma"}},
		{"uc.acme", []events.EnterpriseID{"acme"}},
		{"192.0.2", []events.EnterpriseID{"acme"}},
		{"%", nil},
		{"_", nil},
		{"nobody", nil},
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		e := registered(acme)
		e.Server.Address = "192.0.2.1"
		s.happens(acme, e)
		s.registers(beta)
		s.registers("gamma", events.EnterpriseDescribed{To: "Ätna"})
		s.registers("delta", events.EnterpriseRemoved{})
		for _, c := range cases {
			var got []events.EnterpriseID
			for _, e := range must(s.Directory().Enterprises(t.Context(), EnterpriseQuery{ListQuery: ListQuery{Q: c.q}}))(t).Items {
				got = append(got, e.ID)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q: got %q, want %q", c.q, got, c.want)
			}
		}
	})
}
