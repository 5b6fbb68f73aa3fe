package domain_test

import (
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// lyon is at sequence 2 of the scenarios below and follows its hostname.
func lyon() events.PeerAdded { return peerAdded("p1", "Lyon", "pbx.lyon.example") }

// pinned is lyon with an address of its own.
func pinned() events.PeerAdded {
	ev := lyon()
	ev.Address = "192.0.2.1"
	return ev
}

func TestPeerCommands_eachMakesItsOneEvent(t *testing.T) {
	for _, tc := range []struct {
		rule  string
		given events.PeerAdded
		cmd   domain.Command
		want  events.Event
	}{
		{"rename", lyon(), domain.RenamePeer{Peer: "p1", Description: "Lyon 2"}, events.PeerRenamed{Peer: "p1", From: "Lyon", To: "Lyon 2"}},
		{"rename changes the case alone", lyon(), domain.RenamePeer{Peer: "p1", Description: "LYON"}, events.PeerRenamed{Peer: "p1", From: "Lyon", To: "LYON"}},
		{
			"one command moves peer and trusted entry", lyon(),
			domain.ChangePeerAddress{Peer: "p1", Address: domain.Give("192.0.2.9")},
			events.PeerAddressChanged{Peer: "p1", To: "192.0.2.9", FromHost: "pbx.lyon.example", ToHost: "192.0.2.9"},
		},
		{
			"address null follows the hostname again", pinned(),
			domain.ChangePeerAddress{Peer: "p1", Address: domain.Withdraw[string]()},
			events.PeerAddressChanged{Peer: "p1", From: "192.0.2.1", FromHost: "192.0.2.1", ToHost: "pbx.lyon.example"},
		},
		{
			"the trusted entry follows the hostname without an address", lyon(),
			domain.ChangePeerHostname{Peer: "p1", Hostname: "New.lyon.example"},
			events.PeerHostnameChanged{Peer: "p1", From: "pbx.lyon.example", To: "new.lyon.example", FromPort: 443, ToPort: 443, FromHost: "pbx.lyon.example", ToHost: "new.lyon.example"},
		},
		{
			"the trusted entry stays with the address", pinned(),
			domain.ChangePeerHostname{Peer: "p1", Hostname: "new.lyon.example", Port: domain.Give(8443)},
			events.PeerHostnameChanged{Peer: "p1", From: "pbx.lyon.example", To: "new.lyon.example", FromPort: 443, ToPort: 8443, FromHost: "192.0.2.1", ToHost: "192.0.2.1"},
		},
		{
			"the port alone", lyon(),
			domain.EditPeer{Peer: "p1", Port: domain.Give(8443)},
			events.PeerHostnameChanged{Peer: "p1", From: "pbx.lyon.example", To: "pbx.lyon.example", FromPort: 443, ToPort: 8443, FromHost: "pbx.lyon.example", ToHost: "pbx.lyon.example"},
		},
		{"peer enterprise", lyon(), domain.ChangePeerEnterprise{Peer: "p1", PeerEnterpriseID: "Lyon-2"}, events.PeerEnterpriseChanged{Peer: "p1", From: "p1-ent", To: "lyon-2"}},
		{"dialing prefix", lyon(), domain.ChangePeerDialingPrefix{Peer: "p1", DialingPrefix: domain.Give("9")}, events.PeerDialingPrefixChanged{Peer: "p1", To: "9"}},
		{"version", lyon(), domain.EnterPeerVersion{Peer: "p1", Version: domain.Give("9.10")}, events.PeerVersionEntered{Peer: "p1", To: "9.10"}},
		{"disable", lyon(), domain.DisablePeer{Peer: "p1"}, events.PeerDisabled{Peer: "p1"}},
		{
			"delete tells what went", pinned(),
			domain.DeletePeer{Peer: "p1"},
			events.PeerDeleted{Peer: "p1", Description: "Lyon", Hostname: "pbx.lyon.example", PeerEnterpriseID: "p1-ent", Host: "192.0.2.1"},
		},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if d := given(tc.given).When(tc.cmd).Then(t, tc.want); d.ID != "p1" || len(d.Warnings) != 0 {
				t.Errorf("got id %q and warnings %v, want p1 and none", d.ID, d.Warnings)
			}
		})
	}
}

