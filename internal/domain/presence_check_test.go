package domain_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// soundPresence is a peer whose presence shows.
func soundPresence() domain.PresenceFacts {
	return domain.PresenceFacts{
		Now:        domaintest.Start(),
		Enterprise: "acme", Deployment: events.DeploymentStandard, LocalHostname: "uc.acme.example", LocalAddress: "192.0.2.1", LocalVersion: "9.8",
		Type: events.PeerMiCollab, Enabled: true, Hostname: "pbx.lyon.example", PeerEnterprise: "lyon", PeerVersion: "9.7",
		Host: "192.0.2.20", TrustedHost: "192.0.2.20",
		Probe: &events.Sample{Started: domaintest.Start().Add(-12 * time.Second), OK: true, Steps: steps("dns", "connect", "tls", "http")},
		Other: domain.OtherSide{Known: true, Exists: true, HasPeer: true, Enabled: true, TrustedHost: "uc.acme.example"},
	}
}

// steps are layers in order, the last of them failed when it has a code, as
// "tls/expired".
func steps(layers ...string) (list []events.Step) {
	for _, l := range layers {
		layer, code, failed := strings.Cut(l, "/")
		message := "The layer " + layer + " is in order."
		if failed {
			message = "The layer " + layer + " is broken."
		}
		list = append(list, events.Step{Layer: layer, OK: !failed, Code: code, Message: message})
	}
	return list
}

func probed(layers ...string) func(*domain.PresenceFacts) {
	return func(f *domain.PresenceFacts) { f.Probe.Steps, f.Probe.OK = steps(layers...), false }
}

// shown is the cause of the status that the peer is shown with.
func shown(layer, code, message string) func(*domain.PresenceFacts) {
	return func(f *domain.PresenceFacts) { f.Cause = events.Cause{Layer: layer, Code: code, Message: message} }
}

func unprobed(f *domain.PresenceFacts) {
	shown("policy", domain.CauseNotProbed, "No prober is running.")(f)
}

func attends(c events.Cause) func(*domain.PresenceFacts) {
	return func(f *domain.PresenceFacts) { f.Probe.Cause = c }
}

// results writes a checklist short: o, f or ? for each step.
func results(list []domain.PresenceStep) string {
	var out strings.Builder
	for _, s := range list {
		out.WriteString(map[string]string{domain.CheckOK: "o", domain.CheckFailed: "f", domain.CheckUnknown: "?"}[s.Result])
	}
	return out.String()
}

