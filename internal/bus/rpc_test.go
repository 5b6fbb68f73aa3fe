package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
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

// services waits until so many answer to a ping, and returns their ids.
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

const (
	anEnterprise = `{"id":"acme","description":"Acme","domain":"acme.example","server":{"hostname":"uc.acme.example","version":"9.8"}}`
	aPeer        = `{"type":"micollab","description":"Berlin","hostname":"uc.peer.example","peer_enterprise_id":"ent-berlin"}`
)

// TestRPC_answersWithTheOutcomeThatIsKept: three processes, each of which may
// get a repeat, and the outcome that one can ask for later is the same.
func TestRPC_answersWithTheOutcomeThatIsKept(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, at testkit.Topology) {
		outcomes := run(t, at, 3)
		nc := at.Conn
		if got := request(t, nc, "peering.rpc.acme.RegisterEnterprise", "c1", anEnterprise); got.Result != command.Accepted {
			t.Fatalf("got %+v", got)
		}
		first := request(t, nc, "peering.rpc.ACME.AddPeer", "c2", aPeer, "Actor", "j.doe", "Reason", "new site")
		if first.Result != command.Accepted || first.CommandID != "c2" || first.Command != "AddPeer" || first.ID == "" || len(first.Events) != 1 {
			t.Fatalf("got %+v", first)
		}
		for range 6 {
			again := request(t, nc, "peering.rpc.acme.AddPeer", "c2", aPeer)
			if again.ID != first.ID || again.Sequence != first.Sequence || !again.At.Equal(first.At) {
				t.Errorf("a repeat got %+v, the first %+v", again, first)
			}
		}
		kept, ok, err := outcomes.Find(t.Context(), "acme", "c2")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		later, err := nc.Request("peering.outcome.acme.c2", nil, testkit.Patience)
		if err != nil || string(later.Data) != string(kept) {
			t.Errorf("later: %v, %q, want %q", err, later.Data, kept)
		}
		if same, err := json.Marshal(first.Outcome); err != nil || string(same) != string(kept) {
			t.Errorf("the reply is\n%s, kept is\n%s", same, kept)
		}
	})
}

// TestRPC_whatIsWrongWithTheRequestIsNotKept: the reply says it, and the id is
// free for the command that was meant.
func TestRPC_whatIsWrongWithTheRequestIsNotKept(t *testing.T) {
	at := oneServer(t)
	outcomes := run(t, at, 1)
	nc := at.Conn
	request(t, nc, "peering.rpc.acme.RegisterEnterprise", "", anEnterprise)
	for name, c := range map[string]struct {
		subject, id, body string
		result            command.Result
		code              domain.Code
	}{
		"not JSON":         {"acme.AddPeer", "c1", "{", command.Failed, domain.Malformed},
		"unknown field":    {"acme.AddPeer", "c1", `{"colour":"red"}`, command.Failed, domain.Malformed},
		"unknown command":  {"acme.PaintPeer", "c1", "{}", command.Rejected, domain.NotFound},
		"missing right":    {"acme.AddPeer@crm+viewer", "c1", aPeer, command.Rejected, domain.Forbidden},
		"forged mark":      {"acme.AddPeer@crm+root", "c1", aPeer, command.Rejected, domain.Forbidden},
		"unusable id":      {"acme.AddPeer", "c.1", aPeer, command.Failed, domain.Invalid},
		"no enterprise id": {"a.AddPeer", "c1", aPeer, command.Failed, domain.Invalid},
		"unusable reason":  {"acme.AddPeer", "c1", aPeer, command.Rejected, domain.Malformed},
	} {
		var headers []string
		if name == "unusable reason" {
			headers = []string{"Reason", "a\tb"}
		}
		got := request(t, nc, "peering.rpc."+c.subject, c.id, c.body, headers...)
		if got.status != 0 || got.Result != c.result || got.Error == nil || got.Error.Code != c.code {
			t.Errorf("%s: got %+v, %v", name, got, got.Error)
		}
	}
	if data, ok, err := outcomes.Find(t.Context(), "acme", "c1"); ok || err != nil {
		t.Fatalf("kept: %s, %v", data, err)
	}
	if got := request(t, nc, "peering.rpc.acme.AddPeer@crm+operator", "c1", aPeer); got.Result != command.Accepted {
		t.Errorf("the command that was meant: %+v", got)
	}
	if got := request(t, nc, "peering.rpc.acme.AddPeer", "c1", anEnterprise); got.Error == nil {
		t.Errorf("another body under the id: %+v", got)
	}
	refused := request(t, nc, "peering.rpc.acme.AddPeer", "c2", aPeer)
	if _, ok, err := outcomes.Find(t.Context(), "acme", "c2"); refused.Result != command.Rejected || !ok || err != nil {
		t.Errorf("the refusal of a rule: %+v, kept: %v, %v", refused, ok, err)
	}
}

// TestRPC_outcomesAreLookedUpByNameAlone.
func TestRPC_outcomesAreLookedUpByNameAlone(t *testing.T) {
	at := oneServer(t)
	run(t, at, 1)
	for subject, want := range map[string]int{
		"peering.outcome.acme.never": 404, "peering.outcome.a.c1": 400, "peering.outcome.acme.c@x": 400,
	} {
		if got := request(t, at.Conn, subject, "", ""); got.status != want {
			t.Errorf("%s: %+v, want %d", subject, got, want)
		}
	}
}

