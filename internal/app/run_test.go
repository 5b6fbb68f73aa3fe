package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/app"
	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/embednats"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// role is a role that runs until the test ends.
type role struct {
	t    *testing.T
	url  string
	stop context.CancelFunc
	done chan error
}

// run starts a role from its environment and returns when it says where it
// listens. The log is small enough for the servers of the test kit.
func run(t *testing.T, r config.Role, environ ...string) *role {
	t.Helper()
	environ = append([]string{"PEERING_LISTEN=127.0.0.1:0", "PEERING_LOG_MAX_BYTES=256MiB"}, environ...)
	c, unknown, err := config.Load(r, config.Sources{Environ: environ})
	if err != nil || len(unknown) > 0 {
		t.Fatal(err, unknown)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	x := &role{t: t, stop: cancel, done: make(chan error, 1)}
	go func() {
		x.done <- app.Run(ctx, c, in, slog.New(slog.NewTextHandler(t.Output(), nil)))
		_ = in.Close()
	}()
	t.Cleanup(func() { x.end() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s ended: %v", r, <-x.done)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	x.url = "http://" + strings.TrimSpace(strings.TrimPrefix(line, "http="))
	return x
}

// end stops the role and returns what it ended with.
func (x *role) end() error {
	x.stop()
	err := <-x.done
	x.done <- err
	return err
}

func (x *role) do(method, path, body string) (*http.Response, string) {
	x.t.Helper()
	req, err := http.NewRequest(method, x.url+path, strings.NewReader(body))
	if err != nil {
		x.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return resp, string(text)
}

// configuration is that of serve, from the environment.
func configuration(t *testing.T, environ ...string) config.Config {
	t.Helper()
	c, _, err := config.Load(config.Serve, config.Sources{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (x *role) status(path string) int {
	resp, _ := x.do(http.MethodGet, path, "")
	return resp.StatusCode
}

func (x *role) ready() {
	x.t.Helper()
	testkit.Eventually(x.t, "readiness", func() bool { return x.status("/readyz") == http.StatusOK })
}

const acme = `{"id":"acme","description":"Acme","domain":"acme.example","server":{"hostname":"uc.acme.example","address":"","version":"9.8","deployment":"standard"}}`

// freeAddress is where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func natsAt(t *testing.T, dir, addr string) *embednats.Server {
	t.Helper()
	s, err := embednats.Start(embednats.Options{Dir: dir, Listen: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func sqlite(t *testing.T) string {
	t.Helper()
	return "PEERING_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "p.db")
}

// TestRun_unreachableNATS: 503 with Retry-After, readiness red, and recovery
// without a restart, at the start and in the middle.
func TestRun_unreachableNATS(t *testing.T) {
	addr, dir := freeAddress(t), t.TempDir()
	env := []string{"NATS_URL=nats://" + addr, sqlite(t)}
	api, projector := run(t, config.API, env...), run(t, config.Projector, env...)
	if s := api.status("/livez"); s != http.StatusOK {
		t.Errorf("/livez answers %d", s)
	}
	unavailable(t, api, http.MethodPost, "/api/v1/enterprises", acme)
	if s := api.status("/readyz"); s != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d", s)
	}

	server := natsAt(t, dir, addr)
	api.ready()
	projector.ready()
	resp, text := api.do(http.MethodPost, "/api/v1/enterprises", acme)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	sees(t, api, text)

	server.Shutdown()
	testkit.Eventually(t, "readiness to be red", func() bool { return api.status("/readyz") == http.StatusServiceUnavailable })
	unavailable(t, api, http.MethodPost, "/api/v1/enterprises/acme/peers", `{"type":"external","description":"x"}`)
	if s := api.status("/api/v1/enterprises/acme"); s != http.StatusOK {
		t.Errorf("a read that needs no log answers %d", s)
	}

	natsAt(t, dir, addr)
	api.ready()
	resp, text = api.do(http.MethodPost, "/api/v1/enterprises/acme/peers", `{"type":"external","description":"y"}`)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	sees(t, api, text)
}

// sees waits for a write through the read model.
func sees(t *testing.T, x *role, receipt string) {
	t.Helper()
	var r struct {
		Sequence uint64 `json:"sequence"`
	}
	if err := json.Unmarshal([]byte(receipt), &r); err != nil || r.Sequence == 0 {
		t.Fatalf("%v in %s", err, receipt)
	}
	testkit.Eventually(t, "the write to be seen", func() bool {
		return x.status(fmt.Sprintf("/api/v1/enterprises/acme?min_seq=%d", r.Sequence)) == http.StatusOK
	})
}

func unavailable(t *testing.T, x *role, method, path, body string) {
	t.Helper()
	began := time.Now()
	resp, text := x.do(method, path, body)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s: %d, Retry-After %q: %s", method, path, resp.StatusCode, resp.Header.Get("Retry-After"), text)
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("%s %s took %s", method, path, took)
	}
}

func TestRun_unreachableDatabase(t *testing.T) {
	nc := testkit.Server(t)
	dir := filepath.Join(t.TempDir(), "later")
	env := []string{"NATS_URL=nats://" + nc.Addr(), "PEERING_DATABASE_URL=sqlite:" + filepath.Join(dir, "p.db")}
	api := run(t, config.API, env...)
	unavailable(t, api, http.MethodGet, "/api/v1/enterprises", "")
	unavailable(t, api, http.MethodPost, "/api/v1/enterprises", acme) // the database knows who may
	if s := api.status("/health"); s != http.StatusServiceUnavailable {
		t.Errorf("/health answers %d", s)
	}
	if s := api.status("/readyz"); s != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d", s)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, config.Projector, env...).ready()
	api.ready()
	resp, receipt := api.do(http.MethodPost, "/api/v1/enterprises", acme)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("after the database came: %d %s", resp.StatusCode, receipt)
	}
	sees(t, api, receipt)
}

// TestRun_wrongStreamIsAClearError: waiting would not help, so the program ends
// and names what is wrong.
func TestRun_wrongStreamIsAClearError(t *testing.T) {
	server := testkit.Server(t)
	js := testkit.JetStream(t, testkit.Connect(t, "nats://"+server.Addr()))
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: events.Stream, Subjects: []string{events.FilterConfig, events.FilterStatus}, MaxAge: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	x := run(t, config.Prober, "NATS_URL=nats://"+server.Addr())
	err = <-x.done
	x.done <- err
	for _, want := range []string{events.Stream, "max_age", "deny_delete"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in: %v", want, err)
		}
	}
}

func TestRun_wrongCredentialsAreNamed(t *testing.T) {
	c, _, err := config.Load(config.Prober, config.Sources{Environ: []string{"NATS_CONTEXT=none-of-that-name", "PEERING_LISTEN=127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	err = app.Run(t.Context(), c, io.Discard, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "none-of-that-name") {
		t.Errorf("got %v", err)
	}
}

func TestRun_proberKnowsItsTargets(t *testing.T) {
	server := testkit.Server(t)
	env := []string{"NATS_URL=nats://" + server.Addr(), sqlite(t)}
	api := run(t, config.API, env...)
	testkit.Eventually(t, "commands", func() bool {
		resp, _ := api.do(http.MethodPost, "/api/v1/enterprises", acme)
		return resp.StatusCode == http.StatusCreated || resp.StatusCode == http.StatusConflict
	})
	api.do(http.MethodPost, "/api/v1/enterprises/acme/peers", `{"type":"micollab","description":"Graz","hostname":"uc.graz.example","peer_enterprise_id":"graz"}`)
	prober := run(t, config.Prober, env...)
	prober.ready()
	if _, text := prober.do(http.MethodGet, "/health", ""); !strings.Contains(text, "1 peers") {
		t.Errorf("health says %s", text)
	}
	if _, text := prober.do(http.MethodGet, "/metrics", ""); !strings.Contains(text, "peering_probe_targets 1") {
		t.Errorf("the metric is missing in:\n%s", text)
	}
	if s := prober.status("/api/v1/enterprises"); s != http.StatusNotFound {
		t.Errorf("the prober answers the API with %d", s)
	}
}

func TestRun_stopsWhenAsked(t *testing.T) {
	x := run(t, config.Serve, "PEERING_DATA="+t.TempDir(), "PEERING_DEMO=true")
	x.ready()
	if err := x.end(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := nats.Connect(strings.Replace(x.url, "http", "nats", 1), nats.MaxReconnects(0)); err == nil {
		t.Error("somebody still listens")
	}
}

// TestRun_logLargerThanTheStore: also when nobody has checked the configuration.
func TestRun_logLargerThanTheStore(t *testing.T) {
	c := configuration(t, "PEERING_DATA="+t.TempDir())
	c.LogMaxBytes = 20 << 30
	err := app.Run(t.Context(), c, io.Discard, slog.New(slog.DiscardHandler))
	if _, ok := config.AsFaults(err); !ok || !strings.Contains(err.Error(), "max_store") {
		t.Errorf("got %v", err)
	}
}

// TestStoreFor_isNeverLessThanTheStreamsReserve: what the configuration lets
// through, the embedded server has room for.
func TestStoreFor_isNeverLessThanTheStreamsReserve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := rapid.Int64Range(1<<20, 1<<rapid.IntRange(21, 62).Draw(t, "bits")).Draw(t, "log_max_bytes")
		need := eventstore.StreamOptions{Replicas: 1, MaxBytes: log}.Reserved()
		if got := config.StoreFor(log); got < need {
			t.Fatalf("%d bytes, want at least %d", got, need)
		}
	})
}

// TestRun_saysWhereItListensOnlyWhenItDoes: whoever waits for a line must not be
// sent to a server that ends at once.
func TestRun_saysWhereItListensOnlyWhenItDoes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken, free := l.Addr().String(), "127.0.0.1:0"
	for what, listens := range map[string][2]string{"HTTP": {taken, free}, "NATS": {free, taken}} {
		c := configuration(t, "PEERING_DATA="+t.TempDir(), "PEERING_LISTEN="+listens[0], "PEERING_NATS_LISTEN="+listens[1])
		var out strings.Builder
		if err := app.Run(t.Context(), c, &out, slog.New(slog.DiscardHandler)); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: ended with %v", what, err)
		}
		if out.Len() > 0 {
			t.Errorf("%s: standard output has %q", what, out.String())
		}
	}
}
