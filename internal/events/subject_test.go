package events

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSubject_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ent, err := ParseEnterpriseID(rapid.StringMatching(`[A-Za-z0-9-]{4,32}`).Draw(t, "enterprise"))
		if err != nil {
			t.Fatal(err)
		}
		peer, err := ParsePeerID(rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "peer"))
		if err != nil {
			t.Fatal(err)
		}
		if e, p, ok := ParseSubject(string(ConfigSubject(ent))); !ok || e != ent || p != "" {
			t.Fatalf("config of %q: got %q, %q, %v", ent, e, p, ok)
		}
		if e, p, ok := ParseSubject(string(StatusSubject(ent, peer))); !ok || e != ent || p != peer {
			t.Fatalf("status of %q, %q: got %q, %q, %v", ent, peer, e, p, ok)
		}
		prefix := strings.TrimSuffix(EnterpriseFilter(ent), ">")
		if !strings.HasPrefix(string(ConfigSubject(ent)), prefix) || !strings.HasPrefix(string(StatusSubject(ent, peer)), prefix) {
			t.Fatalf("the filter %q does not match the subjects of %q", EnterpriseFilter(ent), ent)
		}
	})
}

func TestParseSubject_onlyWhatCouldHaveBeenBuilt(t *testing.T) {
	tests := []struct {
		subject string
		charged EnterpriseID // whom the trouble is charged to
	}{
		{"", ""},
		{"peering.events", ""},
		{"peering.commands.acme.config", ""},
		{"PEERING.EVENTS.acme.config", ""},
		{"peering.events.", ""},
		{"peering.events.acme", "acme"},
		{"peering.events.acme.", "acme"},
		{"peering.events.acme.Config", "acme"},
		{"peering.events.acme.config.", "acme"},
		{"peering.events.acme.config.p1", "acme"},
		{"peering.events.acme.status", "acme"},
		{"peering.events.acme.status.", "acme"},
		{"peering.events.acme.status.p1.x", "acme"},
		{"peering.events.acme.status.p 1", "acme"},
		{"peering.events.acme.status.*", "acme"},
		{"peering.events.acme.>", "acme"},
		{"peering.events.ACME.config", "ACME"},
		{"peering.events.abc.config", "abc"},
		{"peering.events.*.config", "*"},
		{"peering.events..config", ""},
	}
	for _, tt := range tests {
		ent, _, ok := ParseSubject(tt.subject)
		if ok || ent != tt.charged {
			t.Errorf("%q: got %q, %v, want a refusal charged to %q", tt.subject, ent, ok, tt.charged)
		}
	}
}
