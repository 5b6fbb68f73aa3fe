package deploy

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/testkit"
)

func TestServices_publishAndGetTheAcknowledgement(t *testing.T) {
	d := startDeployment(t, both)
	js := d.withStreams(t)
	portal, err := jetstream.New(d.as(t, "portal"))
	if err != nil {
		t.Fatal(err)
	}
	ack, err := portal.PublishMsg(t.Context(), message("peering.commands.acme.AddPeer", "Command-Id", "c1"))
	if err != nil || ack.Stream != "PEERING_COMMANDS" || ack.Sequence != 1 {
		t.Fatalf("got %+v, %v", ack, err)
	}
	stored := last(t, js)
	if !strings.HasPrefix(stored.Subject, "peering.commands.") || !strings.HasSuffix(stored.Subject, ".acme.AddPeer"+portalMark) || stored.Header.Get("Command-Id") != "c1" {
		t.Errorf("stored as %s, %v", stored.Subject, stored.Header)
	}
	reply, err := d.as(t, "billing").RequestMsg(message("peering.commands.globex.AddTrustedServer"), 5*time.Second)
	if err != nil || !strings.Contains(string(reply.Data), `"seq":2`) {
		t.Fatalf("got %v, %v", reply, err)
	}
	if s := last(t, js).Subject; !strings.HasSuffix(s, ".globex.AddTrustedServer"+billingMark) {
		t.Errorf("stored as %s", s)
	}
}

func TestServices_requestsAndLookupsAreAnswered(t *testing.T) {
	d := startDeployment(t, both)
	api := d.as(t, "api")
	for _, subject := range []string{"peering.rpc.*.*", "peering.outcome.*.*"} {
		_, err := api.QueueSubscribe(subject, "api", func(m *nats.Msg) { m.Respond([]byte(m.Subject)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	flush(t, api)
	portal := d.as(t, "portal")
	for subject, want := range map[string]string{
		"peering.rpc.acme.DeletePeer": "peering.rpc.acme.DeletePeer" + portalMark,
		"peering.outcome.acme.c1":     "peering.outcome.acme.c1",
	} {
		reply, err := portal.Request(subject, nil, 5*time.Second)
		if err != nil || string(reply.Data) != want {
			t.Errorf("%s: got %v, %v", subject, reply, err)
		}
	}
}

// TestServices_receiveWhatIsTheirs, and nothing of others, whatever they
// subscribe to.
func TestServices_receiveWhatIsTheirs(t *testing.T) {
	for _, w := range []walls{both, accountsOnly} {
		t.Run(string(w), func(t *testing.T) {
			d := startDeployment(t, w)
			d.withStreams(t)
			got := map[string]*box{"portal": {}, "billing": {}, "watch": {}}
			for name, nc := range map[string]*nats.Conn{"portal": d.as(t, "portal"), "billing": d.as(t, "billing"), "watch": d.as(t, "watch")} {
				for _, subject := range []string{
					"peering.outcomes.acme.*", "peering.outcomes.globex.*", "peering.outcomes.*.*", "peering.outcomes.>", "peering.>", ">",
					"peering.events.acme.>", "peering.events.globex.>", "peering.events.>", "peering.events.*.config",
					"peering.commands.>", "peering.deliver.>", "peering.parked.>", "peering.rpc.>", "$JS.>", "$SYS.>", "_R_.>", "*.*.*.*",
				} {
					// Refused ones end with an error of the connection, not of the call.
					if _, err := nc.Subscribe(subject, got[name].add); err != nil {
						t.Fatal(err)
					}
				}
				flush(t, nc)
			}
			api, prober := d.as(t, "api"), d.as(t, "prober")
			for _, subject := range []string{
				"peering.outcomes.acme.c1", "peering.outcomes.globex.c2", "peering.events.acme.config", "peering.events.globex.config",
				"peering.commands.acme.AddPeer", "peering.parked.acme.AddPeer", "peering.rpc.globex.AddPeer",
			} {
				publish(t, api, subject)
			}
			publish(t, prober, "peering.events.acme.status.p1")
			publish(t, prober, "peering.events.globex.status.p1")
			flush(t, api)
			flush(t, prober)
			want := map[string]string{
				"portal":  "peering.events.acme.config peering.events.acme.status.p1 peering.outcomes.acme.c1",
				"billing": "peering.outcomes.globex.c2",
				"watch":   "peering.outcomes.acme.c1 peering.outcomes.globex.c2",
			}
			for name, b := range got {
				testkit.Eventually(t, name+" receiving what is its own", func() bool { return b.subjects() == want[name] })
			}
			// What comes in order behind all that was published shows that nothing
			// else is under way.
			publish(t, api, "peering.outcomes.acme.end")
			publish(t, api, "peering.outcomes.globex.end")
			for name, b := range got {
				testkit.Eventually(t, name+" receiving the end", func() bool { return b.has("end") })
				for _, s := range strings.Fields(b.subjects()) {
					if !strings.Contains(want[name]+" peering.outcomes.acme.end peering.outcomes.globex.end", s) {
						t.Errorf("%s received %s", name, s)
					}
				}
			}
		})
	}
}

// TestServices_changeWithAReload: one that is taken from the list is cut off,
// and what the others do goes on.
func TestServices_changeWithAReload(t *testing.T) {
	d := startDeployment(t, accountsOnly, "peering.commands.acme.PaintPeer")
	js := d.withStreams(t)
	portal, watch := d.as(t, "portal"), d.as(t, "watch")
	if _, err := portal.Request("peering.commands.acme.PaintPeer", nil, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	before := last(t, js).Sequence
	d.write(t, "accounts.conf", strings.Replace(d.conf, `user: "watch"`, `user: "nobody"`, 1))
	if err := d.server.ReloadOptions(d.options(t)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "watch being cut off", func() bool { return !watch.IsConnected() })
	testkit.Eventually(t, "portal doing what is left to it", func() bool {
		reply, err := portal.RequestMsg(message("peering.commands.acme.AddPeer"), time.Second)
		return err == nil && strings.Contains(string(reply.Data), `"seq"`)
	})
	if got := last(t, js).Sequence; got <= before {
		t.Errorf("the queue ends at %d", got)
	}
	if reply, err := portal.Request("peering.commands.acme.PaintPeer", nil, 200*time.Millisecond); err == nil {
		t.Errorf("what was taken away is answered: %s", reply.Data)
	}
}

// box keeps the subjects of what a connection received.
type box struct {
	mu  sync.Mutex
	got []string
}

func (b *box) add(m *nats.Msg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, m.Subject)
}

// subjects are those that were received, each once, in order.
func (b *box) subjects() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(sortedSet(b.got), " ")
}

func (b *box) has(suffix string) bool {
	for _, s := range strings.Fields(b.subjects()) {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}

// message is one whose body is recognised wherever it turns up.
func message(subject string, headers ...string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data, _ = json.Marshal(map[string]string{"sent_to": subject})
	for i := 0; i+1 < len(headers); i += 2 {
		m.Header.Set(headers[i], headers[i+1])
	}
	return m
}

func publish(t *testing.T, nc *nats.Conn, subject string, headers ...string) {
	t.Helper()
	if err := nc.PublishMsg(message(subject, headers...)); err != nil {
		t.Fatal(err)
	}
}

func flush(t *testing.T, nc *nats.Conn) {
	t.Helper()
	if err := nc.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// last is the newest message of the queue of commands.
func last(t *testing.T, js jetstream.JetStream) *jetstream.RawStreamMsg {
	t.Helper()
	s, err := js.Stream(t.Context(), "PEERING_COMMANDS")
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), s.CachedInfo().State.LastSeq)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
