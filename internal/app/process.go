package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/bus"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/demo"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/httpapi"
	"github.com/peering/peering/internal/prober"
	"github.com/peering/peering/internal/readmodel"
)

// process is a program at run time: one connection to the log, one listener,
// and the roles that the configuration asks for.
type process struct {
	cfg     config.Config
	log     *slog.Logger
	health  *health
	metrics *prometheus.Registry
	nc      *nats.Conn
	connect connector // for what needs a connection of its own
	storage storage   // of the embedded server; nil when it is not embedded
	healing healing

	events  *promise[*eventLog]
	tables  *promise[*readmodel.DB]
	writer  *promise[*command.Handler]
	bus     *promise[*busStreams]
	reacted reacted
	tokens  *promise[*access.Keeper]
	demoEnd *promise[events.Seq] // its last event
	late    lateBackends
	models  []*readModel

	demo     *demo.Kit // nil: there is none
	samples  *promise[*eventstore.Samples]
	sampling atomic.Pointer[error] // what became of the stream of samples last; nil: not known yet
	prober   atomic.Pointer[prober.Prober]
	roll     *prober.Roll
	targeted caughtUp
}

// storage is what an embedded server writes to. Check says whether it still can;
// Heal takes it up again.
type storage interface {
	Check() error
	Heal() error
}

func newProcess(c config.Config, log *slog.Logger, nc *nats.Conn, connect connector, s storage) *process {
	p := &process{
		cfg: c, log: log, health: newHealth(), metrics: prometheus.NewRegistry(), nc: nc, connect: connect, storage: s,
		events: newPromise[*eventLog](), tables: newPromise[*readmodel.DB](),
		writer: newPromise[*command.Handler](), bus: newPromise[*busStreams](),
		tokens:  newPromise[*access.Keeper](),
		demoEnd: newPromise[events.Seq](), models: readModels(),
		samples: newPromise[*eventstore.Samples](), roll: prober.NewRoll(),
	}
	p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return p
}

// run serves HTTP and works until ctx ends or something fails that trying again
// does not heal. HTTP answers from the first moment; what it cannot do yet it
// answers with 503. When ctx ends, requests in progress are finished first, and
// the roles work on until they are.
func (p *process) run(ctx context.Context, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	options, err := p.httpOptions(ctx.Done())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	handler, err := httpapi.New(options)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	p.addChecks() // before anybody can ask: without them it would seem to be ready
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group.Go(func() error {
		defer stop()
		return p.serveHTTP(ctx, handler, listener)
	})
	group.Go(func() error { return p.work(work) })
	return group.Wait()
}

func (p *process) httpOptions(ending <-chan struct{}) (httpapi.Options, error) {
	o := httpapi.Options{
		Ending: ending, Health: p.health, AdminURL: p.cfg.AdminURL, Version: Version(),
		Logger: p.log, Metrics: p.metrics, Gatherer: p.metrics,
	}
	if !p.decides() {
		return o, nil
	}
	o.Backends = p.late.now
	o.Limits = httpapi.Limits{PerToken: p.cfg.RateLimit, PerAddress: p.cfg.RateLimitAddress}
	var err error
	if o.AsyncAPI, err = bus.AsyncAPI(Version()); err != nil {
		return o, err
	}
	for _, name := range p.cfg.Publish {
		ent, err := events.ParseEnterpriseID(name)
		if err != nil {
			return o, config.Faults{{Setting: "publish", Problem: fmt.Sprintf("%q: %v", name, err)}}
		}
		o.Published = append(o.Published, ent)
	}
	return o, nil
}

// serveHTTP serves until ctx ends and the requests in progress have been
// answered, or the time for that is over.
func (p *process) serveHTTP(ctx context.Context, handler http.Handler, listener net.Listener) error {
	server := httpapi.NewServer(handler, p.log)
	serve := server.Serve
	if p.cfg.TLSCert != "" {
		cert, err := loadCertificate(p.cfg.TLSCert, p.cfg.TLSKey, p.log)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		server.TLSConfig = cert.config()
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	served := make(chan error, 1)
	go func() { served <- serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		p.log.Warn("requests in progress were cut off", "err", err)
		_ = server.Close() // its error says the same
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

// listen opens the listener of HTTP and says on stdout where it is.
func listen(ctx context.Context, address string, stdout io.Writer) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if _, err := fmt.Fprintf(stdout, "http=%s\n", l.Addr()); err != nil {
		return nil, errors.Join(fmt.Errorf("standard output: %w", err), l.Close())
	}
	return l, nil
}

// decides reports whether this process takes commands and answers queries.
func (p *process) decides() bool {
	return p.cfg.Role == config.Serve || p.cfg.Role == config.API
}

// projects reports whether this process keeps the read models.
func (p *process) projects() bool {
	return p.cfg.Role == config.Serve || p.cfg.Role == config.Projector
}

// probes reports whether this process looks outside.
func (p *process) probes() bool {
	return p.cfg.Role == config.Serve || p.cfg.Role == config.Prober
}
