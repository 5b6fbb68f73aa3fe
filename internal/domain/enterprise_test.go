package domain_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// register keeps all rules; change breaks one.
func register(change func(*domain.RegisterEnterprise)) domain.RegisterEnterprise {
	c := domain.RegisterEnterprise{
		ID: "acme", Description: "Acme", Domain: "acme.example",
		Server: domain.Server{Hostname: "mas.acme.example", Version: "9.8"},
	}
	if change != nil {
		change(&c)
	}
	return c
}

func registered(change func(*events.EnterpriseRegistered)) events.EnterpriseRegistered {
	ev := domaintest.Registered()
	if change != nil {
		change(&ev)
	}
	return ev
}

func TestRegisterEnterprise_acceptedForms(t *testing.T) {
	for _, tc := range []struct {
		rule string
		cmd  domain.RegisterEnterprise
		want events.EnterpriseRegistered
	}{
		{"the deployment is standard unless given", register(nil), registered(nil)},
		{"the id is without regard to case", register(func(c *domain.RegisterEnterprise) { c.ID = "ACME" }), registered(nil)},
		{
			"names take their stored form",
			register(func(c *domain.RegisterEnterprise) { c.Domain, c.Server.Hostname = "ACME.Example.", "MAS.acme.example." }),
			registered(nil),
		},
		{
			"every field is kept",
			register(func(c *domain.RegisterEnterprise) {
				c.Server.Address, c.Server.Deployment = "192.0.2.1", events.DeploymentMiCloudGCP
			}),
			registered(func(ev *events.EnterpriseRegistered) {
				ev.Server.Address, ev.Server.Deployment = "192.0.2.1", events.DeploymentMiCloudGCP
			}),
		},
		{
			"the description has up to 128 characters, not bytes",
			register(func(c *domain.RegisterEnterprise) { c.Description = strings.Repeat("ü", 128) }),
			registered(func(ev *events.EnterpriseRegistered) { ev.Description = strings.Repeat("ü", 128) }),
		},
		{
			"the domain may be a single label",
			register(func(c *domain.RegisterEnterprise) { c.Domain = "Corp" }),
			registered(func(ev *events.EnterpriseRegistered) { ev.Domain = "corp" }),
		},
		{
			"address and version are optional",
			register(func(c *domain.RegisterEnterprise) { c.Server.Version = "" }),
			registered(func(ev *events.EnterpriseRegistered) { ev.Server.Version = "" }),
		},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if d := domaintest.GivenNothing().When(tc.cmd).Then(t, tc.want); d.ID != "acme" {
				t.Errorf("the resource is %q", d.ID)
			}
		})
	}
}

func TestRegisterEnterprise_rules(t *testing.T) {
	for _, tc := range []struct {
		rule   string
		change func(*domain.RegisterEnterprise)
		field  string
		words  string
	}{
		{"the id is required", func(c *domain.RegisterEnterprise) { c.ID = "" }, "id", "4 to 32"},
		{"the id has 4 characters at least", func(c *domain.RegisterEnterprise) { c.ID = "acm" }, "id", "4 to 32"},
		{"the id has 32 characters at most", func(c *domain.RegisterEnterprise) { c.ID = strings.Repeat("a", 33) }, "id", "4 to 32"},
		{"the id has letters, digits and dashes", func(c *domain.RegisterEnterprise) { c.ID = "ac.me" }, "id", "dashes"},
		{"the id is the one the command was sent to", func(c *domain.RegisterEnterprise) { c.ID = "other" }, "id", "acme"},
		{"the description is required", func(c *domain.RegisterEnterprise) { c.Description = "" }, "description", "required"},
		{"the description has at most 128 characters", func(c *domain.RegisterEnterprise) { c.Description = strings.Repeat("x", 129) }, "description", "128"},
		{"the description has no bar", func(c *domain.RegisterEnterprise) { c.Description = "a|b" }, "description", "|"},
		{"the description is not only spaces", func(c *domain.RegisterEnterprise) { c.Description = " \u00a0" }, "description", "spaces"},
		{"the description has no control characters", func(c *domain.RegisterEnterprise) { c.Description = "a\u0085b" }, "description", "control"},
		{"the description is valid UTF-8", func(c *domain.RegisterEnterprise) { c.Description = "\xc3" }, "description", "UTF-8"},
		{"the domain is required", func(c *domain.RegisterEnterprise) { c.Domain = "" }, "domain", "required"},
		{"the domain has the form of a DNS suffix", func(c *domain.RegisterEnterprise) { c.Domain = ".acme.example" }, "domain", "label"},
		{"the domain is no address", func(c *domain.RegisterEnterprise) { c.Domain = "192.0.2.1" }, "domain", "IP address"},
		{"the server has a hostname", func(c *domain.RegisterEnterprise) { c.Server.Hostname = "" }, "server.hostname", "required"},
		{"the server's hostname is an FQDN", func(c *domain.RegisterEnterprise) { c.Server.Hostname = "mas" }, "server.hostname", "fully qualified"},
		{"the server's address is an IP address or FQDN", func(c *domain.RegisterEnterprise) { c.Server.Address = "a b" }, "server.address", "IP address"},
		{"the server's version looks like 9.4", func(c *domain.RegisterEnterprise) { c.Server.Version = "9" }, "server.version", "9.4"},
		{"the deployment is one of two", func(c *domain.RegisterEnterprise) { c.Server.Deployment = "cloud" }, "server.deployment", "standard or micloud-flex-gcp"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			domaintest.GivenNothing().When(register(tc.change)).ThenRefused(t, domain.Invalid, tc.field, tc.words)
		})
	}
	given().When(register(nil)).ThenRefused(t, domain.Exists, "id", "acme")
	domaintest.GivenNothing().IfRevision(1).When(register(nil)).ThenRefused(t, domain.Stale, "", "added")
}

