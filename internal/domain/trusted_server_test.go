package domain_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// gateway is a manual entry.
func gateway() events.TrustedServerAdded {
	return trustedAdded("t1", "Gateway", "192.0.2.30", events.TrustPresence)
}

func TestAddTrustedServer_acceptedForms(t *testing.T) {
	for _, tc := range []struct {
		rule       string
		host, want string
		typ        events.TrustType
	}{
		{"an IPv4 address", "192.0.2.30", "192.0.2.30", events.TrustPresence},
		{"an IPv6 address in its canonical form", "2001:DB8:0::1", "2001:db8::1", events.TrustIM},
		{"a mapped address is IPv4", "::ffff:192.0.2.30", "192.0.2.30", events.TrustPeer},
		{"an FQDN in lower case", "Edge.Example.", "edge.example", events.TrustPresence},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			d := given().When(domain.AddTrustedServer{Description: "Gateway", Host: tc.host, Type: tc.typ}).
				Then(t, trustedAdded(domaintest.NewID, "Gateway", tc.want, tc.typ))
			if d.ID != domaintest.NewID {
				t.Errorf("the resource is %q", d.ID)
			}
		})
	}
}

func TestAddTrustedServer_rules(t *testing.T) {
	for _, tc := range []struct {
		rule                    string
		description, host, typ_ string
		code                    domain.Code
		field, words            string
	}{
		{"the description is required", "", "192.0.2.1", "im", domain.Invalid, "description", "required"},
		{"the description has at most 64 characters", strings.Repeat("x", 65), "192.0.2.1", "im", domain.Invalid, "description", "64"},
		{"the description has a peer's characters", "a|b", "192.0.2.1", "im", domain.Invalid, "description", "letters"},
		{"the description is not only spaces", "  ", "192.0.2.1", "im", domain.Invalid, "description", "spaces"},
		{"the description is unique among manual entries without regard to case", "GATEWAY", "192.0.2.1", "im", domain.Exists, "description", "t1"},
		{"the host is required", "x", "", "im", domain.Invalid, "host", "the host is required"},
		{"the host is an IP address or FQDN", "x", "not a host", "im", domain.Invalid, "host", "IP address or a host name"},
		{"the host is fully qualified", "x", "edge", "im", domain.Invalid, "host", "fully qualified"},
		{"the host has no zone", "x", "fe80::1%eth0", "im", domain.Invalid, "host", "zone"},
		{"the host is not unspecified", "x", "::", "im", domain.Invalid, "host", "unspecified"},
		{"the host is not multicast", "x", "224.0.0.1", "im", domain.Invalid, "host", "multicast"},
		{"the host is no network", "x", "192.0.2.0/24", "im", domain.Invalid, "host", "host name"},
		{"the type is required", "x", "192.0.2.1", "", domain.Invalid, "type", "presence, im or peer"},
		{"the type is one of three", "x", "192.0.2.1", "all", domain.Invalid, "type", "presence, im or peer"},
		{"host and type together are unique", "x", "::ffff:192.0.2.30", "presence", domain.Exists, "host", "Gateway"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			given(gateway()).When(domain.AddTrustedServer{Description: tc.description, Host: tc.host, Type: events.TrustType(tc.typ_)}).
				ThenRefused(t, tc.code, tc.field, tc.words)
		})
	}
	t.Run("the same host with another type is another entry", func(t *testing.T) {
		given(gateway()).When(domain.AddTrustedServer{Description: "Gateway IM", Host: "192.0.2.30", Type: events.TrustIM}).
			Then(t, trustedAdded(domaintest.NewID, "Gateway IM", "192.0.2.30", events.TrustIM))
	})
	t.Run("what a removed entry had is free", func(t *testing.T) {
		given(gateway(), events.TrustedServerRemoved{TrustedServer: "t1"}).
			When(domain.AddTrustedServer{Description: "Gateway", Host: "192.0.2.30", Type: events.TrustPresence}).
			Then(t, trustedAdded(domaintest.NewID, "Gateway", "192.0.2.30", events.TrustPresence))
	})
	t.Run("an id is not used twice, nor one that looks like a peer's", func(t *testing.T) {
		add := domain.AddTrustedServer{Description: "x", Host: "192.0.2.1", Type: events.TrustIM}
		given(gateway()).WithNewID("t1").When(add).ThenRefused(t, domain.Exists, "", "t1")
		given(gateway(), events.TrustedServerRemoved{TrustedServer: "t1"}).WithNewID("t1").When(add).ThenRefused(t, domain.Exists, "", "t1")
		given().WithNewID("peer-p1").When(add).ThenRefused(t, domain.Exists, "", "peer-p1")
		given().WithNewID("").When(add).ThenRefused(t, domain.Invalid, "", "id")
		given().IfRevision(1).When(add).ThenRefused(t, domain.Stale, "", "added")
	})
}

