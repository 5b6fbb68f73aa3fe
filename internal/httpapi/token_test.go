package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// remote is where no caller without a token is served.
const remote = "192.0.2.7:50000"

// askFrom is ask from an address, with the Host of the server's own name.
func askFrom(h http.Handler, from, method, target, body string, headers ...string) answer {
	r := httptest.NewRequest(method, "http://peering.example/", strings.NewReader(body))
	r.URL, r.RequestURI = parseTarget(target), target
	r.Host, r.RemoteAddr = "peering.example", from
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return send(h, r)
}

// made makes a token.
func (s *stack) made(role access.Role, ent events.EnterpriseID) (id, secret string) {
	s.t.Helper()
	t, secret, err := s.tokens.Create(s.t.Context(), access.Loopback(), access.Grant{Role: role, Enterprise: ent})
	if err != nil {
		s.t.Fatal(err)
	}
	return t.ID, secret
}

// closed is a stack with the enterprises acme and other, what is in acme, and a
// token of each kind.
func closed(t *testing.T) (s *stack, tokens map[string]string) {
	t.Helper()
	s = newStack(t)
	gatherer := prometheus.NewRegistry()
	s.http = newAPI(t, nil, nil, func(o *Options) { o.Backends, o.Metrics, o.Gatherer = s.backends, gatherer, gatherer })
	s.acme()
	s.write(201, "POST", enterprisesURL, strings.NewReplacer(`"Acme"`, `"other"`, "acme.example", "other.example", "192.0.2.10", "192.0.2.11").Replace(hq))
	s.read(enterprisesURL + "/other") // waits
	tokens = map[string]string{}
	_, tokens["admin"] = s.made(access.Admin, "")
	for _, role := range access.Roles() {
		_, tokens[string(role)] = s.made(role, "")
		_, tokens[string(role)+"@acme"] = s.made(role, "acme")
		_, tokens[string(role)+"@other"] = s.made(role, "other")
	}
	return s, tokens
}

// TestGuard_whoMayDoWhat is the whole table: every kind of caller at every kind
// of route, from elsewhere and from loopback alike.
func TestGuard_whoMayDoWhat(t *testing.T) {
	s, tokens := closed(t)
	id, revoked := s.made(access.Admin, "")
	if _, err := s.tokens.Revoke(t.Context(), access.Loopback(), id); err != nil {
		t.Fatal(err)
	}
	routes := []struct{ name, method, target, body string }{
		{"live", "GET", "/livez", ""},
		{"document", "GET", "/openapi.json", ""},
		{"read", "GET", peersURL, ""},
		{"list", "GET", enterprisesURL, ""},
		{"write", "POST", peersURL, `{}`},
		{"trust", "POST", trustedURL, `{}`},
		{"register", "POST", enterprisesURL, `{}`},
		{"history", "GET", "/api/v1/events?enterprise=acme", ""},
		{"tokens", "GET", tokensPath, ""},
		{"health", "GET", "/health", ""},
		{"metrics", "GET", "/metrics", ""},
	}
	// In the order of routes; 422 is a body that is incomplete, which only who may
	// write is told. The history, which is filtered, is empty for another's.
	table := map[string]string{
		"none":      "200 200 401 401 401 401 401 401 401 401 401",
		"malformed": "200 401 401 401 401 401 401 401 401 401 401",
		"unknown":   "200 401 401 401 401 401 401 401 401 401 401",
		"revoked":   "200 401 401 401 401 401 401 401 401 401 401",

		"viewer":   "200 200 200 200 403 403 403 403 403 200 200",
		"operator": "200 200 200 200 422 403 422 403 403 200 200",
		"security": "200 200 200 200 403 422 403 403 403 200 200",
		"auditor":  "200 200 200 200 403 403 403 200 403 200 200",
		"admin":    "200 200 200 200 422 422 422 200 200 200 200",

		"viewer@acme":   "200 200 200 200 403 403 403 403 403 403 403",
		"operator@acme": "200 200 200 200 422 403 422 403 403 403 403",
		"security@acme": "200 200 200 200 403 422 403 403 403 403 403",
		"auditor@acme":  "200 200 200 200 403 403 403 200 403 403 403",
		"admin@acme":    "200 200 200 200 422 422 422 200 200 403 403",

		"viewer@other":   "200 200 404 200 404 404 403 403 403 403 403",
		"operator@other": "200 200 404 200 404 404 422 403 403 403 403",
		"security@other": "200 200 404 200 404 404 403 403 403 403 403",
		"auditor@other":  "200 200 404 200 404 404 403 200 403 403 403",
		"admin@other":    "200 200 404 200 404 404 422 200 200 403 403",
	}
	for caller, row := range table {
		var headers []string
		switch caller {
		case "none":
		case "malformed":
			headers = []string{"Authorization", "Basic dXNlcjpwYXNz"}
		case "unknown":
			headers = []string{"Authorization", "Bearer " + strings.Repeat("x", 40)}
		case "revoked":
			headers = []string{"Authorization", "Bearer " + revoked}
		default:
			headers = []string{"Authorization", "bearer  " + tokens[caller]}
		}
		for i, want := range strings.Fields(row) {
			route := routes[i]
			for _, from := range []string{remote, "127.0.0.1:1"} {
				a := askFrom(s.http, from, route.method, route.target, route.body, headers...)
				if fmt.Sprint(a.Code) != want {
					t.Errorf("%s at %s from %s: status %d, want %s: %.200s", caller, route.name, from, a.Code, want, a.Body)
				}
				if challenge := a.Header.Get("WWW-Authenticate"); (challenge == "Bearer") != (a.Code == 401) {
					t.Errorf("%s at %s: status %d with WWW-Authenticate %q", caller, route.name, a.Code, challenge)
				}
			}
		}
	}
}

