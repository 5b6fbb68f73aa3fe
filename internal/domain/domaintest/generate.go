package domaintest

import (
	"strconv"
	"time"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// Commands draws commands to one enterprise from small sets of values, so that
// they meet, repeat and contradict each other, with values among them that the
// rules refuse. They act on the peers p0 to p6 and the manual trusted servers t0
// to t3 that a History adds.
func Commands() *rapid.Generator[domain.Command] {
	return rapid.Custom(func(t *rapid.T) domain.Command {
		switch n := dice(t, 22); {
		case n < 11:
			return ofPeer(t)
		case n < 15:
			return addPeer(t)
		case n < 17:
			return domain.AddTrustedServer{Description: draw(t, descriptions()), Host: draw(t, hosts()), Type: draw(t, trustTypes())}
		case n < 19:
			return ofTrustedServer(t)
		case n < 20:
			return putPeer(t)
		case n < 21:
			return domain.ChangePeers{Atomic: dice(t, 2) == 0, Operations: draw(t, Operations())}
		}
		return ofEnterprise(t)
	})
}

// dice draws one of n numbers about evenly. rapid's own ranges prefer small
// numbers, with which a history hardly gets beyond its first peer; here they are
// spread, and nought stays nought, so that examples still shrink.
func dice(t *rapid.T, n int) int {
	const golden = 0x9e3779b97f4a7c15
	return int(rapid.Uint64().Draw(t, "dice") * golden >> 32 % uint64(n))
}

func draw[T any](t *rapid.T, g *rapid.Generator[T]) T { return g.Draw(t, "value") }

func oneOf[T any](values ...T) *rapid.Generator[T] {
	return rapid.Custom(func(t *rapid.T) T { return values[dice(t, len(values))] })
}

// mostly draws a value that the rules allow, and sometimes one that they do not.
func mostly[T any](allowed, refused *rapid.Generator[T]) *rapid.Generator[T] {
	return rapid.Custom(func(t *rapid.T) T {
		if dice(t, 24) == 0 {
			return draw(t, refused)
		}
		return draw(t, allowed)
	})
}

func descriptions() *rapid.Generator[string] {
	return mostly(oneOf("Boston", "boston", "Lyon", "Turin", "Oslo West", "Kyoto-2", "Lima", "Quito", "Accra", "Hanoi", "accra"), oneOf(" ", "", "a|b", "Zürich", "bad\x00one"))
}

func hostnames() *rapid.Generator[string] {
	return mostly(oneOf("pbx1.example", "PBX1.example.", "pbx2.example", "mas.acme.example", "bücher.example", "pbx3.example"), oneOf("nodots", "", "10.0.0.1", "a..b"))
}

func hosts() *rapid.Generator[string] {
	return mostly(oneOf("192.0.2.1", "::ffff:192.0.2.1", "2001:DB8::1", "pbx1.example", "pbx2.example", "edge.example"), oneOf("fe80::1%eth0", "0.0.0.0", ""))
}

func enterpriseIDs() *rapid.Generator[string] {
	return mostly(oneOf("beta-1", "Beta-1", "gamma", "delta", "acme", "ACME"), oneOf("abc", "a.b.c", ""))
}

func versions() *rapid.Generator[string] {
	return mostly(oneOf("9.4", "9.10", "9.3.1.7"), oneOf("nine", ""))
}

func prefixes() *rapid.Generator[string] { return mostly(oneOf("9", "", "*7#"), oneOf("12a", "+49")) }

// field draws a value that is left out, null or given.
func field[T any](t *rapid.T, values *rapid.Generator[T]) domain.Field[T] {
	switch n := dice(t, 8); {
	case n < 3:
		return domain.Field[T]{}
	case n < 4:
		return domain.Withdraw[T]()
	}
	return domain.Give(draw(t, values))
}

// rarely draws a field that is nearly always left out.
func rarely[T any](t *rapid.T, values *rapid.Generator[T]) domain.Field[T] {
	if dice(t, 4) > 0 {
		return domain.Field[T]{}
	}
	return field(t, values)
}

func peerID(t *rapid.T) events.PeerID { return events.PeerID("p" + strconv.Itoa(dice(t, 7))) }

func trustedServerID(t *rapid.T) events.TrustedServerID {
	if dice(t, 2) == 0 {
		return events.TrustedServerOfPeer(peerID(t))
	}
	return events.TrustedServerID("t" + strconv.Itoa(dice(t, 4)))
}

func trustTypes() *rapid.Generator[events.TrustType] {
	return mostly(oneOf(events.TrustPresence, events.TrustIM, events.TrustPeer), oneOf[events.TrustType]("all", ""))
}

func deployments() *rapid.Generator[events.Deployment] {
	return mostly(oneOf(events.DeploymentStandard), oneOf(events.DeploymentMiCloudGCP, "cloud"))
}

func addPeer(t *rapid.T) domain.AddPeer {
	if dice(t, 6) == 0 {
		return domain.AddPeer{Type: events.PeerExternal, Description: draw(t, descriptions())}
	}
	return domain.AddPeer{
		Type:             events.PeerMiCollab,
		Description:      draw(t, descriptions()),
		Hostname:         domain.Give(draw(t, hostnames())),
		PeerEnterpriseID: domain.Give(draw(t, enterpriseIDs())),
		Address:          field(t, hosts()),
		DialingPrefix:    rarely(t, prefixes()),
		Version:          rarely(t, versions()),
	}
}

func editPeer(t *rapid.T, peer events.PeerID) domain.EditPeer {
	return domain.EditPeer{
		Peer: peer, Description: rarely(t, descriptions()),
		Hostname: field(t, hostnames()), Port: rarely(t, oneOf(443, 8443, 0)),
		Address: field(t, hosts()), PeerEnterpriseID: rarely(t, enterpriseIDs()),
		Enabled: rarely(t, oneOf(true, false)),
	}
}

func ofPeer(t *rapid.T) domain.Command {
	peer := peerID(t)
	switch dice(t, 18) {
	case 0, 1:
		return editPeer(t, peer)
	case 2:
		return domain.RenamePeer{Peer: peer, Description: draw(t, descriptions())}
	case 3, 4:
		return domain.ChangePeerAddress{Peer: peer, Address: field(t, hosts()), Expect: rarely(t, hosts())}
	case 5:
		return domain.ChangePeerHostname{Peer: peer, Hostname: draw(t, hostnames()), Expect: rarely(t, hostnames())}
	case 6:
		return domain.ChangePeerEnterprise{Peer: peer, PeerEnterpriseID: draw(t, enterpriseIDs())}
	case 7:
		return domain.ChangePeerDialingPrefix{Peer: peer, DialingPrefix: field(t, prefixes())}
	case 8:
		return domain.EnterPeerVersion{Peer: peer, Version: field(t, versions())}
	case 9, 10:
		return domain.EnablePeer{Peer: peer}
	case 11, 12:
		return domain.DisablePeer{Peer: peer}
	case 13:
		return domain.DeletePeer{Peer: peer}
	}
	return announce(t, peer)
}

func announce(t *rapid.T, peer events.PeerID) domain.Command {
	switch dice(t, 5) {
	case 4:
		return domain.FollowServer{
			Peer: peer, PeerEnterpriseID: draw(t, oneOf[events.EnterpriseID]("beta-1", "gamma")),
			From: serverIdentity(t), To: serverIdentity(t),
		}
	case 0:
		return domain.AcknowledgePeerNotice{Peer: peer}
	case 1:
		return domain.CancelMaintenance{Peer: peer}
	case 2:
		start := Start().Add(time.Duration(dice(t, 8)-3) * time.Hour)
		return domain.ScheduleMaintenance{Peer: peer, Start: start, End: start.Add(time.Duration(dice(t, 6)) * time.Hour), Note: "move"}
	}
	return domain.RaisePeerNotice{Peer: peer, Changes: []events.NoticeChange{{
		Field: draw(t, oneOf(events.NoticeHostname, events.NoticeAddress, events.NoticeVersion)),
		From:  draw(t, oneOf("a.example", "b.example")),
		To:    draw(t, oneOf("a.example", "b.example", "c.example")),
	}}}
}

func serverIdentity(t *rapid.T) domain.ServerIdentity {
	return domain.ServerIdentity{
		Hostname: draw(t, oneOf("pbx1.example", "pbx2.example", "pbx3.example")),
		Address:  draw(t, oneOf("192.0.2.1", "edge.example", "")),
		Version:  draw(t, oneOf("9.4", "9.10", "")),
	}
}

func ofTrustedServer(t *rapid.T) domain.Command {
	id := trustedServerID(t)
	switch dice(t, 6) {
	case 0, 1:
		return domain.RenameTrustedServer{TrustedServer: id, Description: draw(t, descriptions())}
	case 2, 3:
		return domain.ChangeTrustedServer{TrustedServer: id, Host: field(t, hosts()), Type: field(t, trustTypes())}
	case 4:
		return domain.EditTrustedServer{TrustedServer: id, Description: field(t, descriptions()), Host: field(t, hosts())}
	}
	return domain.RemoveTrustedServer{TrustedServer: id}
}

func ofEnterprise(t *rapid.T) domain.Command {
	switch dice(t, 9) {
	case 0, 1:
		return domain.RegisterEnterprise{
			ID: string(Enterprise), Description: "Acme", Domain: "acme.example",
			Server: domain.Server{Hostname: "mas.acme.example", Deployment: draw(t, deployments())},
		}
	case 2, 3:
		return domain.EditEnterprise{Description: field(t, descriptions()), Domain: field(t, hostnames())}
	case 4, 5, 6, 7:
		return domain.ChangeEnterpriseServer{
			Hostname: field(t, hostnames()), Address: field(t, hosts()),
			Version: field(t, versions()), Deployment: rarely(t, deployments()),
		}
	}
	return domain.RemoveEnterprise{}
}
