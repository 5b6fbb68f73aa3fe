package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/eventstore"
)

// attempts are subjects that portal, which is an operator of acme, must not
// reach, whatever it publishes there.
var attempts = []string{
	"peering.commands.globex.AddPeer", "peering.commands.Acme.AddPeer", "peering.commands.acme", // another's, and none
	"peering.commands.acme.AddPeer@portal+operator", "peering.commands.acme.AddPeer@portal+admin", // with a mark of its own choice
	"peering.commands.acme.AddPeer@billing+security", "peering.commands.globex.AddTrustedServer@billing+security",
	"peering.commands.acme.AddTrustedServer", // not for its role
	"peering.commands.3.acme.AddPeer", "peering.commands.0.globex.AddPeer",
	"peering.deliver.commands.3", "peering.deliver.commands.0", "peering.deliver.reactions",
	"peering.parked.acme.AddPeer", "peering.parked.globex.AddPeer", "peering.decided.acme.1", "peering.decided._.1",
	"peering.outcomes.acme.c1", "peering.outcomes.globex.c1",
	"peering.events.acme.config", "peering.events.acme.status.p1", "peering.events.globex.config",
	"peering.samples.acme.p1", "peering.snapshots.acme", "peering.health",
	"peering.rpc.globex.AddPeer", "peering.rpc.acme.AddPeer@portal+admin", "peering.outcome.globex.c1", "peering.prober.test",
	"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.PEERING_COMMANDS", "$JS.API.STREAM.CREATE.MINE",
	"$JS.API.STREAM.DELETE.PEERING_COMMANDS", "$JS.API.STREAM.PURGE.PEERING_COMMANDS", "$JS.API.STREAM.UPDATE.PEERING_COMMANDS",
	"$JS.API.STREAM.MSG.GET.PEERING_EVENTS", "$JS.API.STREAM.MSG.DELETE.PEERING_COMMANDS", "$JS.API.STREAM.SNAPSHOT.PEERING_EVENTS",
	"$JS.API.DIRECT.GET.PEERING_EVENTS", "$JS.API.DIRECT.GET.PEERING_EVENTS.peering.events.acme.config",
	"$JS.API.CONSUMER.CREATE.PEERING_EVENTS", "$JS.API.CONSUMER.CREATE.PEERING_EVENTS.mine",
	"$JS.API.CONSUMER.CREATE.PEERING_EVENTS.mine.peering.events.acme.config", "$JS.API.CONSUMER.CREATE.PEERING_EVENTS.mine.peering.events.globex.config",
	"$JS.API.CONSUMER.DURABLE.CREATE.PEERING_COMMANDS.mine", "$JS.API.CONSUMER.DELETE.PEERING_COMMANDS.commands-00", "$JS.API.CONSUMER.LIST.PEERING_COMMANDS",
	"$JS.API.CONSUMER.MSG.NEXT.PEERING_COMMANDS.commands-00", "$JS.ACK.PEERING_COMMANDS.commands-00.1.1.1.1.0", "$JS.FC.PEERING_COMMANDS.commands-00.x",
	"$JS.API.ACCOUNT.PURGE.PEERING", "$JS.API.META.LEADER.STEPDOWN", "$KV.PEERING_PROBERS.x",
	"$SRV.PING", "$SRV.INFO", "$SRV.PING.peering", "$SRV.STATS.peering", "$SRV.INFO.peering.x",
	"$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PEERING.CONNZ", "$SYS.REQ.ACCOUNT.PEERING.INFO", "$SYS.REQ.CLAIMS.UPDATE",
}

// refuses recognises the answers that a server may give to somebody who has no
// rights: none at all, or an error. What tells everybody about themselves, such
// as $SYS.REQ.USER.INFO, is not among the attempts.
func refuses(reply *nats.Msg, err error) bool {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrPermissionViolation) {
		return true
	}
	var answer struct {
		Error *struct{ Description string } `json:"error"`
	}
	return err == nil && json.Unmarshal(reply.Data, &answer) == nil && answer.Error != nil
}

// TestServices_reachNothingElse, neither by publishing, nor by asking, nor by
// having the server answer to a subject of their choice.
func TestServices_reachNothingElse(t *testing.T) {
	for _, w := range []walls{both, accountsOnly} {
		t.Run(string(w), func(t *testing.T) {
			for _, fault := range reached(t, startDeployment(t, w)) {
				t.Error(fault)
			}
		})
	}
}

// TestReached_findsAHole: an export and an import too many are noticed.
func TestReached_findsAHole(t *testing.T) {
	for subject, want := range map[string]string{
		"peering.parked.acme.AddPeer": "PEERING_PARKED had 0 messages, now",
		"peering.rpc.globex.AddPeer":  "peering.rpc.globex.AddPeer is answered",
		"peering.deliver.reactions":   "in the account of the deployment there is peering.deliver.reactions",
	} {
		faults := reached(t, startDeployment(t, accountsOnly, subject))
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("with %s open, found %q", subject, faults)
		}
	}
}