// TestGuard_whatIsAnothersLooksLikeNothing: byte for byte.
func TestGuard_whatIsAnothersLooksLikeNothing(t *testing.T) {
	s, tokens := closed(t)
	for _, request := range []struct{ method, below, body string }{
		{"GET", "", ""},
		{"GET", "/peers", ""},
		{"GET", "/peers/p1", ""},
		{"GET", "/trusted-servers", ""},
		{"PATCH", "", `{"description":"x"}`},
		{"DELETE", "", ""},
		{"POST", "/peers", `{"type":"external","description":"x"}`},
		{"POST", "/peers", "not json"},
		{"POST", "/trusted-servers", `{}`},
	} {
		var answers [2]string
		for i, ent := range []string{"acme", "none"} {
			a := askFrom(s.http, remote, request.method, enterprisesURL+"/"+ent+request.below, request.body, "Authorization", "Bearer "+tokens["admin@other"])
			answers[i] = fmt.Sprint(a.Code, strings.ReplaceAll(a.Body, ent, "ENT"))
		}
		if answers[0] != answers[1] || !strings.HasPrefix(answers[0], "404") {
			t.Errorf("%s %s: what is there is answered %s, what is not %s", request.method, request.below, answers[0], answers[1])
		}
	}
	rows := into[List[Enterprise]](t, askFrom(s.http, remote, "GET", enterprisesURL, "", "Authorization", "Bearer "+tokens["viewer@other"])).Items
	if len(rows) != 1 || rows[0].ID != "other" {
		t.Errorf("the list has %+v", rows)
	}
}