// What a peer's entry is called and where it points comes from the peer by
// itself: it may coincide with a manual entry, in either order (ADR 0002).
func TestTrustedServer_isUniqueAmongManualEntriesOnly(t *testing.T) {
	given(lyon()).When(domain.AddTrustedServer{Description: "LYON", Host: "pbx.lyon.example", Type: events.TrustPeer}).
		Then(t, trustedAdded(domaintest.NewID, "LYON", "pbx.lyon.example", events.TrustPeer))
	given(lyon(), gateway()).When(domain.RenameTrustedServer{TrustedServer: "t1", Description: "lyon"}).
		Then(t, events.TrustedServerRenamed{TrustedServer: "t1", From: "Gateway", To: "lyon"})
	given(lyon(), gateway()).When(domain.RenameTrustedServer{TrustedServer: "peer-p1", Description: "Gateway"}).
		Then(t, events.TrustedServerRenamed{TrustedServer: "peer-p1", Peer: "p1", From: "Lyon", To: "Gateway"})
	given(gateway()).When(boston(func(c *domain.AddPeer) { c.Description = "Gateway" })).
		Then(t, bostonAdded(func(ev *events.PeerAdded) { ev.Description = "Gateway" }))
	given(lyon(), gateway()).When(domain.RenamePeer{Peer: "p1", Description: "Gateway"}).
		Then(t, events.PeerRenamed{Peer: "p1", From: "Lyon", To: "Gateway"})
}

func TestEditTrustedServer_manualEntry(t *testing.T) {
	renamed := events.TrustedServerRenamed{TrustedServer: "t1", From: "Gateway", To: "Edge"}
	moved := events.TrustedServerChanged{TrustedServer: "t1", FromHost: "192.0.2.30", ToHost: "192.0.2.31", FromType: events.TrustPresence, ToType: events.TrustIM}
	given(gateway()).When(domain.RenameTrustedServer{TrustedServer: "t1", Description: "Edge"}).Then(t, renamed)
	given(gateway()).When(domain.ChangeTrustedServer{TrustedServer: "t1", Host: domain.Give("192.0.2.31"), Type: domain.Give(events.TrustIM)}).Then(t, moved)
	given(gateway()).When(domain.EditTrustedServer{
		TrustedServer: "t1", Description: domain.Give("Edge"), Host: domain.Give("192.0.2.31"), Type: domain.Give(events.TrustIM),
	}).Then(t, renamed, moved)
	given(gateway()).When(domain.EditTrustedServer{TrustedServer: "t1", Description: domain.Give("Gateway"), Host: domain.Give("192.0.2.30")}).Then(t)
	given(gateway()).When(domain.RemoveTrustedServer{TrustedServer: "t1"}).
		Then(t, events.TrustedServerRemoved{TrustedServer: "t1", Description: "Gateway", Host: "192.0.2.30", TrustType: events.TrustPresence})

	second := trustedAdded("t2", "Edge", "192.0.2.30", events.TrustIM)
	given(gateway(), second).When(domain.RenameTrustedServer{TrustedServer: "t1", Description: "EDGE"}).ThenRefused(t, domain.Exists, "description", "t2")
	given(gateway(), second).When(domain.ChangeTrustedServer{TrustedServer: "t1", Type: domain.Give(events.TrustIM)}).ThenRefused(t, domain.Exists, "type", "Edge")
	given(gateway()).When(domain.ChangeTrustedServer{TrustedServer: "t1", Host: domain.Withdraw[string]()}).ThenRefused(t, domain.Invalid, "host", "required")
	given(gateway()).When(domain.ChangeTrustedServer{TrustedServer: "t1", Type: domain.Withdraw[events.TrustType]()}).ThenRefused(t, domain.Invalid, "type")
	given(gateway()).When(domain.EditTrustedServer{TrustedServer: "t1", Description: domain.Withdraw[string]()}).ThenRefused(t, domain.Invalid, "description", "required")
	given(gateway()).IfRevision(1).When(domain.RemoveTrustedServer{TrustedServer: "t1"}).ThenRefused(t, domain.Stale, "", "2")
	given(gateway()).IfRevision(2).When(domain.RenameTrustedServer{TrustedServer: "t1", Description: "Edge"}).Then(t, renamed)
}

