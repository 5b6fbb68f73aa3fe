package readmodel

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// full is a peer with every field set.
func full() events.PeerAdded {
	return events.PeerAdded{
		Peer: "p1", PeerType: events.PeerMiCollab, Description: "Globex Berlin", Hostname: "mas.globex.example", Port: 8443,
		Address: "198.51.100.7", PeerEnterpriseID: "globex-de", DialingPrefix: "*81", Version: "9.4",
	}
}

// shown is what full shows after it was added to ent at seq.
func shown(ent events.EnterpriseID, seq events.Seq) Peer {
	return Peer{
		Enterprise: ent, ID: "p1", Type: events.PeerMiCollab, Description: "Globex Berlin", Hostname: "mas.globex.example", Port: 8443,
		Address: "198.51.100.7", Host: "198.51.100.7", PeerEnterpriseID: "globex-de", DialingPrefix: "*81",
		Version: "9.4", VersionSource: "entered", LocalVersion: "9.8", UPNPresence: "yes",
		Enabled: true, Status: events.StatusUnknown, StatusSince: at(seq), Revision: seq, UpdatedAt: at(seq), LastSeq: seq,
	}
}

// TestPeer_whatEachConfigurationEventShows: the rest of the row stays as it was,
// and the revision moves.
func TestPeer_whatEachConfigurationEventShows(t *testing.T) {
	changes := []events.NoticeChange{{Field: "address", From: "192.0.2.10", To: "192.0.2.11"}}
	maintenance := events.PeerMaintenanceScheduled{Peer: "p1", Start: at(100), End: at(200), Note: `new "certificate" <ü>`}
	cases := []struct {
		name   string
		events []events.Event
		change func(*Peer)
	}{
		{"renamed", []events.Event{events.PeerRenamed{Peer: "p1", To: "Bonn"}}, func(p *Peer) { p.Description = "Bonn" }},
		{"address", []events.Event{events.PeerAddressChanged{Peer: "p1", To: "uc.example"}}, func(p *Peer) { p.Address, p.Host = "uc.example", "uc.example" }},
		{
			"address follows",
			[]events.Event{events.PeerAddressChanged{Peer: "p1", To: ""}},
			func(p *Peer) { p.Address, p.Host = "", "mas.globex.example" },
		},
		{
			"hostname",
			[]events.Event{events.PeerHostnameChanged{Peer: "p1", To: "pbx.example", ToPort: 443}},
			func(p *Peer) { p.Hostname, p.Port, p.StatusSince = "pbx.example", 443, p.UpdatedAt },
		},
		{
			"address follows the hostname that is changed later",
			[]events.Event{events.PeerAddressChanged{Peer: "p1"}, events.PeerHostnameChanged{Peer: "p1", To: "pbx.example", ToPort: 8443}},
			func(p *Peer) {
				p.Hostname, p.Address, p.Host, p.StatusSince = "pbx.example", "", "pbx.example", p.UpdatedAt
			},
		},
		{
			"enterprise",
			[]events.Event{events.PeerEnterpriseChanged{Peer: "p1", To: "globex-at"}},
			func(p *Peer) { p.PeerEnterpriseID, p.StatusSince = "globex-at", p.UpdatedAt },
		},
		{"dialing prefix", []events.Event{events.PeerDialingPrefixChanged{Peer: "p1", To: "#9"}}, func(p *Peer) { p.DialingPrefix = "#9" }},
		{"no dialing prefix", []events.Event{events.PeerDialingPrefixChanged{Peer: "p1"}}, func(p *Peer) { p.DialingPrefix = "" }},
		{"version", []events.Event{events.PeerVersionEntered{Peer: "p1", To: "9.3"}}, func(p *Peer) { p.Version, p.UPNPresence = "9.3", "no" }},
		{
			"version withdrawn",
			[]events.Event{events.PeerVersionEntered{Peer: "p1"}},
			func(p *Peer) { p.Version, p.VersionSource, p.UPNPresence = "", "", "unknown" },
		},
		{
			"disabled",
			[]events.Event{events.PeerDisabled{Peer: "p1"}},
			func(p *Peer) { p.Enabled, p.Status, p.StatusSince = false, events.StatusDisabled, p.UpdatedAt },
		},
		{
			"enabled",
			[]events.Event{events.PeerDisabled{Peer: "p1"}, events.PeerEnabled{Peer: "p1"}},
			func(p *Peer) { p.StatusSince = p.UpdatedAt },
		},
		{"notice", []events.Event{events.PeerNoticeRaised{Peer: "p1", Changes: changes}}, func(p *Peer) { p.Notice = changes }},
		{
			"notice acknowledged",
			[]events.Event{events.PeerNoticeRaised{Peer: "p1", Changes: changes}, events.PeerNoticeAcknowledged{Peer: "p1", Changes: changes}},
			func(*Peer) {},
		},
		{"maintenance", []events.Event{maintenance}, func(p *Peer) { p.Maintenance = &maintenance }},
		{"maintenance cancelled", []events.Event{maintenance, events.PeerMaintenanceCancelled{Peer: "p1"}}, func(*Peer) {}},
		{"deleted", []events.Event{events.PeerDeleted{Peer: "p1"}}, func(p *Peer) {
			p.Deleted = &Removal{Seq: p.LastSeq, By: domaintest.Actor, At: p.UpdatedAt, Reason: "because"}
		}},
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for i, c := range cases {
			ent := events.EnterpriseID(fmt.Sprintf("ent-%d", i))
			want := shown(ent, s.registers(ent, full()))
			last := s.happens(ent, c.events...)
			want.Revision, want.UpdatedAt, want.LastSeq = last, at(last), last
			c.change(&want)
			if diff := cmp.Diff(want, s.peer(ent, "p1")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		}
	})
}

