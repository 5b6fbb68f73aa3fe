package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/client"
)

func TestPeerTimeline_pagesAndForms(t *testing.T) {
	const first = `{"items":[{"sequence":9,"status":"down","status_cause":` + expiredJSON + `,"since":"2026-03-01T12:00:00Z","until":null,"reported_at":null,"probe_started":null}],"next_cursor":"c2","sequence":9}`
	const second = `{"items":[{"sequence":4,"status":"unknown","status_cause":null,"since":"2026-03-01T11:00:00Z","until":"2026-03-01T12:00:00Z","reported_at":null,"probe_started":null},` +
		`{"sequence":3,"status":null,"status_cause":null,"since":"2026-03-01T10:00:00Z","until":"2026-03-01T11:00:00Z","reported_at":null,"probe_started":null}],"next_cursor":null,"sequence":9}`
	s := newRouted(t, map[string]string{
		"GET /api/v1/enterprises/acme/peers/p1/timeline":                          first,
		"GET /api/v1/enterprises/acme/peers/Berlin/timeline":                      first,
		"GET /api/v1/enterprises/acme/peers/Berlin/timeline?limit=1":              first,
		"GET /api/v1/enterprises/acme/peers/Berlin/timeline?limit=1000":           first,
		"GET /api/v1/enterprises/acme/peers/Berlin/timeline?cursor=c2&limit=1000": second,
	})
	got := command(t.Context(), s.URL, "peer", "timeline", "acme", "Berlin", "--limit", "1")
	if got.code != 0 {
		t.Errorf("got %+v", got)
	}
	has(t, got.out, "SINCE", "UNTIL", "now", "down", "expired yesterday")
	has(t, got.err, "There is more: --cursor c2, or --all.")
	if got := command(t.Context(), s.URL, "-o", "json", "peer", "timeline", "acme", "Berlin"); got.out != first {
		t.Errorf("got %+v", got)
	}
	got = command(t.Context(), s.URL, "-o", "csv", "peer", "timeline", "acme", "Berlin", "--all")
	want := "since,until,status,status_cause.layer,status_cause.code,status_cause.message,reported_at,probe_started,sequence\n" +
		"2026-03-01T12:00:00Z,,down,tls,expired,expired yesterday,,,9\n2026-03-01T11:00:00Z,2026-03-01T12:00:00Z,unknown,,,,,,4\n2026-03-01T10:00:00Z,2026-03-01T11:00:00Z,,,,,,,3\n"
	if got.out != want {
		t.Errorf("got\n%s\nwant\n%s", got.out, want)
	}
	has(t, command(t.Context(), s.URL, "peer", "timeline", "acme", "Berlin", "--all").out, "deleted")
	if got := command(t.Context(), s.URL, "peer", "timeline", "acme", "Berlin", "--sort", "since"); got.code != 2 {
		t.Errorf("a timeline has one order: %+v", got)
	}
}

func TestPeerSamples_forms(t *testing.T) {
	const body = `{"items":[{"started_at":"2026-03-01T12:00:00Z","ok":true,"cause":null,"latency_ms":48.25,"steps":[],"addresses":["192.0.2.7","192.0.2.8"],"version":"9.8","by_hand":false,"prober":"host-1","config_seq":4}],"next_cursor":null,"sequence":0}`
	s := newRouted(t, map[string]string{
		"GET /api/v1/enterprises/acme/peers/p1/samples": body, "GET /api/v1/enterprises/acme/peers/p1/samples?limit=5": `{"items":[],"next_cursor":null,"sequence":0}`,
	})
	got := command(t.Context(), s.URL, "peer", "samples", "acme", "Berlin")
	has(t, got.out, "LATENCY", "48.25 ms", "192.0.2.7 192.0.2.8", "9.8")
	if got := command(t.Context(), s.URL, "-o", "json", "peer", "samples", "acme", "Berlin"); got.out != body || got.code != 0 {
		t.Errorf("got %+v", got)
	}
	has(t, command(t.Context(), s.URL, "-o", "csv", "peer", "samples", "acme", "Berlin").out, "2026-03-01T12:00:00Z,true,48.25,,,,192.0.2.7 192.0.2.8,9.8,false,host-1,4\n")
	has(t, command(t.Context(), s.URL, "peer", "samples", "acme", "Berlin", "--limit", "5").err, "It was not probed lately.")
	for _, limit := range []string{"0", "121", "x"} {
		if got := command(t.Context(), s.URL, "peer", "samples", "acme", "Berlin", "--limit", limit); got.code != 2 {
			t.Errorf("--limit %s: %+v", limit, got)
		}
	}
}

