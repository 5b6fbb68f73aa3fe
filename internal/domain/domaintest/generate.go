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
// rules refuse. They act on the peers p0 to p9 and the manual trusted servers t0
// to t4 that a History adds.
func Commands() *rapid.Generator[domain.Command] {
	return rapid.OneOf(
		ofPeer(), ofPeer(), ofPeer(),
		add(), add(),
		ofTrustedServer(),
		ofEnterprise(),
	)
}

// values
func oneOf[T any](values ...T) *rapid.Generator[T] { return rapid.SampledFrom(values) }

func descriptions() *rapid.Generator[string] {
	return oneOf("Boston", "boston", "Lyon", "Turin", "Oslo West", "Kyoto-2", " ", "", "a|b", "Zürich", "bad\x00one")
}

func hostnames() *rapid.Generator[string] {
	return oneOf("pbx1.example", "PBX1.example.", "pbx2.example", "mas.acme.example", "bücher.example", "pbx3.example", "nodots", "", "10.0.0.1", "a..b")
}

func hosts() *rapid.Generator[string] {
	return oneOf("192.0.2.1", "::ffff:192.0.2.1", "2001:DB8::1", "pbx1.example", "pbx2.example", "edge.example", "fe80::1%eth0", "0.0.0.0", "")
}

func enterpriseIDs() *rapid.Generator[string] {
	return oneOf("acme", "ACME", "beta-1", "Beta-1", "gamma", "abc", "a.b.c", "")
}

func versions() *rapid.Generator[string] {
	return oneOf("9.4", "9.10", "9.3.1.7", "nine", "")
}

func prefixes() *rapid.Generator[string] { return oneOf("", "9", "*7#", "12a") }

// field draws a value that is left out, null or given.
func field[T any](values *rapid.Generator[T]) *rapid.Generator[domain.Field[T]] {
	return rapid.Custom(func(t *rapid.T) domain.Field[T] {
		switch rapid.IntRange(0, 5).Draw(t, "presence") {
		case 0, 1:
			return domain.Field[T]{}
		case 2:
			return domain.Withdraw[T]()
		}
		return domain.Give(values.Draw(t, "value"))
	})
}

func peerIDs() *rapid.Generator[events.PeerID] {
	return rapid.Map(rapid.IntRange(0, 9), func(i int) events.PeerID { return events.PeerID("p" + strconv.Itoa(i)) })
}

func trustedServerIDs() *rapid.Generator[events.TrustedServerID] {
	return rapid.Custom(func(t *rapid.T) events.TrustedServerID {
		if rapid.Bool().Draw(t, "derived") {
			return events.TrustedServerOfPeer(peerIDs().Draw(t, "peer"))
		}
		return events.TrustedServerID("t" + strconv.Itoa(rapid.IntRange(0, 4).Draw(t, "manual")))
	})
}

func trustTypes() *rapid.Generator[events.TrustType] {
	return oneOf(events.TrustPresence, events.TrustIM, events.TrustPeer, "all")
}

func deployments() *rapid.Generator[events.Deployment] {
	return oneOf(events.DeploymentStandard, events.DeploymentStandard, events.DeploymentMiCloudGCP, "cloud")
}

// commands

func add() *rapid.Generator[domain.Command] {
	return rapid.Custom(func(t *rapid.T) domain.Command {
		if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
			return domain.AddTrustedServer{
				Description: descriptions().Draw(t, "description"),
				Host:        hosts().Draw(t, "host"),
				Type:        trustTypes().Draw(t, "type"),
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "external") == 0 {
			return domain.AddPeer{Type: events.PeerExternal, Description: descriptions().Draw(t, "description")}
		}
		return domain.AddPeer{
			Type:             events.PeerMiCollab,
			Description:      descriptions().Draw(t, "description"),
			Hostname:         domain.Give(hostnames().Draw(t, "hostname")),
			PeerEnterpriseID: domain.Give(enterpriseIDs().Draw(t, "enterprise")),
			Address:          field(hosts()).Draw(t, "address"),
			DialingPrefix:    field(prefixes()).Draw(t, "prefix"),
			Version:          field(versions()).Draw(t, "version"),
		}
	})
}

