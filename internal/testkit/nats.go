package testkit

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/embednats"
)

// Patience is how long a test waits for something that must happen. It is long
// because it is only used up when the test fails.
const Patience = 20 * time.Second

// Server starts an embedded NATS server on a directory of the test, listening
// on a free loopback port, and stops it when the test ends. Nothing is synced
// to the disk unless an option asks for it.
func Server(t testing.TB, opts ...func(*embednats.Options)) *embednats.Server {
	t.Helper()
	o := embednats.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", MaxStore: 4 << 30}
	for _, set := range opts {
		set(&o)
	}
	s, err := embednats.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// SyncAlways is an option of Server: every message reaches the disk before it
// is acknowledged, as in the product.
func SyncAlways(o *embednats.Options) { o.SyncAlways = true }

// NATS returns a connection inside the process to a fresh embedded server.
func NATS(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := Server(t, func(o *embednats.Options) { o.Listen = "" }).Connect(connectOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// Connect connects to url and closes the connection when the test ends. The
// options of the product that matter are set: a publish is never buffered over
// an outage, and the connection comes back by itself, quickly.
func Connect(t testing.TB, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append(connectOptions(), opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func connectOptions() []nats.Option {
	return []nats.Option{
		nats.MaxReconnects(-1),
		nats.ReconnectWait(20 * time.Millisecond),
		nats.ReconnectJitter(5*time.Millisecond, 5*time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.IgnoreDiscoveredServers(),
		// What goes wrong on a connection is what the tests are about; the
		// default handler would print it.
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
}

// JetStream returns the JetStream interface of nc.
func JetStream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// Topology is a place to run a test on: one server, or three that replicate.
type Topology struct {
	Name     string
	Replicas int
	URL      string     // for Connect and Proxy
	Conn     *nats.Conn // over TCP, closed when the test ends
	Cluster  *Nodes     // nil on one server
}

// Topologies runs fn as a subtest on one replica and on three. What an append
// does differs between them, so every test of one belongs here. With -short, which
// the race detector is run with, it is three alone: our side is the same then.
//
// The three-node cluster is shared by the package's tests when its TestMain
// calls Main; each test finds it empty, and one test uses it at a time.
func Topologies(t *testing.T, fn func(*testing.T, Topology)) {
	if !testing.Short() {
		t.Run("one replica", func(t *testing.T) {
			url := "nats://" + Server(t).Addr()
			fn(t, Topology{Name: "one", Replicas: 1, URL: url, Conn: Connect(t, url)})
		})
	}
	t.Run("three replicas", func(t *testing.T) {
		c := Cluster(t)
		fn(t, Topology{Name: "three", Replicas: 3, URL: c.URL(), Conn: Connect(t, c.URL()), Cluster: c})
	})
}

// Eventually waits until cond holds, and fails the test when it does not within
// Patience. what completes the sentence "waiting for …".
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if !poll(ctx, cond) {
		t.Fatalf("waiting for %s: still not so after %s", what, Patience)
	}
}

// poll asks cond until it holds or ctx ends.
func poll(ctx context.Context, cond func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// deleteStreams empties a server that tests share.
func deleteStreams(ctx context.Context, url string) error {
	nc, err := nats.Connect(url, connectOptions()...)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		if err := js.DeleteStream(ctx, name); err != nil && !strings.Contains(name, "$") {
			return err
		}
	}
	return names.Err()
}
