package domain_test

import (
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// putBoston is the peer of bostonAdded; change makes it another.
func putBoston(change func(*domain.PutPeer)) domain.PutPeer {
	c := domain.PutPeer{
		Type: domain.Give(events.PeerMiCollab), Description: "Boston",
		Hostname: domain.Give("pbx.boston.example"), PeerEnterpriseID: domain.Give("boston"),
	}
	if change != nil {
		change(&c)
	}
	return c
}

func TestPutPeer_addsWhatIsNotThere(t *testing.T) {
	if d := given().When(putBoston(nil)).Then(t, bostonAdded(nil)); d.ID != domaintest.NewID {
		t.Errorf("the resource is %q", d.ID)
	}
	given().When(putBoston(func(c *domain.PutPeer) { c.Enabled = domain.Give(true) })).Then(t, bostonAdded(nil))
	given().When(putBoston(func(c *domain.PutPeer) { c.Enabled = domain.Give(false) })).
		Then(t, bostonAdded(nil), events.PeerDisabled{Peer: domaintest.NewID})
	given().When(domain.PutPeer{Type: domain.Give(events.PeerExternal), Description: "Partner"}).
		Then(t, domaintest.ExternalAdded(domaintest.NewID, "Partner"))
}

func TestPutPeer_editsWhatIsThere(t *testing.T) {
	s := given(peerAdded("p1", "Boston", "pbx.boston.example"))
	for _, tc := range []struct {
		rule   string
		change func(*domain.PutPeer)
		want   []events.Event
	}{
		{"what is as given is unchanged", func(*domain.PutPeer) {}, nil},
		{"so it is when spelt another way", func(c *domain.PutPeer) { c.Hostname.Value = "PBX.boston.example." }, nil},
		{"what is left out stays", func(c *domain.PutPeer) { *c = domain.PutPeer{Description: "Boston"} }, nil},
		{
			"the description is found without regard to case, and then as given",
			func(c *domain.PutPeer) { c.Description = "BOSTON" },
			[]events.Event{events.PeerRenamed{Peer: "p1", From: "Boston", To: "BOSTON"}},
		},
		{
			"what differs is changed",
			func(c *domain.PutPeer) {
				c.Hostname, c.Port = domain.Give("pbx2.boston.example"), domain.Give(8443)
				c.DialingPrefix, c.Version, c.Enabled = domain.Give("9"), domain.Give("9.8"), domain.Give(false)
			},
			[]events.Event{
				events.PeerDisabled{Peer: "p1"},
				events.PeerHostnameChanged{
					Peer: "p1", From: "pbx.boston.example", To: "pbx2.boston.example", FromPort: 443, ToPort: 8443,
					FromHost: "pbx.boston.example", ToHost: "pbx2.boston.example",
				},
				events.PeerDialingPrefixChanged{Peer: "p1", To: "9"},
				events.PeerVersionEntered{Peer: "p1", To: "9.8"},
			},
		},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			put := putBoston(func(c *domain.PutPeer) { c.PeerEnterpriseID = domain.Give("p1-ent"); tc.change(c) })
			if d := s.When(put).Then(t, tc.want...); d.ID != "p1" {
				t.Errorf("the resource is %q", d.ID)
			}
		})
	}
}

func TestPutPeer_rules(t *testing.T) {
	there := given(peerAdded("p1", "Boston", "pbx.boston.example"), lyonNamed("p2"))
	there.When(putBoston(func(c *domain.PutPeer) { c.Type = domain.Give(events.PeerExternal) })).ThenRefused(t, domain.Invalid, "type", "fixed")
	there.When(putBoston(func(c *domain.PutPeer) { c.Type = domain.Withdraw[events.PeerType]() })).ThenRefused(t, domain.Invalid, "type", "fixed")
	there.When(putBoston(func(c *domain.PutPeer) { c.Enabled = domain.Withdraw[bool]() })).ThenRefused(t, domain.Invalid, "enabled", "true or false")
	there.When(putBoston(func(c *domain.PutPeer) {
		c.Hostname, c.PeerEnterpriseID = domain.Give("pbx.lyon.example"), domain.Give("p2-ent")
	})).ThenRefused(t, domain.Exists, "hostname", "Lyon")
	given().When(putBoston(func(c *domain.PutPeer) { c.Type = domain.Field[events.PeerType]{} })).ThenRefused(t, domain.Invalid, "type", "must be")
	given().When(putBoston(func(c *domain.PutPeer) { c.Description = "" })).ThenRefused(t, domain.Invalid, "description", "required")
	given().When(putBoston(func(c *domain.PutPeer) { c.Enabled = domain.Withdraw[bool]() })).ThenRefused(t, domain.Invalid, "enabled", "true or false")
	given(lyonNamed("p1"), lyonNamed("p2")).When(domain.PutPeer{Description: "lyon"}).ThenRefused(t, domain.Invalid, "description", "2 peers")
	flex := domaintest.GivenNothing(registered(func(ev *events.EnterpriseRegistered) { ev.Server.Deployment = events.DeploymentMiCloudGCP }))
	flex.When(putBoston(func(c *domain.PutPeer) { c.Enabled = domain.Give(false) })).ThenRefused(t, domain.Unsupported, "", "MiCloud Flex")
}

func lyonNamed(id events.PeerID) events.PeerAdded { return peerAdded(id, "Lyon", "pbx.lyon.example") }
