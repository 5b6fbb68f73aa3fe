package domain_test

import (
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

var (
	given        = domaintest.Given
	peerAdded    = domaintest.PeerAdded
	trustedAdded = domaintest.TrustedAdded
)

// boston is a MiCollab peer that keeps all rules; change breaks one.
func boston(change func(*domain.AddPeer)) domain.AddPeer {
	c := domain.AddPeer{
		Type: events.PeerMiCollab, Description: "Boston",
		Hostname: domain.Give("pbx.boston.example"), PeerEnterpriseID: domain.Give("boston"),
	}
	if change != nil {
		change(&c)
	}
	return c
}

func bostonAdded(change func(*events.PeerAdded)) events.PeerAdded {
	ev := events.PeerAdded{
		Peer: domaintest.NewID, PeerType: events.PeerMiCollab, Description: "Boston",
		Hostname: "pbx.boston.example", Port: 443, PeerEnterpriseID: "boston",
	}
	if change != nil {
		change(&ev)
	}
	return ev
}

func TestAddPeer_acceptedForms(t *testing.T) {
	for _, tc := range []struct {
		rule string
		cmd  domain.AddPeer
		want events.PeerAdded
	}{
		{"the port is 443 unless given", boston(nil), bostonAdded(nil)},
		{
			"every field is kept",
			boston(func(c *domain.AddPeer) {
				c.Port, c.Address = domain.Give(8443), domain.Give("192.0.2.7")
				c.DialingPrefix, c.Version = domain.Give("*7#"), domain.Give("9.7.1.105")
			}),
			bostonAdded(func(ev *events.PeerAdded) {
				ev.Port, ev.Address, ev.DialingPrefix, ev.Version = 8443, "192.0.2.7", "*7#", "9.7.1.105"
			}),
		},
		{"the hostname is stored in lower case without a trailing dot", boston(func(c *domain.AddPeer) { c.Hostname.Value = "PBX.Boston.Example." }), bostonAdded(nil)},
		{"the peer enterprise id is stored in lower case", boston(func(c *domain.AddPeer) { c.PeerEnterpriseID.Value = "BOSTON" }), bostonAdded(nil)},
		{"an address may be a name", boston(func(c *domain.AddPeer) { c.Address = domain.Give("Edge.Example") }), bostonAdded(func(ev *events.PeerAdded) { ev.Address = "edge.example" })},
		{"null is as good as left out", boston(func(c *domain.AddPeer) {
			c.Address, c.Port, c.Version, c.DialingPrefix = domain.Withdraw[string](), domain.Withdraw[int](), domain.Withdraw[string](), domain.Withdraw[string]()
		}), bostonAdded(nil)},
		{"an external peer has a description only", domain.AddPeer{Type: events.PeerExternal, Description: "Jabber"}, domaintest.ExternalAdded(domaintest.NewID, "Jabber")},
		{"a description may have 64 characters", boston(func(c *domain.AddPeer) { c.Description = strings.Repeat("x", 64) }), bostonAdded(func(ev *events.PeerAdded) { ev.Description = strings.Repeat("x", 64) })},
		{"the highest port", boston(func(c *domain.AddPeer) { c.Port = domain.Give(65535) }), bostonAdded(func(ev *events.PeerAdded) { ev.Port = 65535 })},
		{"a dialing prefix may have 20 characters", boston(func(c *domain.AddPeer) { c.DialingPrefix = domain.Give(strings.Repeat("9", 20)) }), bostonAdded(func(ev *events.PeerAdded) { ev.DialingPrefix = strings.Repeat("9", 20) })},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if d := given().When(tc.cmd).Then(t, tc.want); d.ID != domaintest.NewID {
				t.Errorf("the resource is %q, want %q", d.ID, domaintest.NewID)
			}
		})
	}
}

