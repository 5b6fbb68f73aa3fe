package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

const (
	anEnterprise = `{"id":"acme","description":"Acme","domain":"acme.example","server":{"hostname":"uc.acme.example","version":"9.8"}}`
	aPeer        = `{"type":"micollab","description":"Berlin","hostname":"uc.peer.example","peer_enterprise_id":"ent-berlin"}`
)

// TestRPC_answersWithTheOutcomeThatIsKept: three processes, each of which may
// get a repeat, and the outcome that one can ask for later is the same.
func TestRPC_answersWithTheOutcomeThatIsKept(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, at testkit.Topology) {
		outcomes := run(t, at, 3)
		nc := at.Conn
		if got := request(t, nc, "peering.rpc.acme.RegisterEnterprise", "c1", anEnterprise); got.Result != command.Accepted {
			t.Fatalf("got %+v", got)
		}
		first := request(t, nc, "peering.rpc.ACME.AddPeer", "c2", aPeer, "Actor", "j.doe", "Reason", "new site")
		if first.Result != command.Accepted || first.CommandID != "c2" || first.Command != "AddPeer" || first.ID == "" || len(first.Events) != 1 {
			t.Fatalf("got %+v", first)
		}
		for range 6 {
			again := request(t, nc, "peering.rpc.acme.AddPeer", "c2", aPeer)
			if again.ID != first.ID || again.Sequence != first.Sequence || !again.At.Equal(first.At) {
				t.Errorf("a repeat got %+v, the first %+v", again, first)
			}
		}
		kept, ok, err := outcomes.Find(t.Context(), "acme", "c2")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		later, err := nc.Request("peering.outcome.acme.c2", nil, testkit.Patience)
		if err != nil || string(later.Data) != string(kept) {
			t.Errorf("later: %v, %q, want %q", err, later.Data, kept)
		}
		if same, err := json.Marshal(first.Outcome); err != nil || string(same) != string(kept) {
			t.Errorf("the reply is\n%s, kept is\n%s", same, kept)
		}
	})
}

// TestRPC_whatIsWrongWithTheRequestIsNotKept: the reply says it, and the id is
// free for the command that was meant.
func TestRPC_whatIsWrongWithTheRequestIsNotKept(t *testing.T) {
	at := oneServer(t)
	outcomes := run(t, at, 1)
	nc := at.Conn
	request(t, nc, "peering.rpc.acme.RegisterEnterprise", "", anEnterprise)
	for name, c := range map[string]struct {
		subject, id, body string
		result            command.Result
		code              domain.Code
	}{
		"not JSON":         {"acme.AddPeer", "c1", "{", command.Failed, domain.Malformed},
		"unknown field":    {"acme.AddPeer", "c1", `{"colour":"red"}`, command.Failed, domain.Malformed},
		"unknown command":  {"acme.PaintPeer", "c1", "{}", command.Rejected, domain.NotFound},
		"missing right":    {"acme.AddPeer@crm+viewer", "c1", aPeer, command.Rejected, domain.Forbidden},
		"forged mark":      {"acme.AddPeer@crm+root", "c1", aPeer, command.Rejected, domain.Forbidden},
		"unusable id":      {"acme.AddPeer", "c.1", aPeer, command.Failed, domain.Invalid},
		"no enterprise id": {"a.AddPeer", "c1", aPeer, command.Failed, domain.Invalid},
		"unusable reason":  {"acme.AddPeer", "c1", aPeer, command.Rejected, domain.Malformed},
	} {
		var headers []string
		if name == "unusable reason" {
			headers = []string{"Reason", "a\tb"}
		}
		got := request(t, nc, "peering.rpc."+c.subject, c.id, c.body, headers...)
		if got.status != 0 || got.Result != c.result || got.Error == nil || got.Error.Code != c.code {
			t.Errorf("%s: got %+v, %v", name, got, got.Error)
		}
	}
	if data, ok, err := outcomes.Find(t.Context(), "acme", "c1"); ok || err != nil {
		t.Fatalf("kept: %s, %v", data, err)
	}
	if got := request(t, nc, "peering.rpc.acme.AddPeer@crm+operator", "c1", aPeer); got.Result != command.Accepted {
		t.Errorf("the command that was meant: %+v", got)
	}
	if got := request(t, nc, "peering.rpc.acme.AddPeer", "c1", anEnterprise); got.Error == nil {
		t.Errorf("another body under the id: %+v", got)
	}
	refused := request(t, nc, "peering.rpc.acme.AddPeer", "c2", aPeer)
	if _, ok, err := outcomes.Find(t.Context(), "acme", "c2"); refused.Result != command.Rejected || !ok || err != nil {
		t.Errorf("the refusal of a rule: %+v, kept: %v, %v", refused, ok, err)
	}
}