func ofPeer() *rapid.Generator[domain.Command] {
	return rapid.Custom(func(t *rapid.T) domain.Command {
		peer := peerIDs().Draw(t, "peer")
		switch rapid.IntRange(0, 13).Draw(t, "command") {
		case 0:
			return domain.EditPeer{
				Peer: peer, Description: field(descriptions()).Draw(t, "description"),
				Hostname: field(hostnames()).Draw(t, "hostname"), Port: field(oneOf(443, 8443, 0)).Draw(t, "port"),
				Address: field(hosts()).Draw(t, "address"), PeerEnterpriseID: field(enterpriseIDs()).Draw(t, "enterprise"),
				Enabled: field(rapid.Bool()).Draw(t, "enabled"),
			}
		case 1:
			return domain.RenamePeer{Peer: peer, Description: descriptions().Draw(t, "description")}
		case 2:
			return domain.ChangePeerAddress{Peer: peer, Address: field(hosts()).Draw(t, "address"), Expect: field(hosts()).Draw(t, "expect")}
		case 3:
			return domain.ChangePeerHostname{Peer: peer, Hostname: hostnames().Draw(t, "hostname"), Expect: field(hostnames()).Draw(t, "expect")}
		case 4:
			return domain.ChangePeerEnterprise{Peer: peer, PeerEnterpriseID: enterpriseIDs().Draw(t, "enterprise")}
		case 5:
			return domain.ChangePeerDialingPrefix{Peer: peer, DialingPrefix: field(prefixes()).Draw(t, "prefix")}
		case 6:
			return domain.EnterPeerVersion{Peer: peer, Version: field(versions()).Draw(t, "version")}
		case 7:
			return domain.EnablePeer{Peer: peer}
		case 8:
			return domain.DisablePeer{Peer: peer}
		case 9:
			return domain.DeletePeer{Peer: peer}
		}
		return announce(t, peer)
	})
}

func announce(t *rapid.T, peer events.PeerID) domain.Command {
	switch rapid.IntRange(0, 3).Draw(t, "announcement") {
	case 0:
		return domain.AcknowledgePeerNotice{Peer: peer}
	case 1:
		return domain.CancelMaintenance{Peer: peer}
	case 2:
		from := rapid.IntRange(-5, 5).Draw(t, "from")
		length := rapid.IntRange(-1, 5).Draw(t, "length")
		start := Start().Add(time.Duration(from) * time.Hour)
		return domain.ScheduleMaintenance{Peer: peer, Start: start, End: start.Add(time.Duration(length) * time.Hour), Note: "move"}
	}
	return domain.RaisePeerNotice{Peer: peer, Changes: []events.NoticeChange{{
		Field: oneOf("hostname", "address").Draw(t, "field"),
		From:  oneOf("a.example", "b.example").Draw(t, "from"),
		To:    oneOf("a.example", "b.example", "c.example").Draw(t, "to"),
	}}}
}

func ofTrustedServer() *rapid.Generator[domain.Command] {
	return rapid.Custom(func(t *rapid.T) domain.Command {
		id := trustedServerIDs().Draw(t, "id")
		switch rapid.IntRange(0, 3).Draw(t, "command") {
		case 0:
			return domain.RenameTrustedServer{TrustedServer: id, Description: descriptions().Draw(t, "description")}
		case 1:
			return domain.ChangeTrustedServer{TrustedServer: id, Host: field(hosts()).Draw(t, "host"), Type: field(trustTypes()).Draw(t, "type")}
		case 2:
			return domain.EditTrustedServer{TrustedServer: id, Description: field(descriptions()).Draw(t, "description"), Host: field(hosts()).Draw(t, "host")}
		}
		return domain.RemoveTrustedServer{TrustedServer: id}
	})
}

func ofEnterprise() *rapid.Generator[domain.Command] {
	return rapid.Custom(func(t *rapid.T) domain.Command {
		switch rapid.IntRange(0, 5).Draw(t, "command") {
		case 0, 1:
			return domain.RegisterEnterprise{
				ID: string(Enterprise), Description: "Acme", Domain: "acme.example",
				Server: domain.Server{Hostname: "mas.acme.example", Deployment: deployments().Draw(t, "deployment")},
			}
		case 2:
			return domain.EditEnterprise{Description: field(descriptions()).Draw(t, "description"), Domain: field(hostnames()).Draw(t, "domain")}
		case 3, 4:
			return domain.ChangeEnterpriseServer{
				Hostname: field(hostnames()).Draw(t, "hostname"), Address: field(hosts()).Draw(t, "address"),
				Version: field(versions()).Draw(t, "version"), Deployment: field(deployments()).Draw(t, "deployment"),
			}
		}
		return domain.RemoveEnterprise{}
	})
}
