package bus

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// raw is a client that speaks the protocol itself, and so sends what no library
// would.
type raw struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dial(t testing.TB, url string) *raw {
	t.Helper()
	first, _, _ := strings.Cut(strings.TrimPrefix(url, "nats://"), ",")
	conn, err := net.Dial("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &raw{t, conn, bufio.NewReaderSize(conn, 1<<20)}
	c.write("CONNECT {\"verbose\":false,\"headers\":true,\"lang\":\"raw\",\"version\":\"0\",\"protocol\":1}\r\n")
	return c
}

func (c *raw) write(s string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

// publish sends a message with a block of headers as it is.
func (c *raw) publish(subject, header, body string) {
	c.write(fmt.Sprintf("HPUB %s %d %d\r\n%s%s\r\n", subject, len(header), len(header)+len(body), header, body))
}

// flush waits until the server has read everything.
func (c *raw) flush() {
	c.t.Helper()
	c.write("PING\r\n")
	_ = c.conn.SetReadDeadline(time.Now().Add(testkit.Patience))
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		if strings.HasPrefix(line, "PONG") {
			return
		}
		if strings.HasPrefix(line, "-ERR") {
			c.t.Fatal(line)
		}
	}
}

// hostileHeaders are blocks of headers that a library would not make, each with
// what becomes of an otherwise good command with it.
var hostileHeaders = map[string]struct {
	block string
	id    string // of the outcome; empty: parked only
	park  string
}{
	"status 100":          {"NATS/1.0 100\r\nCommand-Id: h1\r\n\r\n", "h1", ""},
	"idle heartbeat":      {"NATS/1.0 100 Idle Heartbeat\r\nNats-Consumer-Stalled: stolen\r\nCommand-Id: h2\r\n\r\n", "h2", ""},
	"flow control":        {"NATS/1.0 100 FlowControl Request\r\nCommand-Id: h3\r\n\r\n", "h3", ""},
	"header status 100":   {"NATS/1.0\r\nStatus: 100\r\nDescription: Idle Heartbeat\r\nNats-Consumer-Stalled: stolen\r\nCommand-Id: h4\r\n\r\n", "h4", ""},
	"status 503":          {"NATS/1.0 503\r\nCommand-Id: h5\r\n\r\n", "h5", ""},
	"status 404":          {"NATS/1.0 404 No Messages\r\nCommand-Id: h6\r\n\r\n", "h6", ""},
	"repeated":            {"NATS/1.0\r\nCommand-Id: h7\r\nCommand-Id: other\r\nActor: a\r\nActor: b\r\n\r\n", "h7", ""},
	"another case":        {"NATS/1.0\r\nCOMMAND-ID: h8\r\n\r\n", "h8", ""},
	"huge":                {"NATS/1.0\r\nX: " + strings.Repeat("x", 60_000) + "\r\nCommand-Id: h9\r\n\r\n", "h9", ""},
	"many":                {"NATS/1.0\r\n" + strings.Repeat("X: y\r\n", 9_000) + "Command-Id: h10\r\n\r\n", "h10", ""},
	"value not UTF-8":     {"NATS/1.0\r\nX: \xff\xfe\r\nCommand-Id: h11\r\n\r\n", "h11", ""},
	"reply in the header": {"NATS/1.0\r\nNats-Reply-To: stolen\r\nCommand-Id: h12\r\n\r\n", "h12", ""},
	"huge reason":         {"NATS/1.0\r\nReason: " + strings.Repeat("x", 60_000) + "\r\nCommand-Id: h13\r\n\r\n", "h13", ""},
	"reason not UTF-8":    {"NATS/1.0\r\nReason: \xff\r\nCommand-Id: h14\r\n\r\n", "h14", ""},
	"no id":               {"NATS/1.0\r\n\r\n", "", parkUnusableID},
	"empty id":            {"NATS/1.0\r\nCommand-Id:\r\n\r\n", "", parkUnusableID},
	"id not UTF-8":        {"NATS/1.0\r\nCommand-Id: \xff\r\n\r\n", "", parkUnusableID},
	"no header at all":    {"", "", parkUnusableID},
	"garbage":             {"garbage\x00\xff", "", parkUndecodable},
	"another version":     {"NATS/2.0\r\nCommand-Id: h20\r\n\r\n", "", parkUndecodable},
	"no end":              {"NATS/1.0\r\nCommand-Id: h21", "", parkUndecodable},
	"no colon":            {"NATS/1.0\r\nCommand-Id h22\r\n\r\n", "", parkUndecodable},
	"short status":        {"NATS/1.0 1\r\nCommand-Id: h23\r\n\r\n", "h23", ""},
	"only line breaks":    {"\r\n\r\n", "", parkUndecodable},
}

// Whatever stands in the headers, a message comes to an end, the ones behind it
// go on, and nothing is published for its sender.
func TestHeaders_hostileOnesHoldNobody(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, on testkit.Topology) {
		w := newWorld(t, on.URL, on.Replicas)
		w.start()
		w.register("acme")
		stolen, err := w.nc.SubscribeSync("stolen")
		if err != nil {
			t.Fatal(err)
		}
		c := dial(t, on.URL)
		for _, h := range hostileHeaders {
			// An empty body, too, is what a library takes for a word of the server.
			c.publish("peering.commands.acme.RemoveEnterprise", h.block, "")
			c.publish("peering.commands.acme.DescribeEnterprise", h.block, describing("x"))
		}
		c.flush()
		w.publish("acme.DescribeEnterprise", "last", describing("last"))
		w.outcome("acme", "last")
		w.idle()
		reasons := map[string]int{}
		for _, p := range w.parked() {
			reasons[p.Reason]++
		}
		want := map[string]int{}
		for name, h := range hostileHeaders {
			if h.id != "" {
				if out, ok := w.kept("acme", h.id); !ok {
					t.Errorf("%s: no outcome, %+v", name, out)
				}
				want[parkIDReused]++ // of the second message with the id
				continue
			}
			want[h.park] += 2
		}
		for reason, n := range want {
			if reasons[reason] != n {
				t.Errorf("%d are parked as %s; want %d", reasons[reason], reason, n)
			}
		}
		if m, err := stolen.NextMsg(50 * time.Millisecond); err == nil {
			t.Errorf("a sender had this published: %+v", m)
		}
	})
}