func TestPeerCommands_nothingToChangeMakesNoEvent(t *testing.T) {
	full := pinned()
	full.DialingPrefix, full.Version = "9", "9.4"
	for _, cmd := range []domain.Command{
		domain.RenamePeer{Peer: "p1", Description: "Lyon"},
		domain.ChangePeerAddress{Peer: "p1", Address: domain.Give("::ffff:192.0.2.1")},
		domain.ChangePeerHostname{Peer: "p1", Hostname: "PBX.LYON.example."},
		domain.ChangePeerEnterprise{Peer: "p1", PeerEnterpriseID: "P1-ENT"},
		domain.ChangePeerDialingPrefix{Peer: "p1", DialingPrefix: domain.Give("9")},
		domain.EnterPeerVersion{Peer: "p1", Version: domain.Give("9.4")},
		domain.EnablePeer{Peer: "p1"},
		domain.EditPeer{Peer: "p1"},
		domain.EditPeer{Peer: "p1", Type: domain.Give(events.PeerMiCollab), Port: domain.Withdraw[int]()},
		domain.AcknowledgePeerNotice{Peer: "p1"},
		domain.CancelMaintenance{Peer: "p1"},
	} {
		if d := given(full).When(cmd).Then(t); d.ID != "p1" {
			t.Errorf("%s: the resource is %q, want p1", cmd.Name(), d.ID)
		}
	}
	given(lyon(), events.PeerDisabled{Peer: "p1"}).When(domain.DisablePeer{Peer: "p1"}).Then(t)
}

func TestEditPeer_isJudgedByTheStateItLeadsTo(t *testing.T) {
	t.Run("all fields change together, the pin before the hostname", func(t *testing.T) {
		given(lyon()).When(domain.EditPeer{
			Peer: "p1", Description: domain.Give("Turin"), Hostname: domain.Give("pbx.turin.example"), Port: domain.Give(8443),
			Address: domain.Give("192.0.2.9"), PeerEnterpriseID: domain.Give("turin"), DialingPrefix: domain.Give("7"),
			Version: domain.Give("9.4"), Enabled: domain.Give(false),
		}).Then(t,
			events.PeerDisabled{Peer: "p1"},
			events.PeerRenamed{Peer: "p1", From: "Lyon", To: "Turin"},
			events.PeerAddressChanged{Peer: "p1", To: "192.0.2.9", FromHost: "pbx.lyon.example", ToHost: "192.0.2.9"},
			events.PeerHostnameChanged{Peer: "p1", From: "pbx.lyon.example", To: "pbx.turin.example", FromPort: 443, ToPort: 8443, FromHost: "192.0.2.9", ToHost: "192.0.2.9"},
			events.PeerEnterpriseChanged{Peer: "p1", From: "p1-ent", To: "turin"},
			events.PeerDialingPrefixChanged{Peer: "p1", To: "7"},
			events.PeerVersionEntered{Peer: "p1", To: "9.4"},
		)
	})
	t.Run("the hostname before the pin is withdrawn, enabling last", func(t *testing.T) {
		given(pinned(), events.PeerDisabled{Peer: "p1"}).When(domain.EditPeer{
			Peer: "p1", Hostname: domain.Give("new.example"), Address: domain.Withdraw[string](), Enabled: domain.Give(true),
		}).Then(t,
			events.PeerHostnameChanged{Peer: "p1", From: "pbx.lyon.example", To: "new.example", FromPort: 443, ToPort: 443, FromHost: "192.0.2.1", ToHost: "192.0.2.1"},
			events.PeerAddressChanged{Peer: "p1", From: "192.0.2.1", FromHost: "192.0.2.1", ToHost: "new.example"},
			events.PeerEnabled{Peer: "p1"},
		)
	})
	t.Run("two halves of a pair may be taken each, not both", func(t *testing.T) {
		turin := peerAdded("p2", "Turin", "pbx.turin.example")
		given(lyon(), turin).When(domain.EditPeer{Peer: "p2", Hostname: domain.Give("pbx.lyon.example"), PeerEnterpriseID: domain.Give("p1-ent")}).
			ThenRefused(t, domain.Exists, "hostname", "Lyon")
		given(lyon(), turin, events.PeerHostnameChanged{Peer: "p2", To: "pbx.lyon.example", ToPort: 443}).
			When(domain.ChangePeerEnterprise{Peer: "p2", PeerEnterpriseID: "p1-ent"}).
			ThenRefused(t, domain.Exists, "peer_enterprise_id", "Lyon")
	})
	t.Run("one wrong field and nothing changes", func(t *testing.T) {
		given(lyon()).When(domain.EditPeer{Peer: "p1", Description: domain.Give("Turin"), Port: domain.Give(-1)}).
			ThenRefused(t, domain.Invalid, "port")
	})
}