func TestAddPeer_rules(t *testing.T) {
	set := func(change func(*domain.AddPeer)) domain.AddPeer { return boston(change) }
	external := func(change func(*domain.AddPeer)) domain.AddPeer {
		c := domain.AddPeer{Type: events.PeerExternal, Description: "Jabber"}
		change(&c)
		return c
	}
	for _, tc := range []struct {
		rule  string
		cmd   domain.AddPeer
		code  domain.Code
		field string
		words string
	}{
		{"the type is required", set(func(c *domain.AddPeer) { c.Type = "" }), domain.Invalid, "type", "micollab or external"},
		{"the type is one of two", set(func(c *domain.AddPeer) { c.Type = "sip" }), domain.Invalid, "type", "micollab or external"},
		{"the description is required", set(func(c *domain.AddPeer) { c.Description = "" }), domain.Invalid, "description", "required"},
		{"the description has at most 64 characters", set(func(c *domain.AddPeer) { c.Description = strings.Repeat("x", 65) }), domain.Invalid, "description", "at most 64 characters"},
		{"the description has ASCII letters only", set(func(c *domain.AddPeer) { c.Description = "Zürich" }), domain.Invalid, "description", "letters A to Z"},
		{"the description has no underscore", set(func(c *domain.AddPeer) { c.Description = "a_b" }), domain.Invalid, "description", "dashes and spaces"},
		{"the description is not only spaces", set(func(c *domain.AddPeer) { c.Description = "   " }), domain.Invalid, "description", "spaces only"},
		{"the description has no control characters", set(func(c *domain.AddPeer) { c.Description = "a\nb" }), domain.Invalid, "description", "control characters"},
		{"the description is valid UTF-8", set(func(c *domain.AddPeer) { c.Description = "a\xff" }), domain.Invalid, "description", "UTF-8"},
		{"the hostname is required", set(func(c *domain.AddPeer) { c.Hostname = domain.Field[string]{} }), domain.Invalid, "hostname", "required"},
		{"the hostname is not null", set(func(c *domain.AddPeer) { c.Hostname = domain.Withdraw[string]() }), domain.Invalid, "hostname", "required"},
		{"the hostname is an FQDN", set(func(c *domain.AddPeer) { c.Hostname.Value = "pbx" }), domain.Invalid, "hostname", "fully qualified"},
		{"the hostname is no IP address", set(func(c *domain.AddPeer) { c.Hostname.Value = "192.0.2.1" }), domain.Invalid, "hostname", "IP address"},
		{"the port is above 0", set(func(c *domain.AddPeer) { c.Port = domain.Give(0) }), domain.Invalid, "port", "between 1 and 65535"},
		{"the port is below 65536", set(func(c *domain.AddPeer) { c.Port = domain.Give(65536) }), domain.Invalid, "port", "between 1 and 65535"},
		{"the address is an IP address or FQDN", set(func(c *domain.AddPeer) { c.Address = domain.Give("not a host") }), domain.Invalid, "address", "IP address or a host name"},
		{"an empty address is no address", set(func(c *domain.AddPeer) { c.Address = domain.Give("") }), domain.Invalid, "address", "the address must not be empty"},
		{"an empty version is no version", set(func(c *domain.AddPeer) { c.Version = domain.Give("") }), domain.Invalid, "version", "the version must not be empty"},
		{"the peer enterprise id is required", set(func(c *domain.AddPeer) { c.PeerEnterpriseID = domain.Field[string]{} }), domain.Invalid, "peer_enterprise_id", "the peer enterprise id is required"},
		{"the peer enterprise id is not null", set(func(c *domain.AddPeer) { c.PeerEnterpriseID = domain.Withdraw[string]() }), domain.Invalid, "peer_enterprise_id", "the peer enterprise id is required"},
		{"the peer enterprise id is not too short", set(func(c *domain.AddPeer) { c.PeerEnterpriseID.Value = "bos" }), domain.Invalid, "peer_enterprise_id", "4 to 32"},
		{"the peer enterprise id follows the rules of ids", set(func(c *domain.AddPeer) { c.PeerEnterpriseID.Value = "bos.ton" }), domain.Invalid, "peer_enterprise_id", "letters, digits and dashes"},
		{"the dialing prefix has at most 20 characters", set(func(c *domain.AddPeer) { c.DialingPrefix = domain.Give(strings.Repeat("9", 21)) }), domain.Invalid, "dialing_prefix", "at most 20"},
		{"the dialing prefix has digits, * and #", set(func(c *domain.AddPeer) { c.DialingPrefix = domain.Give("+49") }), domain.Invalid, "dialing_prefix", "digits, * and #"},
		{"the version looks like 9.4", set(func(c *domain.AddPeer) { c.Version = domain.Give("nine") }), domain.Invalid, "version", "9.4"},
		{"an enterprise does not peer with itself", set(func(c *domain.AddPeer) { c.Hostname.Value, c.PeerEnterpriseID.Value = "MAS.acme.example", "ACME" }), domain.Invalid, "hostname", "itself"},
		{"an external peer has no hostname", external(func(c *domain.AddPeer) { c.Hostname = domain.Give("x.example") }), domain.Invalid, "hostname", "external"},
		{"an external peer has no port", external(func(c *domain.AddPeer) { c.Port = domain.Give(443) }), domain.Invalid, "port", "external"},
		{"an external peer has no address", external(func(c *domain.AddPeer) { c.Address = domain.Give("192.0.2.1") }), domain.Invalid, "address", "external"},
		{"an external peer has no peer enterprise id", external(func(c *domain.AddPeer) { c.PeerEnterpriseID = domain.Give("boston") }), domain.Invalid, "peer_enterprise_id", "external"},
		{"an external peer has no dialing prefix", external(func(c *domain.AddPeer) { c.DialingPrefix = domain.Give("9") }), domain.Invalid, "dialing_prefix", "external"},
		{"an external peer has no version", external(func(c *domain.AddPeer) { c.Version = domain.Give("9.4") }), domain.Invalid, "version", "external"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			given().When(tc.cmd).ThenRefused(t, tc.code, tc.field, tc.words)
		})
	}
}

