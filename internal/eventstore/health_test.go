package eventstore_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/testkit"
)

func TestHealth_reportsTheLog(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		emptied(t, top.Conn, top.Replicas)
		last := storetest.Append(t, store(t, top.Conn), 0, storetest.Events(storetest.Ent, "c1", 3)...)
		h, err := eventstore.NewHealth(top.Conn)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := h.Canary(t.Context()); err != nil {
				t.Errorf("canary: %v", err)
			}
		}
		var r eventstore.Report
		testkit.Eventually(t, "all replicas to be up to date", func() bool {
			r, err = h.Report(t.Context())
			return err == nil && r.Current == top.Replicas
		})
		if r.Last != last || r.Bytes == 0 || r.MaxBytes != testLimit || r.Replicas != top.Replicas || r.Server == "" || r.Created.IsZero() {
			t.Errorf("got %+v", r)
		}
		if r.UsedRatio <= 0 || r.UsedRatio > 0.01 {
			t.Errorf("used: got %f, want a little", r.UsedRatio)
		}
	})
}

func TestCanary_failsInTimeWhenNothingAnswers(t *testing.T) {
	srv := testkit.Server(t)
	emptied(t, testkit.Connect(t, "nats://"+srv.Addr()), 1)
	line := testkit.Proxy(t, srv.Addr())
	h, err := eventstore.NewHealth(testkit.Connect(t, line.URL()))
	if err != nil {
		t.Fatal(err)
	}
	line.LoseAnswers()
	start := time.Now()
	if err := h.Canary(t.Context()); !errors.Is(err, eventstore.ErrUnavailable) || time.Since(start) > 3*time.Second {
		t.Errorf("got %v after %s, want ErrUnavailable after two seconds", err, time.Since(start))
	}
}

func TestConnectOptions_refuseToBufferOverAnOutageAndComeBack(t *testing.T) {
	srv := testkit.Server(t)
	line := testkit.Proxy(t, srv.Addr())
	var out strings.Builder
	nc, err := nats.Connect(line.URL(), eventstore.ConnectOptions("test", slog.New(slog.NewTextHandler(&out, nil)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if nc.Opts.Name != "test" {
		t.Errorf("the connection is called %q", nc.Opts.Name)
	}
	lost := nc.StatusChanged(nats.RECONNECTING)
	line.Cut()
	<-lost
	if err := nc.Publish("s", nil); nc.Status() != nats.CONNECTED && !errors.Is(err, nats.ErrReconnectBufExceeded) {
		t.Errorf("a publish without a connection: got %v, want a refusal", err)
	}
	testkit.Eventually(t, "the connection", func() bool { return nc.Status() == nats.CONNECTED })
}