func TestEditPeer_rules(t *testing.T) {
	external := domaintest.ExternalAdded("p9", "Jabber")
	for _, tc := range []struct {
		rule  string
		cmd   domain.Command
		code  domain.Code
		field string
		words string
	}{
		{"the type is fixed", domain.EditPeer{Peer: "p1", Type: domain.Give(events.PeerExternal)}, domain.Invalid, "type", "fixed"},
		{"the type is not null", domain.EditPeer{Peer: "p1", Type: domain.Withdraw[events.PeerType]()}, domain.Invalid, "type", "fixed"},
		{"enabled is not null", domain.EditPeer{Peer: "p1", Enabled: domain.Withdraw[bool]()}, domain.Invalid, "enabled", "true or false"},
		{"the description cannot be withdrawn", domain.EditPeer{Peer: "p1", Description: domain.Withdraw[string]()}, domain.Invalid, "description", "required"},
		{"the hostname cannot be withdrawn", domain.EditPeer{Peer: "p1", Hostname: domain.Withdraw[string]()}, domain.Invalid, "hostname", "required"},
		{"the peer enterprise id cannot be withdrawn", domain.EditPeer{Peer: "p1", PeerEnterpriseID: domain.Withdraw[string]()}, domain.Invalid, "peer_enterprise_id", "the peer enterprise id is required"},
		{"the address has to be named", domain.ChangePeerAddress{Peer: "p1"}, domain.Invalid, "address", "required"},
		{"the prefix has to be named", domain.ChangePeerDialingPrefix{Peer: "p1"}, domain.Invalid, "dialing_prefix", "required"},
		{"the version has to be named", domain.EnterPeerVersion{Peer: "p1"}, domain.Invalid, "version", "required"},
		{"an external peer has no address", domain.ChangePeerAddress{Peer: "p9", Address: domain.Give("192.0.2.1")}, domain.Invalid, "address", "external"},
		{"an external peer has no version", domain.EnterPeerVersion{Peer: "p9", Version: domain.Give("9.4")}, domain.Invalid, "version", "external"},
		{"a description in use", domain.RenamePeer{Peer: "p9", Description: "lyon"}, domain.Exists, "description", "p1"},
		{"an enterprise does not peer with itself, by its hostname", domain.ChangePeerHostname{Peer: "p2", Hostname: "mas.acme.example"}, domain.Invalid, "hostname", "itself"},
		{"an enterprise does not peer with itself, by its id", domain.ChangePeerEnterprise{Peer: "p3", PeerEnterpriseID: "Acme"}, domain.Invalid, "peer_enterprise_id", "itself"},
		{"an unknown peer", domain.RenamePeer{Peer: "p7", Description: "x"}, domain.NotFound, "peer", "p7"},
		{"a peer id that cannot be one", domain.DeletePeer{Peer: "p.*"}, domain.Invalid, "peer", "letters"},
		{"no peer id", domain.DeletePeer{}, domain.Invalid, "peer", "characters"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			own := peerAdded("p2", "Own id", "other.example")
			own.PeerEnterpriseID = "acme"
			here := peerAdded("p3", "Here", "mas.acme.example")
			given(lyon(), own, here, external).When(tc.cmd).ThenRefused(t, tc.code, tc.field, tc.words)
		})
	}
}