func TestRemoveTrustedServer_warnsOfOtherEntriesWithItsHost(t *testing.T) {
	p := lyon()
	p.Address = "192.0.2.30"
	for _, cmd := range []domain.Command{
		domain.RemoveTrustedServer{TrustedServer: "t1"},
		domain.ChangeTrustedServer{TrustedServer: "t1", Host: domain.Give("192.0.2.31")},
	} {
		d, err := domain.Decide(given(gateway(), p).State(t), cmd, domain.Input{})
		if err != nil || len(d.Warnings) != 1 || d.Warnings[0].Peer != "p1" || d.Warnings[0].TrustedServer != "peer-p1" {
			t.Errorf("%s: %+v, %v", cmd.Name(), d.Warnings, err)
		}
	}
}

func TestTrustedServer_unknownAndGone(t *testing.T) {
	cmd := domain.RemoveTrustedServer{TrustedServer: "t1"}
	given().When(cmd).ThenRefused(t, domain.NotFound, "trusted_server", "t1")
	given().When(domain.RemoveTrustedServer{TrustedServer: "t 1"}).ThenRefused(t, domain.Invalid, "trusted_server", "letters")
	given().When(domain.RemoveTrustedServer{TrustedServer: "peer-p1"}).ThenRefused(t, domain.NotFound, "trusted_server", "peer-p1")
	given(domaintest.ExternalAdded("p1", "Jabber")).When(domain.RemoveTrustedServer{TrustedServer: "peer-p1"}).
		ThenRefused(t, domain.NotFound, "trusted_server", "no trusted server")
	refusal := given(gateway(), events.TrustedServerRemoved{TrustedServer: "t1"}).When(cmd).ThenRefused(t, domain.Gone, "trusted_server", "t1", domaintest.Actor)
	if refusal.Gone == nil || refusal.Gone.Seq != 3 {
		t.Errorf("the story is %+v", refusal.Gone)
	}
	refusal = given(lyon(), events.PeerDeleted{Peer: "p1"}).When(domain.RemoveTrustedServer{TrustedServer: "peer-p1"}).
		ThenRefused(t, domain.Gone, "trusted_server", "peer", domaintest.Actor)
	if refusal.Gone == nil || refusal.Gone.Seq != 3 {
		t.Errorf("the story is %+v", refusal.Gone)
	}
}

