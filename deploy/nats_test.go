package deploy

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// options reads nats.conf with the environment that compose gives it, for a
// server in a directory of the test's own and on a free port.
func options(t *testing.T) *server.Options {
	t.Helper()
	t.Setenv("NATS_USER", "peering")
	t.Setenv("NATS_PASSWORD", "s3cretf0rthetest")
	opts, err := server.ProcessConfigFile("nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	return opts
}

func TestNATS_eventsAreOnDiskBeforeTheyAreAcknowledged(t *testing.T) {
	opts := options(t)
	if !opts.SyncAlways || !opts.JetStream {
		t.Errorf("JetStream %v, sync always %v", opts.JetStream, opts.SyncAlways)
	}
	if enough := int64(8<<30) * 16 / 10; opts.JetStreamMaxStore < enough {
		t.Errorf("the store takes %d bytes; the log's default limit needs %d with all that stands beside it", opts.JetStreamMaxStore, enough)
	}
	if opts.HTTPHost != "127.0.0.1" {
		t.Errorf("monitoring listens on %q", opts.HTTPHost)
	}
}

func TestNATS_asksForThePassword(t *testing.T) {
	opts := options(t)
	opts.Host, opts.Port, opts.HTTPPort, opts.StoreDir, opts.NoLog, opts.NoSigs = "127.0.0.1", -1, 0, t.TempDir(), true, true
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start with nats.conf")
	}
	nc, err := nats.Connect(srv.ClientURL(), nats.UserInfo("peering", "s3cretf0rthetest"))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	for name, opt := range map[string]nats.Option{
		"nobody":         nats.Name("nobody"),
		"wrong password": nats.UserInfo("peering", "peering"),
		"no password":    nats.UserInfo("peering", ""),
	} {
		if nc, err := nats.Connect(srv.ClientURL(), opt); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: got %v, want a refusal", name, err)
			if nc != nil {
				nc.Close()
			}
		}
	}
}

func TestNATS_withoutAPasswordThereIsNoServer(t *testing.T) {
	t.Setenv("NATS_USER", "peering")
	if _, err := server.ProcessConfigFile("nats.conf"); err == nil {
		t.Error("nats.conf is accepted without NATS_PASSWORD")
	}
}