func TestPeer_added(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		want := shown(acme, s.registers(acme, full()))
		if diff := cmp.Diff(want, s.peer(acme, "p1")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		seq := s.happens(acme, domaintest.ExternalAdded("x1", "Gateway"))
		external := Peer{
			Enterprise: acme, ID: "x1", Type: events.PeerExternal, Description: "Gateway", LocalVersion: "9.8", UPNPresence: "unknown",
			Enabled: true, Status: events.StatusNA, StatusSince: at(seq), Revision: seq, UpdatedAt: at(seq), LastSeq: seq,
		}
		if diff := cmp.Diff(external, s.peer(acme, "x1")); diff != "" {
			t.Errorf("external (-want +got):\n%s", diff)
		}
		if e := s.entry(acme, "x1"); e != nil {
			t.Errorf("an external peer is trusted: %+v", e)
		}
	})
}

func TestPeer_unknownIsNotFound(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Lyon"))
		s.registers(beta)
		for _, c := range []struct {
			ent events.EnterpriseID
			id  events.PeerID
		}{{acme, "p2"}, {acme, "P1"}, {beta, "p1"}, {"gamma", "p1"}} {
			if _, err := s.Directory().Peer(t.Context(), c.ent, c.id); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of %s: %v", c.id, c.ent, err)
			}
		}
		if _, err := s.Directory().Peers(t.Context(), "gamma", PeerQuery{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("the peers of nobody: %v", err)
		}
		if _, err := s.Directory().Enterprise(t.Context(), "gamma"); !errors.Is(err, ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
	})
}