func TestPeersEntry_followsItsPeer(t *testing.T) {
	for _, tc := range []struct {
		cmd   domain.Command
		field string
	}{
		{domain.ChangeTrustedServer{TrustedServer: "peer-p1", Host: domain.Give("192.0.2.9")}, "host"},
		{domain.EditTrustedServer{TrustedServer: "peer-p1", Description: domain.Give("x"), Host: domain.Give("192.0.2.9")}, "host"},
		{domain.ChangeTrustedServer{TrustedServer: "peer-p1", Type: domain.Give(events.TrustIM)}, "type"},
		{domain.ChangeTrustedServer{TrustedServer: "peer-p1", Host: domain.Give("not valid!")}, "host"},
		{domain.ChangeTrustedServer{TrustedServer: "peer-p1", Host: domain.Give("")}, "host"},
		{domain.ChangeTrustedServer{TrustedServer: "peer-p1", Host: domain.Withdraw[string]()}, "host"},
		{domain.ChangeTrustedServer{TrustedServer: "peer-p1", Type: domain.Give(events.TrustType("all"))}, "type"},
		{domain.ChangeTrustedServer{TrustedServer: "peer-p1", Type: domain.Withdraw[events.TrustType]()}, "type"},
		{domain.EditTrustedServer{TrustedServer: "peer-p1", Description: domain.Give("a|b"), Host: domain.Give("not valid!")}, "host"},
		{domain.RemoveTrustedServer{TrustedServer: "peer-p1"}, "trusted_server"},
	} {
		if refusal := given(lyon()).When(tc.cmd).ThenRefused(t, domain.FollowsPeer, tc.field, "p1"); refusal.Peer != "p1" {
			t.Errorf("%s sends to peer %q, want p1", tc.cmd.Name(), refusal.Peer)
		}
	}
	renamed := events.TrustedServerRenamed{TrustedServer: "peer-p1", Peer: "p1", From: "Lyon", To: "Branch"}
	given(lyon()).When(domain.RenameTrustedServer{TrustedServer: "peer-p1", Description: "Branch"}).Then(t, renamed)
	given(lyon()).When(domain.EditTrustedServer{
		TrustedServer: "peer-p1", Host: domain.Give("PBX.lyon.example"), Type: domain.Give(events.TrustPeer), Description: domain.Give("Branch"),
	}).Then(t, renamed)
	given(lyon()).When(domain.RenameTrustedServer{TrustedServer: "peer-p1", Description: "a|b"}).ThenRefused(t, domain.Invalid, "description", "letters")
	given(lyon()).IfRevision(1).When(domain.RenameTrustedServer{TrustedServer: "peer-p1", Description: "Branch"}).ThenRefused(t, domain.Stale, "", "2")
	withdrawn := given(lyon(), events.PeerDisabled{Peer: "p1"}).When(domain.RenameTrustedServer{TrustedServer: "peer-p1", Description: "Branch"}).
		ThenRefused(t, domain.NotFound, "trusted_server", "disabled")
	if withdrawn.Peer != "p1" {
		t.Errorf("sends to peer %q, want p1", withdrawn.Peer)
	}
}

func TestPeersEntry_throughThePeersLife(t *testing.T) {
	entry := func(history ...events.Event) []domain.TrustedServer {
		list := given(append([]events.Event{lyon()}, history...)...).State(t).TrustedServers()
		for i := range list {
			list[i].Changed = domain.Stamp{Seq: list[i].Changed.Seq}
		}
		return list
	}
	is := func(description, host string, seq events.Seq) []domain.TrustedServer {
		return []domain.TrustedServer{{ID: "peer-p1", Description: description, Host: host, Type: events.TrustPeer, Peer: "p1", Changed: domain.Stamp{Seq: seq}}}
	}
	disabled, enabled := events.PeerDisabled{Peer: "p1"}, events.PeerEnabled{Peer: "p1"}
	renamed := events.TrustedServerRenamed{TrustedServer: "peer-p1", Peer: "p1", From: "Lyon", To: "Branch"}
	moved := events.PeerAddressChanged{Peer: "p1", To: "192.0.2.9", FromHost: "pbx.lyon.example", ToHost: "192.0.2.9"}
	for _, tc := range []struct {
		rule    string
		history []events.Event
		want    []domain.TrustedServer
	}{
		{"it comes with the peer, and with its description", nil, is("Lyon", "pbx.lyon.example", 2)},
		{"its host follows the peer's address", []events.Event{moved}, is("Lyon", "192.0.2.9", 3)},
		{"a renamed peer leaves its description alone", []events.Event{events.PeerRenamed{Peer: "p1", From: "Lyon", To: "X"}}, is("Lyon", "pbx.lyon.example", 2)},
		{"it can be renamed by hand", []events.Event{renamed}, is("Branch", "pbx.lyon.example", 3)},
		{"disabling withdraws it", []events.Event{disabled}, []domain.TrustedServer{}},
		{"enabling restores it with its description", []events.Event{renamed, disabled, enabled}, is("Branch", "pbx.lyon.example", 5)},
		{"what the peer did meanwhile holds", []events.Event{disabled, moved, enabled}, is("Lyon", "192.0.2.9", 5)},
		{"deleting removes it", []events.Event{events.PeerDeleted{Peer: "p1"}}, []domain.TrustedServer{}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, entry(tc.history...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if list := given(domaintest.ExternalAdded("p1", "Jabber")).State(t).TrustedServers(); len(list) != 0 {
		t.Errorf("an external peer brought %v", list)
	}
}
