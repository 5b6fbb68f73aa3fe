package httpapi

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

func shown(t *testing.T, d *condition, target string) map[string]any {
	t.Helper()
	a := ask(newAPI(t, forbidden(t), d), "GET", target, "")
	if a.Code != 200 {
		t.Fatalf("%s: status %d: %s", target, a.Code, a.Body)
	}
	return into[map[string]any](t, a)
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPeer_micollabReadsInFull(t *testing.T) {
	row := readmodel.Peer{
		Enterprise: "acme", ID: "p1", Type: events.PeerMiCollab, Description: "Lyon",
		Hostname: "uc1.lyon.example", Port: 8443, Address: "192.0.2.20", Host: "192.0.2.20",
		PeerEnterpriseID: "lyon", DialingPrefix: "81", Version: "9.3", VersionSource: "detected", LocalVersion: "9.8", UPNPresence: "no",
		Enabled: true, Status: events.StatusDown, Cause: events.Cause{Layer: "tls", Code: "expired", Message: "The certificate has expired."},
		StatusSince: noon().Add(-time.Hour), LastProbe: noon().Add(-time.Minute), Latency: 48200 * time.Microsecond,
		Certificate: &events.PeerCertificateSeen{NotAfter: noon().Add(-time.Hour), Issuer: "CN=CA", Subject: "CN=uc1"},
		Notice:      []events.NoticeChange{{Field: "address", From: "192.0.2.1", To: "192.0.2.2"}},
		Maintenance: &events.PeerMaintenanceScheduled{Start: noon(), End: noon().Add(time.Hour), Note: "n"},
		Revision:    41, UpdatedAt: noon(), LastSeq: 57,
	}
	want := object(t, `{
		"id":"p1","enterprise":"acme","type":"micollab","description":"Lyon","server":"uc1.lyon.example","hostname":"uc1.lyon.example",
		"port":8443,"address":"192.0.2.20","peer_enterprise_id":"lyon","dialing_prefix":"81","version":"9.3","version_source":"detected",
		"status":"down","status_cause":{"layer":"tls","code":"expired","message":"The certificate has expired."},"status_since":"2026-03-01T11:00:00Z",
		"last_probe":"2026-03-01T11:59:00Z","latency_ms":48.2,
		"upn_presence":{"value":"no","reason":"the peer is at 9.3, older than 9.4"},
		"certificate":{"not_after":"2026-03-01T11:00:00Z","days_left":-1,"issuer":"CN=CA","subject":"CN=uc1"},
		"enabled":true,"notice":{"changes":[{"field":"address","from":"192.0.2.1","to":"192.0.2.2"}]},
		"maintenance":{"start":"2026-03-01T12:00:00Z","end":"2026-03-01T13:00:00Z","note":"n"},
		"admin_url":"https://uc1.lyon.example/","revision":41,"updated_at":"2026-03-01T12:00:00Z"}`)
	if diff := cmp.Diff(want, shown(t, &condition{peer: row}, peerURL)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPeer_externalShowsNotApplicable(t *testing.T) {
	row := readmodel.Peer{
		Enterprise: "acme", ID: "p1", Type: events.PeerExternal, Description: "Partner", UPNPresence: "unknown",
		Enabled: true, Status: events.StatusNA, Revision: 4, UpdatedAt: noon(), LastSeq: 4,
	}
	want := object(t, `{
		"id":"p1","enterprise":"acme","type":"external","description":"Partner","server":"N/A","hostname":null,"port":null,"address":null,
		"peer_enterprise_id":null,"dialing_prefix":null,"version":"N/A","version_source":null,"status":"N/A","status_cause":null,
		"status_since":null,"last_probe":null,"latency_ms":null,"upn_presence":{"value":"unknown","reason":"an external peer has no versions to compare"},"certificate":null,
		"enabled":true,"notice":null,"maintenance":null,"admin_url":null,"revision":4,"updated_at":"2026-03-01T12:00:00Z"}`)
	if diff := cmp.Diff(want, shown(t, &condition{peer: row}, peerURL)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPeer_deletedOnesListWithTheirStory(t *testing.T) {
	row := readmodel.Peer{ID: "p1", Type: events.PeerExternal, Deleted: &readmodel.Removal{Seq: 9, By: "bob", At: noon(), Reason: "closed"}}
	items := shown(t, &condition{peer: row}, peersURL+"?deleted=true")["items"].([]any)
	want := object(t, `{"sequence":9,"by":"bob","at":"2026-03-01T12:00:00Z","reason":"closed"}`)
	if diff := cmp.Diff(want, items[0].(map[string]any)["deleted"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEnterprise_reads(t *testing.T) {
	row := readmodel.Enterprise{
		ID: "acme", Description: "HQ", Domain: "acme.example", DomainShared: true,
		Server:     events.Server{Hostname: "uc1.acme.example", Address: "192.0.2.10", Version: "9.8", Deployment: events.DeploymentStandard},
		PeersTotal: 3, ByStatus: map[events.Status]int{events.StatusUp: 2, events.StatusNA: 1}, Revision: 41, UpdatedAt: noon(), LastSeq: 57,
	}
	want := object(t, `{
		"id":"acme","description":"HQ","domain":"acme.example",
		"server":{"hostname":"uc1.acme.example","address":"192.0.2.10","version":"9.8","deployment":"standard"},
		"peers":{"total":3,"by_status":{"up":2,"N/A":1}},
		"warnings":[{"code":"domain_shared","message":"another enterprise of this deployment has the domain acme.example too"}],
		"revision":41,"updated_at":"2026-03-01T12:00:00Z"}`)
	if diff := cmp.Diff(want, shown(t, &condition{enterprise: row}, enterpriseURL)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	bare := shown(t, &condition{}, enterpriseURL)
	if w, ok := bare["warnings"].([]any); !ok || len(w) != 0 {
		t.Errorf("without warnings the list is %v", bare["warnings"])
	}
}

func TestTrustedServer_readsWithItsOrigin(t *testing.T) {
	row := readmodel.TrustedServer{
		Enterprise: "acme", ID: "peer-p1", Description: "Lyon", Host: "192.0.2.20", Type: events.TrustPeer, Peer: "p1",
		Revision: 41, UpdatedAt: noon(), Since: readmodel.Since{Seq: 41, Time: noon(), Actor: "ann", Reason: "moved"},
	}
	want := object(t, `{
		"id":"peer-p1","enterprise":"acme","description":"Lyon","host":"192.0.2.20","type":"peer","origin":"peer","peer_id":"p1",
		"since":{"sequence":41,"time":"2026-03-01T12:00:00Z","actor":"ann","reason":"moved"},"revision":41,"updated_at":"2026-03-01T12:00:00Z"}`)
	if diff := cmp.Diff(want, shown(t, &condition{trusted: row}, entryURL)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	row.Peer = ""
	manual := shown(t, &condition{trusted: row}, entryURL)
	if manual["origin"] != "manual" || manual["peer_id"] != nil {
		t.Errorf("a manual entry has origin %v and peer_id %v", manual["origin"], manual["peer_id"])
	}
}

func TestDaysUntil_roundsDown(t *testing.T) {
	for left, want := range map[time.Duration]int{
		0: 0, time.Hour: 0, 24 * time.Hour: 1, 47 * time.Hour: 1, 21 * 24 * time.Hour: 21,
		-time.Second: -1, -24 * time.Hour: -1, -25 * time.Hour: -2,
	} {
		if got := daysUntil(noon(), noon().Add(left)); got != want {
			t.Errorf("with %s left: %d days, want %d", left, got, want)
		}
	}
}

func TestAdminURL_isFilledFromThePeer(t *testing.T) {
	row := readmodel.Peer{Hostname: "uc1.lyon.example", Port: 8443, Host: "2001:db8::1"}
	for template, want := range map[string]string{
		"":                                   "https://uc1.lyon.example/",
		"https://{hostname}:{port}/admin":    "https://uc1.lyon.example:8443/admin",
		"http://{address}/":                  "http://[2001:db8::1]/",
		"https://console.example/{hostname}": "https://console.example/uc1.lyon.example",
	} {
		u, err := parseAdminURL(template)
		if err != nil {
			t.Errorf("%q: %v", template, err)
			continue
		}
		if got := u.of(row); got != want {
			t.Errorf("%q: got %s, want %s", template, got, want)
		}
	}
	for _, bad := range []string{"javascript:alert(1)//{hostname}", "ftp://{hostname}/", "/admin", "https://", "https://{host}/", "{hostname}", "https://{hostname}/{", "%zz"} {
		if _, err := New(Options{Health: healthy(), AdminURL: bad}); err == nil {
			t.Errorf("the template %q is accepted", bad)
		}
	}
}
