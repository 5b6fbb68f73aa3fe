package httpapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const presenceURL = peerURL + "/presence-check"

// checks are the steps of an answer by their names.
func checks(t *testing.T, a answer) map[string]PresenceStep {
	t.Helper()
	if a.Code != 200 {
		t.Fatalf("status %d: %s", a.Code, a.Body)
	}
	out := map[string]PresenceStep{}
	for _, s := range into[PresenceCheck](t, a).Checks {
		if s.Evidence == "" || (s.Fix == nil) != (s.Result == domain.CheckOK) {
			t.Errorf("the step %s is not whole: %+v", s.Step, s)
		}
		out[s.Step] = s
	}
	return out
}

// twoSides are two enterprises of one deployment with a peer for each other.
func twoSides(t *testing.T) (s *stack, peer, back string) {
	t.Helper()
	s = newStack(t)
	s.write(201, "POST", enterprisesURL, hq)
	s.write(201, "POST", enterprisesURL, `{"id":"lyon","description":"Lyon","domain":"lyon.example","server":{"hostname":"uc1.lyon.example","version":"9.8","deployment":"standard"}}`)
	peer = into[Receipt](t, s.write(201, "POST", peersURL, `{"type":"micollab","description":"Lyon","hostname":"uc1.lyon.example","peer_enterprise_id":"lyon","version":"9.8"}`)).ID
	back = enterprisesURL + "/lyon/peers/" + into[Receipt](t, s.write(201, "POST", enterprisesURL+"/lyon/peers",
		`{"type":"micollab","description":"HQ","hostname":"uc1.acme.example","peer_enterprise_id":"acme","version":"9.8"}`)).ID
	return s, peersURL + "/" + peer + "/presence-check", back
}

func TestPresence_bothSidesOfADeployment(t *testing.T) {
	s, check, back := twoSides(t)
	want := func(result, evidence string) {
		t.Helper()
		got := checks(t, s.read(check))
		if len(got) != 8 {
			t.Errorf("%d steps", len(got))
		}
		if o := got["other_side"]; o.Result != result || !strings.Contains(o.Evidence, evidence) {
			t.Errorf("the other side is %+v, want %s: %s", o, result, evidence)
		}
	}
	got := checks(t, s.read(check))
	for step, result := range map[string]string{"platform": "ok", "enabled": "ok", "trusted_entry": "ok", "versions": "ok"} {
		if got[step].Result != result {
			t.Errorf("%s: %+v", step, got[step])
		}
	}
	want("ok", "trusts uc1.acme.example")
	s.write(200, "PATCH", back, `{"address":"192.0.2.99"}`)
	want("failed", "trusts 192.0.2.99")
	s.write(200, "PATCH", back, `{"address":"192.0.2.10"}`) // the address of the local server
	want("ok", "192.0.2.10")
	s.write(200, "POST", back+"/disable", "")
	want("failed", "disabled")
	s.write(200, "DELETE", back, "")
	want("failed", "no peer for this enterprise")
	s.write(200, "DELETE", enterprisesURL+"/lyon", "")
	want("unknown", "cannot be looked up")
	s.write(201, "POST", enterprisesURL, `{"id":"nice","description":"Nice","domain":"nice.example","server":{"hostname":"uc1.lyon.example","version":"9.8","deployment":"standard"}}`)
	want("failed", "here is no enterprise lyon")
}

// TestPresence_whatIsNotSeenLooksLikeWhatIsNotThere: only who may see both sides
// is told of the other one.
func TestPresence_whatIsNotSeenLooksLikeWhatIsNotThere(t *testing.T) {
	s, check, back := twoSides(t)
	s.settle()
	root := s.bearerOf(access.Admin, "")
	mine := s.bearerOf(access.Admin, "acme")
	ask := func(secret string) map[string]PresenceStep { return checks(t, s.bearer(secret, "GET", check, "", "")) }
	if got := ask(root)["other_side"]; got.Result != domain.CheckOK {
		t.Errorf("who sees all is told %+v", got)
	}
	hidden := ask(mine)["other_side"]
	if hidden.Result != domain.CheckUnknown || hidden.Fix == nil || !strings.Contains(*hidden.Fix, "Ask its administrator") {
		t.Errorf("who sees one is told %+v", hidden)
	}
	for _, target := range []string{back, enterprisesURL + "/lyon"} {
		a := s.bearer(root, "DELETE", target, "", "")
		if a.Code != 200 {
			t.Fatalf("%d: %s", a.Code, a.Body)
		}
		s.seen = into[Receipt](t, a).Sequence
		s.settle()
		if now := ask(mine)["other_side"]; now.Evidence != hidden.Evidence || *now.Fix != *hidden.Fix || now.Result != hidden.Result {
			t.Errorf("after %s is gone: %+v, before %+v", target, now, hidden)
		}
	}
}

