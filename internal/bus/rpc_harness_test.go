package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// writerFunc is a writer of requests.
type writerFunc func(ctx context.Context, req command.Request) (command.Receipt, error)

func (f writerFunc) Handle(ctx context.Context, req command.Request) (command.Receipt, error) {
	return f(ctx, req)
}

// willing accepts everything.
func willing(context.Context, command.Request) (command.Receipt, error) {
	return command.Receipt{ID: "p1", Sequence: 7}, nil
}

// answering is what a test runs: RPCs, each as a process of its own.
type answering struct {
	t        testing.TB
	url      string
	writer   requestWriter
	outcomes OutcomeFinder

	patience, limit time.Duration // 0: as in the product
}

// start runs one until the test ends or stop is called, which returns what Run
// returned.
func (a answering) start() (stop func() error) {
	a.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	r := NewRPC(a.writer, a.outcomes, "1.2.3+abc", Options{Connect: a.connect})
	r.patience, r.limit = cmp.Or(a.patience, r.patience), cmp.Or(a.limit, r.limit)
	go func() { ended <- r.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(testkit.Patience):
			a.t.Error("Run does not end")
			return errors.New("it does not end")
		}
	}
	a.t.Cleanup(func() { _ = stop() })
	return stop
}

func (a answering) connect(name string, opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect(a.url, append([]nats.Option{
		nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectBufSize(-1),
		nats.IgnoreDiscoveredServers(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}, opts...)...)
}

// services waits until so many answer to a ping, and returns their ids. More than
// that may be there.
func services(t testing.TB, nc *nats.Conn, n int) (ids []string) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("%d services", n), func() bool {
		ids = nil
		for _, data := range askAll(t, nc, "$SRV.PING.peering", n) {
			var pong micro.Ping
			if err := json.Unmarshal(data, &pong); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, pong.ID)
		}
		return len(ids) == n
	})
	return ids
}

// askAll returns up to n answers to one question.
func askAll(t testing.TB, nc *nats.Conn, subject string, n int) (answers [][]byte) {
	t.Helper()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.PublishRequest(subject, inbox, nil); err != nil {
		t.Fatal(err)
	}
	for range n {
		m, err := sub.NextMsg(500 * time.Millisecond)
		if err != nil || m.Header.Get("Status") != "" {
			return answers
		}
		answers = append(answers, m.Data)
	}
	return answers
}

// replied is the answer to a request.
type replied struct {
	command.Outcome
	status  int // 0: there is an outcome
	problem problem
}

// request sends a command; id "" sends none.
func request(t testing.TB, nc *nats.Conn, subject, id, body string, headers ...string) replied {
	t.Helper()
	m := &nats.Msg{Subject: subject, Data: []byte(body), Header: nats.Header{}}
	if id != "" {
		m.Header.Set("Command-Id", id)
	}
	for i := 0; i < len(headers); i += 2 {
		m.Header.Add(headers[i], headers[i+1])
	}
	answer, err := nc.RequestMsg(m, testkit.Patience)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	return read(t, answer)
}

func read(t testing.TB, answer *nats.Msg) (r replied) {
	t.Helper()
	if code := answer.Header.Get("Nats-Service-Error-Code"); code != "" {
		var err error
		if r.status, err = strconv.Atoi(code); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(answer.Data, &r.problem); err != nil || r.problem.Status != r.status {
			t.Fatalf("the problem %q of %d: %v", answer.Data, r.status, err)
		}
		return r
	}
	if err := json.Unmarshal(answer.Data, &r.Outcome); err != nil {
		t.Fatalf("the answer %q: %v", answer.Data, err)
	}
	return r
}

// run starts n RPCs on the write loop and its streams.
func run(t *testing.T, at testkit.Topology, n int) eventstore.Outcomes {
	t.Helper()
	if err := eventstore.Ensure(t.Context(), at.Conn, eventstore.StreamOptions{Replicas: at.Replicas, MaxBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	outcomes, err := eventstore.NewOutcomes(at.Conn)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		store, err := eventstore.NewJetStream(at.Conn, events.NewCodec(events.Default()))
		if err != nil {
			t.Fatal(err)
		}
		h := command.New(store, outcomes, eventstore.NewMemorySnapshots(), command.Options{})
		answering{t: t, url: at.URL, writer: h, outcomes: outcomes}.start()
	}
	services(t, at.Conn, n)
	return outcomes
}

func oneServer(t *testing.T) testkit.Topology {
	t.Helper()
	url := "nats://" + testkit.Server(t).Addr()
	return testkit.Topology{Name: "one", Replicas: 1, URL: url, Conn: testkit.Connect(t, url)}
}