func TestGuard_authorizationIsOneBearer(t *testing.T) {
	s, tokens := closed(t)
	good := tokens["admin"]
	for _, headers := range [][]string{
		{"Authorization", good},
		{"Authorization", "Bearer"},
		{"Authorization", ""},
		{"Authorization", "Bearer "},
		{"Authorization", "Bearer\t" + good},
		{"Authorization", "Bearer " + good + " " + good},
		{"Authorization", "Bearer " + good + "," + good},
		{"Authorization", "Token " + good},
		{"Authorization", "Bearer " + good, "Authorization", "Bearer " + good},
		{"Authorization", "Bearer " + strings.ToUpper(good)},
	} {
		wantProblem(t, askFrom(s.http, remote, "GET", enterprisesURL, "", headers...), 401, codeUnauthenticated, "Authorization")
	}
	if a := askFrom(s.http, remote, "GET", enterprisesURL+"?access_token="+good, ""); a.Code != 401 {
		t.Errorf("a token in the address is taken: %d", a.Code)
	}
	if a := askFrom(s.http, remote, "GET", enterprisesURL, "", "Authorization", "BEARER "+good); a.Code != 200 {
		t.Errorf("the scheme has a case: %d", a.Code)
	}
}

// TestGuard_hostIsOfNoMatterWithAToken, and without one nothing helps: neither
// loopback nor what a proxy says.
func TestGuard_hostIsOfNoMatterWithAToken(t *testing.T) {
	s, tokens := closed(t)
	for _, host := range []string{"evil.example", "localhost", "192.0.2.1"} {
		if a := ask(s.http, "GET", enterprisesURL, "", "Host", host, "Authorization", "Bearer "+tokens["viewer"]); a.Code != 200 {
			t.Errorf("Host %q with a token: status %d", host, a.Code)
		}
		wantProblem(t, ask(s.http, "GET", enterprisesURL, "", "Host", host), 401, codeUnauthenticated, "Authorization")
	}
	a := ask(s.http, "POST", peersURL, `{"type":"external","description":"x"}`, "Authorization", "Bearer "+tokens["admin"], "Origin", "https://evil.example")
	wantProblem(t, a, 403, domain.Forbidden, "Origin")
}

func TestGuard_whatAProxySaysIsNotBelieved(t *testing.T) {
	open := newAPI(t, forbidden(t), &condition{})
	s, _ := closed(t)
	for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "X-Forwarded-Host"} {
		value := "127.0.0.1"
		if name == "Forwarded" {
			value = "for=127.0.0.1;host=localhost"
		}
		r := httptest.NewRequest("GET", enterprisesURL, nil)
		r.Host, r.RemoteAddr = "localhost", remote
		r.Header.Set(name, value)
		wantProblem(t, send(open, r), 403, domain.Forbidden, "")
		r = httptest.NewRequest("GET", enterprisesURL, nil)
		r.Host, r.RemoteAddr = "localhost", remote
		r.Header.Set(name, value)
		wantProblem(t, send(s.http, r), 401, codeUnauthenticated, "Authorization")
	}
}

