package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// downTokens are tokens whose database does not answer.
type downTokens struct{ noTokens }

func (downTokens) Open(context.Context) (bool, error) {
	return false, fmt.Errorf("%w: gone", readmodel.ErrUnavailable)
}

// shutTokens are those of a deployment that has tokens.
type shutTokens struct{ noTokens }

func (shutTokens) Open(context.Context) (bool, error) { return false, nil }

// refusal is a way to have operations refused. It is tried on every operation
// that documents the code, those that are added later too.
type refusal struct {
	code    domain.Code
	tokens  Tokens // nil: the real stack
	limits  Limits
	query   string
	body    string
	headers []string
	ids     map[string]string
	prepare func(h http.Handler) // what was asked before
}

func refusals() []refusal {
	nowhere := map[string]string{"enterprise": "nowhere", "peer": "nobody", "trusted_server": "nobody", "token": "nobody", "projection": "nothing", "sequence": "999999"}
	return []refusal{
		{code: domain.Malformed, query: "%zz"},
		{code: domain.Invalid, query: "no-such-parameter=1"},
		{code: domain.Forbidden, headers: []string{"Host", "evil.example"}},
		{code: codeUnauthenticated, tokens: shutTokens{}, limits: Limits{PerAddress: 10_000}, headers: []string{"Authorization", "Bearer peering_unknown"}},
		{code: codeUnavailable, tokens: downTokens{}},
		{code: codeTooMany, tokens: shutTokens{}, limits: Limits{PerAddress: 2}, prepare: func(h http.Handler) {
			for range 4 {
				ask(h, "GET", enterprisesURL, "")
			}
		}},
		{code: domain.NotFound, ids: nowhere},
		{code: domain.Gone, ids: map[string]string{"enterprise": "gone"}},
		{code: domain.Stale, headers: []string{"If-Match", `"1.1"`}},
		{code: domain.IDReused, headers: []string{"Idempotency-Key", "used-key"}},
		{code: codeMediaType, body: "x", headers: []string{"Content-Type", "text/plain"}},
		{code: codeTooLarge, body: `"` + strings.Repeat("x", command.MaxBody) + `"`},
		{code: codeHeld, ids: map[string]string{"enterprise": "sick"}},
	}
}

// exempt are documented refusals that these ways do not bring about.
func exempt(code domain.Code) bool {
	// Rules of the domain and of jobs: those that there are, rules tries. For what
	// was given up, see TestContract_aParkedCommandIsDecidedAboutOnce.
	return slices.Contains([]domain.Code{domain.Exists, domain.Unsupported, domain.FollowsPeer, codeConflict, codeDiscarded}, code)
}

// TestContract_everyRefusalIsAsDocumented: each problem that an operation
// documents is brought about, and looks as it is described.
func TestContract_everyRefusalIsAsDocumented(t *testing.T) {
	s := newSession(t)
	list := steps()
	s.run(list[:slices.IndexFunc(list, func(st step) bool { return st.op == "delete-peer" })])
	s.run([]step{
		{op: "add-trusted-server", body: `{"description":"Kept","host":"192.0.2.77","type":"im"}`, keep: "trusted_server"},
		{op: "register-enterprise", body: strings.NewReplacer("Acme", "gone", "acme", "gone").Replace(hq)},
		{op: "remove-enterprise", ids: "enterprise=gone"},
		{op: "list-dead-events", ids: "enterprise=acme", before: (*session).bury},
	})
	for _, r := range refusals() {
		h := s.stack.http
		if r.tokens != nil {
			h = newAPI(t, nil, nil, func(o *Options) {
				o.Limits = r.limits
				o.Backends = func() Backends { return Backends{Tokens: r.tokens} }
			})
		}
		for _, op := range s.operations() {
			if !slices.Contains(op.codes(), r.code) {
				continue
			}
			if r.prepare != nil {
				r.prepare(h)
			}
			s.provoke(h, op, r)
		}
	}
	s.broken()
	s.slow()
	s.rules()
	for _, op := range s.operations() {
		for _, code := range op.codes() {
			if !s.refused[op.ID+" "+string(code)] && !exempt(code) {
				t.Errorf("nothing brings %s about at %s", code, op.ID)
			}
		}
	}
}

