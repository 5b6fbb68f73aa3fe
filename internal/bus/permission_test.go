package bus

import (
	"fmt"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/testkit"
)

// A configuration of the server takes the right to what is delivered away, and
// the next one gives it back: the server does not cut the connection for it, and
// the subscriptions stay dead. The process ends what follows them, and works when
// it begins again.
func TestRun_endsWhenTheServerRefusesASubscription(t *testing.T) {
	denying := func(denied string) string {
		return fmt.Sprintf(`listen: "127.0.0.1:-1"
accounts { PEERING { jetstream: enabled, users: [
  { user: admin, password: a }
  { user: api, password: b, permissions: { subscribe: { deny: [%q] } } }
] } }
`, denied)
	}
	s := testkit.Configure(t, denying("nothing"))
	w := newWorld(t, s.URL("admin", "a"), 1)
	w.url = s.URL("api", "b")
	p := w.start()
	w.register("acme")
	requests := make(chan error, 1)
	go func() {
		requests <- NewRPC(p.handler, nil, "1.0.0", Options{Connect: p.commands.connect}).Run(t.Context())
	}()
	testkit.Eventually(t, "requests to be answered", func() bool {
		_, err := w.nc.Request(lookupRoot+"acme.no.id", nil, time.Second)
		_, err2 := w.nc.Request(lookupRoot+"acme.!", nil, time.Second)
		return err != nil && err2 == nil
	})
	for _, denied := range []string{"peering.>", "nothing"} {
		s.Reload(denying(denied))
	}
	w.publish("acme.AddPeer", "c1", addition("Berlin"))
	for name, ended := range map[string]<-chan error{"commands": p.ended, "requests": requests} {
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s ended without an error", name)
			}
		case <-time.After(refusedPause + testkit.Patience):
			t.Fatalf("%s go on, and follow nothing", name)
		}
	}
	w.start()
	if out := w.outcome("acme", "c1"); out.Result != command.Accepted {
		t.Errorf("got %+v", out)
	}
}