func TestPeerUptime_formsAndTotal(t *testing.T) {
	const span = `{"from":"2026-02-28T00:00:00Z","to":"2026-03-01T00:00:00Z","up_seconds":84600,"degraded_seconds":0,"down_seconds":1800,"unknown_seconds":0,"disabled_seconds":0,"maintenance_seconds":0,"ratio":0.979167}`
	const body = `{"items":[` + span + `],"total":{"from":"2026-02-28T00:00:00Z","to":"2026-03-01T00:00:00Z","up_seconds":0,"degraded_seconds":0,"down_seconds":0,"unknown_seconds":86400,"disabled_seconds":0,"maintenance_seconds":0,"ratio":null}}`
	s := newRouted(t, map[string]string{
		"GET /api/v1/enterprises/acme/peers/Berlin/uptime":                                        body,
		"GET /api/v1/enterprises/acme/peers/Berlin/uptime?by=month&from=2026-02-28T00%3A00%3A00Z": body,
	})
	got := command(t.Context(), s.URL, "peer", "uptime", "acme", "Berlin")
	has(t, got.out, "FROM        TO          RATIO", "UP ", "\n2026-02-28  2026-03-01  97.92 %  23 h 30 min  ", "30 min", "\ntotal       2026-03-01 ", "1 d")
	if strings.Count(got.out, "\n") != 3 || got.code != 0 {
		t.Errorf("got %+v", got)
	}
	if got := command(t.Context(), s.URL, "-o", "json", "peer", "uptime", "acme", "Berlin", "--by", "month", "--from", "2026-02-28T01:00:00+01:00"); got.out != body {
		t.Errorf("got %+v", got)
	}
	want := "from,to,ratio,up_seconds,degraded_seconds,down_seconds,unknown_seconds,disabled_seconds,maintenance_seconds\n2026-02-28T00:00:00Z,2026-03-01T00:00:00Z,0.979167,84600,0,1800,0,0,0\n"
	if got := command(t.Context(), s.URL, "-o", "csv", "peer", "uptime", "acme", "Berlin"); got.out != want {
		t.Errorf("got\n%s\nwant\n%s", got.out, want)
	}
	if got := command(t.Context(), s.URL, "peer", "uptime", "acme", "Berlin", "--from", "yesterday"); got.code != 2 || !strings.Contains(got.err, `--from: "yesterday" must be a time with its offset`) {
		t.Errorf("got %+v", got)
	}
}

// TestPeerUptime_tableBeginsWhenThePeerWasThere: programs get every span.
func TestPeerUptime_tableBeginsWhenThePeerWasThere(t *testing.T) {
	span := func(day string, up int) string {
		return fmt.Sprintf(`{"from":"2026-03-%sT00:00:00Z","to":"2026-03-%sT12:30:00Z","up_seconds":%d,"ratio":null}`, day, day, up)
	}
	s := newRouted(t, map[string]string{"GET /api/v1/enterprises/acme/peers/Berlin/uptime": `{"items":[` + span("01", 0) + "," + span("02", 0) + "," + span("03", 9) + "," + span("04", 0) + `],"total":` + span("01", 9) + `}`})
	table := command(t.Context(), s.URL, "peer", "uptime", "acme", "Berlin").out
	if lines := strings.Split(table, "\n"); len(lines) != 5 || !strings.HasPrefix(lines[1], "2026-03-03  2026-03-03 12:30 ") || !strings.HasPrefix(lines[2], "2026-03-04 ") {
		t.Errorf("the table is\n%s", table)
	}
	if n := textWidth(table); n > 100 {
		t.Errorf("it is %d characters wide:\n%s", n, table)
	}
	if got := command(t.Context(), s.URL, "-o", "csv", "peer", "uptime", "acme", "Berlin").out; strings.Count(got, "\n2026-03-") != 4 {
		t.Errorf("got\n%s", got)
	}
}

