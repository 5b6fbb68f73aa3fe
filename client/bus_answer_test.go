package client_test

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/client"
	"github.com/peering/peering/internal/testkit"
)

// scripted answers the n-th message on a subject, counted from 0, with answer;
// nil: not at all.
func scripted(t *testing.T, nc *nats.Conn, subject string, answer func(n int, m *nats.Msg) *nats.Msg) *atomic.Int64 {
	t.Helper()
	var seen atomic.Int64
	_, err := nc.Subscribe(subject, func(m *nats.Msg) {
		if a := answer(int(seen.Add(1))-1, m); a != nil {
			if err := m.RespondMsg(a); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return &seen
}

func noResult(status, body string) *nats.Msg {
	return &nats.Msg{Header: nats.Header{"Nats-Service-Error-Code": {status}, "Nats-Service-Error": {"it says why"}}, Data: []byte(body)}
}

func accepted(m *nats.Msg) *nats.Msg {
	return &nats.Msg{Data: []byte(`{"command_id":"` + m.Header.Get("Command-Id") + `","command":"AddPeer","result":"accepted","id":"p1","sequence":7,"events":["e1"]}`)}
}

// TestDo_isRepeatedUnderOneIDUntilThereIsAnAnswer.
func TestDo_isRepeatedUnderOneIDUntilThereIsAnAnswer(t *testing.T) {
	url := "nats://" + testkit.Server(t).Addr()
	ids := make(chan string, 10)
	scripted(t, testkit.Connect(t, url), "peering.rpc.acme.AddPeer", func(n int, m *nats.Msg) *nats.Msg {
		ids <- m.Header.Get("Command-Id")
		switch n {
		case 0:
			return noResult("429", `{"status":429,"code":"too_many_requests","detail":"busy"}`)
		case 1:
			return nil // lost
		case 2:
			return noResult("503", `{"status":503,"code":"unavailable","detail":"not now"}`)
		}
		return accepted(m)
	})
	nc := testkit.Connect(t, url)
	b, err := client.NewBus(nc, client.WithBusTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	out, err := b.Do(t.Context(), "acme", berlin(), client.Body(&body))
	if err != nil || out.ID != "p1" || out.Sequence != 7 || !strings.Contains(body.String(), `"p1"`) {
		t.Fatalf("got %+v, %v", out, err)
	}
	b.Close()
	if nc.IsClosed() {
		t.Error("Close has closed a connection that is not its own")
	}
	for range 4 {
		if id := <-ids; id != out.CommandID {
			t.Errorf("a try had the id %q, the answer %q", id, out.CommandID)
		}
	}
}

// TestDo_answersThatSayNothing about the command: whether it may have an effect.
func TestDo_answersThatSayNothing(t *testing.T) {
	url := "nats://" + testkit.Server(t).Addr()
	b, err := client.NewBus(testkit.Connect(t, url), client.WithBusTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	for subject, c := range map[string]struct {
		answer  func(n int, m *nats.Msg) *nats.Msg
		unknown bool
		code    string
		tries   int64
	}{
		"a bug of ours": {func(int, *nats.Msg) *nats.Msg {
			return noResult("500", `{"status":500,"code":"internal","detail":"x"}`)
		}, true, "internal", 1},
		"no problem": {func(int, *nats.Msg) *nats.Msg { return noResult("500", "") }, true, client.CodeUnexpected, 1},
		"not JSON":   {func(int, *nats.Msg) *nats.Msg { return &nats.Msg{Data: []byte("+OK")} }, true, client.CodeUnexpected, 1},
		"no result":  {func(int, *nats.Msg) *nats.Msg { return &nats.Msg{Data: []byte(`{"result":"maybe"}`)} }, true, client.CodeUnexpected, 1},
		"another's": {func(int, *nats.Msg) *nats.Msg {
			return &nats.Msg{Data: []byte(`{"command_id":"x","result":"accepted"}`)}
		}, true, client.CodeUnexpected, 1},
		"not allowed at all": {func(int, *nats.Msg) *nats.Msg {
			return noResult("403", `{"status":403,"code":"forbidden","detail":"x"}`)
		}, false, client.CodeForbidden, 1},
		"lost, then stopping, then not allowed": {func(n int, _ *nats.Msg) *nats.Msg {
			return []*nats.Msg{nil, noResult("503", `{"status":503,"code":"stopping"}`), noResult("403", `{"status":403,"code":"forbidden"}`)}[n]
		}, true, client.CodeForbidden, 3},
		"stopping, then not allowed": {func(n int, _ *nats.Msg) *nats.Msg {
			return []*nats.Msg{noResult("503", `{"status":503,"code":"stopping"}`), noResult("403", `{"status":403,"code":"forbidden"}`)}[n]
		}, false, client.CodeForbidden, 2},
	} {
		t.Run(subject, func(t *testing.T) {
			seen := scripted(t, testkit.Connect(t, url), "peering.rpc.acme.AddPeer", c.answer)
			out, err := b.Do(t.Context(), "acme", berlin())
			var unknown *client.UnknownError
			if errors.As(err, &unknown) != c.unknown || client.Code(err) != c.code || out.Result != "" {
				t.Errorf("got %+v, %#v", out, err)
			}
			if c.unknown && unknown.ID != out.CommandID {
				t.Errorf("the id %q is not in %#v", out.CommandID, err)
			}
			if seen.Load() != c.tries {
				t.Errorf("%d tries, want %d", seen.Load(), c.tries)
			}
		})
	}
}

// TestPublish_onlyAnAcknowledgementOfAStreamCounts.
func TestPublish_onlyAnAcknowledgementOfAStreamCounts(t *testing.T) {
	url := "nats://" + testkit.Server(t).Addr()
	b, err := client.NewBus(testkit.Connect(t, url), client.WithBusTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	const full = `{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"PEERING_COMMANDS","seq":0}`
	for name, c := range map[string]struct {
		answers []string
		unknown bool
		code    string
	}{
		"stored":                {[]string{`{"stream":"PEERING_COMMANDS","seq":3}`}, false, ""},
		"full, then stored":     {[]string{full, full, `{"stream":"PEERING_COMMANDS","seq":3}`}, false, ""},
		"full, then refused":    {[]string{full, `{"error":{"code":400,"err_code":10060,"description":"wrong stream"}}`}, false, client.CodeUnavailable},
		"too many, then stored": {[]string{`{"error":{"code":429,"err_code":10167,"description":"too many requests"}}`, `{"stream":"PEERING_COMMANDS","seq":3}`}, false, ""},
		"no room, then stored":  {[]string{`{"error":{"code":400,"err_code":10002,"description":"resource limits exceeded for account"}}`, `{"stream":"PEERING_COMMANDS","seq":3}`}, false, ""},
		"lost, then refused":    {[]string{"", `{"error":{"code":400,"err_code":10060,"description":"wrong stream"}}`}, true, client.CodeUnavailable},
		"somebody else's":       {[]string{"hello"}, true, client.CodeUnexpected},
		"without a sequence":    {[]string{`{"stream":"PEERING_COMMANDS"}`}, true, client.CodeUnexpected},
		"unwell, then refused":  {[]string{`{"error":{"code":503,"err_code":10008,"description":"not available"}}`, `{"error":{"code":400}}`}, true, client.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, testkit.Connect(t, url), "peering.commands.acme.AddPeer", func(n int, m *nats.Msg) *nats.Msg {
				if m.Header.Get("Nats-Msg-Id") != "" {
					t.Error("it names the message, which the stream looks up among those of all services")
				}
				if c.answers[n] == "" {
					return nil
				}
				return &nats.Msg{Data: []byte(c.answers[n])}
			})
			id, err := b.Publish(t.Context(), "acme", berlin())
			var unknown *client.UnknownError
			if id == "" || errors.As(err, &unknown) != c.unknown || client.Code(err) != c.code {
				t.Errorf("got %q, %#v", id, err)
			}
		})
	}
}

// TestWaitOutcome_believesWhatIsKept: whoever publishes an outcome that does not
// stand is heard by all who listen.
func TestWaitOutcome_believesWhatIsKept(t *testing.T) {
	url := "nats://" + testkit.Server(t).Addr()
	nc := testkit.Connect(t, url)
	scripted(t, nc, "peering.outcome.acme.c1", func(n int, _ *nats.Msg) *nats.Msg {
		if n < 5 {
			if err := nc.Publish("peering.outcomes.acme.c1", []byte(`{"command_id":"c1","command":"AddPeer","result":"accepted"}`)); err != nil {
				t.Error(err)
			}
			return noResult("404", `{"status":404,"code":"not_found"}`)
		}
		return &nats.Msg{Data: []byte(`{"command_id":"c1","command":"AddPeer","result":"rejected","error":{"code":"exists"}}`)}
	})
	began := time.Now()
	out, err := connectBus(t, url).WaitOutcome(t.Context(), "acme", "c1")
	if out.Result != client.Rejected || client.Code(err) != client.CodeExists {
		t.Errorf("got %+v, %v", out, err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s: what is heard is a reason to look at once", took)
	}
}

// TestWaitOutcome_anothersOutcomeIsNone: it goes on asking for its own.
func TestWaitOutcome_anothersOutcomeIsNone(t *testing.T) {
	url := "nats://" + testkit.Server(t).Addr()
	scripted(t, testkit.Connect(t, url), "peering.outcome.acme.c1", func(n int, _ *nats.Msg) *nats.Msg {
		return &nats.Msg{Data: []byte([]string{
			`{"command_id":"c2","command":"AddPeer","result":"accepted","id":"p2"}`,
			`{"command":"AddPeer","result":"accepted","id":"p3"}`,
			`{"command_id":"c1","command":"AddPeer","result":"accepted","id":"p1"}`,
		}[n])}
	})
	if out, err := connectBus(t, url).WaitOutcome(t.Context(), "acme", "c1"); err != nil || out.CommandID != "c1" || out.ID != "p1" {
		t.Errorf("got %+v, %v", out, err)
	}
}

// TestBus_whatCannotBeGivenIsNotSent: whatever would name another subject, and
// what the bus does not have.
func TestBus_whatCannotBeGivenIsNotSent(t *testing.T) {
	url := "nats://" + testkit.Server(t).Addr()
	nc := testkit.Connect(t, url)
	seen := scripted(t, nc, "peering.>", func(int, *nats.Msg) *nats.Msg { return nil })
	b := connectBus(t, url)
	for _, ent := range []client.EnterpriseID{"", "a.b", "*", ">", "a b", "é"} {
		if _, err := b.Do(t.Context(), ent, berlin()); client.Code(err) != client.CodeInvalid {
			t.Errorf("%q: %v", ent, err)
		}
		if _, err := b.WaitOutcome(t.Context(), ent, "c1"); client.Code(err) != client.CodeInvalid {
			t.Errorf("%q: %v", ent, err)
		}
	}
	for _, id := range []string{"a.b", "*", ">", "a b", "a\r\nReason: x", strings.Repeat("x", 129)} {
		if _, err := b.Publish(t.Context(), "acme", berlin(), client.IdempotencyKey(id)); err == nil {
			t.Errorf("%q was sent", id)
		}
		if _, err := b.WaitOutcome(t.Context(), "acme", id); client.Code(err) != client.CodeInvalid {
			t.Errorf("%q: %v", id, err)
		}
	}
	for name, give := range map[string]func() error{
		"a revision":         func() error { _, err := b.Do(t.Context(), "acme", berlin(), client.IfMatch(7)); return err },
		"a control":          func() error { _, err := b.Do(t.Context(), "acme", berlin(), client.Reason("a\nb")); return err },
		"nothing":            func() error { _, err := b.Do(t.Context(), "acme", nil); return err },
		"another enterprise": func() error { _, err := b.Do(t.Context(), "acme", client.RegisterEnterprise{ID: "globex"}); return err },
		"too much": func() error {
			_, err := b.Publish(t.Context(), "acme", client.DescribeEnterprise{Description: strings.Repeat("x", 2<<20)})
			return err
		},
	} {
		var e *client.Error
		if err := give(); !errors.As(err, &e) {
			t.Errorf("%s: %#v", name, err)
		}
	}
	if err := nc.Flush(); err != nil || seen.Load() != 0 {
		t.Errorf("%d messages were sent, %v", seen.Load(), err)
	}
	if _, err := client.NewBus(nil); err == nil {
		t.Error("a bus without a connection")
	}
	if _, err := client.ConnectBus("nats://%zz"); err == nil {
		t.Error("a bus at no address")
	}
}
