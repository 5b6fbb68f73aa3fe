package eventstore_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// busOf makes the streams and what works on those of the bus.
func busOf(t testing.TB, top testkit.Topology) (*eventstore.Commands, *eventstore.Parked) {
	t.Helper()
	o := eventstore.StreamOptions{Replicas: top.Replicas, MaxBytes: testLimit}
	testkit.Eventually(t, "the streams", func() bool { return eventstore.Ensure(t.Context(), top.Conn, o) == nil })
	testkit.Eventually(t, "the bus", func() bool {
		_, err := eventstore.EnsureBus(t.Context(), top.Conn, o)
		return err == nil
	})
	return commandsOn(t, top.Conn), parkedOn(t, top.Conn)
}

func commandsOn(t testing.TB, nc *nats.Conn) *eventstore.Commands {
	t.Helper()
	c, err := eventstore.NewCommands(nc)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parkedOn(t testing.TB, nc *nats.Conn) *eventstore.Parked {
	t.Helper()
	p, err := eventstore.NewParked(nc)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// subscribed takes part in the group of the first n partitions.
func subscribed(t testing.TB, nc *nats.Conn, n int) <-chan *nats.Msg {
	t.Helper()
	delivered := make(chan *nats.Msg, 1024)
	for i := range n {
		sub, err := nc.ChanQueueSubscribe(eventstore.CommandDelivery(i), eventstore.CommandGroup, delivered)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sub.Unsubscribe() })
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return delivered
}

func next(t testing.TB, delivered <-chan *nats.Msg) *nats.Msg {
	t.Helper()
	select {
	case m := <-delivered:
		return m
	case <-time.After(testkit.Patience):
		t.Fatal("nothing is delivered")
		return nil
	}
}

// hostileHeaders are headers that the server stores and nats.go would not send.
func hostileHeaders() []string {
	return []string{
		"",
		"NATS/1.0\r\n\r\n",
		"NATS/1.0 100 Idle Heartbeat\r\nNats-Consumer-Stalled: x\r\n\r\n",
		"NATS/1.0 409 Consumer Deleted\r\n\r\n",
		"NATS/1.0\r\nStatus: 100\r\nNats-Consumer-Stalled: x\r\n\r\n",
		"NATS/1.0\r\nCommand-Id: a\r\nCommand-Id: b\r\n\r\n",
		"NATS/1.0\r\nno colon\r\n\r\n",
		"NATS/1.0\r\n: no name\r\n\r\n",
		"garbage",
		"\x00\xff\xfe",
	}
}

// hpub publishes with headers as they are, and waits until it is stored.
func hpub(t testing.TB, nc *nats.Conn, subject, header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(nc.ConnectedUrl(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	inbox := nats.NewInbox()
	acks, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = acks.Unsubscribe() }()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("PUB %s %s %d\r\n%s\r\n", subject, inbox, len(body), body)
	if header != "" {
		text = fmt.Sprintf("HPUB %s %s %d %d\r\n%s%s\r\n", subject, inbox, len(header), len(header)+len(body), header, body)
	}
	if _, err := fmt.Fprintf(conn, "CONNECT {\"headers\":true,\"verbose\":false}\r\n%s", text); err != nil {
		t.Fatal(err)
	}
	m, err := acks.NextMsg(testkit.Patience)
	if err != nil || !strings.Contains(string(m.Data), `"seq":`) {
		t.Fatalf("publish with the headers %q: %v, %v", header, m, err)
	}
}

func TestCommands_arePartitionedAndDelivered(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		commands, _ := busOf(t, top)
		delivered := subscribed(t, top.Conn, eventstore.Partitions)
		seq, err := commands.Publish(t.Context(), "acme.AddPeer@pbx+operator", nats.Header{"Command-Id": {"c1"}, "Nats-TTL": {"1s"}}, []byte(`{"a":1}`))
		if err != nil || seq != 1 {
			t.Fatalf("got %d, %v", seq, err)
		}
		m := next(t, delivered)
		if !strings.HasPrefix(m.Reply, "$JS.ACK.PEERING_COMMANDS.commands-") || !strings.HasSuffix(m.Subject, ".acme.AddPeer@pbx+operator") ||
			m.Header.Get("Command-Id") != "c1" || m.Header.Get("Nats-TTL") != "" || string(m.Data) != `{"a":1}` {
			t.Errorf("got %q, reply %q, %v, %s", m.Subject, m.Reply, m.Header, m.Data)
		}
		if n, err := commands.Pending(t.Context()); err != nil || n != 1 {
			t.Errorf("pending: got %d, %v, want 1", n, err)
		}
		if err := m.AckSync(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "an empty queue", func() bool {
			n, err := commands.Pending(t.Context())
			return err == nil && n == 0
		})
	})
}