func TestPeerList_showsTheLastProbe(t *testing.T) {
	row := strings.Replace(berlinJSON, `"status":"up"`, `"status":"up","last_probe":"2026-03-01T12:00:00Z","latency_ms":48.25`, 1)
	s := newRouted(t, map[string]string{"GET /api/v1/enterprises/acme/peers": `{"items":[` + row + `],"next_cursor":null,"sequence":3}`})
	has(t, command(t.Context(), s.URL, "peer", "list", "acme").out, "STATUS  CAUSE  LAST PROBE", " ago  48.25 ms\n")
	has(t, command(t.Context(), s.URL, "-o", "csv", "peer", "list", "acme").out, ",last_probe,latency_ms,", ",2026-03-01T12:00:00Z,48.25,")
}

// TestPeerList_saysWhyAndWhenItMayBeAway: the cause in every table, the rest where
// there is room.
func TestPeerList_saysWhyAndWhenItMayBeAway(t *testing.T) {
	row := strings.Replace(berlinJSON, `"status":"up"`, `"status":"down","status_cause":`+expiredJSON+
		`,"maintenance":{"start":"2026-03-01T22:00:00Z","end":"2026-03-02T04:00:00Z","note":"Upgrade"}`, 1)
	s := newRouted(t, map[string]string{
		"GET /api/v1/enterprises/acme/peers": `{"items":[` + row + `],"next_cursor":null,"sequence":3}`, "GET /api/v1/enterprises/acme/peers/p1": row,
		"GET /api/v1/enterprises/acme/peers/Berlin": row,
	})
	list := command(t.Context(), s.URL, "peer", "list", "acme").out
	has(t, list, "STATUS  CAUSE ", "down    expired")
	if strings.Contains(list, "MAINTENANCE") {
		t.Errorf("the table is too wide:\n%s", list)
	}
	has(t, command(t.Context(), s.URL, "-o", "csv", "peer", "list", "acme").out, "status,status_cause.code,", ",maintenance.start,maintenance.end,maintenance.note,", ",down,expired,", ",2026-03-01T22:00:00Z,2026-03-02T04:00:00Z,Upgrade,")
	has(t, command(t.Context(), s.URL, "peer", "show", "acme", "Berlin").out, "CAUSE MESSAGE", "expired yesterday", "MAINTENANCE START", "MAINTENANCE END", "MAINTENANCE NOTE   Upgrade\n")
	p := client.Peer{Description: "Berlin", Type: client.PeerMiCollab, Server: "uc.berlin.example", Status: "down", StatusCause: &client.StatusCause{Code: "name_mismatch"}}
	if narrow := listTable(peerColumns(), []client.Peer{p}, 60); !strings.Contains(narrow, "name_mismatch") || strings.Contains(narrow, "LATENCY") {
		t.Errorf("a narrow table is\n%s", narrow)
	}
}

func TestSpell_twoLargestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 999 * time.Millisecond: "0 s", 12 * time.Second: "12 s", 61 * time.Second: "1 min 1 s", time.Minute: "1 min", 3*time.Hour + 4*time.Second: "3 h",
		25*time.Hour + 30*time.Minute: "1 d 1 h", 24 * time.Hour: "1 d", 400 * 24 * time.Hour: "400 d",
	} {
		if got := spell(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if got := forTable(age(time.Now().Add(time.Hour))); got != "0 s ago" {
		t.Errorf("a clock that is ahead shows %q", got)
	}
	if forTable(age{}) != "" || forCSV(age{}) != "" || forTable(millis(nil)) != "" || forCSV(percent(nil)) != "" {
		t.Error("what is not known is shown")
	}
}