// TestRPC_outcomesAreLookedUpByNameAlone.
func TestRPC_outcomesAreLookedUpByNameAlone(t *testing.T) {
	at := oneServer(t)
	run(t, at, 1)
	for subject, want := range map[string]int{
		"peering.outcome.acme.never": 404, "peering.outcome.a.c1": 400, "peering.outcome.acme.c@x": 400,
	} {
		if got := request(t, at.Conn, subject, "", ""); got.status != want {
			t.Errorf("%s: %+v, want %d", subject, got, want)
		}
	}
}

// TestRPC_isFoundAsOtherServicesAre: what "nats micro ls, info, stats" ask.
func TestRPC_isFoundAsOtherServicesAre(t *testing.T) {
	at := oneServer(t)
	a := answering{t: t, url: at.URL, writer: writerFunc(willing), outcomes: eventstore.NewMemoryOutcomes()}
	a.start()
	a.start()
	ids := services(t, at.Conn, 2)
	request(t, at.Conn, "peering.rpc.acme.AddPeer", "", aPeer)
	request(t, at.Conn, "peering.outcome.acme.c1", "", "")

	var info micro.Info
	if err := json.Unmarshal(askAll(t, at.Conn, "$SRV.INFO.peering."+ids[0], 1)[0], &info); err != nil {
		t.Fatal(err)
	}
	if info.Name != "peering" || info.Version != "1.2.3+abc" || info.Metadata["schema"] == "" || len(info.Endpoints) != 2 {
		t.Errorf("got %+v", info)
	}
	for i, want := range []string{"peering.rpc.*.*", "peering.outcome.*.*"} {
		e := info.Endpoints[i]
		if e.Subject != want || e.QueueGroup != "api" || e.Metadata["max_body_bytes"] != "1048576" {
			t.Errorf("got %+v", e)
		}
	}
	var answered uint64
	for _, data := range askAll(t, at.Conn, "$SRV.STATS.peering", 2) {
		var stats micro.Stats
		if err := json.Unmarshal(data, &stats); err != nil {
			t.Fatal(err)
		}
		for _, e := range stats.Endpoints {
			var ours requestStats
			if err := json.Unmarshal(e.Data, &ours); err != nil {
				t.Fatal(err)
			}
			answered += ours.Answered
		}
	}
	if answered != 2 {
		t.Errorf("%d answers are counted, want 2", answered)
	}
}

// TestRPC_neverWritesWhereAReplyMeansSomething: a reply subject is chosen by who
// asks, and this process may publish everywhere.
func TestRPC_neverWritesWhereAReplyMeansSomething(t *testing.T) {
	at := oneServer(t)
	handled := make(chan command.Request, 10)
	a := answering{t: t, url: at.URL, writer: writerFunc(func(ctx context.Context, req command.Request) (command.Receipt, error) {
		handled <- req
		return willing(ctx, req)
	}), outcomes: eventstore.NewMemoryOutcomes()}
	a.start()
	services(t, at.Conn, 1)
	written, err := at.Conn.SubscribeSync("peering.events.>")
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{"peering.events.acme.config", "$JS.API.STREAM.DELETE.PEERING_EVENTS", ""} {
		if err := at.Conn.PublishMsg(&nats.Msg{Subject: "peering.rpc.acme.AddPeer", Reply: reply, Data: []byte(aPeer)}); err != nil {
			t.Fatal(err)
		}
	}
	request(t, at.Conn, "peering.rpc.acme.EnablePeer", "", `{"peer":"p1"}`)
	if req := <-handled; req.Command.Name() != "EnablePeer" || len(handled) > 0 {
		t.Errorf("carried out: %s and %d more", req.Command.Name(), len(handled))
	}
	if m, err := written.NextMsg(10 * time.Millisecond); err == nil {
		t.Errorf("written: %q on %s", m.Data, m.Subject)
	}
}

