package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/bus"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// withBus runs what carries commands out, and answers requests, as the user api.
func (d *deployment) withBus(t *testing.T) *eventstore.JetStream {
	t.Helper()
	d.withStreams(t)
	nc := d.as(t, "api")
	store, err1 := eventstore.NewJetStream(nc, events.NewCodec(events.Default()))
	outcomes, err2 := eventstore.NewOutcomes(nc)
	snapshots, err3 := eventstore.NewSnapshots(nc)
	queue, err4 := eventstore.NewCommands(nc)
	lot, err5 := eventstore.NewParked(nc)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	handler := command.New(store, outcomes, snapshots, command.Options{})
	o := bus.Options{Connect: func(name string, opts ...nats.Option) (*nats.Conn, error) {
		return nats.Connect(d.server.ClientURL(), append([]nats.Option{nats.Name(name), nats.UserInfo("api", password)}, opts...)...)
	}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 2)
	go func() { done <- bus.NewCommands(handler, queue, lot, o).Run(ctx, eventstore.Partitions) }()
	go func() { done <- bus.NewRPC(handler, outcomes, "1.0.0", o).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return store
}

// client is a service that waits for outcomes.
type client struct {
	t        *testing.T
	nc       *nats.Conn
	outcomes *nats.Subscription
}

func (d *deployment) client(t *testing.T, nc *nats.Conn, enterprise string) *client {
	t.Helper()
	sub, err := nc.SubscribeSync("peering.outcomes." + enterprise + ".*")
	if err != nil {
		t.Fatal(err)
	}
	flush(t, nc)
	return &client{t, nc, sub}
}

// give publishes a command and returns its outcome.
func (c *client) give(subject, id, body string) command.Outcome {
	c.t.Helper()
	m := nats.NewMsg("peering.commands." + subject)
	m.Header.Set("Command-Id", id)
	m.Header.Set("Actor", "Zoë")
	m.Data = []byte(body)
	ack, err := c.nc.RequestMsg(m, 10*time.Second)
	if err != nil || !strings.Contains(string(ack.Data), `"stream":"PEERING_COMMANDS"`) {
		c.t.Fatalf("%s: got %v, %v", subject, ack, err)
	}
	reply, err := c.outcomes.NextMsg(10 * time.Second)
	if err != nil {
		c.t.Fatalf("%s: no outcome: %v", subject, err)
	}
	return outcomeIn(c.t, reply.Data)
}

// ask sends a request and returns the outcome, or the code for which there is
// none.
func (c *client) ask(subject, id, body string) (command.Outcome, string) {
	c.t.Helper()
	m := nats.NewMsg(subject)
	m.Header.Set("Command-Id", id)
	m.Data = []byte(body)
	reply, err := c.nc.RequestMsg(m, 10*time.Second)
	if err != nil {
		c.t.Fatalf("%s: %v", subject, err)
	}
	if code := reply.Header.Get("Nats-Service-Error-Code"); code != "" {
		return command.Outcome{}, code
	}
	return outcomeIn(c.t, reply.Data), ""
}

func outcomeIn(t *testing.T, data []byte) (out command.Outcome) {
	t.Helper()
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return out
}

// TestServices_commandsTakeEffectUnderTheirName: all that a service may do, with
// the program itself at the other end.
func TestServices_commandsTakeEffectUnderTheirName(t *testing.T) {
	d := startDeployment(t, both)
	store := d.withBus(t)
	portal := d.client(t, d.as(t, "portal"), "acme")
	out := portal.give("acme.RegisterEnterprise", "c1", `{"id":"acme","description":"Acme","domain":"acme.example","server":{"hostname":"uc.acme.example"}}`)
	if out.Result != command.Accepted || out.CommandID != "c1" {
		t.Fatalf("got %+v", out)
	}
	out, code := portal.ask("peering.rpc.acme.AddPeer", "c2", `{"type":"external","description":"Partner"}`)
	if out.Result != command.Accepted || code != "" {
		t.Fatalf("got %+v, %s", out, code)
	}
	if found, code := portal.ask("peering.outcome.acme.c2", "", ""); found.CommandID != "c2" || found.ID != out.ID || code != "" {
		t.Errorf("got %+v, %s", found, code)
	}
	if _, code := portal.ask("peering.outcome.acme.c9", "", ""); code != "404" {
		t.Errorf("got %s", code)
	}
	var history []events.Recorded
	_, err := store.Load(t.Context(), events.ConfigSubject("acme"), 0, func(e events.Recorded) error {
		history = append(history, e)
		return nil
	})
	if err != nil || len(history) != 2 {
		t.Fatalf("got %v, %v", history, err)
	}
	for _, e := range history {
		if e.Actor != "service portal" {
			t.Errorf("%s was done by %q", e.Event.Type(), e.Actor)
		}
	}
	if history[0].OnBehalfOf != "Zoë" {
		t.Errorf("on behalf of %q", history[0].OnBehalfOf)
	}
}

// TestServices_theEntryDecidesTheRight: an operator may change the entry that a
// peer brought, and not one that was added by hand; that is in the body.
func TestServices_theEntryDecidesTheRight(t *testing.T) {
	d := startDeployment(t, both)
	d.withBus(t)
	portal := d.client(t, d.as(t, "portal"), "acme")
	portal.give("acme.RegisterEnterprise", "c1", `{"id":"acme","description":"Acme","domain":"acme.example","server":{"hostname":"uc.acme.example"}}`)
	peer := portal.give("acme.AddPeer", "c2", `{"type":"micollab","description":"Lyon","hostname":"uc.lyon.example","peer_enterprise_id":"lyon"}`)
	if peer.Result != command.Accepted {
		t.Fatalf("got %+v", peer)
	}
	own := `{"trusted_server":"` + string(events.TrustedServerOfPeer(events.PeerID(peer.ID))) + `","description":"Gate"}`
	if out := portal.give("acme.RenameTrustedServer", "c3", own); out.Result != command.Accepted {
		t.Errorf("got %+v", out)
	}
	const byHand = `{"trusted_server":"ts-1","description":"Gate"}`
	if out := portal.give("acme.RenameTrustedServer", "c4", byHand); out.Result != command.Rejected || out.Error.Code != "forbidden" {
		t.Errorf("got %+v", out)
	}
	if out, code := portal.ask("peering.rpc.acme.RenameTrustedServer", "c5", byHand); code != "" || out.Result != command.Rejected || out.Error.Code != "forbidden" {
		t.Errorf("got %+v, %s", out, code)
	}
}
