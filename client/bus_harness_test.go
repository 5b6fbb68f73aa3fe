package client_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/client"
	"github.com/peering/peering/internal/app"
	"github.com/peering/peering/internal/bus"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/embednats"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// deployment is a NATS server with the streams, and whoever carries out commands.
type deployment struct {
	dir    string
	url    string
	server *embednats.Server
	api    *api
}

// deploy starts one that answers.
func deploy() (*deployment, error) {
	dir, err := os.MkdirTemp("", "peering-client-")
	if err != nil {
		return nil, err
	}
	d := &deployment{dir: dir}
	if err := d.startServer("127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, d.close())
	}
	if d.api, err = startAPI(d.url); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// startServer starts the NATS server; at an address that it had it is the same.
func (d *deployment) startServer(listen string) error {
	server, err := embednats.Start(embednats.Options{Dir: d.dir, Listen: listen, MaxStore: 4 << 30})
	if err != nil {
		return err
	}
	d.server, d.url = server, "nats://"+server.Addr()
	return nil
}

func (d *deployment) close() error {
	if d.api != nil {
		d.api.stop()
	}
	if d.server != nil {
		d.server.Shutdown()
	}
	return os.RemoveAll(d.dir)
}

// running is a deployment until the test ends.
func running(t testing.TB) *deployment {
	t.Helper()
	d, err := deploy()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// api is a process that carries out commands.
type api struct {
	nc     *nats.Conn
	cancel context.CancelFunc
	parts  sync.WaitGroup
	errs   chan error
}

// startAPI starts one at a server, and makes the streams.
func startAPI(url string) (a *api, err error) {
	discard := slog.New(slog.DiscardHandler)
	connect := func(name string, opts ...nats.Option) (*nats.Conn, error) {
		return nats.Connect(url, append(eventstore.ConnectOptions(name, discard), opts...)...)
	}
	a = &api{errs: make(chan error, 2)}
	if a.nc, err = connect("api"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	o := eventstore.StreamOptions{MaxBytes: 256 << 20}
	if err := eventstore.Ensure(ctx, a.nc, o); err != nil {
		return nil, err
	}
	found, err := eventstore.EnsureBus(ctx, a.nc, o)
	if err != nil {
		return nil, err
	}
	store, err1 := eventstore.NewJetStream(a.nc, events.NewCodec(events.Default()))
	outcomes, err2 := eventstore.NewOutcomes(a.nc)
	snapshots, err3 := eventstore.NewSnapshots(a.nc)
	queue, err4 := eventstore.NewCommands(a.nc)
	lot, err5 := eventstore.NewParked(a.nc)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	h := command.New(store, outcomes, snapshots, command.Options{})
	options := bus.Options{Connect: connect}
	a.parts.Go(func() { a.errs <- bus.NewCommands(h, queue, lot, options).Run(ctx, found.Partitions) })
	a.parts.Go(func() { a.errs <- bus.NewRPC(h, outcomes, "0.0.0", options).Run(ctx) })
	return a, nil
}

func (a *api) stop() {
	a.cancel()
	a.parts.Wait()
	a.nc.Close()
}

// connectBus is a bus at a URL until the test ends.
func connectBus(t testing.TB, url string, opts ...nats.Option) *client.Bus {
	t.Helper()
	b, err := client.ConnectBus(url, append([]nats.Option{nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// registered opens the enterprise acme on a bus.
func registered(t testing.TB, c client.Commander) {
	t.Helper()
	out, err := c.Do(t.Context(), "acme", client.RegisterEnterprise{
		Description: "Acme", Domain: "acme.example", Server: client.Server{Hostname: "uc.acme.example", Version: "9.8"},
	})
	if err != nil || out.Result != client.Accepted || out.ID != "acme" {
		t.Fatalf("got %+v, %v", out, err)
	}
}

// berlin is a peer to add.
func berlin() client.AddPeer {
	return client.AddPeer{
		Type: client.PeerMiCollab, Description: "Berlin", Hostname: new("uc.berlin.example"), PeerEnterpriseID: new("ent-berlin"),
	}
}

// history is what happened in an enterprise.
func (d *deployment) history(t testing.TB, ent events.EnterpriseID) []events.Recorded {
	t.Helper()
	return historyAt(t, d.url, ent)
}

func historyAt(t testing.TB, url string, ent events.EnterpriseID) (all []events.Recorded) {
	t.Helper()
	nc := testkit.Connect(t, url)
	store, err := eventstore.NewJetStream(nc, events.NewCodec(events.Default()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Load(t.Context(), events.ConfigSubject(ent), 0, func(r events.Recorded) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// serveAll runs the whole product in this process until the test ends.
func serveAll(t testing.TB) (http, nats string) {
	t.Helper()
	cfg, _, err := config.Load(config.Serve, config.Sources{Environ: []string{"PEERING_LOG_MAX_BYTES=268435456", "PEERING_MAX_STORE=4294967296"}, Flags: map[string]string{
		"data": t.TempDir(), "listen": "127.0.0.1:0", "nats-listen": "127.0.0.1:0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := &said{}
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, cfg, out, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	testkit.Eventually(t, "addresses", func() bool { return out.value("http") != "" && out.value("nats") != "" })
	return "http://" + out.value("http"), "nats://" + out.value("nats")
}

// said is what the product writes to its standard output.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) value(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.text.String()) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return value
		}
	}
	return ""
}

var _ io.Writer = (*said)(nil)