func TestCheckPresence_rules(t *testing.T) {
	for rule, test := range map[string]struct {
		change   func(*domain.PresenceFacts)
		want     string // platform enabled trusted dns connect tls versions other
		step     string
		evidence string
		fix      string
	}{
		"all is well":                  {func(*domain.PresenceFacts) {}, "oooooooo", "dns", "The layer dns is in order (12 seconds ago).", ""},
		"MiCloud Flex":                 {func(f *domain.PresenceFacts) { f.Deployment = events.DeploymentMiCloudGCP }, "fooooooo", "platform", "MiCloud Flex", "deployment standard"},
		"a platform that is not known": {func(f *domain.PresenceFacts) { f.Deployment = "" }, "?ooooooo", "platform", "not known", "Set the deployment"},
		"disabled": {
			func(f *domain.PresenceFacts) { f.Enabled, f.TrustedHost = false, "" }, "off???oo",
			"trusted_entry", "The trusted entry is withdrawn while the peer is disabled.", "Enable the peer",
		},
		"disabled, of an old probe nothing is said": {
			func(f *domain.PresenceFacts) { f.Enabled = false; probed("dns", "connect", "tls", "http/timeout")(f) }, "off???oo",
			"tls", "Not tried: the peer is disabled.", "Enable the peer.",
		},
		"no trusted entry":        {func(f *domain.PresenceFacts) { f.TrustedHost = "" }, "oofooooo", "trusted_entry", "has no trusted entry", "enable it again"},
		"another trusted host":    {func(f *domain.PresenceFacts) { f.TrustedHost = "192.0.2.99" }, "oofooooo", "trusted_entry", "names 192.0.2.99, but the peer connects from 192.0.2.20", "Set the address"},
		"the address has drifted": {attends(events.Cause{Layer: "dns", Code: domain.CauseAddressDrift, Message: "It moved."}), "oofooooo", "trusted_entry", "It moved (12 seconds ago).", "Set the address"},
		"the name has drifted":    {attends(events.Cause{Layer: "tls", Code: domain.CauseNameDrift, Message: "It is for another."}), "oofooooo", "trusted_entry", "It is for another (12 seconds ago).", "Set the address"},
		"a drift of long ago": {func(f *domain.PresenceFacts) {
			attends(events.Cause{Layer: "dns", Code: domain.CauseAddressDrift, Message: "It moved."})(f)
			f.Now = f.Now.Add(time.Hour)
		}, "ooo???oo", "dns", "(60 minutes ago)", "Probe the peer now."},
		"the certificate ends soon": {
			attends(events.Cause{Layer: "tls", Code: domain.CauseCertificateExpiring, Message: "The certificate ends on Monday."}), "ooooofoo",
			"tls", "The certificate ends on Monday (12 seconds ago).", "Renew the certificate",
		},
		"the status says that the certificate ends soon": {
			shown("tls", domain.CauseCertificateExpiring, "The certificate ends on Monday."), "ooooofoo",
			"tls", "The certificate ends on Monday.", "Renew the certificate",
		},
		"what the probe fails at is worse than a certificate that ends soon": {func(f *domain.PresenceFacts) {
			shown("tls", domain.CauseCertificateExpiring, "The certificate ends on Monday.")(f)
			probed("dns", "connect", "tls/name_mismatch")(f)
		}, "ooooofoo", "tls", "The layer tls is broken", "a name in its certificate"},
		"the status says that the address has drifted": {shown("dns", domain.CauseAddressDrift, "It moved."), "oofooooo", "trusted_entry", "It moved.", "Set the address"},
		"the status says that the name has drifted":    {shown("tls", domain.CauseNameDrift, "It is for another."), "oofooooo", "trusted_entry", "It is for another.", "Set the address"},
		"the name is not found":                        {probed("dns/not_found"), "ooof??oo", "dns", "The layer dns is broken (12 seconds ago).", "Correct the hostname"},
		"behind dns nothing was":                       {probed("dns/not_found"), "ooof??oo", "tls", "Not tried: the probe ended at the layer dns (12 seconds ago).", "first"},
		"refused":                                      {probed("dns", "connect/refused"), "oooof?oo", "connect", "The layer connect is broken", "Start the web server"},
		"another connect fault":                        {probed("dns", "connect/unreachable"), "oooof?oo", "connect", "broken", "firewalls"},
		"a forbidden address":                          {probed("dns", "policy/address_refused"), "oooof?oo", "connect", "The layer policy is broken", "PEERING_PROBE_ALLOW"},
		"a forbidden port":                             {probed("policy/port_refused"), "ooo?f?oo", "dns", "Not tried: the probe ended at the layer policy", "first"},
		"the wrong name":                               {probed("dns", "connect", "tls/name_mismatch"), "ooooofoo", "tls", "broken", "a name in its certificate"},
		"another tls fault":                            {probed("dns", "connect", "tls/handshake"), "ooooofoo", "tls", "broken", "such as a proxy"},
		"no sound HTTP answer":                         {probed("dns", "connect", "tls", "http/server_error"), "oooooofo", "versions", "The layer http is broken (12 seconds ago).", "Look at the web server"},
		"an old HTTP fault": {func(f *domain.PresenceFacts) {
			probed("dns", "connect", "tls", "http/server_error")(f)
			f.Now = f.Now.Add(time.Hour)
		}, "ooo???oo", "versions", "9.4 or later", ""},
		"nobody probes": {
			func(f *domain.PresenceFacts) { f.Probe = nil; unprobed(f) }, "ooo???oo",
			"connect", "Not tried: no prober is running.", "See that a prober runs and can report: /health says what is in its way.",
		},
		"nobody probes any more":           {func(f *domain.PresenceFacts) { unprobed(f); f.Now = f.Now.Add(time.Hour) }, "ooo???oo", "tls", "The layer tls is in order (60 minutes ago). Not probed now: no prober is running.", "See that a prober runs and can report: /health says what is in its way."},
		"nobody probes since a moment ago": {unprobed, "oooooooo", "tls", "The layer tls is in order (12 seconds ago). Not probed now: no prober is running.", ""},
		"a reason that begins with a name": {
			func(f *domain.PresenceFacts) {
				f.Probe = nil
				shown("policy", domain.CauseProberIsolated, "DNS of the prober is away.")(f)
			}, "ooo???oo",
			"dns", "Not tried: DNS of the prober is away.", "Probe the peer now.",
		},
		"not probed, nobody knows why": {func(f *domain.PresenceFacts) { f.Probe = nil }, "ooo???oo", "dns", "Not tried: the peer was not probed yet.", "Probe the peer now."},
		"a probe of five minutes ago":  {func(f *domain.PresenceFacts) { f.Probe.Started = f.Now.Add(-5 * time.Minute) }, "oooooooo", "dns", "(5 minutes ago)", ""},
		"an older one": {
			func(f *domain.PresenceFacts) { f.Probe.Started = f.Now.Add(-5*time.Minute - 1) }, "ooo???oo",
			"tls", "The layer tls is in order (5 minutes ago).", "Probe the peer now.",
		},
		"an old failure":               {func(f *domain.PresenceFacts) { probed("dns/timeout")(f); f.Now = f.Now.Add(50 * time.Hour) }, "ooo???oo", "dns", "The layer dns is broken (2 days ago).", "Probe"},
		"a probe by a clock ahead":     {func(f *domain.PresenceFacts) { f.Probe.Started = f.Now.Add(time.Minute) }, "oooooooo", "dns", "(0 seconds ago)", ""},
		"a probe that says too little": {func(f *domain.PresenceFacts) { f.Probe.Steps = steps("dns") }, "oooo??oo", "tls", "says nothing of the layer tls", "Probe"},
		"the peer is too old":          {func(f *domain.PresenceFacts) { f.PeerVersion = "9.3" }, "oooooofo", "versions", "The peer is at 9.3, older than 9.4: the presence of users whose login ID is a UPN is not visible.", "Upgrade"},
		"a version is not known":       {func(f *domain.PresenceFacts) { f.LocalVersion = "" }, "oooooo?o", "versions", "The version of the local server is not known.", "Enter the version"},
		"the other side is elsewhere": {
			func(f *domain.PresenceFacts) { f.Other = domain.OtherSide{Exists: true} }, "ooooooo?",
			"other_side", "Enterprise lyon on pbx.lyon.example cannot be looked up from here.", "an enabled peer for enterprise acme on uc.acme.example",
		},
		"no such enterprise":        {func(f *domain.PresenceFacts) { f.Other = domain.OtherSide{Known: true} }, "ooooooof", "other_side", "There is no enterprise lyon on pbx.lyon.example.", "Correct"},
		"no peer for us":            {func(f *domain.PresenceFacts) { f.Other.HasPeer = false }, "ooooooof", "other_side", "has no peer for this enterprise", "Add a peer for enterprise acme on uc.acme.example"},
		"theirs is disabled":        {func(f *domain.PresenceFacts) { f.Other.Enabled = false }, "ooooooof", "other_side", "disabled", "Enable the peer for enterprise acme there."},
		"theirs trusts another":     {func(f *domain.PresenceFacts) { f.Other.TrustedHost = "old.acme.example" }, "ooooooof", "other_side", "trusts old.acme.example", "to 192.0.2.1."},
		"theirs trusts nothing":     {func(f *domain.PresenceFacts) { f.Other.TrustedHost, f.LocalAddress = "", "" }, "ooooooof", "other_side", "trusts nothing", "to uc.acme.example."},
		"theirs trusts our address": {func(f *domain.PresenceFacts) { f.Other.TrustedHost = "192.0.2.1" }, "oooooooo", "other_side", "trusts 192.0.2.1", ""},
		"an external peer": {func(f *domain.PresenceFacts) {
			*f = domain.PresenceFacts{Type: events.PeerExternal, Enabled: true, Deployment: events.DeploymentStandard}
		}, "oo??????", "tls", "Does not apply", "gateway"},
		"a disabled external peer": {func(f *domain.PresenceFacts) { f.Type, f.Enabled = events.PeerExternal, false }, "of??????", "enabled", "The peer is disabled.", "Enable the peer."},
	} {
		t.Run(rule, func(t *testing.T) {
			f := soundPresence()
			test.change(&f)
			list := domain.CheckPresence(f)
			if got := results(list); got != test.want {
				t.Errorf("got %s, want %s: %+v", got, test.want, list)
			}
			at := slices.IndexFunc(list, func(s domain.PresenceStep) bool { return s.Step == test.step })
			if got := list[at]; !strings.Contains(got.Evidence, test.evidence) || !strings.Contains(got.Fix, test.fix) {
				t.Errorf("got %+v, want evidence %q and fix %q", got, test.evidence, test.fix)
			}
		})
	}
}

