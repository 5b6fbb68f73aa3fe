package domain_test

import (
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

func TestTryPeer_needsAHostnameAndNothingElse(t *testing.T) {
	p, err := domain.TryPeer(domain.AddPeer{Hostname: domain.Give("UC1.Lyon.example.")})
	if err != nil || p.Hostname != "uc1.lyon.example" || p.Port != domain.DefaultPort || p.PeerEnterpriseID != "" || p.Type != events.PeerMiCollab {
		t.Errorf("got %+v, %v", p, err)
	}
	p, err = domain.TryPeer(domain.AddPeer{
		Type: events.PeerMiCollab, Description: "Lyon", Hostname: domain.Give("uc1.lyon.example"), Port: domain.Give(8443), PeerEnterpriseID: domain.Give("Lyon1"),
	})
	if err != nil || p.Port != 8443 || p.PeerEnterpriseID != "lyon1" || p.Description != "Lyon" {
		t.Errorf("got %+v, %v", p, err)
	}
}

// TestTryPeer_whatIsGivenObeysTheRulesOfAdding, with the same fields.
func TestTryPeer_whatIsGivenObeysTheRulesOfAdding(t *testing.T) {
	host := domain.Give("uc1.lyon.example")
	for field, c := range map[string]domain.AddPeer{
		"hostname":           {},
		"port":               {Hostname: host, Port: domain.Give(0)},
		"address":            {Hostname: host, Address: domain.Give("not a host")},
		"peer_enterprise_id": {Hostname: host, PeerEnterpriseID: domain.Give("x")},
		"dialing_prefix":     {Hostname: host, DialingPrefix: domain.Give("abc")},
		"version":            {Hostname: host, Version: domain.Give("new")},
		"description":        {Hostname: host, Description: "a_b"},
		"type":               {Hostname: host, Type: "other"},
	} {
		if p, err := domain.TryPeer(c); err == nil || err.Field != field || err.Code != domain.Invalid || p.Hostname != "" {
			t.Errorf("%s: %+v, %v", field, p, err)
		}
	}
	if _, err := domain.TryPeer(domain.AddPeer{Type: events.PeerExternal, Description: "Partner"}); err == nil || err.Field != "type" || !strings.Contains(err.Msg, "not probed") {
		t.Errorf("an external peer: %v", err)
	}
}
