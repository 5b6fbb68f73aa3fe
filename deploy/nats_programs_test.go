package deploy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/app"
	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/testkit"
)

// violations keeps what the server complains about.
type violations struct {
	mu  sync.Mutex
	all []string
}

func (v *violations) Errorf(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); strings.Contains(line, "Violation") {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.all = append(v.all, line)
	}
}

func (v *violations) list() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(v.all)))
}

func (*violations) Noticef(string, ...any) {}
func (*violations) Warnf(string, ...any)   {}
func (*violations) Fatalf(string, ...any)  {}
func (*violations) Debugf(string, ...any)  {}
func (*violations) Tracef(string, ...any)  {}

// program starts one of the three and returns where it listens.
func program(t *testing.T, role config.Role, environ ...string) string {
	t.Helper()
	c, _, err := config.Load(role, config.Sources{Environ: append([]string{"PEERING_LISTEN=127.0.0.1:0", "PEERING_LOG_MAX_BYTES=256MiB"}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- app.Run(ctx, c, in, slog.New(slog.NewTextHandler(t.Output(), nil)))
		in.Close()
	}()
	t.Cleanup(func() { cancel(); <-done })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s ended: %v", role, <-done)
	}
	go io.Copy(io.Discard, out)
	return "http://" + strings.TrimSpace(strings.TrimPrefix(line, "http="))
}

// TestNATSForServices_theProgramsDoTheirWork with the permissions that each has:
// a peer is added, probed, shown and told of a change, and the server has nothing
// to object to.
func TestNATSForServices_theProgramsDoTheirWork(t *testing.T) {
	d := startDeployment(t, both)
	complaints := &violations{}
	d.server.SetLoggerV2(complaints, false, false, false)
	token := admin(t)
	environ := func(user string) []string {
		return []string{"NATS_URL=" + d.server.ClientURL(), "NATS_USER=" + user, "NATS_PASSWORD=" + password}
	}
	database := "PEERING_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "p.db")
	api := program(t, config.API, append(environ("api"), database, "PEERING_ADMIN_TOKEN_FILE="+token)...)
	program(t, config.Projector, append(environ("projector"), database)...)
	// Nobody answers there: every name is unknown, which is a status too.
	program(t, config.Prober, append(environ("prober"), "PEERING_PROBE_INTERVAL=1s", "PEERING_PROBE_RESOLVER=127.0.0.1:1")...)
	secret := strings.TrimSpace(read(t, token))
	testkit.Eventually(t, "the API being ready", func() bool {
		return ask(t, "GET", api+"/readyz", secret, "", nil) == 200
	})
	enterprises := api + "/api/v1/enterprises"
	if code := ask(t, "POST", enterprises, secret, `{"id":"acme","description":"Acme","domain":"acme.example","server":{"hostname":"uc.acme.example"}}`, nil); code != 201 {
		t.Fatalf("status %d", code)
	}
	var added struct{ ID string }
	peers := enterprises + "/acme/peers"
	if code := ask(t, "POST", peers, secret, `{"type":"micollab","description":"Lyon","hostname":"uc.lyon.example","peer_enterprise_id":"lyon"}`, &added); code != 201 {
		t.Fatalf("status %d", code)
	}
	testkit.Eventually(t, "the peer being probed", func() bool {
		var peer struct{ Status string }
		return ask(t, "GET", peers+"/"+added.ID, secret, "", &peer) == 200 && peer.Status == "down"
	})
	testkit.Eventually(t, "a prober being asked", func() bool { return ask(t, "POST", peers+"/"+added.ID+"/probe", secret, "", nil) == 200 })
	if code := ask(t, "PATCH", enterprises+"/acme", secret, `{"server":{"hostname":"uc2.acme.example"}}`, nil); code != 200 {
		t.Fatalf("status %d", code)
	}
	testkit.Eventually(t, "the projector reacting to it", func() bool {
		var peer struct{ Notice json.RawMessage }
		return ask(t, "GET", peers+"/"+added.ID, secret, "", &peer) == 200 && strings.Contains(string(peer.Notice), "uc2.acme.example")
	})
	if code := ask(t, "POST", api+"/api/v1/projections/directory/verify", secret, "", nil); code >= 300 {
		t.Errorf("verify: status %d", code)
	}
	if list := complaints.list(); len(list) > 0 {
		t.Errorf("the server objects to:\n%s", strings.Join(list, "\n"))
	}
}

// ask sends a request and reads the answer into into.
func ask(t *testing.T, method, url, token, body string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && into != nil && answer.StatusCode < 300 {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return answer.StatusCode
}

// TestNATSForServices_programsDoNotDoAnothersWork, as far as permissions of a
// common account go.
func TestNATSForServices_programsDoNotDoAnothersWork(t *testing.T) {
	d := startDeployment(t, both)
	js := d.withStreams(t)
	for user, subjects := range map[string][]string{
		"api": {"peering.events.acme.status.p1", "peering.samples.acme.p1", "peering.deliver.commands.0", "$JS.API.STREAM.DELETE.PEERING_EVENTS", "$JS.API.STREAM.PURGE.PEERING_EVENTS"},
		"projector": {
			"peering.events.acme.status.p1", "peering.samples.acme.p1", "peering.deliver.commands.0",
			"peering.commands.acme.AddPeer", "peering.decided.acme.1", "peering.unsettled.1",
			"peering.rpc.acme.AddPeer", "peering.outcome.acme.c1", "$SRV.PING", "$SRV.STATS.peering", "_INBOX.of.another",
			"$JS.API.STREAM.DELETE.PEERING_COMMANDS", "$JS.API.STREAM.MSG.DELETE.PEERING_OUTCOMES",
		},
		"prober": {
			"peering.commands.acme.AddPeer", "peering.commands.acme.AddPeer@portal+admin", "peering.events.acme.config", "peering.outcomes.acme.c1", "peering.snapshots.acme",
			"peering.parked.acme.AddPeer", "peering.decided.acme.1", "peering.deliver.reactions", "peering.positions.reactions", "peering.rpc.acme.AddPeer", "peering.outcome.acme.c1",
			"$JS.API.STREAM.DELETE.PEERING_EVENTS", "$JS.API.STREAM.PURGE.PEERING_COMMANDS", "$JS.API.STREAM.MSG.DELETE.PEERING_COMMANDS",
			"$JS.API.CONSUMER.CREATE.PEERING_COMMANDS.mine", "$JS.API.CONSUMER.DELETE.PEERING_COMMANDS.commands-00", "$JS.API.CONSUMER.MSG.NEXT.PEERING_COMMANDS.commands-00",
		},
	} {
		t.Run(user, func(t *testing.T) {
			before := states(t, js)
			nc := d.as(t, user)
			refused := make(chan error, 100)
			nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })
			for _, subject := range subjects {
				publish(t, nc, subject)
				flush(t, nc)
				select {
				case err := <-refused:
					if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
						t.Errorf("%s: %v", subject, err)
					}
				case <-time.After(5 * time.Second):
					t.Errorf("%s may publish on %s", user, subject)
				}
			}
			if after := states(t, js); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("the streams are %v, before %v", after, before)
			}
		})
	}
	if _, err := js.Stream(t.Context(), "PEERING_EVENTS"); errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Error("the log is gone")
	}
}