func TestAddPeer_uniqueness(t *testing.T) {
	lyon := peerAdded("p1", "Lyon", "pbx.lyon.example")
	t.Run("the description is unique without regard to case", func(t *testing.T) {
		given(lyon).When(boston(func(c *domain.AddPeer) { c.Description = "LYON" })).
			ThenRefused(t, domain.Exists, "description", `"Lyon"`, "p1")
	})
	t.Run("an external peer's description counts too", func(t *testing.T) {
		given(domaintest.ExternalAdded("p1", "Boston")).When(boston(nil)).ThenRefused(t, domain.Exists, "description")
	})
	t.Run("hostname and peer enterprise id together are unique", func(t *testing.T) {
		given(lyon).When(boston(func(c *domain.AddPeer) {
			c.Hostname.Value, c.PeerEnterpriseID.Value = "PBX.lyon.example", "P1-ENT"
		})).ThenRefused(t, domain.Exists, "hostname", "Lyon", "p1-ent")
	})
	t.Run("two peers may share a server", func(t *testing.T) {
		given(lyon).When(boston(func(c *domain.AddPeer) { c.Hostname.Value = "pbx.lyon.example" })).
			Then(t, bostonAdded(func(ev *events.PeerAdded) { ev.Hostname = "pbx.lyon.example" }))
	})
	t.Run("two enterprises on one server may peer", func(t *testing.T) {
		given().When(boston(func(c *domain.AddPeer) { c.Hostname.Value = "mas.acme.example" })).
			Then(t, bostonAdded(func(ev *events.PeerAdded) { ev.Hostname = "mas.acme.example" }))
	})
	t.Run("a disabled peer keeps its names", func(t *testing.T) {
		given(lyon, events.PeerDisabled{Peer: "p1"}).
			When(boston(func(c *domain.AddPeer) { c.Description = "lyon" })).ThenRefused(t, domain.Exists, "description")
	})
	t.Run("the names of a deleted peer are free", func(t *testing.T) {
		given(lyon, events.PeerDeleted{Peer: "p1"}).
			When(boston(func(c *domain.AddPeer) {
				c.Description, c.Hostname.Value, c.PeerEnterpriseID.Value = "Lyon", "pbx.lyon.example", "p1-ent"
			})).
			Then(t, bostonAdded(func(ev *events.PeerAdded) {
				ev.Description, ev.Hostname, ev.PeerEnterpriseID = "Lyon", "pbx.lyon.example", "p1-ent"
			}))
	})
	t.Run("the name left by a rename is free", func(t *testing.T) {
		given(lyon, events.PeerRenamed{Peer: "p1", From: "Lyon", To: "Boston"}).
			When(boston(func(c *domain.AddPeer) { c.Description = "Lyon" })).
			Then(t, bostonAdded(func(ev *events.PeerAdded) { ev.Description = "Lyon" }))
	})
	t.Run("an id is never used again", func(t *testing.T) {
		given(lyon).WithNewID("p1").When(boston(nil)).ThenRefused(t, domain.Exists, "", "p1")
		given(lyon, events.PeerDeleted{Peer: "p1"}).WithNewID("p1").When(boston(nil)).ThenRefused(t, domain.Exists, "", "p1")
		given().WithNewID("p.1").When(boston(nil)).ThenRefused(t, domain.Invalid, "", "id")
	})
}

func TestAddPeer_miCloudFlexIsNamed(t *testing.T) {
	flex := domaintest.Registered()
	flex.Server.Deployment = events.DeploymentMiCloudGCP
	for _, cmd := range []domain.Command{boston(nil), domain.AddPeer{Type: events.PeerExternal, Description: "Jabber"}} {
		domaintest.GivenNothing(flex).When(cmd).ThenRefused(t, domain.Unsupported, "", "MiCloud Flex")
	}
}

func TestPeerOnFlex_cannotBeEnabled(t *testing.T) {
	// No command leads here; the state could come from an older program.
	history := []events.Event{
		domaintest.Registered(), peerAdded("p1", "Lyon", "pbx.lyon.example"),
		events.PeerDisabled{Peer: "p1"},
		events.EnterpriseServerChanged{To: events.Server{Hostname: "mas.acme.example", Deployment: events.DeploymentMiCloudGCP}},
	}
	domaintest.GivenNothing(history...).When(domain.EnablePeer{Peer: "p1"}).ThenRefused(t, domain.Unsupported, "", "MiCloud Flex")
	domaintest.GivenNothing(history...).When(domain.EditPeer{Peer: "p1", Enabled: domain.Give(true)}).
		ThenRefused(t, domain.Unsupported, "enabled", "MiCloud Flex")
	domaintest.GivenNothing(history...).When(domain.DisablePeer{Peer: "p1"}).Then(t)
	domaintest.GivenNothing(history...).When(domain.DeletePeer{Peer: "p1"}).
		Then(t, events.PeerDeleted{Peer: "p1", Description: "Lyon", Hostname: "pbx.lyon.example", PeerEnterpriseID: "p1-ent", Host: "pbx.lyon.example"})
}
