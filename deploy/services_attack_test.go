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
	"peering.samples.acme.p1", "peering.snapshots.acme", "peering.positions.reactions", "peering.unsettled.1", "peering.health",
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

// bodies are those of attempts whose body the server looks at before it looks at
// who asks.
func bodies() map[string]string {
	const all = `"deliver_policy":"all","ack_policy":"explicit","replay_policy":"instant"`
	return map[string]string{
		"$JS.API.STREAM.MSG.GET.PEERING_EVENTS":                                    `{"seq":1}`,
		"$JS.API.DIRECT.GET.PEERING_EVENTS":                                        `{"seq":1}`,
		"$JS.API.CONSUMER.CREATE.PEERING_EVENTS":                                   `{"stream_name":"PEERING_EVENTS","config":{` + all + `}}`,
		"$JS.API.CONSUMER.CREATE.PEERING_EVENTS.mine":                              `{"stream_name":"PEERING_EVENTS","config":{"name":"mine",` + all + `}}`,
		"$JS.API.CONSUMER.CREATE.PEERING_EVENTS.mine.peering.events.acme.config":   `{"stream_name":"PEERING_EVENTS","config":{"name":"mine","filter_subject":"peering.events.acme.config",` + all + `}}`,
		"$JS.API.CONSUMER.CREATE.PEERING_EVENTS.mine.peering.events.globex.config": `{"stream_name":"PEERING_EVENTS","config":{"name":"mine","filter_subject":"peering.events.globex.config",` + all + `}}`,
		"$JS.API.CONSUMER.DURABLE.CREATE.PEERING_COMMANDS.mine":                    `{"stream_name":"PEERING_COMMANDS","config":{"durable_name":"mine",` + all + `}}`,
	}
}

// refuses recognises the answers that a server gives to somebody who has no
// rights: none at all, or that the account has no JetStream. Any other error would
// come from somebody who was reached. What tells everybody about themselves, such
// as $SYS.REQ.USER.INFO, is not among the attempts.
func refuses(reply *nats.Msg, err error) bool {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrPermissionViolation) {
		return true
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	return err == nil && json.Unmarshal(reply.Data, &answer) == nil &&
		answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeJetStreamNotEnabledForAccount
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

// TestReached_findsEveryHole: whatever is tried would be noticed if an export and
// an import too many let it through.
func TestReached_findsEveryHole(t *testing.T) {
	faults := reached(t, startDeployment(t, accountsOnly, attempts...))
	for _, subject := range attempts {
		if !slices.Contains(faults, subject+" is answered") && !slices.Contains(faults, "in the account of the deployment there is "+subject) {
			t.Errorf("that %s is open is not noticed", subject)
		}
	}
	for _, stream := range []string{"PEERING_EVENTS", "PEERING_OUTCOMES", "PEERING_PARKED"} {
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, stream+" had 0 messages, now ") }) {
			t.Errorf("what was written to %s is not noticed", stream)
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
		request := message(subject)
		if body, ok := bodies()[subject]; ok {
			request.Data = []byte(body)
		}
		if reply, err := portal.RequestMsg(request, 50*time.Millisecond); !refuses(reply, err) {
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
	faults = append(faults, work(t, d, after["PEERING_COMMANDS"])...)
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
	for _, prefix := range []string{"_R_.", "_INBOX.", "$JS.EVENT.", "$JS.API.CONSUMER.", "$JS.API.STREAM.INFO.", "$JS.API.STREAM.LIST", "$JS.ACK."} {
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

// work takes the n commands that are in the queue, as the program does, and lists
// those that portal may not give.
func work(t *testing.T, d *deployment, n uint64) (faults []string) {
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
			faults = append(faults, fmt.Sprintf("delivered as %s with %v", m.Subject, m.Header))
		}
		if err := m.AckSync(); err != nil {
			t.Fatal(err)
		}
	}
	return faults
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

func sortedSet(all []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(all)))
}
