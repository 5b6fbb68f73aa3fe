package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// TestRPC_aSlowEnterpriseDelaysNoOther: one has hundreds of requests that take
// long, others are answered at once meanwhile.
func TestRPC_aSlowEnterpriseDelaysNoOther(t *testing.T) {
	at := oneServer(t)
	hold := make(chan struct{})
	var held, most atomic.Int64
	a := answering{t: t, url: at.URL, writer: writerFunc(func(ctx context.Context, req command.Request) (command.Receipt, error) {
		if req.Enterprise == "slow" {
			for n := held.Add(1); ; {
				if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
					break
				}
			}
			<-hold
			held.Add(-1)
		}
		return willing(ctx, req)
	}), outcomes: eventstore.NewMemoryOutcomes()}
	a.start()
	services(t, at.Conn, 1)

	inbox := at.Conn.NewInbox()
	answers, err := at.Conn.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	const sent = 500
	for range sent {
		if err := at.Conn.PublishRequest("peering.rpc.slow.AddPeer", inbox, []byte(aPeer)); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "the slow ones to be at work", func() bool { return held.Load() == int64(defaultLimits().working) })

	var took []time.Duration
	for i := range 300 {
		start := time.Now()
		if got := request(t, at.Conn, fmt.Sprintf("peering.rpc.ent-%d.AddPeer", i%7), "", aPeer); got.Result != command.Accepted {
			t.Fatalf("got %+v", got)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	t.Logf("others meanwhile: median %s, p99 %s", took[len(took)/2], p99)
	if p99 > time.Second {
		t.Errorf("p99 of the others is %s", p99)
	}
	close(hold)
	accepted, refused := 0, 0
	for range sent {
		m, err := answers.NextMsg(testkit.Patience)
		if err != nil {
			t.Fatalf("after %d and %d: %v", accepted, refused, err)
		}
		switch got := read(t, m); {
		case got.Result == command.Accepted:
			accepted++
		case got.status == 429 && got.problem.Code == codeTooMany:
			refused++
		default:
			t.Fatalf("got %+v", got)
		}
	}
	limits := defaultLimits()
	if accepted < limits.waiting || accepted > limits.waiting+limits.working || most.Load() != int64(limits.working) {
		t.Errorf("%d accepted, %d refused, at most %d at work", accepted, refused, most.Load())
	}
}

// TestRPC_noRequestTakesForEver: one that waited too long is not begun, and one
// that takes too long is not decided.
func TestRPC_noRequestTakesForEver(t *testing.T) {
	at := oneServer(t)
	var begun atomic.Int64
	a := answering{t: t, url: at.URL, writer: writerFunc(func(ctx context.Context, _ command.Request) (command.Receipt, error) {
		begun.Add(1)
		<-ctx.Done()
		return command.Receipt{}, ctx.Err()
	}), outcomes: eventstore.NewMemoryOutcomes()}
	a.patience, a.limit = 100*time.Millisecond, 200*time.Millisecond
	a.start()
	services(t, at.Conn, 1)
	inbox := at.Conn.NewInbox()
	answers, err := at.Conn.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	atWork := defaultLimits().working
	for range 2 * atWork {
		if err := at.Conn.PublishRequest("peering.rpc.acme.AddPeer", inbox, []byte(aPeer)); err != nil {
			t.Fatal(err)
		}
	}
	got := map[int]int{}
	for range 2 * atWork {
		m, err := answers.NextMsg(testkit.Patience)
		if err != nil {
			t.Fatal(err)
		}
		got[read(t, m).status]++
	}
	if got[503] != atWork || got[429] != atWork || begun.Load() != int64(atWork) {
		t.Errorf("answers by status: %v; %d begun", got, begun.Load())
	}
}

// TestRPC_givesUpBeforeItsSenderDoes, who waits for 8 seconds (docs/bus.md),
// however long the request had waited.
func TestRPC_givesUpBeforeItsSenderDoes(t *testing.T) {
	r := NewRPC(writerFunc(willing), eventstore.NewMemoryOutcomes(), "", Options{})
	arrived := time.Now()
	for _, waited := range []time.Duration{0, time.Second, requestPatience} {
		begins := arrived.Add(waited)
		end := r.deadline(arrived, begins)
		if took := end.Sub(arrived); took >= 8*time.Second {
			t.Errorf("after waiting %s it is given up %s after it came", waited, took)
		}
		if work := end.Sub(begins); work < 2*time.Second || work > requestTime {
			t.Errorf("after waiting %s it may take %s", waited, work)
		}
	}
}

// TestRPC_comesBack after its connection was lost, and after its server was.
func TestRPC_comesBack(t *testing.T) {
	at := oneServer(t)
	line := testkit.Proxy(t, at.URL)
	a := answering{t: t, url: line.URL(), writer: writerFunc(willing), outcomes: eventstore.NewMemoryOutcomes()}
	a.start()
	for range 3 {
		services(t, at.Conn, 1)
		if got := request(t, at.Conn, "peering.rpc.acme.AddPeer", "", aPeer); got.Result != command.Accepted {
			t.Errorf("got %+v", got)
		}
		line.Cut()
	}
}

// TestRPC_endsWithItsConnection when somebody closes it, so that whoever runs it
// learns that nobody answers any more.
func TestRPC_endsWithItsConnection(t *testing.T) {
	at := oneServer(t)
	made := make(chan *nats.Conn, 1)
	r := NewRPC(writerFunc(willing), eventstore.NewMemoryOutcomes(), "not semantic", Options{
		Connect: func(string, ...nats.Option) (*nats.Conn, error) {
			nc, err := nats.Connect(at.URL)
			made <- nc
			return nc, err
		},
	})
	ended := make(chan error, 1)
	go func() { ended <- r.Run(t.Context()) }()
	services(t, at.Conn, 1)
	(<-made).Close()
	if err := <-ended; err == nil {
		t.Error("no error")
	}
	r.o.Connect = func(string, ...nats.Option) (*nats.Conn, error) { return nil, errors.New("no") }
	if err := r.Run(t.Context()); err == nil {
		t.Error("no error without a connection")
	}
}

// TestRPC_anIDOfAnotherCommandIsRefused on three replicas too; the first outcome
// stands.
func TestRPC_anIDOfAnotherCommandIsRefused(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, at testkit.Topology) {
		outcomes := run(t, at, 2)
		request(t, at.Conn, "peering.rpc.acme.RegisterEnterprise", "c1", anEnterprise)
		got := request(t, at.Conn, "peering.rpc.acme.AddPeer", "c1", aPeer)
		if got.Result != command.Rejected || got.Error.Code != domain.IDReused {
			t.Errorf("got %+v", got)
		}
		if data, ok, err := outcomes.Find(t.Context(), events.EnterpriseID("acme"), "c1"); err != nil || !ok || !strings.Contains(string(data), "RegisterEnterprise") {
			t.Errorf("kept: %s, %v", data, err)
		}
	})
}