func TestPeer_deletedIsGoneAndTellsItsStory(t *testing.T) {
	for _, cmd := range []domain.Command{
		domain.DeletePeer{Peer: "p1"},
		domain.RenamePeer{Peer: "p1", Description: "x"},
		domain.EnablePeer{Peer: "p1"},
		domain.ChangePeerAddress{Peer: "p1"},
		domain.ChangePeerHostname{Peer: "p1"},
		domain.AcknowledgePeerNotice{Peer: "p1"},
		domain.CancelMaintenance{Peer: "p1"},
		domain.ScheduleMaintenance{Peer: "p1"},
		domain.RaisePeerNotice{Peer: "p1"},
		domain.FollowServer{Peer: "p1"},
	} {
		refusal := given(lyon(), events.PeerDeleted{Peer: "p1"}).When(cmd).
			ThenRefused(t, domain.Gone, "peer", "p1", domaintest.Actor, "because", "2026-01-05")
		if g := refusal.Gone; g == nil || g.Seq != 3 || g.By != domaintest.Actor || g.Reason != "because" || g.At.IsZero() {
			t.Errorf("%s: the story is %+v", cmd.Name(), g)
		}
	}
}

func TestIfRevision_staleSaysWhatIsCurrent(t *testing.T) {
	refusal := given(lyon(), events.PeerRenamed{Peer: "p1", From: "Lyon", To: "Lyon 2"}).IfRevision(2).
		When(domain.DisablePeer{Peer: "p1"}).ThenRefused(t, domain.Stale, "", "3", "2")
	if s := refusal.Stale; s == nil || s.Current != 3 || s.ChangedBy != domaintest.Actor || s.ChangedAt.IsZero() {
		t.Errorf("stale: %+v", s)
	}
	// A change elsewhere in the enterprise does not count, nor does one of the
	// peer's trusted-server entry.
	given(lyon(), peerAdded("p2", "Turin", "pbx.turin.example"),
		events.TrustedServerRenamed{TrustedServer: "peer-p1", Peer: "p1", From: "Lyon", To: "X"}).
		IfRevision(2).When(domain.DisablePeer{Peer: "p1"}).Then(t, events.PeerDisabled{Peer: "p1"})
	given(lyon()).IfRevision(2).When(boston(nil)).ThenRefused(t, domain.Stale, "", "added")
}

func TestExpect_aLateReactionChangesNothing(t *testing.T) {
	address := func(expect domain.Field[string]) domain.Command {
		return domain.ChangePeerAddress{Peer: "p1", Address: domain.Give("192.0.2.9"), Expect: expect}
	}
	moved := events.PeerAddressChanged{Peer: "p1", From: "192.0.2.1", To: "192.0.2.9", FromHost: "192.0.2.1", ToHost: "192.0.2.9"}
	given(pinned()).When(address(domain.Give("::ffff:192.0.2.1"))).Then(t, moved)
	given(pinned()).When(address(domain.Give("192.0.2.2"))).Then(t)
	given(pinned()).When(address(domain.Give("not a host"))).Then(t)
	given(pinned()).When(address(domain.Give(""))).Then(t)
	given(pinned()).When(address(domain.Withdraw[string]())).Then(t)
	given(lyon()).When(address(domain.Give(""))).
		Then(t, events.PeerAddressChanged{Peer: "p1", To: "192.0.2.9", FromHost: "pbx.lyon.example", ToHost: "192.0.2.9"})
	hostname := domain.ChangePeerHostname{Peer: "p1", Hostname: "new.example", Expect: domain.Give("old.example")}
	given(lyon()).When(hostname).Then(t)
	hostname.Expect = domain.Give("PBX.lyon.example")
	given(pinned()).When(hostname).Then(t, events.PeerHostnameChanged{
		Peer: "p1", From: "pbx.lyon.example", To: "new.example", FromPort: 443, ToPort: 443, FromHost: "192.0.2.1", ToHost: "192.0.2.1",
	})
}

