package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/client"
)

const (
	berlinJSON = `{"id":"p1","enterprise":"acme","type":"micollab","description":"Berlin","server":"uc.berlin.example","status":"up","enabled":true}`
	stepsJSON  = `[{"layer":"dns","ok":true,"code":null,"message":"resolves to 192.0.2.7","took_ms":3.125},` +
		`{"layer":"tls","ok":false,"code":"expired","message":"=expired\u001b[31m yesterday","took_ms":20}]`
	expiredJSON = `{"layer":"tls","code":"expired","message":"expired yesterday"}`
)

// routed is a server that answers what it has a body for, by method and path
// with query; of the rest it says that there is nothing. It keeps what it was sent.
type routed struct {
	*httptest.Server
	bodies map[string]string
	sent   []string
}

func newRouted(t *testing.T, bodies map[string]string) *routed {
	t.Helper()
	r := &routed{bodies: map[string]string{
		"GET /api/v1/enterprises/acme/peers/Berlin": berlinJSON,
		"GET /api/v1/enterprises/acme/peers/p1":     berlinJSON,
		"GET /api/v1/enterprises/acme?min_seq=57":   `{"id":"acme"}`,
	}}
	for k, v := range bodies {
		r.bodies[k] = v
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		sent := req.Method + " " + req.RequestURI
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.sent = append(r.sent, strings.TrimSpace(sent+" "+string(body)))
		if out, ok := r.bodies[sent]; ok {
			answer(w, http.StatusOK, out)
			return
		}
		answer(w, http.StatusNotFound, `{"code":"not_found","detail":"There is nothing.","status":404}`)
	}))
	t.Cleanup(r.Close)
	return r
}

func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("there is no %q in:\n%s", p, text)
		}
	}
}

func TestPeerProbe_failedIsExitOneAndSaysWhere(t *testing.T) {
	body := `{"steps":` + stepsJSON + `,"ok":false,"cause":` + expiredJSON + `,"status":"down","status_cause":` + expiredJSON + `,"sequence":57}`
	s := newRouted(t, map[string]string{"POST /api/v1/enterprises/acme/peers/p1/probe": body})
	got := command(t.Context(), s.URL, "peer", "probe", "acme", "Berlin")
	if got.code != 1 || strings.Contains(got.out+got.err, "\x1b") {
		t.Errorf("got %+v", got)
	}
	has(t, got.out, "LAYER  OK     TOOK     MESSAGE\n", "dns    true   3.13 ms  resolves to 192.0.2.7\n", `The status of "Berlin" is down (expired: expired yesterday).`)
	has(t, got.err, `peering: the peer "Berlin" did not answer: the probe failed at the layer tls: expired yesterday`)
	if last := s.sent[len(s.sent)-1]; last != "GET /api/v1/enterprises/acme?min_seq=57" {
		t.Errorf("the event is not waited for; last sent was %s", last)
	}
	if got := command(t.Context(), s.URL, "-o", "json", "peer", "probe", "acme", "Berlin"); got.code != 1 || got.out != body {
		t.Errorf("got %+v", got)
	}
	got = command(t.Context(), s.URL, "-o", "csv", "peer", "probe", "acme", "Berlin")
	if want := "layer,ok,code,took_ms,message\ndns,true,,3.125,resolves to 192.0.2.7\ntls,false,expired,20,'=expired\x1b[31m yesterday\n"; got.code != 1 || got.out != want {
		t.Errorf("got %q, want %q", got.out, want)
	}
}

func TestPeerProbe_answeredIsExitNought(t *testing.T) {
	s := newRouted(t, map[string]string{
		"POST /api/v1/enterprises/acme/peers/p1/probe": `{"steps":[{"layer":"dns","ok":true,"message":"m","took_ms":1}],"ok":true,"cause":null,"status":"up","status_cause":null,"sequence":0}`,
	})
	got := command(t.Context(), s.URL, "peer", "probe", "acme", "Berlin")
	if got.code != 0 || got.err != "" {
		t.Errorf("got %+v", got)
	}
	has(t, got.out, `The status of "Berlin" is up.`)
	for _, sent := range s.sent {
		if strings.Contains(sent, "min_seq") {
			t.Errorf("what changed nothing is waited for: %s", sent)
		}
	}
}

