package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestServices_headersReachNothing: those that mean something to the server
// neither take away what is there nor change who published.
func TestServices_headersReachNothing(t *testing.T) {
	d := startDeployment(t, both)
	js := d.withStreams(t)
	portal, billing := d.as(t, "portal"), d.as(t, "billing")
	ask := func(nc *nats.Conn, subject string, headers ...string) (ack jetstream.PubAck, refused string) {
		t.Helper()
		reply, err := nc.RequestMsg(message(subject, headers...), 5*time.Second)
		if err != nil {
			t.Fatalf("%s %v: %v", subject, headers, err)
		}
		var answer struct {
			jetstream.PubAck
			Error *jetstream.APIError `json:"error"`
		}
		if err := json.Unmarshal(reply.Data, &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Error != nil {
			refused = answer.Error.Description
		}
		return answer.PubAck, refused
	}
	const mine, theirs = "peering.commands.acme.AddPeer", "peering.commands.globex.AddTrustedServer"
	info := `{"acc":"PEERING","rtt":1,"user":"api","svc":"peering"}`
	if _, refused := ask(portal, mine, "Nats-Request-Info", info); refused != "" {
		t.Error(refused)
	}
	if m := last(t, js); m.Header.Get("Nats-Request-Info") != "" || !strings.HasSuffix(m.Subject, portalMark) {
		t.Errorf("stored as %s with %v", m.Subject, m.Header)
	}
	for _, h := range [][]string{
		{"Nats-Rollup", "all"},
		{"Nats-Rollup", "sub"},
		{"Nats-Batch-Id", "b", "Nats-Batch-Sequence", "1", "Nats-Batch-Commit", "1"},
		{"Nats-TTL", "1s"},
		{"Nats-Schedule", "@at 2020-01-01T00:00:00Z", "Nats-Schedule-Target", "peering.commands.globex.AddPeer"},
		{"Nats-Incr", "+1"},
		{"Nats-Expected-Stream", "OTHER"},
	} {
		if _, refused := ask(portal, mine, h...); refused == "" {
			t.Errorf("%v was accepted", h)
		}
	}
	// An id that another tenant used makes nothing vanish, once the window of the
	// stream has passed; the acknowledgement says so when it did.
	first, refused := ask(portal, mine, "Nats-Msg-Id", "theirs")
	if refused != "" {
		t.Fatal(refused)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for stored := false; !stored; {
		ack, refused := ask(billing, theirs, "Nats-Msg-Id", "theirs")
		stored = ack.Sequence > first.Sequence && !ack.Duplicate
		if refused != "" || !stored && !ack.Duplicate || ctx.Err() != nil {
			t.Fatalf("got %+v, %s, %v", ack, refused, ctx.Err())
		}
	}
	if n := states(t, js)["PEERING_COMMANDS"]; n != 3 {
		t.Errorf("the queue has %d commands", n)
	}
}

// TestServices_cannotImportWhatIsAnothers: even an account that somebody made by
// hand gets only what was exported to it.
func TestServices_cannotImportWhatIsAnothers(t *testing.T) {
	for name, one := range map[string]string{
		"command":  `service: { account: PEERING, subject: "peering.commands.acme.AddPeer@portal+operator" }, to: "peering.commands.acme.AddPeer"`,
		"unmarked": `service: { account: PEERING, subject: "peering.commands.acme.AddPeer" }`,
		"all":      `service: { account: PEERING, subject: "peering.commands.>" }`,
		"lookup":   `service: { account: PEERING, subject: "peering.outcome.acme.*" }`,
		"outcomes": `stream: { account: PEERING, subject: "peering.outcomes.acme.*" }`,
		"wider":    `stream: { account: PEERING, subject: "peering.outcomes.*.*" }`,
		"events":   `stream: { account: PEERING, subject: "peering.events.acme.>" }`,
		"log":      `service: { account: PEERING, subject: "$JS.API.STREAM.MSG.GET.PEERING_EVENTS" }`,
	} {
		t.Run(name, func(t *testing.T) {
			d := startDeployment(t, both)
			conf := read(t, d.dir+"/accounts.conf")
			head, billing, found := strings.Cut(conf, "  service-billing {")
			changed := strings.Replace(billing, "imports: [", "imports: [ {"+one+"}", 1)
			if !found || changed == billing {
				t.Fatal("there is no place for another import")
			}
			d.write(t, "accounts.conf", head+"  service-billing {"+changed)
			opts, err := server.ProcessConfigFile(d.dir + "/nats.conf")
			if err == nil {
				_, err = server.NewServer(opts)
			}
			if err == nil || !strings.Contains(err.Error(), "import") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestServices_aStrangerHasNoWayIn, nor does a service with another's name.
func TestServices_aStrangerHasNoWayIn(t *testing.T) {
	d := startDeployment(t, both)
	for _, opt := range []nats.Option{
		nats.Name("nobody"), nats.UserInfo("watch", "wrong"), nats.UserInfo("watch", ""), nats.UserInfo("portal", password), nats.UserInfo("billing", password),
		nats.UserInfo("api", ""), nats.UserInfo("sys", "sys"), nats.UserInfo("service-portal", password),
	} {
		if nc, err := nats.Connect(d.server.ClientURL(), opt, patient); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("got %v, %v", nc, err)
		}
	}
}

// TestNATSForServices_withoutAPasswordThereIsNoServer.
func TestNATSForServices_withoutAPasswordThereIsNoServer(t *testing.T) {
	d := startDeployment(t, both)
	for _, user := range []string{"API", "PROJECTOR", "PROBER", "SYS"} {
		t.Run(user, func(t *testing.T) {
			setPasswords(t)
			unset(t, fmt.Sprintf("NATS_%s_PASSWORD", user))
			if _, err := server.ProcessConfigFile(d.dir + "/nats.conf"); err == nil {
				t.Error("the configuration loads")
			}
		})
	}
}