func TestHostStillTrusted_isAWarning(t *testing.T) {
	manual := trustedAdded("t1", "Gateway", "pbx.lyon.example", events.TrustIM)
	same := peerAdded("p2", "Lyon B", "pbx.lyon.example")
	away := peerAdded("p3", "Away", "away.example")
	for _, cmd := range []domain.Command{
		domain.DeletePeer{Peer: "p1"},
		domain.DisablePeer{Peer: "p1"},
		domain.EditPeer{Peer: "p1", Enabled: domain.Give(false)},
		domain.ChangePeerAddress{Peer: "p1", Address: domain.Give("192.0.2.9")},
		domain.ChangePeerHostname{Peer: "p1", Hostname: "new.example"},
	} {
		t.Run(string(cmd.Name()), func(t *testing.T) {
			state := given(lyon(), manual, same, away).State(t)
			d, err := domain.Decide(state, cmd, domain.Input{Now: domaintest.Start()})
			if err != nil || len(d.Warnings) != 2 {
				t.Fatalf("got %+v, %v; want two warnings", d, err)
			}
			for i, want := range []domain.Warning{{TrustedServer: "peer-p2", Peer: "p2"}, {TrustedServer: "t1"}} {
				got := d.Warnings[i]
				if got.Code != domain.WarnHostStillTrusted || got.TrustedServer != want.TrustedServer || got.Peer != want.Peer || !strings.Contains(got.Message, "pbx.lyon.example") {
					t.Errorf("warning %d is %+v, want one of %+v", i, got, want)
				}
			}
		})
	}
	t.Run("not of what is withdrawn itself", func(t *testing.T) {
		d := given(lyon(), same, events.PeerDisabled{Peer: "p2"}).When(domain.DisablePeer{Peer: "p1"}).Then(t, events.PeerDisabled{Peer: "p1"})
		if len(d.Warnings) != 0 {
			t.Errorf("warnings of a withdrawn entry: %+v", d.Warnings)
		}
	})
	t.Run("not when the host stays trusted by the peer itself", func(t *testing.T) {
		d := given(pinned(), manual).When(domain.RenamePeer{Peer: "p1", Description: "x"}).Then(t, events.PeerRenamed{Peer: "p1", From: "Lyon", To: "x"})
		if len(d.Warnings) != 0 {
			t.Errorf("warnings: %+v", d.Warnings)
		}
	})
	t.Run("many are counted", func(t *testing.T) {
		var history []events.Event
		for i := range 30 {
			p := peerAdded(events.PeerID("q"+strings.Repeat("x", i)), "Q"+strings.Repeat("x", i), "shared.example")
			history = append(history, p)
		}
		state := given(history...).State(t)
		d, err := domain.Decide(state, domain.DisablePeer{Peer: "q"}, domain.Input{Now: domaintest.Start()})
		if err != nil || len(d.Warnings) != 11 || !strings.Contains(d.Warnings[10].Message, "19 more") {
			t.Errorf("got %d warnings (%v), the last %+v", len(d.Warnings), err, d.Warnings)
		}
	})
}
