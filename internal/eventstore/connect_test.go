package eventstore_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// lines are what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(strings.ToLower(l.text.String()), part)
}

// TestConnectOptions_comesBackAfterTheUserWasTurnedAway: a configuration without
// the password, for a while, must not cost a program its connection for ever. And
// so for one that starts meanwhile.
func TestConnectOptions_comesBackAfterTheUserWasTurnedAway(t *testing.T) {
	password := func(p string) string {
		return fmt.Sprintf("listen: \"127.0.0.1:-1\"\naccounts { A { users: [{ user: api, password: %q }] } }\n", p)
	}
	s := testkit.Configure(t, password("right"))
	var log lines
	connect := func() *nats.Conn {
		nc, err := nats.Connect(s.URL("api", "right"), eventstore.ConnectOptions("test", slog.New(slog.NewTextHandler(&log, nil)))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	before := connect()
	s.Reload(password("wrong"))
	meanwhile := connect()
	const told = "authorization violation"
	testkit.Eventually(t, "both to say why", func() bool { return log.count(told) == 2 })
	time.Sleep(2 * time.Second) // several attempts more
	if n := log.count(told); n != 2 {
		t.Errorf("told %d times", n)
	}
	s.Reload(password("right"))
	for _, nc := range []*nats.Conn{before, meanwhile} {
		testkit.Eventually(t, "the connection", func() bool { return nc.FlushTimeout(time.Second) == nil })
	}
}