// reached makes portal try everything and lists what came of it.
func reached(t *testing.T, d *deployment) (faults []string) {
	t.Helper()
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	js := d.withStreams(t)
	answering(t, d)
	spy := spyOn(t, d)
	before := states(t, js)
	portal := d.as(t, "portal")
	for _, subject := range attempts {
		publish(t, portal, subject)
		if reply, err := portal.RequestMsg(message(subject), 50*time.Millisecond); !refuses(reply, err) {
			fault("%s is answered", subject)
		}
		// It may publish this one. The acknowledgement goes where it says, and what
		// becomes of the message is to be told there too.
		m := message("peering.commands.acme.AddPeer")
		m.Reply = subject
		if err := portal.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
		publish(t, portal, "peering.commands.acme.AddPeer", "Nats-Trace-Dest", subject)
	}
	flush(t, portal)
	after := states(t, js)
	// The server refuses a reply to what looks like one of its own.
	if n := after["PEERING_COMMANDS"]; n < uint64(len(attempts)-1) {
		t.Fatalf("the queue has %d commands", n)
	}
	work(t, d, after["PEERING_COMMANDS"])
	if !spy.has("AddPeer" + portalMark) {
		t.Fatal("the spy sees nothing")
	}
	for _, s := range strings.Fields(spy.subjects()) {
		if !expected(s) {
			fault("in the account of the deployment there is %s", s)
		}
	}
	for name, n := range before {
		if name != "PEERING_COMMANDS" && after[name] != n {
			fault("%s had %d messages, now %d", name, n, after[name])
		}
	}
	if len(after) != len(before) {
		fault("the streams are %v, before %v", after, before)
	}
	return faults
}

var pushed = regexp.MustCompile(`^peering\.commands\.([0-9]+\.)?acme\.AddPeer@portal\+operator$`)

// expected tells what the spy may see: what portal may publish, with its mark,
// what the server itself says, and what is delivered and acknowledged.
func expected(subject string) bool {
	for _, prefix := range []string{"_R_.", "_INBOX.", "$JS.EVENT.", "$JS.API.CONSUMER.", "$JS.API.STREAM.INFO.", "$JS.API.STREAM.LIST", "$JS.ACK.", "spied.", "$JS.FC."} {
		if strings.HasPrefix(subject, prefix) {
			return true
		}
	}
	return pushed.MatchString(subject)
}

// answering makes the deployment answer wherever it could be asked.
func answering(t *testing.T, d *deployment) {
	t.Helper()
	api := d.as(t, "api")
	for _, subject := range []string{"peering.rpc.>", "peering.outcome.>", "peering.prober.>", "$SRV.>"} {
		if _, err := api.Subscribe(subject, func(m *nats.Msg) { m.Respond([]byte(`{}`)) }); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, api)
}

// spyOn notes every subject on which something is published within the account
// of the deployment.
func spyOn(t *testing.T, d *deployment) *box {
	t.Helper()
	spy := &box{}
	nc := d.as(t, "api")
	if _, err := nc.Subscribe(">", spy.add); err != nil {
		t.Fatal(err)
	}
	flush(t, nc)
	return spy
}

// work takes the n commands that are in the queue, as the program does.
func work(t *testing.T, d *deployment, n uint64) {
	t.Helper()
	nc := d.as(t, "api")
	delivered := make(chan *nats.Msg, n)
	for i := range eventstore.Partitions {
		if _, err := nc.ChanQueueSubscribe(eventstore.CommandDelivery(i), eventstore.CommandGroup, delivered); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		m := receive(t, delivered)
		if m == nil {
			t.Fatalf("the server delivered %d of %d commands", i, n)
		}
		if m.Header.Get("Nats-Request-Info") != "" || !strings.HasSuffix(m.Subject, ".acme.AddPeer"+portalMark) {
			t.Errorf("delivered as %s with %v", m.Subject, m.Header)
		}
		if err := m.AckSync(); err != nil {
			t.Fatal(err)
		}
	}
}

// receive returns the next message, or nil when none comes.
func receive(t *testing.T, from <-chan *nats.Msg) *nats.Msg {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case m := <-from:
		return m
	case <-ctx.Done():
		return nil
	}
}

// states is how many messages each stream has.
func states(t *testing.T, js jetstream.JetStream) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	list := js.ListStreams(t.Context())
	for info := range list.Info() {
		all[info.Config.Name] = info.State.Msgs
	}
	if list.Err() != nil || len(all) < 5 {
		t.Fatalf("%v, %v", all, list.Err())
	}
	return all
}

// TestServices_headersReachNothing: those that mean something to the server
// neither take away what is there nor change who published.
func TestServices_headersReachNothing(t *testing.T) {
	d := startDeployment(t, both)
	js := d.withStreams(t)
	portal, billing := d.as(t, "portal"), d.billing(t)
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
		nats.Name("nobody"), nats.UserInfo("portal", "wrong"), nats.UserInfo("portal", ""), nats.UserInfo("billing", password),
		nats.UserInfo("api", ""), nats.UserInfo("sys", "sys"), nats.UserInfo("service-portal", password),
	} {
		if nc, err := nats.Connect(d.server.ClientURL(), opt); !errors.Is(err, nats.ErrAuthorization) {
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

func sortedSet(all []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(all)))
}