// TestPeer_probesMoveNoRevision: a probe never makes an edit fail, and a version
// that was detected replaces one that was entered, as long as it is shown.
func TestPeer_probesMoveNoRevision(t *testing.T) {
	seen := events.PeerCertificateSeen{
		Peer: "p1", NotBefore: at(0), NotAfter: at(900), Issuer: "CN=CA", Subject: "CN=x", Names: []string{"a.example"}, Fingerprint: "ab",
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		want := shown(acme, s.registers(acme, full()))
		revision := want.Revision
		for i, step := range []struct {
			event  events.Event
			change func(*Peer)
		}{
			{status("p1", events.StatusDown, revision), func(p *Peer) {
				p.Status, p.StatusSince = events.StatusDown, at(revision).Add(time.Hour)
				p.Cause = events.Cause{Layer: "tls", Code: "expired", Message: "The certificate has expired."}
			}},
			{events.PeerVersionDetected{Peer: "p1", To: "9.3.0.1"}, func(p *Peer) {
				p.Version, p.VersionSource, p.UPNPresence = "9.3.0.1", "detected", "no"
			}},
			{seen, func(p *Peer) { p.Certificate = &seen }},
			{events.PeerVersionEntered{Peer: "p1", To: "9.9"}, func(p *Peer) { p.Revision, p.UpdatedAt = s.last, at(s.last) }}, // one was detected
			{events.PeerVersionDetected{Peer: "p1", To: ""}, func(p *Peer) { p.Version, p.VersionSource, p.UPNPresence = "9.9", "entered", "yes" }},
			{events.PeerVersionDetected{Peer: "p1", To: "9.10"}, func(p *Peer) { p.Version, p.VersionSource = "9.10", "detected" }},
			{events.PeerVersionEntered{Peer: "p1", To: ""}, func(p *Peer) { p.Revision, p.UpdatedAt = s.last, at(s.last) }},
			{events.PeerVersionDetected{Peer: "p1", To: ""}, func(p *Peer) { p.Version, p.VersionSource, p.UPNPresence = "", "", "unknown" }},
		} {
			want.LastSeq = s.happens(acme, step.event)
			step.change(&want)
			if diff := cmp.Diff(want, s.peer(acme, "p1")); diff != "" {
				t.Errorf("step %d, %s (-want +got):\n%s", i, step.event.Type(), diff)
			}
		}
	})
}

// TestPeer_verdictsAboutAnOlderConfigurationDoNotCount: what decides is where the
// peer was probed, not when the verdict arrived.
func TestPeer_verdictsAboutAnOlderConfigurationDoNotCount(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for i, c := range []struct {
			change events.Event
			counts bool // a verdict from before the change
		}{
			{events.PeerRenamed{Peer: "p1", To: "Bonn"}, true},
			{events.PeerVersionEntered{Peer: "p1", To: "9.5"}, true},
			{events.PeerDialingPrefixChanged{Peer: "p1", To: "9"}, true},
			{events.PeerHostnameChanged{Peer: "p1", To: "pbx.example"}, false},
			{events.PeerEnterpriseChanged{Peer: "p1", To: "globex-at"}, false},
			{events.PeerAddressChanged{Peer: "p1", To: "192.0.2.77", ToHost: "192.0.2.77"}, true}, // probes go to the hostname
		} {
			ent := events.EnterpriseID(fmt.Sprintf("ent-%d", i))
			before := s.registers(ent, full())
			after := s.happens(ent, c.change)
			s.happens(ent, status("p1", events.StatusUp, before))
			if got := s.peer(ent, "p1").Status; (got == events.StatusUp) != c.counts {
				t.Errorf("%s: a verdict from before makes it %s", c.change.Type(), got)
			}
			s.happens(ent, status("p1", events.StatusDegraded, after))
			if got := s.peer(ent, "p1").Status; got != events.StatusDegraded {
				t.Errorf("%s: a verdict from after leaves it %s", c.change.Type(), got)
			}
		}
	})
}