// What ADR 0024 avoids: the client library, subscribing in JetStream mode,
// takes a stored message for a word of the server. It never reaches the handler,
// is never acknowledged, and has the subscriber publish where its sender wants.
// (The server takes away what stands in the first line, NATS/1.0 100; it leaves
// the header Status alone, which the library does not tell from that.)
// When this fails, the library has changed, and the decision may be looked at
// again.
func TestTrap_theClientLibraryObeysAStoredMessage(t *testing.T) {
	w := single(t)
	js, err := w.nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := w.nc.SubscribeSync("stolen")
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, w.url)
	c.publish("peering.commands.acme.RemoveEnterprise", "NATS/1.0\r\nStatus: 100\r\nDescription: Idle Heartbeat\r\nNats-Consumer-Stalled: stolen\r\nCommand-Id: c1\r\n\r\n", "")
	c.flush()
	w.publish("acme.DescribeEnterprise", "c2", describing("x"))
	handed := make(chan *nats.Msg, 10)
	for p := range w.bus.Partitions {
		sub, err := js.QueueSubscribe(fmt.Sprintf("peering.commands.%d.*.*", p), eventstore.CommandGroup, func(m *nats.Msg) {
			handed <- m
			_ = m.Ack()
		}, nats.Bind(eventstore.CommandsStream, fmt.Sprintf("commands-%02d", p)), nats.ManualAck())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sub.Unsubscribe() })
	}
	if _, err := stolen.NextMsg(testkit.Patience); err != nil {
		t.Errorf("the library did not publish for the sender: %v", err)
	}
	select {
	case m := <-handed:
		t.Errorf("the handler got %s", m.Subject)
	case <-time.After(300 * time.Millisecond):
	}
	if n, err := w.queue.Pending(t.Context()); err != nil || n != 2 {
		t.Errorf("%d commands wait, %v; want 2: the partition stands still", n, err)
	}
}
