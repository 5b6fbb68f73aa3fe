package testkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"
)

// clusterSize is the number of nodes of a cluster.
const clusterSize = 3

// Nodes is a cluster of embedded servers on loopback ports.
type Nodes struct {
	dir   string
	ports [clusterSize]struct{ client, route int }

	mu    sync.Mutex
	nodes [clusterSize]*server.Server // nil: killed
}

// Cluster returns a running cluster of three with no streams in it. It is
// started for the test, or shared as Topologies describes. A test may kill
// nodes: they are started again when the test ends.
func Cluster(t testing.TB) *Nodes {
	t.Helper()
	if c := share.take(t); c != nil {
		return c
	}
	c, err := startNodes(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stop)
	return c
}

// share keeps the cluster between the tests of a package. It is the one
// package variable that changes: a TestMain cannot pass anything to a test.
var share = &shared{}

type shared struct {
	mu      sync.Mutex // held by the test that uses the cluster
	enabled bool
	dir     string
	cluster *Nodes
}

// Main runs the tests of a package with a cluster that they share, started when
// the first one asks for it, and then looks for goroutines that are still
// running. Call it from TestMain and pass its result to os.Exit.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "peering-cluster-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	share.enabled, share.dir = true, dir
	code := m.Run()
	if err := postgresServer.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if share.cluster != nil {
		share.cluster.stop()
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if code == 0 {
		if err := goleak.Find(Background()...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// Background lists the goroutines that the libraries keep for good.
func Background() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*Server).cleanupOCSPCache"),
		// Of a stream that was being made at the moment when its server stopped.
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"),
	}
}

// take hands the shared cluster to one test; nil when the package shares none.
func (s *shared) take(t testing.TB) *Nodes {
	t.Helper()
	if !s.enabled {
		return nil
	}
	s.mu.Lock()
	t.Cleanup(s.mu.Unlock)
	if s.cluster == nil {
		c, err := startNodes(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		s.cluster = c
	}
	c := s.cluster
	t.Cleanup(func() {
		if err := c.reset(); err != nil {
			t.Errorf("resetting the cluster: %v", err)
		}
	})
	return c
}

func startNodes(dir string) (*Nodes, error) {
	c := &Nodes{dir: dir}
	ports, err := freePorts(2 * clusterSize)
	if err != nil {
		return nil, err
	}
	for i := range c.ports {
		c.ports[i].client, c.ports[i].route = ports[2*i], ports[2*i+1]
	}
	for i := range c.nodes {
		if err := c.start(i); err != nil {
			c.stop()
			return nil, err
		}
	}
	if err := c.waitReady(); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// URL lists the addresses of all nodes.
func (c *Nodes) URL() string {
	urls := make([]string, len(c.ports))
	for i := range urls {
		urls[i] = c.NodeURL(i)
	}
	return strings.Join(urls, ",")
}

// NodeURL is the address of one node, whether it runs or not.
func (c *Nodes) NodeURL(i int) string {
	return fmt.Sprintf("nats://127.0.0.1:%d", c.ports[i].client)
}

// Leader returns the node that leads stream, waiting until there is one.
func (c *Nodes) Leader(t testing.TB, stream string) int {
	t.Helper()
	leader := -1
	Eventually(t, "a leader of "+stream, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, s := range c.nodes {
			if s != nil && s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
				leader = i
			}
		}
		return leader >= 0
	})
	return leader
}

// Kill stops node i at once.
func (c *Nodes) Kill(i int) {
	c.mu.Lock()
	s := c.nodes[i]
	c.nodes[i] = nil
	c.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// Restart starts node i again on its old directory and ports, and waits until
// it is part of the cluster.
func (c *Nodes) Restart(t testing.TB, i int) {
	t.Helper()
	if err := errors.Join(c.start(i), c.waitReady()); err != nil {
		t.Fatal(err)
	}
}

func (c *Nodes) start(i int) error {
	opts := &server.Options{
		ServerName: fmt.Sprintf("node-%d", i),
		Host:       "127.0.0.1", Port: c.ports[i].client,
		NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
		JetStream: true, StoreDir: filepath.Join(c.dir, fmt.Sprintf("node-%d", i)),
		JetStreamMaxStore: 4 << 30, JetStreamMaxMemory: 256 << 20,
		Cluster: server.ClusterOpts{
			Name: "peering-test", Host: "127.0.0.1", Port: c.ports[i].route,
		},
	}
	for j := range c.ports {
		if j != i {
			opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", c.ports[j].route)})
		}
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("node %d: %w", i, err)
	}
	s.Start()
	if !s.ReadyForConnections(Patience) {
		s.Shutdown()
		return fmt.Errorf("node %d does not answer", i)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[i] = s
	return nil
}

// waitReady waits until the cluster has a leader and all nodes are part of it.
func (c *Nodes) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	ready := poll(ctx, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		leader := false
		for _, s := range c.nodes {
			if s == nil || s.NumRoutes() == 0 || !s.JetStreamIsCurrent() {
				return false
			}
			leader = leader || s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == clusterSize
		}
		return leader
	})
	if !ready {
		return errors.New("the cluster has no leader")
	}
	return nil
}

// reset starts what was killed and deletes all streams.
func (c *Nodes) reset() error {
	for i := range c.nodes {
		c.mu.Lock()
		dead := c.nodes[i] == nil
		c.mu.Unlock()
		if dead {
			if err := c.start(i); err != nil {
				return err
			}
		}
	}
	if err := c.waitReady(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return deleteStreams(ctx, c.URL())
}

func (c *Nodes) stop() {
	var wg sync.WaitGroup
	for i := range c.nodes {
		wg.Go(func() { c.Kill(i) })
	}
	wg.Wait()
}

// freePorts finds n ports that nobody listens on now.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
