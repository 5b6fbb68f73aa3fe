package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/peering/peering/internal/domain"
)

// guarded stands before every route and finds out who the caller is.
//
// A caller with a bearer token is the holder of that. While no token exists,
// whoever can connect from this machine is the administrator, and nobody else is
// served. A page of another site in a browser on this machine can connect too,
// so the Host must then be a loopback name (its DNS cannot be made to say so),
// and a write must never come from another origin.
//
// The probes of an orchestrator, /livez and /readyz, are open to everybody; what
// shows no data of the deployment is so as soon as it has tokens (see isPublic).
func (a *api) guarded(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		problem(domain.Forbidden, "Origin", "The request comes from a page of another site.").write(w)
	}))
	protected := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		securityHeaders(w.Header())
		switch {
		case r.Method == http.MethodConnect:
			a.methodNotAllowed(w, r.URL.Path)
		case !clean(r.URL.EscapedPath()):
			problem(domain.NotFound, "", "There is nothing at this path.").write(w)
		case r.URL.Path == "/livez" || r.URL.Path == "/readyz":
			next.ServeHTTP(w, r)
		default:
			who, refusal := a.identify(r)
			if refusal != nil {
				a.refuse(r, refusal).write(w)
				return
			}
			callerOf(r).principal = who
			protected.ServeHTTP(w, r)
		}
	})
}

// securityHeaders says to a browser that answers are data, for this origin.
func securityHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-cache")
}

// clean reports whether a path is in the form that routes have; the mux would
// answer another form with a redirect.
func clean(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	want := path.Clean(p)
	if want != "/" && strings.HasSuffix(p, "/") {
		want += "/"
	}
	return p == want
}

func fromLoopback(remote string) bool {
	addr, err := netip.ParseAddrPort(remote)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

func (a *api) hostAllowed(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" {
		return true
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && addr.Unmap().IsLoopback() {
		return true
	}
	return slices.ContainsFunc(a.opts.AllowedHosts, func(name string) bool { return strings.EqualFold(name, host) })
}

// fallbackRoutes answers what no route matches: 405 where the path exists, 404
// elsewhere.
func (a *api) fallbackRoutes() {
	for p := range a.methods {
		a.mux.HandleFunc(p, func(w http.ResponseWriter, _ *http.Request) { a.methodNotAllowed(w, p) })
	}
	a.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		problem(domain.NotFound, "", "There is nothing at this path.").write(w)
	})
}

func (a *api) methodNotAllowed(w http.ResponseWriter, path string) {
	p := problem(codeMethodNotAllowed, "", "This path does not take this method.")
	allowed := slices.Clone(a.methods[path])
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	p.header.Set("Allow", strings.Join(allowed, ", "))
	p.write(w)
}
