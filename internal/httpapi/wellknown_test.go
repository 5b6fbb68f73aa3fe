package httpapi

import (
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/events"
)

func TestWellKnown_namesWhatIsPublishedAndExists(t *testing.T) {
	s := newStack(t)
	s.acme()
	s.write(201, "POST", enterprisesURL, `{"id":"hidden","description":"x","domain":"x.example","server":{"hostname":"uc.x.example"}}`)
	s.settle()
	s.http = newAPI(t, nil, nil, func(o *Options) {
		o.Backends, o.Published, o.Version = s.backends, []events.EnterpriseID{"acme", "nobody"}, "1.2.3"
	})
	if _, _, err := s.tokens.Create(t.Context(), access.Loopback(), access.Grant{Role: access.Admin}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", wellKnownPath, nil) // from elsewhere, without a token
	r.RemoteAddr = "192.0.2.77:4711"
	a := send(s.http, r)
	got := into[WellKnown](t, a)
	if a.Code != 200 || got.Product != "peering" || got.Version != "1.2.3" || !slices.Equal(got.Enterprises, []events.EnterpriseID{"acme"}) {
		t.Errorf("status %d, %+v", a.Code, got)
	}
}