func TestEnterprise_unknownIsRefused(t *testing.T) {
	for _, cmd := range allCommands() {
		if _, ok := cmd.(domain.RegisterEnterprise); !ok {
			domaintest.GivenNothing().When(cmd).ThenRefused(t, domain.NotFound, "", "acme")
		}
	}
}

func TestEnterprise_removedIsGoneUntilItIsRegisteredAgain(t *testing.T) {
	history := []events.Event{domaintest.Registered(), gateway(), events.EnterpriseRemoved{Description: "Acme"}}
	for _, cmd := range allCommands() {
		if _, ok := cmd.(domain.RegisterEnterprise); ok {
			continue
		}
		refusal := domaintest.GivenNothing(history...).When(cmd).ThenRefused(t, domain.Gone, "", "acme", domaintest.Actor)
		if refusal.Gone == nil || refusal.Gone.Seq != 3 {
			t.Errorf("%s: the story is %+v", cmd.Name(), refusal.Gone)
		}
	}
	domaintest.GivenNothing(history...).When(register(nil)).Then(t, registered(nil))
	again := domaintest.GivenNothing(append(history, registered(nil))...)
	again.When(register(nil)).ThenRefused(t, domain.Exists, "id")
	state := again.State(t)
	if _, gone := state.Removed(); gone || !state.Registered() || len(state.TrustedServers()) != 0 {
		t.Errorf("registered again: removed %v, registered %v, trusted servers %v", gone, state.Registered(), state.TrustedServers())
	}
}

func TestEditEnterprise_eachFieldItsEvent(t *testing.T) {
	server := domaintest.Registered().Server
	to := server
	to.Hostname, to.Address, to.Version = "new.acme.example", "192.0.2.5", ""
	described := events.EnterpriseDescribed{From: "Acme", To: "Acme Ltd"}
	moved := events.EnterpriseDomainChanged{From: "acme.example", To: "acme.test"}
	changed := events.EnterpriseServerChanged{From: server, To: to}
	patch := domain.ChangeEnterpriseServer{
		Hostname: domain.Give("NEW.acme.example"), Address: domain.Give("192.0.2.5"), Version: domain.Withdraw[string](),
	}
	given().When(domain.DescribeEnterprise{Description: "Acme Ltd"}).Then(t, described)
	given().When(domain.ChangeEnterpriseDomain{Domain: "Acme.test."}).Then(t, moved)
	given().When(patch).Then(t, changed)
	given().When(domain.EditEnterprise{
		Description: domain.Give("Acme Ltd"), Domain: domain.Give("acme.test"), Server: domain.Give(patch),
	}).Then(t, described, moved, changed)
	for _, cmd := range []domain.Command{
		domain.DescribeEnterprise{Description: "Acme"},
		domain.ChangeEnterpriseDomain{Domain: "ACME.example"},
		domain.ChangeEnterpriseServer{Hostname: domain.Give("mas.ACME.example"), Address: domain.Withdraw[string]()},
		domain.EditEnterprise{},
	} {
		given().When(cmd).Then(t)
	}
}

