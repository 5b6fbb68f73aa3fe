package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/testkit"
)

// natsServer builds the NATS server of go.mod beside the programs, so that it can
// be killed like them.
var natsServer = sync.OnceValue(func() error {
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "github.com/nats-io/nats-server/v2")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the NATS server: %w\n%s", err, out)
	}
	return nil
})

// broker is a NATS server, or three that replicate, each a process of its own.
type broker struct {
	t       *testing.T
	sync    string // its sync_interval
	ports   []int
	configs []string
	nodes   []*testkit.Program
}

// startBroker starts that many nodes, which run until the test ends. With sync
// "always", as in production, every message is on the disk before it is
// acknowledged.
func startBroker(t *testing.T, nodes int, sync string) *broker {
	t.Helper()
	if err := natsServer(); err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 2*nodes)
	b := &broker{t: t, sync: sync, ports: ports[:nodes], nodes: make([]*testkit.Program, nodes)}
	for i := range nodes {
		b.configs = append(b.configs, b.configure(i, ports[nodes:]))
		b.launch(i)
	}
	for i := range nodes {
		b.ready(i)
	}
	return b
}

// configure writes the configuration of a node.
func (b *broker) configure(i int, routes []int) string {
	b.t.Helper()
	dir := b.t.TempDir()
	text := fmt.Sprintf("server_name: node-%d\nlisten: \"127.0.0.1:%d\"\njetstream { store_dir: %q, max_memory_store: 67108864, max_file_store: 4294967296, sync_interval: %q }\n",
		i, b.ports[i], dir, b.sync)
	if len(b.ports) > 1 {
		var others []string
		for j, port := range routes {
			if j != i {
				others = append(others, fmt.Sprintf("\"nats://127.0.0.1:%d\"", port))
			}
		}
		text += fmt.Sprintf("cluster { name: bus, listen: \"127.0.0.1:%d\", routes: [%s] }\n", routes[i], strings.Join(others, ", "))
	}
	path := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func (b *broker) launch(i int) {
	b.t.Helper()
	b.nodes[i] = testkit.LaunchProgram(b.t, bin, nil, "nats-server", "-c", b.configs[i])
}

// ready waits until node i answers for all its streams.
func (b *broker) ready(i int) {
	b.t.Helper()
	b.nodes[i].Eventually("JetStream answers", func() bool {
		nc, err := nats.Connect(b.url(i), nats.Timeout(time.Second))
		if err != nil {
			return false
		}
		defer nc.Close()
		m, err := nc.Request("$JS.API.INFO", nil, time.Second)
		return err == nil && !strings.Contains(string(m.Data), `"error"`)
	})
}

func (b *broker) url(i int) string { return fmt.Sprintf("nats://127.0.0.1:%d", b.ports[i]) }

// URL lists the addresses of all nodes.
func (b *broker) URL() string {
	urls := make([]string, len(b.ports))
	for i := range urls {
		urls[i] = b.url(i)
	}
	return strings.Join(urls, ",")
}

// kill ends node i as kill -9 does, and after a while starts it again.
func (b *broker) kill(i int, away time.Duration) {
	b.t.Helper()
	b.nodes[i].Kill()
	time.Sleep(away)
	b.launch(i)
	b.ready(i)
}

// freePorts finds n ports on loopback that nobody listens on now.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}