// TestPeer_anotherHostBeginsAnew: what the host before has shown is not of this
// one, and what was entered counts again.
func TestPeer_anotherHostBeginsAnew(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		want := shown(acme, s.registers(acme, full()))
		probed := want.Revision
		s.happens(acme, status("p1", events.StatusDown, probed), events.PeerVersionDetected{Peer: "p1", To: "9.6", ConfigSeq: probed},
			events.PeerCertificateSeen{Peer: "p1", NotAfter: at(900), ConfigSeq: probed})
		if p := s.peer(acme, "p1"); p.Version != "9.6" || p.Certificate == nil || p.Status != events.StatusDown {
			t.Fatalf("before: %+v", p)
		}
		last := s.happens(acme, events.PeerHostnameChanged{Peer: "p1", To: "mas.globex.example", ToPort: 443})
		since := at(probed).Add(time.Hour) // as the status before it, by a clock that was ahead
		want.Port, want.StatusSince, want.Revision, want.UpdatedAt, want.LastSeq = 443, since, last, at(last), last
		if diff := cmp.Diff(want, s.peer(acme, "p1")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		page := must(s.Directory().Peers(t.Context(), acme, PeerQuery{ListQuery: ListQuery{Sort: "certificate"}}))(t)
		if diff := cmp.Diff([]Peer{want}, page.Items); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
	})
}

// TestPeer_whatWasSeenUnderAnOlderConfigurationDoesNotCount, unless it does not
// say what was probed.
func TestPeer_whatWasSeenUnderAnOlderConfigurationDoesNotCount(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for i, c := range []struct {
			change events.Event
			config events.Seq // of what was seen, after the first
			counts bool
		}{
			{events.PeerRenamed{Peer: "p1", To: "Bonn"}, 1, true},
			{events.PeerHostnameChanged{Peer: "p1", To: "pbx.example"}, 1, false},
			{events.PeerHostnameChanged{Peer: "p1", To: "pbx.example"}, 2, true},
			{events.PeerHostnameChanged{Peer: "p1", To: "pbx.example"}, 0, true},
			{events.PeerEnterpriseChanged{Peer: "p1", To: "globex-at"}, 1, false},
			{events.PeerDisabled{Peer: "p1"}, 1, false},
			{events.PeerDisabled{Peer: "p1"}, 2, false},
			{events.PeerDisabled{Peer: "p1"}, 0, true},
		} {
			ent := events.EnterpriseID(fmt.Sprintf("ent-%d", i))
			first := s.registers(ent)
			s.happens(ent, full())
			s.happens(ent, c.change)
			config := c.config
			if config != 0 {
				config += first
			}
			s.happens(ent, events.PeerVersionDetected{Peer: "p1", To: "9.6", ConfigSeq: config}, events.PeerCertificateSeen{Peer: "p1", NotAfter: at(900), ConfigSeq: config})
			p := s.peer(ent, "p1")
			if (p.Version == "9.6") != c.counts || (p.Certificate != nil) != c.counts {
				t.Errorf("%T, seen under %d: %s, %+v", c.change, c.config, p.Version, p.Certificate)
			}
		}
	})
}

func TestPeer_isNotProbedWhileDisabledExternalOrGone(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Lyon"), domaintest.ExternalAdded("x1", "Gateway"), added("p2", "Gone"), events.PeerDeleted{Peer: "p2"})
		off := s.happens(acme, events.PeerDisabled{Peer: "p1"})
		before := s.peer(acme, "p2")
		s.happens(acme, status("p1", events.StatusUp, 99), status("x1", events.StatusUp, 99), status("p2", events.StatusUp, 99),
			events.PeerVersionDetected{Peer: "p2", To: "9.9"}, events.PeerCertificateSeen{Peer: "p2"})
		if p := s.peer(acme, "p1"); p.Status != events.StatusDisabled || p.Revision != off {
			t.Errorf("the disabled one is %s", p.Status)
		}
		if p := s.peer(acme, "x1"); p.Status != events.StatusNA {
			t.Errorf("the external one is %s", p.Status)
		}
		if diff := cmp.Diff(before, s.peer(acme, "p2")); diff != "" {
			t.Errorf("the deleted one was changed:\n%s", diff)
		}
		on := s.happens(acme, events.PeerEnabled{Peer: "p1"})
		s.happens(acme, status("p1", events.StatusUp, off)) // began before it was enabled
		if p := s.peer(acme, "p1"); p.Status != events.StatusUnknown || p.StatusSince != at(on) {
			t.Errorf("enabled, it is %s", p.Status)
		}
	})
}