// TestPresence_usesTheLastProbeOfThePresentConfiguration: what was found where
// the peer is not any more says nothing.
func TestPresence_usesTheLastProbeOfThePresentConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		sample events.Sample
		result string
		known  time.Time // the last probe that the directory knows
	}{
		"that the directory knows":       {events.Sample{ConfigSeq: 3, Started: noon().Add(-3 * time.Minute)}, domain.CheckFailed, noon().Add(-3 * time.Minute)},
		"since the status began":         {events.Sample{ConfigSeq: 3, Started: noon().Add(-time.Minute)}, domain.CheckFailed, time.Time{}},
		"under the newest configuration": {events.Sample{ConfigSeq: 41, Started: noon().Add(-3 * time.Minute)}, domain.CheckFailed, time.Time{}},
		"of what it was before":          {events.Sample{ConfigSeq: 3, Started: noon().Add(-3 * time.Minute)}, domain.CheckUnknown, time.Time{}},
		"since when nobody knows":        {events.Sample{ConfigSeq: 3, Started: noon().Add(-time.Minute)}, domain.CheckUnknown, time.Time{}},
		"old":                            {events.Sample{ConfigSeq: 41, Started: noon().Add(-time.Hour)}, domain.CheckUnknown, time.Time{}},
	} {
		p := newProbing()
		p.directory.peer.StatusSince, p.directory.peer.LastProbe = noon().Add(-2*time.Minute), c.known
		if strings.HasSuffix(name, "nobody knows") {
			p.directory.peer.StatusSince = time.Time{}
		}
		p.directory.enterprise = readmodel.Enterprise{ID: "acme", Server: events.Server{Hostname: "uc1.acme.example", Deployment: events.DeploymentStandard}}
		p.directory.trusted.Host = "uc1.lyon.example"
		p.samples = func(ent events.EnterpriseID, peer events.PeerID, limit int) ([]events.Sample, error) {
			if limit != 1 {
				t.Errorf("asked for %d", limit)
			}
			last := c.sample
			last.Steps = exampleReport().Steps
			return []events.Sample{last}, nil
		}
		got := checks(t, ask(p.api(t), "GET", presenceURL, ""))
		if got["tls"].Result != c.result || got["trusted_entry"].Result != domain.CheckOK {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestPresence_saysWhyNobodyProbes(t *testing.T) {
	p := newProbing()
	p.directory.peer.Status = events.StatusUnknown
	p.directory.peer.Cause = events.Cause{Layer: "policy", Code: "not_probed", Message: "no prober is running"}
	got := checks(t, ask(p.api(t), "GET", presenceURL, ""))
	if dns := got["dns"]; dns.Result != domain.CheckUnknown || !strings.Contains(dns.Evidence, "no prober is running") || *dns.Fix != "See that a prober runs and can report: /health says what is in its way." {
		t.Errorf("dns is %+v", dns)
	}
	if entry := got["trusted_entry"]; entry.Result != domain.CheckFailed {
		t.Errorf("an entry that names nothing is %+v", entry)
	}
}

// TestPresence_neverSaysOkWhereTheRowTellsAnother: the row is of a later probe
// than the last sample that is there, or of one without its cause.
func TestPresence_neverSaysOkWhereTheRowTellsAnother(t *testing.T) {
	for code, step := range map[string]string{
		domain.CauseAddressDrift: "trusted_entry", domain.CauseNameDrift: "trusted_entry", domain.CauseCertificateExpiring: "tls",
	} {
		p := newProbing()
		p.directory.trusted.Host = p.directory.peer.Host
		p.directory.peer.Status, p.directory.peer.Cause = events.StatusDegraded, events.Cause{Layer: "tls", Code: code, Message: "Look at it."}
		p.samples = func(events.EnterpriseID, events.PeerID, int) ([]events.Sample, error) {
			return []events.Sample{{ConfigSeq: 41, Started: noon(), OK: true, Steps: []events.Step{{Layer: "tls", OK: true, Message: "fine"}}}}, nil
		}
		if got := checks(t, ask(p.api(t), "GET", presenceURL, ""))[step]; got.Result != domain.CheckFailed || got.Evidence != "Look at it." {
			t.Errorf("%s: %+v", code, got)
		}
	}
}

func TestPresence_disabledAndExternalPeers(t *testing.T) {
	s, check, _ := twoSides(t)
	s.write(200, "POST", strings.TrimSuffix(check, "/presence-check")+"/disable", "")
	got := checks(t, s.read(check))
	if got["enabled"].Result != domain.CheckFailed || got["trusted_entry"].Result != domain.CheckFailed || got["dns"].Result != domain.CheckUnknown {
		t.Errorf("a disabled peer: %+v", got)
	}
	partner := into[Receipt](t, s.write(201, "POST", peersURL, `{"type":"external","description":"Partner"}`)).ID
	var unknown []string
	for step, r := range checks(t, s.read(peersURL+"/"+partner+"/presence-check")) {
		if r.Result == domain.CheckUnknown {
			unknown = append(unknown, step)
		}
	}
	if slices.Sort(unknown); len(unknown) != 6 {
		t.Errorf("of an external peer is unknown: %v", unknown)
	}
}

func TestPresence_isRefused(t *testing.T) {
	for _, c := range []struct {
		change func(*probing)
		status int
		code   domain.Code
	}{
		{func(p *probing) { p.directory.err = readmodel.ErrNotFound }, 404, domain.NotFound},
		{func(p *probing) { p.directory.err = readmodel.ErrUnavailable }, 503, codeUnavailable},
		{func(p *probing) { p.directory.peer.Deleted = &readmodel.Removal{By: "bob", At: noon()} }, 410, domain.Gone},
		{func(p *probing) {
			p.samples = func(events.EnterpriseID, events.PeerID, int) ([]events.Sample, error) {
				return nil, fmt.Errorf("read: %w", readmodel.ErrUnavailable)
			}
		}, 503, codeUnavailable},
		{func(p *probing) {
			p.samples = func(events.EnterpriseID, events.PeerID, int) ([]events.Sample, error) { return nil, errors.New("x") }
		}, 500, codeInternal},
	} {
		p := newProbing()
		c.change(p)
		wantProblem(t, ask(p.api(t), "GET", presenceURL, ""), c.status, c.code, "")
	}
}