// takes reports whether op has a query parameter of this name.
func (op documented) takes(name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p documentParameter) bool { return p.In == "query" && p.Name == name })
}

// provoke tries one way on one operation.
func (s *session) provoke(h http.Handler, op documented, r refusal) {
	s.t.Helper()
	kept := s.ids
	defer func() { s.ids = kept }()
	s.ids = map[string]string{}
	for name, id := range kept {
		s.ids[name] = id
		if other, ok := r.ids[name]; ok {
			s.ids[name] = other
		}
	}
	body := r.body
	if body == "" {
		body = op.example("")
	}
	query := r.query
	if query == "" && r.code == codeHeld && op.takes("enterprise") {
		query = "enterprise=sick"
	}
	if r.query == "" {
		query = s.query(op, query)
	}
	s.send(h, op, s.target(op, query), body, r.headers...)
}

// broken are back ends that are not there yet, and ones that break.
func (s *session) broken() {
	starting := newAPI(s.t, nil, nil, func(o *Options) { o.Backends = func() Backends { return Backends{} } })
	failing := newAPI(s.t, nil, nil, func(o *Options) { o.Backends = func() Backends { panic(errors.New("broken")) } })
	for _, op := range s.operations() {
		s.provoke(starting, op, refusal{})
		s.provoke(failing, op, refusal{})
	}
}

// slow sends bodies that do not arrive.
func (s *session) slow() {
	for _, op := range s.operations() {
		if !slices.Contains(op.codes(), codeTimeout) {
			continue
		}
		r := newRequest(op.method, s.target(op, ""), "", "Content-Type", typeJSON)
		r.Body, r.ContentLength = io.NopCloser(late{}), 10
		s.answered(op, r, send(s.stack.http, r))
	}
}

// late is a body whose time is over.
type late struct{}

func (late) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// rules are refusals that only certain commands can meet.
func (s *session) rules() {
	s.t.Helper()
	dead := into[Receipt](s.t, s.stack.write(201, "POST", peersURL, `{"type":"micollab","description":"Rome","hostname":"uc1.rome.example","peer_enterprise_id":"rome"}`)).ID
	s.stack.write(200, "DELETE", peersURL+"/"+dead, "")
	for _, c := range []struct {
		op, body string
		code     domain.Code
		ids      map[string]string
		headers  []string
	}{
		{"show-peer", "", domain.Gone, map[string]string{"peer": dead}, nil},
		{"probe-peer", "", domain.Gone, map[string]string{"peer": dead}, nil},
		{"list-samples", "", domain.Gone, map[string]string{"peer": dead}, nil},
		{"check-presence", "", domain.Gone, map[string]string{"peer": dead}, nil},
		{"show-trusted-server", "", domain.Gone, map[string]string{"trusted_server": string(events.TrustedServerOfPeer(events.PeerID(dead)))}, nil},
		{"register-enterprise", strings.Replace(hq, "HQ", "Another", 1), domain.IDReused, nil, []string{"Idempotency-Key", "used-key"}},
		{"register-enterprise", "", domain.Exists, nil, nil},
		{"add-peer", `{"type":"external","description":"Partner"}`, domain.Exists, nil, nil},
		{"edit-peer", `{"description":"Partner"}`, domain.Exists, nil, nil},
		{"add-trusted-server", `{"description":"Kept","host":"192.0.2.78","type":"im"}`, domain.Exists, nil, nil},
		{"edit-trusted-server", `{"host":"192.0.2.99"}`, domain.FollowsPeer, map[string]string{"trusted_server": string(events.TrustedServerOfPeer(events.PeerID(s.ids["peer"])))}, nil},
	} {
		s.provoke(s.stack.http, s.operation(c.op), refusal{body: c.body, ids: c.ids, headers: c.headers})
		if !s.refused[c.op+" "+string(c.code)] {
			s.t.Errorf("%s is not refused as %s", c.op, c.code)
		}
	}
}