func TestParked_goneStream(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		commands, parked := busOf(t, top)
		seq := park(t, parked, whole())
		js := testkit.JetStream(t, top.Conn)
		for _, name := range []string{eventstore.ParkedStream, eventstore.CommandsStream} {
			if err := js.DeleteStream(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		for name, call := range busCalls(t, commands, parked, seq) {
			start := time.Now()
			if err := call(); !errors.Is(err, eventstore.ErrNoStream) {
				t.Errorf("%s: got %v, want ErrNoStream", name, err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s took %s", name, took)
			}
		}
		_, parked = busOf(t, top)
		if _, err := parked.Get(t.Context(), seq); !errors.Is(err, eventstore.ErrNoParked) {
			t.Errorf("in the new stream: got %v", err)
		}
	})
}

// busCalls is each call there is; seq is that of a parked command.
func busCalls(t *testing.T, commands *eventstore.Commands, parked *eventstore.Parked, seq events.Seq) map[string]func() error {
	return map[string]func() error{
		"park":      func() error { _, err := parked.Park(t.Context(), whole()); return err },
		"get":       func() error { _, err := parked.Get(t.Context(), seq); return err },
		"list":      func() error { _, err := parked.List(t.Context(), eventstore.ParkedQuery{}); return err },
		"decide":    func() error { _, err := parked.Decide(t.Context(), seq, decided("x")); return err },
		"settle":    func() error { return parked.Settle(t.Context(), seq) },
		"unsettled": func() error { _, err := parked.Unsettled(t.Context(), 1); return err },
		"count":     func() error { _, err := parked.Count(t.Context()); return err },
		"publish":   func() error { _, err := commands.Publish(t.Context(), "acme.X", nil, nil); return err },
		"stray":     func() error { _, _, err := commands.Stray(t.Context(), 16); return err },
		"ahead":     func() error { _, err := commands.Ahead(t.Context(), "peering.commands.1.acme.AddPeer", 2); return err },
		"remove":    func() error { return commands.Remove(t.Context(), 1) },
		"pending":   func() error { _, err := commands.Pending(t.Context()); return err },
		"works":     func() error { return commands.Works(t.Context()) },
	}
}

// TestBus_nobodyAnswers: each call ends, and says that it did not get through.
func TestBus_nobodyAnswers(t *testing.T) {
	srv := testkit.Server(t)
	nc := testkit.Connect(t, "nats://"+srv.Addr())
	commands, parked := busOf(t, testkit.Topology{Replicas: 1, Conn: nc})
	seq := park(t, parked, whole())
	srv.Shutdown()
	var wg sync.WaitGroup
	for name, call := range busCalls(t, commands, parked, seq) {
		wg.Go(func() {
			start := time.Now()
			if err := call(); !errors.Is(err, eventstore.ErrUnavailable) {
				t.Errorf("%s: got %v, want ErrUnavailable", name, err)
			}
			took, most := time.Since(start), 5*time.Second
			if name == "works" {
				most = 2500 * time.Millisecond
			}
			if took > most {
				t.Errorf("%s took %s", name, took)
			}
		})
	}
	wg.Wait()
}
