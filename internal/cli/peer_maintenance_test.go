package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/client"
)

func TestPeerMaintenance_announcesCancelsAndLists(t *testing.T) {
	const path = "/api/v1/enterprises/acme/peers/"
	s := newRouted(t, map[string]string{
		"POST " + path + "p1/maintenance":   `{"id":"p1","sequence":57}`,
		"DELETE " + path + "p1/maintenance": `{"id":"p1","sequence":57}`,
		"GET " + path + "Berlin/maintenances?limit=1000": `{"items":[{"sequence":9,"start":"2026-03-01T22:00:00Z","end":"2026-03-02T04:00:00Z","note":"Upgrade","by":"bob","cancelled_at":null},` +
			`{"sequence":4,"start":"2026-01-01T22:00:00Z","end":"2026-01-02T04:00:00Z","note":null,"by":"eve","cancelled_at":"2026-01-01T21:00:00Z"}],"next_cursor":null,"sequence":9}`,
	})
	got := command(t.Context(), s.URL, "peer", "maintenance", "acme", "Berlin", "--start", "2026-03-01T22:00:00Z", "--end", "2026-03-02T04:00:00Z", "--note", "Upgrade")
	if got.code != 0 || !strings.Contains(got.out, `Announced a maintenance of "Berlin" from `) {
		t.Errorf("got %+v", got)
	}
	if want := "POST " + path + `p1/maintenance {"start":"2026-03-01T22:00:00Z","end":"2026-03-02T04:00:00Z","note":"Upgrade"}`; s.sent[1] != want {
		t.Errorf("sent %s, want %s", s.sent[1], want)
	}
	s.bodies["GET "+path+"p1"], s.bodies["GET "+path+"Berlin"] = announced(time.Hour), announced(time.Hour)
	if got := command(t.Context(), s.URL, "peer", "maintenance", "acme", "Berlin", "--cancel"); got.code != 0 || !strings.HasPrefix(got.out, `Took the maintenance of "Berlin" back (`) {
		t.Errorf("got %+v", got)
	}
	got = command(t.Context(), s.URL, "-o", "csv", "peer", "maintenance", "acme", "Berlin")
	if want := "start,end,note,by,cancelled_at,sequence\n2026-03-01T22:00:00Z,2026-03-02T04:00:00Z,Upgrade,bob,,9\n2026-01-01T22:00:00Z,2026-01-02T04:00:00Z,,eve,2026-01-01T21:00:00Z,4\n"; got.out != want {
		t.Errorf("got %+v", got)
	}
	before := len(s.sent)
	for _, args := range [][]string{
		{"--start", "2026-03-01T22:00:00Z"},
		{"--end", "2026-03-01T22:00:00Z"},
		{"--note", "x"},
		{"--reason", "x"},
		{"--cancel", "--start", "2026-03-01T22:00:00Z"},
		{"--cancel", "--note", "x"},
		{"--start", "tomorrow", "--end", "2026-03-01T22:00:00Z"},
	} {
		if got := command(t.Context(), s.URL, append([]string{"peer", "maintenance", "acme", "Berlin"}, args...)...); got.code != 2 {
			t.Errorf("%v: %+v", args, got)
		}
	}
	if len(s.sent) != before {
		t.Errorf("wrong usage sent %q", s.sent[before:])
	}
}

// announced is Berlin with a maintenance that began long ago and ends then.
func announced(ends time.Duration) string {
	return strings.Replace(berlinJSON, `"status":"up"`, `"status":"up","maintenance":{"start":"2026-01-01T22:00:00Z","end":"`+time.Now().Add(ends).UTC().Format(time.RFC3339)+`"}`, 1)
}

// TestPeerMaintenance_saysWhatBecomesOfTheOneBefore: one that is over is neither
// replaced nor taken back.
func TestPeerMaintenance_saysWhatBecomesOfTheOneBefore(t *testing.T) {
	const path = "/api/v1/enterprises/acme/peers/"
	for name, c := range map[string]struct {
		berlin          string
		announce, taken string
	}{
		"none":      {berlinJSON, ` (id p1`, `Nothing was announced of "Berlin" that could be taken back (`},
		"over":      {announced(-time.Hour), ` (id p1`, `Nothing was announced of "Berlin" that could be taken back (`},
		"under way": {announced(time.Hour), `, instead of the one from `, `Took the maintenance of "Berlin" back (`},
	} {
		s := newRouted(t, map[string]string{
			"GET " + path + "Berlin": c.berlin, "GET " + path + "p1": c.berlin,
			"POST " + path + "p1/maintenance": `{"id":"p1","sequence":57}`, "DELETE " + path + "p1/maintenance": `{"id":"p1","sequence":57}`,
		})
		got := command(t.Context(), s.URL, "peer", "maintenance", "acme", "Berlin", "--start", "2026-03-01T22:00:00Z", "--end", "2026-03-02T04:00:00Z")
		if has(t, got.out, c.announce); strings.Contains(got.out, "instead") != (name == "under way") {
			t.Errorf("%s: %s", name, got.out)
		}
		has(t, command(t.Context(), s.URL, "peer", "maintenance", "acme", "Berlin", "--cancel").out, c.taken)
	}
}

func TestMaintenanceColumns_sayWhatIsToComeAndWhatIsUnderWay(t *testing.T) {
	start := time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]string{-time.Hour: "no, to come", time.Hour: "no, under way", 3 * time.Hour: "no"} {
		columns := maintenanceColumns(start.Add(after))
		w := client.MaintenanceWindow{Start: start, End: start.Add(2 * time.Hour)}
		if got := forTable(columns[4].value(w)); got != want {
			t.Errorf("%s after its start: %q, want %q", after, got, want)
		}
	}
}
