package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
)

// operation is a route with everything the OpenAPI document says about it. What
// it says is also what is checked: a query parameter that is not among params
// is refused, and so is a value outside its schema.
type operation struct {
	id, summary, about string
	method, path       string
	tag                string
	right              access.Right // that the caller needs; empty: Read, or what the command needs
	needs              []need       // the back ends it works on; nil: the directory for a read, the log for a write
	params             []*huma.Param
	body               *bodyDoc // nil: the request needs no body
	status             int      // of success; 0: 200
	codes              []domain.Code
}

// reply is a successful answer.
type reply[T any] struct {
	Status int
	// ContentType is said for every answer, so that nothing is negotiated.
	ContentType string `header:"Content-Type" hidden:"true"`
	ETag        string `header:"ETag" doc:"<revision>.<last sequence> of what was read."`
	Location    string `header:"Location" doc:"Path of what was added."`
	Body        T
}

// input hands the request from the framework to the operation. The framework
// reads nothing of it by itself: parameters are checked by check, and bodies
// have one decoder (ADR 0010).
type input struct {
	r *http.Request
	w http.ResponseWriter
}

// Resolve implements huma.Resolver.
func (in *input) Resolve(ctx huma.Context) []error {
	in.r, in.w = humago.Unwrap(ctx)
	return nil
}

// call is one request on its way through an operation.
type call struct {
	Backends
	principal access.Principal
	r         *http.Request
	w         http.ResponseWriter
	query     url.Values // checked against the operation's params
}

// register adds op with its handler. Errors of the handler become problem
// documents; one that nobody foresaw is logged and shown as 500 without its text.
func register[T exampled[T]](a *api, op operation, handle func(ctx context.Context, c *call) (*reply[T], error)) {
	h := a.describe(op)
	a.methods[op.path] = append(a.methods[op.path], op.method)
	huma.Register(a.huma, h, func(ctx context.Context, in *input) (*reply[T], error) {
		out, err := serve(ctx, a, op, in, handle)
		if err != nil {
			return nil, a.refuse(in.r, err)
		}
		return out, nil
	})
	var answer T
	a.document(op)
	a.exemplify(op, answer.example())
}

// begin makes the call of a request that may be answered.
func (a *api) begin(op operation, in *input) (*call, error) {
	for _, p := range op.params { // no database takes such an id, and none has it
		if v := in.r.PathValue(p.Name); p.In == "path" && (!utf8.ValidString(v) || strings.ContainsFunc(v, isControl)) {
			return nil, noSuch(p.Name, printable(v))
		}
	}
	query, err := check(in.r.URL.RawQuery, op.params)
	if err != nil {
		return nil, err
	}
	c := &call{Backends: a.opts.Backends(), principal: principalOf(in.r), r: in.r, w: in.w, query: query}
	return c, c.admit(op)
}

func serve[T any](ctx context.Context, a *api, op operation, in *input, handle func(context.Context, *call) (*reply[T], error)) (*reply[T], error) {
	c, err := a.begin(op, in)
	if err != nil {
		return nil, err
	}
	out, err := handle(ctx, c)
	if err != nil {
		return nil, err
	}
	if out.Status == 0 {
		out.Status = op.success()
	}
	out.ContentType = "application/json"
	return out, nil
}

// need is a back end that an operation cannot do without.
type need int

const (
	theLog need = iota
	theDirectory
	theAudit
	theOperations
	theParked
	theProber
	theSamples
	theTimeline
)

// admit refuses a call that the caller may not make, or that cannot be answered
// yet. What another enterprise's is looks like what does not exist, whether it
// does or not; so that comes first.
func (c *call) admit(op operation) error {
	if strings.HasPrefix(op.path, enterprisePath) {
		ent, err := c.enterprise()
		if err != nil {
			return err
		}
		if !c.principal.Sees(ent) {
			return noSuch("enterprise", string(ent))
		}
	}
	if right := op.neededRight(); right != "" && !c.principal.May(right) {
		return c.lacks(right)
	}
	for _, p := range op.backEnds() {
		if what, there := c.connected(p); !there {
			return starting(what)
		}
	}
	return nil
}

// connected reports whether a back end is there, and names what it is reached by.
func (c *call) connected(p need) (what string, there bool) {
	switch p {
	case theLog:
	case theDirectory:
		return "the database", c.Directory != nil
	case theAudit:
		return "the database", c.Audit != nil
	case theTimeline:
		return "the database", c.Timeline != nil
	case theOperations:
		return "the event log and the database", c.Operations != nil
	case theParked:
		return "the commands of the bus", c.Parked != nil
	case theProber:
		return "the probers", c.Prober != nil
	case theSamples:
		return "what the probers found", c.Samples != nil
	}
	return "the event log", c.Commands != nil
}

// lacks is the answer to a caller without a right.
func (c *call) lacks(right access.Right) *Problem {
	if right == access.Operate && c.principal.May(access.Administer) {
		return problem(domain.Forbidden, "", "This concerns all enterprises; the token is for one.")
	}
	return problem(domain.Forbidden, "", "The token has the role %s; this needs one of: %s.", c.principal.Role, access.With(right))
}

// neededRight is what a caller needs before anything else is looked at; empty:
// it depends on the command, and give asks.
func (op operation) neededRight() access.Right {
	if op.right == "" && op.method == http.MethodGet {
		return access.Read
	}
	return op.right
}

func (op operation) backEnds() []need {
	switch {
	case op.needs != nil:
		return op.needs
	case op.method == http.MethodGet:
		return []need{theDirectory}
	}
	return []need{theLog}
}

func (op operation) success() int {
	if op.status == 0 {
		return http.StatusOK
	}
	return op.status
}

// refuse turns err into the problem to show, and logs what is not shown.
func (a *api) refuse(r *http.Request, err error) *Problem {
	p, expected := problemOf(err)
	switch {
	case !expected:
		p.Instance = "urn:uuid:" + uuid.NewString()
		a.log.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("instance", p.Instance), slog.String("method", r.Method),
			slog.String("route", r.Pattern), slog.Any("err", err))
	case p.Code == codeUnavailable && r.Context().Err() == nil:
		a.log.LogAttrs(r.Context(), slog.LevelWarn, "request not answered",
			slog.String("method", r.Method), slog.String("route", r.Pattern), slog.Any("err", err))
	}
	return p
}

// number returns a checked integer parameter, 0 when it was not given.
func (c *call) number(name string) int64 {
	n, err := strconv.ParseInt(c.query.Get(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// flag returns a checked boolean parameter, nil when it was not given.
func (c *call) flag(name string) *bool {
	v := c.query.Get(name)
	if v == "" {
		return nil
	}
	is := v == "true"
	return &is
}

// within runs f with a deadline.
func within[T any](ctx context.Context, d time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f(ctx)
}
