package client_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/client"
	"github.com/peering/peering/internal/testkit"
)

// TestBus_worksOnAfterItWasTurnedAway: somebody took its user out of the
// accounts of the server, and put it back later. Meanwhile it was refused more
// than once.
func TestBus_worksOnAfterItWasTurnedAway(t *testing.T) {
	accounts := func(user string) string {
		return fmt.Sprintf(`listen: "127.0.0.1:-1"
accounts { A { users: [ { user: admin, password: a }, { user: %q, password: b } ] } }
`, user)
	}
	s := testkit.Configure(t, accounts("portal"))
	admin := testkit.Connect(t, s.URL("admin", "a"))
	scripted(t, admin, "peering.rpc.acme.AddPeer", func(_ int, m *nats.Msg) *nats.Msg { return accepted(m) })
	var turnedAway atomic.Int64
	b := connectBus(t, s.URL("portal", "b"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrAuthorization) {
			turnedAway.Add(1)
		}
	}))
	if _, err := b.Do(t.Context(), "acme", berlin()); err != nil {
		t.Fatal(err)
	}
	s.Reload(accounts("nobody"))
	testkit.Eventually(t, "three refusals", func() bool { return turnedAway.Load() >= 3 })
	s.Reload(accounts("portal"))
	if out, err := b.Do(t.Context(), "acme", berlin()); err != nil || out.Result != client.Accepted {
		t.Errorf("got %+v, %v", out, err)
	}
}
