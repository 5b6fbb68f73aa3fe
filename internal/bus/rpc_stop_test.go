package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// TestRPC_whoStopsAnswersWhatIsAtWork, and tells the others; another process gets
// what comes after that.
func TestRPC_whoStopsAnswersWhatIsAtWork(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, at testkit.Topology) {
		hold, begun := make(chan struct{}), make(chan struct{}, 100)
		first := answering{t: t, url: at.URL, writer: writerFunc(func(ctx context.Context, req command.Request) (command.Receipt, error) {
			begun <- struct{}{}
			<-hold
			return willing(ctx, req)
		}), outcomes: eventstore.NewMemoryOutcomes()}
		stop := first.start()
		services(t, at.Conn, 1)
		inbox := at.Conn.NewInbox()
		answers, err := at.Conn.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		const sent = 20
		for range sent {
			if err := at.Conn.PublishRequest("peering.rpc.acme.AddPeer", inbox, []byte(aPeer)); err != nil {
				t.Fatal(err)
			}
		}
		for range defaultLimits().working {
			<-begun
		}
		second := answering{t: t, url: at.URL, writer: writerFunc(willing), outcomes: eventstore.NewMemoryOutcomes()}
		second.start()
		services(t, at.Conn, 2)
		ended := make(chan error, 1)
		go func() { ended <- stop() }()
		count := func(n int, ok func(replied) bool) {
			for range n {
				m, err := answers.NextMsg(testkit.Patience)
				if err != nil {
					t.Fatal(err)
				}
				if got := read(t, m); !ok(got) {
					t.Errorf("got %+v", got)
				}
			}
		}
		atWork := defaultLimits().working
		// Who is told that it stops is told so when it takes no more.
		count(sent-atWork, func(r replied) bool { return r.status == 503 && r.problem.Code == codeStopping })
		for range 20 {
			if got := persistent(t, at.Conn, "peering.rpc.acme.AddPeer", aPeer); got.Result != command.Accepted {
				t.Errorf("a request meanwhile: %+v", got)
			}
		}
		if len(begun) > 0 {
			t.Errorf("%d requests were begun by the process that stops", len(begun))
		}
		close(hold)
		count(atWork, func(r replied) bool { return r.Result == command.Accepted })
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// persistent sends a request until it is answered. Another node of a cluster
// may believe for a moment that a process still listens, and what it sends there
// is lost.
func persistent(t *testing.T, nc *nats.Conn, subject, body string) replied {
	t.Helper()
	for began := time.Now(); ; {
		answer, err := nc.Request(subject, []byte(body), time.Second)
		switch {
		case err == nil:
			return read(t, answer)
		case !errors.Is(err, nats.ErrTimeout) || time.Since(began) > testkit.Patience:
			t.Fatal(err)
		}
	}
}

// TestRPC_whoeverAsksWhileItStopsIsAnswered: one process after the other stops
// while requests come in. Each gets one answer: the outcome of what was done once,
// or that it stops, and then nothing was done.
func TestRPC_whoeverAsksWhileItStopsIsAnswered(t *testing.T) {
	at := oneServer(t)
	var mu sync.Mutex
	done := map[events.CommandID]int{}
	a := answering{t: t, url: at.URL, writer: writerFunc(func(ctx context.Context, req command.Request) (command.Receipt, error) {
		mu.Lock()
		defer mu.Unlock()
		done[req.ID]++
		return willing(ctx, req)
	}), outcomes: eventstore.NewMemoryOutcomes()}
	times := func(id string) int {
		mu.Lock()
		defer mu.Unlock()
		return done[events.CommandID(id)]
	}
	a.start()
	services(t, at.Conn, 1)
	over := make(chan struct{})
	var asking sync.WaitGroup
	for i := range 16 {
		asking.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				default:
				}
				id := fmt.Sprintf("c-%d-%d", i, n)
				m := &nats.Msg{Subject: fmt.Sprintf("peering.rpc.ent-%d.AddPeer", i%2), Data: []byte(aPeer), Header: nats.Header{"Command-Id": {id}}}
				answer, err := at.Conn.RequestMsg(m, testkit.Patience)
				if err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
				switch got := read(t, answer); {
				case got.Result == command.Accepted && times(id) == 1:
				case got.problem.Code == codeStopping && times(id) == 0:
				default:
					t.Errorf("%s was done %d times, the answer is %+v", id, times(id), got)
				}
			}
		})
	}
	for range 4 {
		stop := a.start()
		services(t, at.Conn, 2)
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	close(over)
	asking.Wait()
}
