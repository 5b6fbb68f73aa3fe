package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
	if got.err != "peering: the peer \"Berlin\" did not answer (tls: expired)\n" {
		t.Errorf("got %q", got.err)
	}
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

// TestPeerProbe_saysASentenceOnce: what stands among the steps is not repeated.
func TestPeerProbe_saysASentenceOnce(t *testing.T) {
	const cause = `{"layer":"tls","code":"expired","message":"It has ended."}`
	s := newRouted(t, map[string]string{"POST /api/v1/enterprises/acme/peers/p1/probe": `{"steps":[{"layer":"tls","ok":false,"code":"expired","message":"It has ended.","took_ms":1}],` +
		`"ok":false,"cause":` + cause + `,"status":"down","status_cause":` + cause + `,"sequence":0}`})
	got := command(t.Context(), s.URL, "peer", "probe", "acme", "Berlin")
	if n := strings.Count(got.out+got.err, "It has ended."); n != 1 {
		t.Errorf("it is said %d times: %+v", n, got)
	}
	has(t, got.out, `The status of "Berlin" is down (expired).`+"\n")
}

// TestPeerProbe_brackets: a sentence in brackets has no full stop of its own.
func TestPeerProbe_brackets(t *testing.T) {
	s := newRouted(t, map[string]string{"POST /api/v1/enterprises/acme/peers/p1/probe": `{"steps":[],"ok":true,"cause":null,"status":"degraded",` +
		`"status_cause":{"layer":"tls","code":"certificate_expiring","message":"3 days are left."},"sequence":0}`})
	has(t, command(t.Context(), s.URL, "peer", "probe", "acme", "Berlin").out, `The status of "Berlin" is degraded (certificate_expiring: 3 days are left).`+"\n")
}

func TestPeerProbe_withoutAStatusItIsWhatItWas(t *testing.T) {
	s := newRouted(t, map[string]string{"POST /api/v1/enterprises/acme/peers/p1/probe": `{"steps":[],"ok":true,"cause":null,"status":null,"status_cause":null,"sequence":0}`})
	has(t, command(t.Context(), s.URL, "peer", "probe", "acme", "Berlin").out, `The status of "Berlin" is what it was.`)
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

func TestPeerTest_whatMayNotBeProbedDidNotFailToAnswer(t *testing.T) {
	refused := `{"layer":"policy","code":"port_refused","message":"Port 22 may not be probed."}`
	s := newRouted(t, map[string]string{"POST /api/v1/enterprises/acme/peers:test": `{"steps":[],"ok":false,"cause":` + refused + `}`})
	got := command(t.Context(), s.URL, "peer", "test", "--hostname", "a.b", "--port", "22", "acme")
	if got.code != 1 || got.err != "peering: the server a.b may not be probed (policy: port_refused)\n" {
		t.Errorf("got %+v", got)
	}
}

func TestPeerTest_savesNothing(t *testing.T) {
	s := newRouted(t, map[string]string{"POST /api/v1/enterprises/acme/peers:test": `{"steps":` + stepsJSON + `,"ok":false,"cause":null}`})
	got := command(t.Context(), s.URL, "peer", "test", "--hostname", "a.b", "--port", "8443", "acme")
	if got.code != 1 {
		t.Errorf("got %+v", got)
	}
	has(t, got.err, "the server a.b did not answer (tls: expired)")
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
