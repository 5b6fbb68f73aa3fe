package domain_test

import (
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// TestFollowServer: what the peer has from the old server moves, field by field,
// and nothing else.
func TestFollowServer(t *testing.T) {
	old := domain.ServerIdentity{Hostname: "old.example", Address: "192.0.2.1", Version: "9.4"}
	next := domain.ServerIdentity{Hostname: "new.example", Address: "192.0.2.2", Version: "9.8"}
	onlyAddress, noAddress, noVersion := old, old, old
	onlyAddress.Address, noAddress.Address, noVersion.Version = next.Address, "", ""
	peer := func(hostname, address, version string) events.PeerAdded {
		p := domaintest.PeerAdded("p1", "Lyon", hostname)
		p.Address, p.Version = address, version
		return p
	}
	hostname := func(fromHost, toHost string) events.Event {
		return events.PeerHostnameChanged{
			Peer: "p1", From: "old.example", To: "new.example",
			FromPort: domain.DefaultPort, ToPort: domain.DefaultPort, FromHost: fromHost, ToHost: toHost,
		}
	}
	address := events.PeerAddressChanged{Peer: "p1", From: "192.0.2.1", To: "192.0.2.2", FromHost: "192.0.2.1", ToHost: "192.0.2.2"}
	version := events.PeerVersionEntered{Peer: "p1", From: "9.4", To: "9.8"}
	for _, tc := range []struct {
		rule     string
		peer     events.PeerAdded
		from, to domain.ServerIdentity
		want     []events.Event
	}{
		{"all of it", peer("old.example", "192.0.2.1", "9.4"), old, next, []events.Event{address, hostname("192.0.2.2", "192.0.2.2"), version}},
		{"what follows the hostname goes on doing so", peer("old.example", "", ""), old, next, []events.Event{hostname("old.example", "new.example")}},
		{"an address that was learnt is not taken over", peer("old.example", "", ""), noAddress, old, nil},
		{"a version that was learnt is not taken over", peer("old.example", "", ""), noVersion, old, nil},
		{
			"an address that is gone is not trusted any more", peer("old.example", "192.0.2.1", ""), old, noAddress,
			[]events.Event{events.PeerAddressChanged{Peer: "p1", From: "192.0.2.1", FromHost: "192.0.2.1", ToHost: "old.example"}},
		},
		{
			"a version that is not known any more is withdrawn", peer("old.example", "", "9.4"), old, noVersion,
			[]events.Event{events.PeerVersionEntered{Peer: "p1", From: "9.4"}},
		},
		{"an address by hand stays, the rest moves", peer("old.example", "192.0.2.77", "9.4"), old, next, []events.Event{hostname("192.0.2.77", "192.0.2.77"), version}},
		{"a version by hand stays, the rest moves", peer("old.example", "192.0.2.1", "9.5"), old, next, []events.Event{address, hostname("192.0.2.2", "192.0.2.2")}},
		{"a hostname that was moved by hand already", peer("new.example", "192.0.2.1", "9.4"), old, next, []events.Event{address, version}},
		{"a hostname of another server", peer("other.example", "192.0.2.1", "9.4"), old, next, nil},
		{"what did not change stays", peer("old.example", "192.0.2.1", "9.4"), old, onlyAddress, []events.Event{address}},
		{"what is so already", peer("new.example", "192.0.2.2", "9.8"), old, next, nil},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			given(tc.peer).When(domain.FollowServer{Peer: "p1", PeerEnterpriseID: "p1-ent", From: tc.from, To: tc.to}).Then(t, tc.want...)
		})
	}
	cmd := domain.FollowServer{Peer: "p1", PeerEnterpriseID: "p1-ent", From: old, To: next}
	disabled := given(peer("old.example", "", ""), events.PeerDisabled{Peer: "p1"})
	disabled.When(cmd).Then(t, hostname("old.example", "new.example"))
	given(domaintest.ExternalAdded("p1", "Jabber")).When(cmd).Then(t)
	cmd.PeerEnterpriseID = "another"
	given(peer("old.example", "192.0.2.1", "9.4")).When(cmd).Then(t)
}

// TestFollowServer_allOrNothing: a hostname that is taken leaves the address as
// it is, so that row and trusted-server entry go on speaking of one server.
func TestFollowServer_allOrNothing(t *testing.T) {
	moving := domaintest.PeerAdded("p1", "Lyon", "old.example")
	moving.Address = "192.0.2.1"
	taken := domaintest.PeerAdded("p2", "Oslo", "new.example")
	taken.PeerEnterpriseID = moving.PeerEnterpriseID
	given(moving, taken).When(domain.FollowServer{
		Peer: "p1", PeerEnterpriseID: "p1-ent",
		From: domain.ServerIdentity{Hostname: "old.example", Address: "192.0.2.1"},
		To:   domain.ServerIdentity{Hostname: "new.example", Address: "192.0.2.2"},
	}).ThenRefused(t, domain.Exists, "hostname", "Oslo")
}
