package prober

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

func certificate(fingerprint string, names ...string) events.PeerCertificateSeen {
	return events.PeerCertificateSeen{
		NotBefore: at(0), NotAfter: epoch.Add(365 * 24 * time.Hour), Issuer: "an authority", Subject: "a server",
		Names: names, Fingerprint: fingerprint,
	}
}

func seen(fingerprint string, config events.Seq, names ...string) events.PeerCertificateSeen {
	c := certificate(fingerprint, names...)
	c.Peer, c.ConfigSeq = "p1", config
	return c
}

func turned(from, to events.Status, config events.Seq, second int, resolved ...string) events.PeerStatusChanged {
	return events.PeerStatusChanged{Peer: "p1", From: from, To: to, ConfigSeq: config, Since: at(second), ProbeStarted: at(second), Resolved: resolved}
}

const (
	unknown = events.StatusUnknown
	up      = events.StatusUp
	down    = events.StatusDown
)

func TestHistory(t *testing.T) {
	add := added("p1", "a.example")
	trusting := add
	trusting.Address = "192.0.2.1"
	named := add
	named.Address = "trusted.example"
	moved := events.PeerHostnameChanged{Peer: "p1", To: "b.example", ToPort: 443}
	far := epoch.Add(365 * 24 * time.Hour)
	for name, tt := range map[string]struct {
		given []events.Event
		want  history
	}{
		"nothing of a new peer": {[]events.Event{add}, history{}},
		"the version shown last": {
			[]events.Event{add, events.PeerVersionDetected{Peer: "p1", To: "9.4", ConfigSeq: 1}, events.PeerVersionDetected{Peer: "p1", From: "9.4", To: "9.5"}},
			history{Version: "9.5", VersionAt: at(3)},
		},
		"no version from before": {
			[]events.Event{add, moved, events.PeerVersionDetected{Peer: "p1", To: "9.4", ConfigSeq: 1}}, history{},
		},
		"the certificates shown last": {
			[]events.Event{add, seen("c1", 1), seen("c2", 1), seen("c1", 1)},
			history{Certificate: "c1", Certificates: []string{"c1", "c2"}, CertificateAt: at(4), NotAfter: far},
		},
		"of many the latest four": {
			[]events.Event{add, seen("c1", 1), seen("c2", 1), seen("c3", 1), seen("c4", 1), seen("c5", 0)},
			history{Certificate: "c5", Certificates: []string{"c2", "c3", "c4", "c5"}, CertificateAt: at(6), NotAfter: far},
		},
		"no certificate from before": {[]events.Event{add, moved, seen("c1", 1)}, history{}},
		"of another hostname nothing": {
			[]events.Event{
				add, seen("c1", 1),
				events.PeerVersionDetected{Peer: "p1", To: "9.4", ConfigSeq: 1},
				turned(unknown, up, 1, 10), turned(up, down, 1, 11), moved,
			}, history{},
		},
		"when it went down and came back": {
			[]events.Event{add, turned(unknown, up, 1, 10), turned(up, down, 1, 20), turned(down, down, 1, 30), turned(down, up, 1, 40)},
			history{Flips: []time.Time{at(20), at(40)}},
		},
		"that its name stood for its trusted address": {
			[]events.Event{trusting, turned(unknown, up, 1, 10, "not one", "192.0.2.9", "192.0.2.1")}, history{AddressSeen: true},
		},
		"not that it stood for another": {[]events.Event{trusting, turned(unknown, up, 1, 10, "192.0.2.9")}, history{}},
		"nor when it trusts none":       {[]events.Event{add, turned(unknown, up, 1, 10, "192.0.2.1")}, history{}},
		"that a certificate covered its trusted name": {
			[]events.Event{named, seen("c1", 1, "*.example"), seen("c2", 1, "other.example")},
			history{Certificate: "c2", Certificates: []string{"c1", "c2"}, CertificateAt: at(3), NotAfter: far, NameCovered: true},
		},
		"of another trusted host neither": {
			[]events.Event{named, seen("c1", 1, "*.example"), events.PeerAddressChanged{Peer: "p1", To: "192.0.2.1"}},
			history{Certificate: "c1", Certificates: []string{"c1"}, CertificateAt: at(2), NotAfter: far},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := folded(tt.given...).Get(domain.PeerKey{Enterprise: acme, Peer: "p1"})
			if d := cmp.Diff(tt.want, got.history); d != "" || !ok {
				t.Error(d)
			}
		})
	}
}

// TestHistory_keepsAsManyFlipsAsFlappingIsToldBy: a prober that takes over has to
// tell it like the one that was there.
func TestHistory_keepsAsManyFlipsAsFlappingIsToldBy(t *testing.T) {
	evs := []events.Event{added("p1", "a.example"), turned(unknown, up, 1, 1)}
	for i := range 7 {
		from, to := up, down
		if i%2 == 1 {
			from, to = down, up
		}
		evs = append(evs, turned(from, to, 1, 10*(i+1)))
	}
	got, _ := folded(evs...).Get(domain.PeerKey{Enterprise: acme, Peer: "p1"})
	if n := domain.DefaultJudgeRules().FlapChanges; len(got.Flips) != n {
		t.Fatalf("%d flips, want %d", len(got.Flips), n)
	}
	if want := fmt.Sprint([]time.Time{at(30), at(40), at(50), at(60), at(70)}); fmt.Sprint(got.Flips) != want {
		t.Errorf("flips %v, want %s", got.Flips, want)
	}
}

// TestTargets_aCopyIsNotChangedByWhatComesLater: judges hold targets while the
// log goes on.
func TestTargets_aCopyIsNotChangedByWhatComesLater(t *testing.T) {
	targets := folded(added("p1", "a.example"), seen("c1", 1), seen("c2", 1), seen("c3", 1), seen("c4", 1))
	before, _ := targets.Get(domain.PeerKey{Enterprise: acme, Peer: "p1"})
	for i := range 5 {
		targets.Apply(recorded(events.Seq(6+i), seen(fmt.Sprint("d", i), 1)))
	}
	if d := cmp.Diff([]string{"c1", "c2", "c3", "c4"}, before.Certificates); d != "" {
		t.Error(d)
	}
}