// anyPresence draws facts, unlikely ones too.
func anyPresence(t *rapid.T) domain.PresenceFacts {
	f := soundPresence()
	text := func(name string, values ...string) string { return rapid.SampledFrom(append(values, "")).Draw(t, name) }
	f.Deployment = events.Deployment(text("deployment", "standard", "micloud-flex-gcp", "other"))
	f.Type = events.PeerType(text("type", "micollab", "micollab", "external"))
	f.Enabled = rapid.Bool().Draw(t, "enabled")
	f.TrustedHost, f.LocalAddress = text("trusted", f.Host, "other.example"), text("address", "192.0.2.1")
	f.LocalVersion, f.PeerVersion = text("local", "9.3", "9.10"), text("version", "9.3", "9.10", "soon")
	f.Other = domain.OtherSide{
		Known: rapid.Bool().Draw(t, "known"), Exists: rapid.Bool().Draw(t, "exists"), HasPeer: rapid.Bool().Draw(t, "has"),
		Enabled: rapid.Bool().Draw(t, "theirs"), TrustedHost: text("theirs trusts", "uc.acme.example", "192.0.2.1"),
	}
	f.Probe.Steps = steps(rapid.SliceOfN(rapid.SampledFrom([]string{"dns", "connect", "tls", "http", "dns/timeout", "connect/reset", "policy/port_refused", "tls/expired", "http/closed", "odd/odd"}), 0, 5).Draw(t, "steps")...)
	f.Probe.OK = rapid.Bool().Draw(t, "ok")
	f.Probe.Cause = rapid.SampledFrom([]events.Cause{{}, {Layer: "dns", Code: "address_drift", Message: "moved"}, {Layer: "tls"}}).Draw(t, "cause")
	f.Now = f.Now.Add(time.Duration(rapid.IntRange(-100, 2000).Draw(t, "age")) * time.Second)
	if rapid.IntRange(0, 4).Draw(t, "probed") == 0 {
		f.Probe = nil
	}
	f.Cause = events.Cause{Code: text("shown", domain.CauseNotProbed, domain.CauseNameDrift, domain.CauseCertificateExpiring, "refused"), Message: rapid.SampledFrom([]string{"No prober is running.", "it is so", "192.0.2.1 is gone"}).Draw(t, "why")}
	return f
}

