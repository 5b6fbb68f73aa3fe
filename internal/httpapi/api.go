package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// Commands is the write loop. An error that wraps command.ErrUnavailable is
// answered with 503, a *domain.Error with the status of its code.
type Commands interface {
	Handle(ctx context.Context, req command.Request) (command.Receipt, error)
}

// Backends is what the routes under /api/v1 work on. One that is nil is not
// connected yet: what needs it is answered 503 "starting" until then.
type Backends struct {
	Tokens     Tokens // who callers are: everything under /api/v1 needs it
	Commands   Commands
	Directory  Directory
	Audit      Audit
	Operations Operations
	Parked     Parked
	Prober     Prober
	Samples    Samples
	Timeline   Timeline
}

// Options is what New needs. Health is required; everything else has a default.
type Options struct {
	// Backends returns what the API works on, as far as it is connected. It is
	// called for each request and must not wait. Nil: the program has no API, and
	// only the operational routes are served, to callers on loopback.
	Backends func() Backends
	// Published are the enterprises that everybody may know of.
	Published []events.EnterpriseID
	// Limits bound how often callers may ask. The zero value: DefaultLimits.
	Limits Limits
	// Health tells how the program is.
	Health HealthSource
	// AllowedHosts are names in the Host header to accept besides those of
	// loopback.
	AllowedHosts []string
	// AdminURL is the template of the address of a peer's administrator
	// interface, with {hostname}, {port} and {address}. Empty: DefaultAdminURL.
	AdminURL string
	// Version of the product, for the OpenAPI document.
	Version string
	// AsyncAPI is the description of the bus, for /asyncapi.json; empty: there is
	// none.
	AsyncAPI []byte
	// Logger gets a debug line for each request and an error line for each
	// answer 500. Nil: none.
	Logger *slog.Logger
	// Metrics takes the request metrics; nil: none are kept.
	Metrics prometheus.Registerer
	// Gatherer is what /metrics shows; nil: there is no /metrics.
	Gatherer prometheus.Gatherer
	// Ending is closed when the program begins to stop: what never ends by itself
	// ends then. Nil: never.
	Ending <-chan struct{}
	// Now is the clock for what is computed when read; nil: time.Now.
	Now func() time.Time
}

// api is what the handlers share; nothing in it changes after New.
type api struct {
	opts     Options
	log      *slog.Logger
	mux      *http.ServeMux
	huma     huma.API
	adminURL adminURL
	now      func() time.Time
	limits   *limiter
	registry *events.Registry
	hub      *hub
	bulks    *gate
	exports  *gate
	probes   *gate
	tests    *gate
	testRate *buckets
	methods  map[string][]string // of each path, for Allow
}

// New returns the handler of every route. While no token exists it serves
// callers on loopback only. An error names the option that is wrong.
func New(opts Options) (http.Handler, error) {
	if opts.Health == nil {
		return nil, errors.New("httpapi: Options.Health is missing")
	}
	admin, err := parseAdminURL(opts.AdminURL)
	if err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	a := &api{
		opts: opts, log: opts.Logger, now: opts.Now, adminURL: admin,
		mux: http.NewServeMux(), methods: map[string][]string{},
		limits: newLimiter(opts.Limits), registry: events.Default(),
		bulks: newGate("bulk changes", maxBulks, maxBulksOfOne), exports: newGate("exports", maxExports, maxExportsOfOne),
		probes: newGate("probes", maxProbes, maxProbesOfOne), tests: newGate("tests", maxTests, maxTestsOfOne), testRate: newBuckets(testsPerSecond),
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.huma = humago.New(a.mux, humaConfig(opts.Version))
	streams, err := newStreamMetrics(opts.Metrics)
	if err != nil {
		return nil, fmt.Errorf("httpapi: register metrics: %w", err)
	}
	a.hub = newHub(a.frameOf, a.log, streams)
	if opts.Backends != nil {
		a.routes()
	}
	a.healthRoutes()
	if opts.Gatherer != nil {
		a.overall("/metrics", promhttp.HandlerFor(opts.Gatherer, promhttp.HandlerOpts{}))
	}
	if err := a.documentRoute(); err != nil {
		return nil, fmt.Errorf("httpapi: the OpenAPI document: %w", err)
	}
	if err := a.docsRoutes(); err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	a.fallbackRoutes()
	observed, err := a.observed(a.recovered(a.guarded(a.mux)))
	if err != nil {
		return nil, fmt.Errorf("httpapi: register metrics: %w", err)
	}
	return observed, nil
}

// routes adds those that work on the back ends.
func (a *api) routes() {
	a.enterpriseRoutes()
	a.peerRoutes()
	a.bulkRoutes()
	a.probeRoutes()
	a.sampleRoutes()
	a.timelineRoutes()
	a.uptimeRoutes()
	a.presenceRoutes()
	a.trustedServerRoutes()
	a.tokenRoutes()
	a.eventRoutes()
	a.streamRoutes()
	a.projectionRoutes()
	a.deadEventRoutes()
	a.parkedRoutes()
	a.wellKnownRoute()
}

// plain serves GET path with a handler that is not in the OpenAPI document.
func (a *api) plain(path string, h http.Handler) {
	a.mux.Handle("GET "+path, h)
	a.methods[path] = append(a.methods[path], http.MethodGet)
}

// overall is plain for what shows something of every enterprise.
func (a *api) overall(path string, h http.Handler) {
	a.plain(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !principalOf(r).SeesAll() {
			problem(domain.Forbidden, "", "This shows all enterprises; the token is for one.").write(w)
			return
		}
		h.ServeHTTP(w, r)
	}))
}

// humaConfig turns off what the framework would serve by itself: a page that
// loads scripts from elsewhere, and further forms of the document.
func humaConfig(version string) huma.Config {
	if version == "" {
		version = "dev"
	}
	c := huma.DefaultConfig("peering", version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil
	c.AllowAdditionalPropertiesByDefault = true
	// "json" is what the framework looks up for application/problem+json.
	format := huma.Format{Marshal: marshal, Unmarshal: json.Unmarshal}
	c.Formats = map[string]huma.Format{"application/json": format, "json": format}
	c.Transformers = []huma.Transformer{frameworkProblem}
	return c
}

// marshal writes v as JSON in one piece. A reader that has gone is not an
// error: nobody is left to be told.
func marshal(w io.Writer, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, _ = w.Write(buf.Bytes())
	return nil
}
