package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/readmodel"
)

// drawn draws a request that a confused, broken or hostile caller could send.
func drawn(t *rapid.T) *http.Request {
	words := rapid.SampledFrom([]string{
		"api", "v1", "enterprises", "peers", "trusted-servers", "acme", "p1", "peer-p1", "enable", "maintenance", "health",
		"openapi.json", "..", ".", "", "*", ">", "a.b", "a b", "\x00", "%2e%2e", "/", "😀", "\xff", strings.Repeat("a", 3000),
	})
	paths := rapid.OneOf(
		rapid.SampledFrom(slices.Concat(reads(), []string{enterpriseURL + "/x", peerURL + "/enable", peerURL + "/maintenance", parkedPath, parkedPath + "/12", parkedPath + "/12/retry", parkedPath + "/12/discard", "/readyz"})),
		rapid.Map(rapid.SliceOfN(rapid.OneOf(words, rapid.String()), 0, 8), func(parts []string) string {
			for i := range parts {
				parts[i] = url.PathEscape(parts[i])
			}
			return "/" + strings.Join(parts, "/")
		}),
	)
	parameter := rapid.Map(rapid.SliceOfN(rapid.OneOf(words, rapid.String(), rapid.SampledFrom([]string{"q", "sort", "limit", "cursor", "min_seq", "status", "enabled", "1", "-1", "true"})), 2, 2),
		func(kv []string) string { return url.QueryEscape(kv[0]) + "=" + url.QueryEscape(kv[1]) })
	query := rapid.OneOf(rapid.Just(""), rapid.Map(rapid.SliceOfN(parameter, 1, 4), func(ps []string) string { return strings.Join(ps, "&") }), rapid.String())
	method := rapid.SampledFrom([]string{"GET", "GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "X"})
	body := rapid.OneOf(rapid.Just(""), rapid.String(), jsonText(3), rapid.Just(`{"type":"external","description":"x"}`))

	u, err := url.Parse(paths.Draw(t, "path"))
	if err != nil {
		u = &url.URL{Path: "/x"}
	}
	u.RawQuery = query.Draw(t, "query")
	r := httptest.NewRequest("GET", "http://localhost/", strings.NewReader(body.Draw(t, "body")))
	r.Method, r.URL, r.RequestURI = method.Draw(t, "method"), u, u.RequestURI()
	r.Host, r.RemoteAddr = rapid.SampledFrom([]string{"localhost", "localhost", "127.0.0.1:1", "evil.example", "", ":", "[", "[::1]"}).Draw(t, "host"), "127.0.0.1:1"
	names := rapid.SampledFrom([]string{"Content-Type", "If-Match", "Idempotency-Key", "Reason", "Actor", "Traceparent", "Origin", "Accept", "Content-Encoding", "Sec-Fetch-Site"})
	values := rapid.OneOf(rapid.SampledFrom([]string{"application/json", "json", "*/*", `"1.1"`, "*", "text/html", "application/cbor"}), rapid.String())
	for range rapid.IntRange(0, 4).Draw(t, "headers") {
		r.Header.Add(names.Draw(t, "name"), values.Draw(t, "value"))
	}
	if rapid.Bool().Draw(t, "json") {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// jsonText draws JSON of the given depth, mostly of names that commands know.
func jsonText(depth int) *rapid.Generator[string] {
	leaf := rapid.OneOf(rapid.SampledFrom([]string{"null", "true", "1", "-1.5", "1e99", `""`, `"x"`, `"micollab"`, `"a\u0000"`, "[]", "{}"}),
		rapid.Map(rapid.String(), func(s string) string { b, _ := json.Marshal(s); return string(b) }))
	if depth == 0 {
		return leaf
	}
	name := rapid.SampledFrom([]string{"type", "description", "hostname", "port", "address", "server", "id", "peer", "enabled", "start", "version", "host", "x"})
	pair := rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf("%q:%s", name.Draw(t, "name"), jsonText(depth-1).Draw(t, "value"))
	})
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(pair, 0, 6), func(ps []string) string { return "{" + strings.Join(ps, ",") + "}" }),
		rapid.Map(rapid.SliceOfN(leaf, 0, 3), func(vs []string) string { return "[" + strings.Join(vs, ",") + "]" }))
}

// TestRandom_everyRequestIsAnsweredInForm: whatever is sent, and whatever
// condition the back ends are in, the answer is a success or a whole problem
// document, and never a 5xx that is not a 503.
func TestRandom_everyRequestIsAnsweredInForm(t *testing.T) {
	parked := func(err error) func(*Options) {
		return func(o *Options) {
			o.Backends = func() Backends {
				return Backends{Tokens: noTokens{}, Parked: &parkedCondition{rows: []ParkedRow{{Seq: 12}}, err: err}}
			}
		}
	}
	handlers := []http.Handler{
		newAPI(t, nil, nil, parked(nil)),
		newAPI(t, nil, nil, parked(&DecidedError{})),
		newAPI(t, commandsFunc(accept), &condition{}),
		newAPI(t, refuse(&domain.Error{Code: domain.Gone, Msg: "m", Gone: &domain.Removal{}}), &condition{err: readmodel.ErrNotFound}),
		newAPI(t, refuse(command.ErrUnavailable), &condition{err: readmodel.ErrUnavailable}),
		newAPI(t, refuse(context.DeadlineExceeded), &condition{err: errors.Join(&readmodel.HeldError{}, errors.New("x"))}),
	}
	rapid.Check(t, func(rt *rapid.T) {
		r := drawn(rt)
		a := send(handlers[rapid.IntRange(0, len(handlers)-1).Draw(rt, "condition")], r)
		ct := a.Header.Get("Content-Type")
		switch {
		case a.Code >= 500 && a.Code != 503:
			rt.Fatalf("%s %s: status %d: %s", r.Method, r.RequestURI, a.Code, a.Body)
		case a.Code < 300:
			if ct != "application/json" || !json.Valid([]byte(a.Body)) {
				rt.Fatalf("%s %s: status %d, content type %q: %s", r.Method, r.RequestURI, a.Code, ct, a.Body)
			}
		default:
			var p Problem
			if err := json.Unmarshal([]byte(a.Body), &p); err != nil || ct != problemType || p.Status != a.Code || p.Code == "" || p.Detail == "" {
				rt.Fatalf("%s %s: status %d, content type %q: %s", r.Method, r.RequestURI, a.Code, ct, a.Body)
			}
			if statusOf(p.Code) != a.Code {
				rt.Fatalf("code %s with status %d", p.Code, a.Code)
			}
		}
	})
}