func TestCheckPresence_isAlwaysTheWholeListInSentences(t *testing.T) {
	want := []string{"platform", "enabled", "trusted_entry", "dns", "connect", "tls", "versions", "other_side"}
	rapid.Check(t, func(t *rapid.T) {
		f := anyPresence(t)
		var got []string
		for _, s := range domain.CheckPresence(f) {
			got = append(got, s.Step)
			if !slices.Contains([]string{domain.CheckOK, domain.CheckFailed, domain.CheckUnknown}, s.Result) {
				t.Fatalf("%s is %q", s.Step, s.Result)
			}
			if (s.Fix == "") != (s.Result == domain.CheckOK) {
				t.Fatalf("%+v has a fix, or none, by mistake", s)
			}
			for _, text := range []string{s.Evidence, s.Fix} {
				if text != "" && (!strings.HasSuffix(text, ".") || strings.HasSuffix(text, "..") || strings.ToUpper(text[:1]) != text[:1]) {
					t.Fatalf("%s: %q is no sentence", s.Step, text)
				}
			}
			if s.Evidence == "" {
				t.Fatalf("%s is %s without evidence", s.Step, s.Result)
			}
			if f.Cause.Code == domain.CauseNameDrift && s.Step == "trusted_entry" && s.Result == domain.CheckOK && f.Type != events.PeerExternal {
				t.Fatalf("the status says %+v, and the check %+v", f.Cause, s)
			}
			old := f.Probe == nil || f.Now.Sub(f.Probe.Started) > 5*time.Minute
			if layer := slices.Contains([]string{"dns", "connect", "tls"}, s.Step); layer && old && s.Result != domain.CheckUnknown && (s.Step != "tls" || f.Cause.Code != domain.CauseCertificateExpiring) {
				t.Fatalf("%s is %s by a probe that is old, or none", s.Step, s.Result)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got the steps %q", got)
		}
	})
}