func TestEditEnterprise_rules(t *testing.T) {
	server := func(change func(*domain.ChangeEnterpriseServer)) domain.ChangeEnterpriseServer {
		var c domain.ChangeEnterpriseServer
		change(&c)
		return c
	}
	for _, tc := range []struct {
		rule  string
		cmd   domain.Command
		field string
	}{
		{"the description keeps its rules", domain.DescribeEnterprise{Description: "a|b"}, "description"},
		{"the description cannot be withdrawn", domain.EditEnterprise{Description: domain.Withdraw[string]()}, "description"},
		{"the domain keeps its rules", domain.ChangeEnterpriseDomain{Domain: "a..b"}, "domain"},
		{"the domain cannot be withdrawn", domain.EditEnterprise{Domain: domain.Withdraw[string]()}, "domain"},
		{"the server cannot be withdrawn", domain.EditEnterprise{Server: domain.Withdraw[domain.ChangeEnterpriseServer]()}, "server"},
		{"the hostname cannot be withdrawn", server(func(c *domain.ChangeEnterpriseServer) { c.Hostname = domain.Withdraw[string]() }), "hostname"},
		{"the deployment cannot be withdrawn", server(func(c *domain.ChangeEnterpriseServer) { c.Deployment = domain.Withdraw[events.Deployment]() }), "deployment"},
		{"the address keeps its rules", server(func(c *domain.ChangeEnterpriseServer) { c.Address = domain.Give("0.0.0.0") }), "address"},
		{"the version keeps its rules", server(func(c *domain.ChangeEnterpriseServer) { c.Version = domain.Give("v9") }), "version"},
		{
			"a field of the server is named by its path",
			domain.EditEnterprise{Server: domain.Give(server(func(c *domain.ChangeEnterpriseServer) { c.Version = domain.Give("v9") }))},
			"server.version",
		},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			given().When(tc.cmd).ThenRefused(t, domain.Invalid, tc.field)
		})
	}
}

func TestEnterpriseRevision_isThatOfItsOwnLastEvent(t *testing.T) {
	edit := domain.DescribeEnterprise{Description: "Acme Ltd"}
	want := events.EnterpriseDescribed{From: "Acme", To: "Acme Ltd"}
	given(lyon()).IfRevision(1).When(edit).Then(t, want)
	given(lyon(), events.EnterpriseDomainChanged{To: "x.example"}).IfRevision(1).When(edit).ThenRefused(t, domain.Stale, "", "3")
	given().IfRevision(9).When(domain.RemoveEnterprise{}).ThenRefused(t, domain.Stale, "")
}

func TestMiCloudFlex_isNoPlaceForPeers(t *testing.T) {
	flex := domain.ChangeEnterpriseServer{Deployment: domain.Give(events.DeploymentMiCloudGCP)}
	to := domaintest.Registered().Server
	to.Deployment = events.DeploymentMiCloudGCP
	given(gateway()).When(flex).Then(t, events.EnterpriseServerChanged{From: domaintest.Registered().Server, To: to})
	given(lyon()).When(flex).ThenRefused(t, domain.Unsupported, "deployment", "MiCloud Flex", "1 peer")
	given(lyon(), events.PeerDisabled{Peer: "p1"}).When(domain.EditEnterprise{Server: domain.Give(flex)}).
		ThenRefused(t, domain.Unsupported, "server.deployment", "MiCloud Flex", "disabled")
	given(lyon(), domaintest.ExternalAdded("p2", "Jabber")).When(flex).ThenRefused(t, domain.Unsupported, "deployment", "2 peers")
	given(lyon(), events.PeerDeleted{Peer: "p1"}).When(flex).Then(t, events.EnterpriseServerChanged{From: domaintest.Registered().Server, To: to})
}

