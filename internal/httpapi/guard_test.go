package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
)

// parseTarget is what a server makes of a request line; nil is never returned.
func parseTarget(target string) *url.URL {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return &url.URL{Path: target}
	}
	return u
}

func TestGuard_hostMustBeLoopback(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{}, func(o *Options) { o.AllowedHosts = []string{"peering.test"} })
	for _, host := range []string{"localhost", "localhost:8080", "LOCALHOST.", "127.0.0.1:80", "127.9.9.9", "[::1]:8080", "[::1]", "peering.test:8080", "Peering.Test"} {
		if a := ask(h, "GET", "/api/v1/enterprises", "", "Host", host); a.Code != 200 {
			t.Errorf("Host %q: status %d, want 200: %s", host, a.Code, a.Body)
		}
	}
	for _, host := range []string{"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1", "10.0.0.1:8080", "[2001:db8::1]:80", "0.0.0.0", "xlocalhost", "local host"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			wantProblem(t, ask(h, method, "/api/v1/enterprises", "", "Host", host), 403, domain.Forbidden, "Host")
		}
		for _, path := range []string{"/health", "/openapi.json"} {
			wantProblem(t, ask(h, "GET", path, "", "Host", host), 403, domain.Forbidden, "Host")
		}
	}
}

func TestGuard_emptyHostIsRefused(t *testing.T) {
	r := httptest.NewRequest("GET", "/api/v1/enterprises", nil)
	r.Host, r.RemoteAddr = "", "127.0.0.1:1"
	wantProblem(t, send(newAPI(t, forbidden(t), &condition{}), r), 403, domain.Forbidden, "Host")
}

func TestGuard_callersElsewhereAreRefused(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{})
	for remote, want := range map[string]int{
		"127.0.0.1:1": 200, "[::1]:1": 200, "[::ffff:127.0.0.1]:1": 200,
		"192.0.2.1:1": 403, "[2001:db8::1]:1": 403, "": 403, "@": 403,
	} {
		r := httptest.NewRequest("GET", "/api/v1/enterprises", nil)
		r.Host, r.RemoteAddr = "localhost", remote
		if a := send(h, r); a.Code != want {
			t.Errorf("from %q: status %d, want %d", remote, a.Code, want)
		}
	}
}

func TestGuard_probesOfAnOrchestratorAreOpen(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{})
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/health": 403} {
		r := httptest.NewRequest("GET", path, nil)
		r.Host, r.RemoteAddr = "10.1.2.3:8080", "10.1.2.4:1"
		if a := send(h, r); a.Code != want {
			t.Errorf("%s: status %d, want %d", path, a.Code, want)
		}
	}
}

func TestGuard_writesFromOtherOriginsAreRefused(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{})
	body := `{"type":"external","description":"x"}`
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
	} {
		for _, method := range []string{"POST", "PATCH", "DELETE"} {
			a := ask(h, method, "/api/v1/enterprises/acme/peers/p1", body, headers...)
			wantProblem(t, a, 403, domain.Forbidden, "Origin")
		}
	}
	own := newAPI(t, commandsFunc(accept), &condition{})
	for _, headers := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", "http://localhost:8080"}, nil} {
		if a := ask(own, "POST", "/api/v1/enterprises/acme/peers", body, headers...); a.Code != 201 {
			t.Errorf("%v: status %d, want 201: %s", headers, a.Code, a.Body)
		}
	}
}

func TestGuard_everyAnswerIsDataForThisOriginAlone(t *testing.T) {
	h := newAPI(t, refuse(&domain.Error{Code: domain.Exists, Msg: "x"}), &condition{})
	for _, a := range []answer{
		ask(h, "GET", "/api/v1/enterprises", ""), ask(h, "GET", "/nowhere", ""), ask(h, "GET", "/health", ""),
		ask(h, "POST", "/api/v1/enterprises/acme/peers", `{"type":"external","description":"x"}`),
	} {
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy": "no-referrer", "Cache-Control": "private, no-cache",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("status %d: %s is %q, want %q", a.Code, name, got, want)
			}
		}
		for name := range a.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("another origin is let in: %s", name)
			}
		}
	}
}

func TestGuard_unknownPathsAre404(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{})
	for _, target := range []string{
		"/", "/api", "/api/v1", "/api/v2/enterprises", "/api/v1/enterprises/", "/api/v1//enterprises",
		"/api/v1/./enterprises", "/api/v1/x/../enterprises", "/api/v1/enterprises/acme/peers/p1/unknown",
		"/api/v1/enterprises/acme/peers:export", "/favicon.ico", "/%2e%2e/etc/passwd", "/api/v1/enterprises/%00/x",
		"*", "/openapi.yaml", "/schemas/Peer.json",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			wantProblem(t, ask(h, method, target, ""), 404, domain.NotFound, "")
		}
	}
}

func TestGuard_methodsAreNamedWhereThePathExists(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{})
	for target, allow := range map[string]string{
		"/api/v1/enterprises":                              "GET, HEAD, POST",
		"/api/v1/enterprises/acme":                         "DELETE, GET, HEAD, PATCH",
		"/api/v1/enterprises/acme/peers/p1/enable":         "POST",
		"/api/v1/enterprises/acme/peers/p1/maintenance":    "DELETE, POST",
		"/api/v1/enterprises/acme/trusted-servers/peer-p1": "DELETE, GET, HEAD, PATCH",
		"/health": "GET, HEAD",
	} {
		for _, method := range []string{"PUT", "OPTIONS", "TRACE", "get", "BREW", "CONNECT"} {
			a := ask(h, method, target, "")
			wantProblem(t, a, 405, codeMethodNotAllowed, "")
			if got := a.Header.Get("Allow"); method != "CONNECT" && got != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, target, got, allow)
			}
		}
	}
}

func TestGuard_headAnswersLikeGet(t *testing.T) {
	server := httptest.NewServer(newAPI(t, forbidden(t), &condition{}))
	defer server.Close()
	for path, want := range map[string]int{"/api/v1/enterprises": 200, "/health": 200, "/nowhere": 404, "/api/v1/enterprises/a/peers": 404} {
		resp, err := http.Head(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("HEAD %s: status %d, want %d", path, resp.StatusCode, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestClean_onlyTheFormOfRoutes(t *testing.T) {
	for _, p := range []string{"/", "/a", "/a/b", "/a/", "/a%2Fb", "/a/%2e%2e"} {
		if !clean(p) {
			t.Errorf("%q is refused", p)
		}
	}
	for _, p := range []string{"", "*", "a", "//", "/a//b", "/./a", "/a/..", "/../a"} {
		if clean(p) {
			t.Errorf("%q is let through", p)
		}
	}
}
