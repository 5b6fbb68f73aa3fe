package events

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestChanges_noEventIsForgotten: every registered event replaced something.
func TestChanges_noEventIsForgotten(t *testing.T) {
	for _, name := range Default().Types() {
		e, ok := samples()[name]
		if !ok {
			t.Fatalf("there is no sample of %s", name)
		}
		list := Changes(e)
		if len(list) == 0 {
			t.Errorf("%s changed nothing", name)
		}
		for _, c := range list {
			if c.Field == "" || cmp.Equal(c.Before, c.After) {
				t.Errorf("%s: %+v is no change", name, c)
			}
		}
	}
}

func TestChanges_tellWhatWasAndWhatIs(t *testing.T) {
	for _, c := range []struct {
		event Event
		want  []Change
	}{
		{PeerRenamed{From: "Lyon", To: "Lyon 2"}, []Change{{"description", "Lyon", "Lyon 2"}}},
		{
			PeerAddressChanged{From: "", To: "192.0.2.9", FromHost: "uc.lyon.example", ToHost: "192.0.2.9"},
			[]Change{{"address", nil, "192.0.2.9"}, {"host", "uc.lyon.example", "192.0.2.9"}},
		},
		{
			PeerHostnameChanged{From: "a.example", To: "a.example", FromPort: 443, ToPort: 8443, FromHost: "a.example", ToHost: "a.example"},
			[]Change{{"port", 443, 8443}},
		},
		{PeerDisabled{}, []Change{{"enabled", true, false}}},
		{
			PeerAdded{PeerType: PeerExternal, Description: "XMPP"},
			[]Change{{"type", nil, "external"}, {"description", nil, "XMPP"}},
		},
		{
			TrustedServerRemoved{Description: "Gateway", Host: "192.0.2.1", TrustType: TrustIM},
			[]Change{{"description", "Gateway", nil}, {"host", "192.0.2.1", nil}, {"type", "im", nil}},
		},
		{
			EnterpriseServerChanged{From: Server{Hostname: "a.example", Version: "9.7"}, To: Server{Hostname: "a.example", Version: "9.8"}},
			[]Change{{"server.version", "9.7", "9.8"}},
		},
		{
			PeerStatusChanged{From: StatusDown, To: StatusDown, Cause: Cause{Layer: "tls", Code: "expired", Message: "It has ended."}},
			[]Change{{"status_cause.code", nil, "expired"}, {"status_cause.message", nil, "It has ended."}},
		},
		{PeerStatusChanged{From: StatusDown, To: StatusUp}, []Change{{"status", "down", "up"}}},
	} {
		if diff := cmp.Diff(c.want, Changes(c.event)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.event.Type(), diff)
		}
	}
}