func TestSelfPeering_isRefusedFromTheServersSideToo(t *testing.T) {
	own := lyon()
	own.PeerEnterpriseID = "acme"
	move := domain.ChangeEnterpriseServer{Hostname: domain.Give("PBX.lyon.example")}
	given(own).When(move).ThenRefused(t, domain.Invalid, "hostname", "Lyon", "itself")
	given(own).When(domain.EditEnterprise{Server: domain.Give(move)}).ThenRefused(t, domain.Invalid, "server.hostname", "Lyon")
	given(own).When(domain.ChangeEnterpriseServer{Version: domain.Give("9.9")}).
		Then(t, events.EnterpriseServerChanged{
			From: domaintest.Registered().Server,
			To:   events.Server{Hostname: "mas.acme.example", Version: "9.9", Deployment: events.DeploymentStandard},
		})
	given(lyon()).When(move).Then(t, events.EnterpriseServerChanged{
		From: domaintest.Registered().Server,
		To:   events.Server{Hostname: "pbx.lyon.example", Version: "9.8", Deployment: events.DeploymentStandard},
	})
}

func TestRemoveEnterprise_withPeersIsRefused(t *testing.T) {
	given(lyon()).When(domain.RemoveEnterprise{}).ThenRefused(t, domain.Invalid, "", "1 peer")
	given(lyon(), events.PeerDisabled{Peer: "p1"}).When(domain.RemoveEnterprise{}).ThenRefused(t, domain.Invalid, "", "disabled")
	given(lyon(), events.PeerDeleted{Peer: "p1"}).When(domain.RemoveEnterprise{}).Then(t, events.EnterpriseRemoved{Description: "Acme"})
}

func TestRemoveEnterprise_withdrawsItsTrustedServers(t *testing.T) {
	given(gateway()).When(domain.RemoveEnterprise{}).Then(t,
		events.TrustedServerRemoved{TrustedServer: "t1", Description: "Gateway", Host: "192.0.2.30", TrustType: events.TrustPresence},
		events.EnterpriseRemoved{Description: "Acme"},
	)
	var many []events.Event
	for i := range 1000 {
		id := "t" + strconv.Itoa(i)
		many = append(many, trustedAdded(events.TrustedServerID(id), id, id+".example", events.TrustIM))
	}
	given(many...).When(domain.RemoveEnterprise{}).ThenRefused(t, domain.Invalid, "", "999", "1000")
	d, err := domain.Decide(given(many[:999]...).State(t), domain.RemoveEnterprise{}, domain.Input{})
	if err != nil || len(d.Events) != 1000 || d.ID != "acme" {
		t.Errorf("999 trusted servers: %d events, %v", len(d.Events), err)
	}
}

// allCommands has one command of each kind.
func allCommands() []domain.Command {
	return []domain.Command{
		register(nil),
		domain.DescribeEnterprise{},
		domain.ChangeEnterpriseDomain{},
		domain.ChangeEnterpriseServer{},
		domain.EditEnterprise{},
		domain.RemoveEnterprise{},
		domain.AddPeer{},
		domain.PutPeer{},
		domain.ChangePeers{},
		domain.EditPeer{},
		domain.RenamePeer{},
		domain.ChangePeerAddress{},
		domain.ChangePeerHostname{},
		domain.ChangePeerEnterprise{},
		domain.ChangePeerDialingPrefix{},
		domain.EnterPeerVersion{},
		domain.EnablePeer{},
		domain.DisablePeer{},
		domain.DeletePeer{},
		domain.RaisePeerNotice{},
		domain.FollowServer{},
		domain.AcknowledgePeerNotice{},
		domain.ScheduleMaintenance{},
		domain.CancelMaintenance{},
		domain.AddTrustedServer{},
		domain.EditTrustedServer{},
		domain.RenameTrustedServer{},
		domain.ChangeTrustedServer{},
		domain.RemoveTrustedServer{},
	}
}

type strangeCommand struct{}

func (strangeCommand) Name() domain.CommandName { return "Strange" }

func TestDecide_knowsEveryCommand(t *testing.T) {
	for _, cmd := range allCommands() {
		_, err := domain.Decide(given().State(t), cmd, domain.Input{})
		var refusal *domain.Error
		if errors.As(err, &refusal) && refusal.Code == domain.Malformed {
			t.Errorf("%s is not decided: %v", cmd.Name(), refusal)
		}
	}
	given().When(strangeCommand{}).ThenRefused(t, domain.Malformed, "", "strangeCommand")
}
