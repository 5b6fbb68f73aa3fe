package deploy

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/peering/peering/internal/testkit"
)

// TestServices_whatIsNotTheirsIsAViolation: the server says so on the connection,
// beside the request, which gets no answer. Without the permissions nobody is
// there. To find the service of the API is not theirs either; who is in the
// account of the deployment as api does.
func TestServices_whatIsNotTheirsIsAViolation(t *testing.T) {
	for w, want := range map[walls]error{both: nats.ErrTimeout, accountsOnly: nats.ErrNoResponders} {
		t.Run(string(w), func(t *testing.T) {
			d := startDeployment(t, w)
			d.withBus(t)
			api := d.as(t, "api")
			testkit.Eventually(t, "api finding the service", func() bool {
				reply, err := api.Request("$SRV.PING.peering", nil, time.Second)
				var found micro.Ping
				return err == nil && json.Unmarshal(reply.Data, &found) == nil && found.Name == "peering"
			})
			nc := d.as(t, "portal")
			said := make(chan error, 10)
			nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { said <- err })
			for _, subject := range []string{
				"peering.rpc.globex.DeletePeer", "peering.commands.globex.AddPeer", "peering.outcome.globex.c1", "peering.rpc.acme.AddTrustedServer",
				"$SRV.PING", "$SRV.INFO.peering", "$SRV.STATS.peering",
			} {
				if _, err := nc.Request(subject, nil, 200*time.Millisecond); !errors.Is(err, want) {
					t.Errorf("%s: got %v, want %v", subject, err, want)
				}
				if w == accountsOnly {
					continue
				}
				select {
				case err := <-said:
					if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), `"`+subject+`"`) {
						t.Errorf("%s: the server says %v", subject, err)
					}
				case <-time.After(10 * time.Second):
					t.Errorf("%s: the server says nothing", subject)
				}
			}
		})
	}
}