func TestTokens_areMadeShownOnceAndRevoked(t *testing.T) {
	s := newStack(t)
	wantProblem(t, ask(s.http, "POST", tokensPath, `{"role":"viewer"}`), 422, domain.Invalid, "role")
	a := ask(s.http, "POST", tokensPath, `{"role":"admin","note":"first"}`)
	first := into[NewToken](t, a)
	if a.Code != 201 || a.Header.Get("Location") != tokensPath+"/"+first.ID || a.Header.Get("Cache-Control") != "no-store" || len(first.Token) < 40 {
		t.Fatalf("%d %v %s", a.Code, a.Header, a.Body)
	}
	wantProblem(t, ask(s.http, "GET", tokensPath, ""), 401, codeUnauthenticated, "Authorization")
	with := []string{"Authorization", "Bearer " + first.Token}
	for _, target := range []string{tokensPath, tokensPath + "/" + first.ID} {
		a := ask(s.http, "GET", target, "", with...)
		if a.Code != 200 || strings.Contains(a.Body, first.Token) || strings.Contains(a.Body, "hash") || !strings.Contains(a.Body, `"created_by":"loopback"`) {
			t.Errorf("%s: %d %s", target, a.Code, a.Body)
		}
	}
	for body, field := range map[string]string{
		`{"role":"king"}`: "role", `{}`: "role", `{"role":"viewer","enterprise":"a b"}`: "enterprise",
		`{"role":"viewer","note":"` + strings.Repeat("n", 101) + `"}`: "note",
	} {
		wantProblem(t, ask(s.http, "POST", tokensPath, body, with...), 422, domain.Invalid, field)
	}
	for _, body := range []string{"null", "[]", `{"role":"viewer","note":"a\u0000b"}`, `{"role":"viewer","colour":"red"}`, `{"role":1}`, `{"role":"viewer"}x`} {
		if a := ask(s.http, "POST", tokensPath, body, with...); a.Code != 400 {
			t.Errorf("%q: status %d: %s", body, a.Code, a.Body)
		}
	}
	wantProblem(t, ask(s.http, "DELETE", tokensPath+"/"+first.ID, "", with...), 422, domain.Invalid, "token")
	wantProblem(t, ask(s.http, "DELETE", tokensPath+"/nobody", "", with...), 404, domain.NotFound, "")
	second := into[NewToken](t, ask(s.http, "POST", tokensPath, `{"role":"operator","enterprise":"ACME"}`, with...))
	shown := into[Token](t, ask(s.http, "GET", tokensPath+"/"+second.ID, "", with...))
	if shown.Enterprise == nil || *shown.Enterprise != "acme" || shown.CreatedBy != "first (token:"+first.ID+")" || shown.LastUsed != nil {
		t.Errorf("got %+v", shown)
	}
	gone := into[Token](t, ask(s.http, "DELETE", tokensPath+"/"+second.ID, "", with...))
	if gone.RevokedAt == nil || gone.RevokedBy == nil {
		t.Errorf("got %+v", gone)
	}
	wantProblem(t, ask(s.http, "GET", enterprisesURL, "", "Authorization", "Bearer "+second.Token), 401, codeUnauthenticated, "Authorization")
}

// TestTokens_areInNoLog looks for tokens in everything that is logged, at every
// level and whatever becomes of the request.
func TestTokens_areInNoLog(t *testing.T) {
	s, tokens := closed(t)
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.http = newAPI(t, nil, nil, func(o *Options) { o.Backends, o.Logger = s.backends, logger })
	unknown := "peering_" + strings.Repeat("Q", 43)
	for _, secret := range []string{tokens["admin"], tokens["viewer@acme"], unknown} {
		with := []string{"Authorization", "Bearer " + secret}
		for _, target := range []string{enterprisesURL, peersURL, tokensPath, "/nowhere", "/health"} {
			for _, method := range []string{"GET", "POST", "BREW"} {
				ask(s.http, method, target, `{"role":"viewer"}`, with...)
			}
		}
	}
	failing := newAPI(t, nil, nil, func(o *Options) {
		o.Logger = logger
		o.Backends = func() Backends {
			return Backends{Tokens: s.tokens, Commands: refuse(fmt.Errorf("odd")), Directory: &condition{err: fmt.Errorf("odd")}}
		}
	})
	if a := ask(failing, "GET", enterprisesURL, "", "Authorization", "Bearer "+tokens["admin"]); a.Code != 500 {
		t.Errorf("status %d", a.Code)
	}
	if log.Len() == 0 {
		t.Fatal("nothing is logged: the test looks in the wrong place")
	}
	for _, secret := range []string{tokens["admin"], tokens["viewer@acme"], unknown, "peering_", "Bearer"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// FuzzBearer: whatever the header is, the request is judged without a panic, and
// only one well-formed header gives a token.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer x", "bearer  " + strings.Repeat("a", 40), "Basic x", "Bearer a b", " Bearer x"} {
		f.Add(seed)
	}
	h := newAPI(f, commandsFunc(accept), &condition{})
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", enterprisesURL, nil)
		r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1"
		r.Header["Authorization"] = []string{value}
		secret, given, err := bearer(r)
		if given != (err == nil) || secret != strings.TrimSpace(secret) || given && !strings.EqualFold(value[:7], "Bearer ") {
			t.Errorf("%q gives %q, %t, %v", value, secret, given, err)
		}
		if a := send(h, r); a.Code != 401 && a.Code != 429 {
			t.Errorf("%q: status %d", value, a.Code)
		}
	})
}