// TestPeerProbe_refusals have the exit codes of every command.
func TestPeerProbe_refusals(t *testing.T) {
	for status, want := range map[int]int{403: 3, 404: 4, 409: 5, 410: 4, 422: 3, 503: 1} {
		url := fake(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, berlinJSON) },
			func(w http.ResponseWriter, _ *http.Request) {
				code := map[int]string{403: "forbidden", 404: "not_found", 409: "conflict", 410: "gone", 422: "invalid", 503: "unavailable"}[status]
				answer(w, status, `{"code":"`+code+`","detail":"No prober, or so."}`)
			})
		for _, args := range [][]string{{"peer", "probe", "acme", "Berlin"}, {"peer", "test", "acme", "--hostname", "a.b"}} {
			if got := command(t.Context(), url, args...); got.code != want || !strings.Contains(got.err, "No prober, or so.") {
				t.Errorf("%d: %v: %+v, want %d", status, args, got, want)
			}
		}
	}
}

func TestPeerTest_savesNothing(t *testing.T) {
	s := newRouted(t, map[string]string{"POST /api/v1/enterprises/acme/peers:test": `{"steps":` + stepsJSON + `,"ok":false,"cause":null}`})
	got := command(t.Context(), s.URL, "peer", "test", "--hostname", "a.b", "--port", "8443", "acme")
	if got.code != 1 {
		t.Errorf("got %+v", got)
	}
	has(t, got.err, "the server a.b did not answer: the probe failed at the layer tls: =expired")
	if len(s.sent) != 1 || s.sent[0] != `POST /api/v1/enterprises/acme/peers:test {"hostname":"a.b","port":8443}` {
		t.Errorf("sent %q", s.sent)
	}
	s.bodies["POST /api/v1/enterprises/acme/peers:test"] = `{"steps":[],"ok":true,"cause":{"layer":"tls","code":"certificate_expiring","message":"3 days left"}}`
	got = command(t.Context(), s.URL, "peer", "test", "acme", "--hostname", "a.b")
	if got.code != 0 {
		t.Errorf("got %+v", got)
	}
	has(t, got.out, "a.b answers (certificate_expiring: 3 days left).")
	if got := command(t.Context(), s.URL, "peer", "test", "acme"); got.code != 2 || !strings.Contains(got.err, "missing: --hostname") {
		t.Errorf("got %+v", got)
	}
}

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
	has(t, got.out, "RATIO", "UP ", "97.92 %", "23 h 30 min", "30 min", "1 d")
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

func TestPeerPresence_saysWhatToDoBelow(t *testing.T) {
	const body = `{"checks":[{"step":"platform","result":"ok","evidence":"Supported.","fix":null},{"step":"enabled","result":"failed","evidence":"It is disabled.","fix":"Enable the peer."}]}`
	s := newRouted(t, map[string]string{"GET /api/v1/enterprises/acme/peers/p1/presence-check": body})
	got := command(t.Context(), s.URL, "peer", "presence-check", "acme", "Berlin")
	if want := "STEP      RESULT  EVIDENCE\nplatform  ok      Supported.\nenabled   failed  It is disabled.\n                  → Enable the peer.\n"; got.out != want || got.code != 0 {
		t.Errorf("got %+v, want\n%s", got, want)
	}
	if got := command(t.Context(), s.URL, "-o", "csv", "peer", "presence-check", "acme", "Berlin"); got.out != "step,result,evidence,fix\nplatform,ok,Supported.,\nenabled,failed,It is disabled.,Enable the peer.\n" {
		t.Errorf("got %+v", got)
	}
	if got := command(t.Context(), s.URL, "-o", "json", "peer", "presence-check", "acme", "Berlin"); got.out != body {
		t.Errorf("got %+v", got)
	}
}

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

func TestPeerList_showsTheLastProbe(t *testing.T) {
	row := strings.Replace(berlinJSON, `"status":"up"`, `"status":"up","last_probe":"2026-03-01T12:00:00Z","latency_ms":48.25`, 1)
	s := newRouted(t, map[string]string{"GET /api/v1/enterprises/acme/peers": `{"items":[` + row + `],"next_cursor":null,"sequence":3}`})
	has(t, command(t.Context(), s.URL, "peer", "list", "acme").out, "STATUS  LAST PROBE", " ago  48.25 ms\n")
	has(t, command(t.Context(), s.URL, "-o", "csv", "peer", "list", "acme").out, "status,last_probe,latency_ms,", ",up,2026-03-01T12:00:00Z,48.25,")
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