// TestRPC_whatIsNotDecidedHasNoOutcome.
func TestRPC_whatIsNotDecidedHasNoOutcome(t *testing.T) {
	at := oneServer(t)
	var fail error
	a := answering{t: t, url: at.URL, writer: writerFunc(func(context.Context, command.Request) (command.Receipt, error) {
		if fail == nil {
			panic("a bug")
		}
		return command.Receipt{}, fail
	}), outcomes: eventstore.NewMemoryOutcomes()}
	a.start()
	services(t, at.Conn, 1)
	for _, c := range []struct {
		err    error
		status int
		code   domain.Code
	}{
		{fmt.Errorf("x: %w", command.ErrUnavailable), 503, codeUnavailable},
		{fmt.Errorf("x: %w", command.ErrFull), 503, codeUnavailable},
		{context.DeadlineExceeded, 503, codeUnavailable},
		{errors.New("secret"), 500, codeInternal},
		{nil, 500, codeInternal}, // a panic, after which the service goes on
		{fmt.Errorf("x: %w", command.ErrUnavailable), 503, codeUnavailable},
	} {
		fail = c.err
		got := request(t, at.Conn, "peering.rpc.acme.AddPeer", "c1", aPeer)
		if got.status != c.status || got.problem.Code != c.code || strings.Contains(got.problem.Detail, "secret") {
			t.Errorf("%v: got %+v", c.err, got)
		}
	}
}

// TestRPC_aRefusalIsTheOutcomeThatIsKept, at once and when it is repeated: also
// when it was an operator who ended the command.
func TestRPC_aRefusalIsTheOutcomeThatIsKept(t *testing.T) {
	at := oneServer(t)
	outcomes := run(t, at, 1)
	nc := at.Conn
	request(t, nc, "peering.rpc.acme.RegisterEnterprise", "", anEnterprise)
	same := func(what, id string, got replied) {
		t.Helper()
		kept, ok, err := outcomes.Find(t.Context(), "acme", events.CommandID(id))
		if err != nil || !ok {
			t.Fatal(what, ok, err)
		}
		if reply, err := json.Marshal(got.Outcome); err != nil || string(reply) != string(kept) {
			t.Errorf("%s: the reply is\n%s, kept is\n%s", what, reply, kept)
		}
	}
	const nobody = `{"peer":"nope"}`
	same("refused", "c1", request(t, nc, "peering.rpc.acme.EnablePeer", "c1", nobody))
	same("repeated", "c1", request(t, nc, "peering.rpc.acme.EnablePeer", "c1", nobody))
	for what, body := range map[string]string{"another command": `{"peer":"other"}`, "no JSON": "{"} {
		if got := request(t, nc, "peering.rpc.acme.EnablePeer", "c1", body); got.Error == nil || got.Error.Code == domain.NotFound || got.At.IsZero() {
			t.Errorf("%s under its id: %+v, %v", what, got, got.Error)
		}
	}

	store, err := eventstore.NewJetStream(nc, events.NewCodec(events.Default()))
	if err != nil {
		t.Fatal(err)
	}
	h := command.New(store, outcomes, eventstore.NewMemorySnapshots(), command.Options{})
	_, err = h.Conclude(t.Context(), command.Conclusion{
		Enterprise: "acme", ID: "c2", Name: "AddPeer", Body: []byte(aPeer),
		Result: command.Failed, Error: &domain.Error{Code: CodeDiscarded, Msg: "given up"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := request(t, nc, "peering.rpc.acme.AddPeer", "c2", aPeer)
	if got.Result != command.Failed || got.Error == nil || got.Error.Code != CodeDiscarded {
		t.Errorf("what was discarded is %+v, %v", got, got.Error)
	}
	same("discarded", "c2", got)
	if got := request(t, nc, "peering.rpc.acme.EnablePeer", "", nobody); got.Result != command.Rejected || got.At.IsZero() {
		t.Errorf("without an id: %+v", got)
	}
}
