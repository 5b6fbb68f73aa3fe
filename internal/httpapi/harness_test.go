package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// commandsFunc answers every command in one way: it stands for a write loop in
// a certain condition. What the real one does is tested on the whole stack.
type commandsFunc func(context.Context, command.Request) (command.Receipt, error)

func (f commandsFunc) Handle(ctx context.Context, req command.Request) (command.Receipt, error) {
	return f(ctx, req)
}

// condition is a read model in a certain condition: it returns the rows it was
// given, or err. Nil functions do nothing.
type condition struct {
	await      func(context.Context, events.EnterpriseID, events.Seq) error
	err        error
	enterprise readmodel.Enterprise
	peer       readmodel.Peer
	trusted    readmodel.TrustedServer
	cursor     string

	asked any // the last list query
}

func (d *condition) Await(ctx context.Context, ent events.EnterpriseID, min events.Seq) error {
	if d.await == nil {
		return nil
	}
	return d.await(ctx, ent, min)
}

func (d *condition) Enterprise(context.Context, events.EnterpriseID) (readmodel.Enterprise, error) {
	return d.enterprise, d.err
}

func (d *condition) Peer(context.Context, events.EnterpriseID, events.PeerID) (readmodel.Peer, error) {
	return d.peer, d.err
}

func (d *condition) TrustedServer(context.Context, events.EnterpriseID, events.TrustedServerID) (readmodel.TrustedServer, error) {
	return d.trusted, d.err
}

func (d *condition) Enterprises(_ context.Context, q readmodel.EnterpriseQuery) (readmodel.Page[readmodel.Enterprise], error) {
	d.asked = q
	return pageOf(d, d.enterprise), d.err
}

func (d *condition) Peers(_ context.Context, _ events.EnterpriseID, q readmodel.PeerQuery) (readmodel.Page[readmodel.Peer], error) {
	d.asked = q
	return pageOf(d, d.peer), d.err
}

func (d *condition) TrustedServers(_ context.Context, q readmodel.TrustedServerQuery) (readmodel.Page[readmodel.TrustedServer], error) {
	d.asked = q
	return pageOf(d, d.trusted), d.err
}

func pageOf[T any](d *condition, row T) readmodel.Page[T] {
	return readmodel.Page[T]{Items: []T{row}, NextCursor: d.cursor, Sequence: 77}
}

// noTokens is a deployment without tokens.
type noTokens struct{ Tokens }

func (noTokens) Open(context.Context) (bool, error) { return true, nil }
func (noTokens) Knows(string) bool                  { return false }
func (noTokens) RevokeAll(context.Context, access.Principal, events.EnterpriseID, time.Time) (int, error) {
	return 0, nil
}

func (noTokens) Authenticate(context.Context, string) (access.Principal, error) {
	return access.Principal{}, access.ErrUnknown
}

// loopbackActor is who callers are while there are no tokens.
const loopbackActor = "loopback"

// healthFunc is a HealthSource.
type healthFunc func() Report

func (f healthFunc) Report(context.Context) Report { return f() }

func healthy() HealthSource { return healthFunc(func() Report { return Report{} }) }

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// accept is a write loop that accepts everything.
func accept(_ context.Context, req command.Request) (command.Receipt, error) {
	return command.Receipt{CommandID: req.ID, ID: "made-1", Sequence: 41}, nil
}

// refuse is a write loop that answers everything with err.
func refuse(err error) commandsFunc {
	return func(context.Context, command.Request) (command.Receipt, error) { return command.Receipt{}, err }
}

// forbidden fails the test when a command gets through.
func forbidden(t testing.TB) commandsFunc {
	return func(_ context.Context, req command.Request) (command.Receipt, error) {
		t.Errorf("the command %#v got through", req.Command)
		return command.Receipt{}, &domain.Error{Code: domain.Invalid, Msg: "must not be asked"}
	}
}

// newAPI returns a handler on these back ends; change may alter the options.
func newAPI(t testing.TB, commands Commands, directory Directory, change ...func(*Options)) http.Handler {
	t.Helper()
	opts := Options{
		Backends: func() Backends { return Backends{Tokens: noTokens{}, Commands: commands, Directory: directory} },
		Health:   healthy(), Now: noon,
	}
	for _, f := range change {
		f(&opts)
	}
	h, err := New(opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return h
}

// answer is a response that was read.
type answer struct {
	Code   int
	Header http.Header
	Body   string
}

// into reads the body of the answer.
func into[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		t.Fatalf("status %d: %v in %q", a.Code, err, a.Body)
	}
	return v
}

// ask sends one request from loopback; headers come in pairs. A body is JSON
// unless a Content-Type is among them; an empty value takes a header away.
func ask(h http.Handler, method, target, body string, headers ...string) answer {
	return send(h, newRequest(method, target, body, headers...))
}

// newRequest is the request that ask sends.
func newRequest(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://localhost/", strings.NewReader(body))
	r.URL, r.RequestURI = parseTarget(target), target
	r.Host, r.RemoteAddr = "localhost:8080", "127.0.0.1:50000"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		switch name, value := headers[i], headers[i+1]; {
		case value == "":
			r.Header.Del(name)
		case name == "Host":
			r.Host = value
		case name == "Content-Type":
			r.Header.Set(name, value)
		default:
			r.Header.Add(name, value)
		}
	}
	return r
}

func send(h http.Handler, r *http.Request) answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// wantProblem checks that a is a complete problem document with this status,
// code and field.
func wantProblem(t testing.TB, a answer, status int, code domain.Code, field string) Problem {
	t.Helper()
	if ct := a.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("status %d with content type %q, want a problem: %s", a.Code, ct, a.Body)
	}
	p := into[Problem](t, a)
	if a.Code != status || p.Status != status || p.Code != code || p.Field != field {
		t.Errorf("got status %d, code %s, field %q (%s), want %d, %s, %q", a.Code, p.Code, p.Field, p.Detail, status, code, field)
	}
	if p.Type == "" || p.Title == "" || p.Detail == "" {
		t.Errorf("the problem is not complete: %s", a.Body)
	}
	if retry := a.Header.Get("Retry-After"); (retry != "") != (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) {
		t.Errorf("Retry-After %q with status %d", retry, status)
	}
	return p
}

// wantCode is wantProblem for a refusal whose field is the domain's to choose.
func wantCode(t testing.TB, a answer, status int, code domain.Code) Problem {
	t.Helper()
	return wantProblem(t, a, status, code, into[Problem](t, a).Field)
}