// TestRPC_isFoundAsOtherServicesAre: what "nats micro ls, info, stats" ask.
func TestRPC_isFoundAsOtherServicesAre(t *testing.T) {
	at := oneServer(t)
	a := answering{t: t, url: at.URL, writer: writerFunc(willing), outcomes: eventstore.NewMemoryOutcomes()}
	a.start()
	a.start()
	ids := services(t, at.Conn, 2)
	request(t, at.Conn, "peering.rpc.acme.AddPeer", "", aPeer)
	request(t, at.Conn, "peering.outcome.acme.c1", "", "")

	var info micro.Info
	if err := json.Unmarshal(askAll(t, at.Conn, "$SRV.INFO.peering."+ids[0], 1)[0], &info); err != nil {
		t.Fatal(err)
	}
	if info.Name != "peering" || info.Version != "1.2.3+abc" || info.Metadata["schema"] == "" || len(info.Endpoints) != 2 {
		t.Errorf("got %+v", info)
	}
	for i, want := range []string{"peering.rpc.*.*", "peering.outcome.*.*"} {
		e := info.Endpoints[i]
		if e.Subject != want || e.QueueGroup != "api" || e.Metadata["max_body_bytes"] != "1048576" {
			t.Errorf("got %+v", e)
		}
	}
	var answered uint64
	for _, data := range askAll(t, at.Conn, "$SRV.STATS.peering", 2) {
		var stats micro.Stats
		if err := json.Unmarshal(data, &stats); err != nil {
			t.Fatal(err)
		}
		for _, e := range stats.Endpoints {
			var ours requestStats
			if err := json.Unmarshal(e.Data, &ours); err != nil {
				t.Fatal(err)
			}
			answered += ours.Answered
		}
	}
	if answered != 2 {
		t.Errorf("%d answers are counted, want 2", answered)
	}
}

// TestRPC_neverWritesWhereAReplyMeansSomething: a reply subject is chosen by who
// asks, and this process may publish everywhere.
func TestRPC_neverWritesWhereAReplyMeansSomething(t *testing.T) {
	at := oneServer(t)
	handled := make(chan command.Request, 10)
	a := answering{t: t, url: at.URL, writer: writerFunc(func(ctx context.Context, req command.Request) (command.Receipt, error) {
		handled <- req
		return willing(ctx, req)
	}), outcomes: eventstore.NewMemoryOutcomes()}
	a.start()
	services(t, at.Conn, 1)
	written, err := at.Conn.SubscribeSync("peering.events.>")
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{"peering.events.acme.config", "$JS.API.STREAM.DELETE.PEERING_EVENTS", ""} {
		if err := at.Conn.PublishMsg(&nats.Msg{Subject: "peering.rpc.acme.AddPeer", Reply: reply, Data: []byte(aPeer)}); err != nil {
			t.Fatal(err)
		}
	}
	request(t, at.Conn, "peering.rpc.acme.EnablePeer", "", `{"peer":"p1"}`)
	if req := <-handled; req.Command.Name() != "EnablePeer" || len(handled) > 0 {
		t.Errorf("carried out: %s and %d more", req.Command.Name(), len(handled))
	}
	if m, err := written.NextMsg(10 * time.Millisecond); err == nil {
		t.Errorf("written: %q on %s", m.Data, m.Subject)
	}
}

func oneServer(t *testing.T) testkit.Topology {
	t.Helper()
	url := "nats://" + testkit.Server(t).Addr()
	return testkit.Topology{Name: "one", Replicas: 1, URL: url, Conn: testkit.Connect(t, url)}
}

// TestRPC_whatIsNotDecidedHasNoOutcome.
func TestRPC_whatIsNotDecidedHasNoOutcome(t *testing.T) {
	at := oneServer(t)
	var fail error
	a := answering{t: t, url: at.URL, writer: writerFunc(func(context.Context, command.Request) (command.Receipt, error) {
		if fail == nil {
			panic("a bug")
		}
		return command.Receipt{}, fail
	}), outcomes: eventstore.NewMemoryOutcomes()}
	a.start()
	services(t, at.Conn, 1)
	for _, c := range []struct {
		err    error
		status int
		code   domain.Code
	}{
		{fmt.Errorf("x: %w", command.ErrUnavailable), 503, codeUnavailable},
		{fmt.Errorf("x: %w", command.ErrFull), 503, codeUnavailable},
		{context.DeadlineExceeded, 503, codeUnavailable},
		{errors.New("secret"), 500, codeInternal},
		{nil, 500, codeInternal}, // a panic, after which the service goes on
		{fmt.Errorf("x: %w", command.ErrUnavailable), 503, codeUnavailable},
	} {
		fail = c.err
		got := request(t, at.Conn, "peering.rpc.acme.AddPeer", "c1", aPeer)
		if got.status != c.status || got.problem.Code != c.code || strings.Contains(got.problem.Detail, "secret") {
			t.Errorf("%v: got %+v", c.err, got)
		}
	}
}
