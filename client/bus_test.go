package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/client"
	"github.com/peering/peering/internal/testkit"
)

func TestBus_doAnswersWithTheOutcome(t *testing.T) {
	d := running(t)
	b := connectBus(t, d.url)
	registered(t, b)
	out, err := b.Do(t.Context(), "ACME", berlin(), client.IdempotencyKey("c1"), client.Reason("Ünser reason"), client.OnBehalfOf("j.doe"))
	if err != nil || out.Result != client.Accepted || out.CommandID != "c1" || out.Command != "AddPeer" || out.ID == "" || len(out.Events) != 1 || out.At.IsZero() {
		t.Fatalf("got %+v, %v", out, err)
	}
	again, err := b.Do(t.Context(), "acme", berlin(), client.IdempotencyKey("c1"))
	if err != nil || again.ID != out.ID || again.Sequence != out.Sequence {
		t.Errorf("a repeat got %+v, %v; the first %+v", again, err, out)
	}
	all := d.history(t, "acme")
	last := all[len(all)-1]
	if len(all) != 2 || last.Reason != "Ünser reason" || last.OnBehalfOf != "j.doe" || last.Actor != "bus" {
		t.Errorf("the history is %+v", all)
	}
	if later, err := b.WaitOutcome(t.Context(), "acme", "c1"); err != nil || later.Sequence != out.Sequence {
		t.Errorf("later: %+v, %v", later, err)
	}
}

func TestBus_aRefusalIsAnErrorWithCodeAndField(t *testing.T) {
	d := running(t)
	b := connectBus(t, d.url)
	registered(t, b)
	for name, c := range map[string]struct {
		cmd    client.Command
		code   string
		field  string
		status int
	}{
		"rule":     {client.AddPeer{Type: "micollab", Description: "X", Hostname: new("not a host"), PeerEnterpriseID: new("ent-x")}, client.CodeInvalid, "hostname", 422},
		"nobody":   {client.EnablePeer{Peer: "nope"}, client.CodeNotFound, "", 404},
		"malforme": {client.EnablePeer{}, client.CodeInvalid, "peer", 422},
	} {
		out, err := b.Do(t.Context(), "acme", c.cmd)
		var e *client.Error
		if !errors.As(err, &e) || e.Code != c.code || c.field != "" && e.Field != c.field || e.Status != c.status || e.IdempotencyKey != out.CommandID {
			t.Errorf("%s: got %+v, %#v", name, out, err)
		}
		if out.Result != client.Rejected || out.Error != e || out.CommandID == "" {
			t.Errorf("%s: got %+v", name, out)
		}
		id, err := b.Publish(t.Context(), "acme", c.cmd)
		if err != nil {
			t.Fatal(err)
		}
		out, err = b.WaitOutcome(t.Context(), "acme", id)
		if out.Result != client.Rejected || client.Code(err) != c.code {
			t.Errorf("%s, published: got %+v, %v", name, out, err)
		}
	}
}

func TestBus_whatIsPublishedIsCarriedOutOnce(t *testing.T) {
	d := running(t)
	b := connectBus(t, d.url)
	registered(t, b)
	first, err := b.Publish(t.Context(), "acme", berlin())
	if err != nil || first == "" {
		t.Fatal(first, err)
	}
	for range 3 {
		id, err := b.Publish(t.Context(), "acme", berlin(), client.IdempotencyKey(first))
		if err != nil || id != first {
			t.Fatalf("got %q, %v", id, err)
		}
	}
	out, err := b.WaitOutcome(t.Context(), "Acme", first)
	if err != nil || out.Result != client.Accepted || out.CommandID != first {
		t.Fatalf("got %+v, %v", out, err)
	}
	// The peer is there once: another one of its name is refused, after the repeats.
	second, err := b.Publish(t.Context(), "acme", berlin())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.WaitOutcome(t.Context(), "acme", second); client.Code(err) != client.CodeExists && client.Code(err) != client.CodeInvalid {
		t.Errorf("got %v", err)
	}
	if all := d.history(t, "acme"); len(all) != 2 {
		t.Errorf("%d events, want 2", len(all))
	}
}

// TestBus_lostAnswersAreAskedForAgain: what the server says is lost while the
// request is carried out; the effect is one, and the caller learns of it.
func TestBus_lostAnswersAreAskedForAgain(t *testing.T) {
	d := running(t)
	registered(t, connectBus(t, d.url))
	line := testkit.Proxy(t, d.url)
	b := connectBus(t, line.URL(), nats.ReconnectWait(20*time.Millisecond))
	for i, give := range []func() error{
		func() error {
			_, err := b.Do(t.Context(), "acme", berlin())
			return err
		},
		func() error {
			id, err := b.Publish(t.Context(), "acme", client.DescribeEnterprise{Description: "Lost and found"})
			if err != nil {
				return err
			}
			_, err = b.WaitOutcome(t.Context(), "acme", id)
			return err
		},
	} {
		// The connection works, so that what is lost is the answer.
		if _, err := b.Do(t.Context(), "acme", client.DescribeEnterprise{Description: "Acme"}); err != nil {
			t.Fatal(err)
		}
		before := len(d.history(t, "acme"))
		lost := line.Lost()
		line.LoseAnswers()
		given := make(chan error, 1)
		go func() { given <- give() }()
		testkit.Eventually(t, "the effect", func() bool { return len(d.history(t, "acme")) == before+1 })
		testkit.Eventually(t, "a lost answer", func() bool { return line.Lost() > lost })
		line.Cut()
		if err := <-given; err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if n := len(d.history(t, "acme")); n != before+1 {
			t.Errorf("%d: %d effects", i, n-before)
		}
	}
}

// TestBus_worksOnAfterTheServerWasRestarted, with calls that were made while it
// was away.
func TestBus_worksOnAfterTheServerWasRestarted(t *testing.T) {
	d := running(t)
	b := connectBus(t, d.url)
	registered(t, b)
	d.api.stop()
	id, err := b.Publish(t.Context(), "acme", berlin())
	if err != nil {
		t.Fatal(err)
	}
	type got struct {
		out client.Outcome
		err error
	}
	waited, done := make(chan got, 1), make(chan got, 1)
	go func() {
		out, err := b.WaitOutcome(t.Context(), "acme", id)
		waited <- got{out, err}
	}()
	address := d.server.Addr()
	d.server.Shutdown()
	go func() {
		out, err := b.Do(t.Context(), "acme", client.DescribeEnterprise{Description: "Again"})
		done <- got{out, err}
	}()
	if err := d.startServer(address); err != nil {
		t.Fatal(err)
	}
	if d.api, err = startAPI(d.url); err != nil {
		t.Fatal(err)
	}
	if g := <-waited; g.err != nil || g.out.Command != "AddPeer" || g.out.Result != client.Accepted {
		t.Errorf("waited for: %+v, %v", g.out, g.err)
	}
	if g := <-done; g.err != nil || g.out.Command != "DescribeEnterprise" {
		t.Errorf("done: %+v, %v", g.out, g.err)
	}
	if all := d.history(t, "acme"); len(all) != 3 {
		t.Errorf("%d events, want 3", len(all))
	}
}

// TestBus_findsAnOutcomeThatCameBefore anybody waited for it, and one that comes
// while the connection is lost.
func TestBus_findsAnOutcomeThatCameBefore(t *testing.T) {
	d := running(t)
	direct := connectBus(t, d.url)
	registered(t, direct)
	line := testkit.Proxy(t, d.url)
	b := connectBus(t, line.URL(), nats.ReconnectWait(20*time.Millisecond))
	result := make(chan error, 1)
	go func() {
		out, err := b.WaitOutcome(t.Context(), "acme", "c9")
		if err == nil && out.CommandID != "c9" {
			err = errors.New("another's outcome")
		}
		result <- err
	}()
	lost := line.Lost()
	line.LoseAnswers()
	if _, err := direct.Do(t.Context(), "acme", berlin(), client.IdempotencyKey("c9")); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "it to be lost", func() bool { return line.Lost() > lost })
	line.Cut()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if _, err := b.WaitOutcome(t.Context(), "acme", "c9"); err != nil {
		t.Error(err)
	}
}

// TestWaitOutcome_ofNoEnterpriseIsNotWaitedFor: the server knows what an id may
// be, and says so at the first look.
func TestWaitOutcome_ofNoEnterpriseIsNotWaitedFor(t *testing.T) {
	d := running(t)
	b := connectBus(t, d.url)
	registered(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	for _, ent := range []client.EnterpriseID{"abc", client.EnterpriseID(strings.Repeat("x", 33))} {
		_, err := b.WaitOutcome(ctx, ent, "c1")
		var unknown *client.UnknownError
		if errors.As(err, &unknown) || client.Code(err) != client.CodeInvalid {
			t.Errorf("%s: got %#v", ent, err)
		}
	}
}

// TestBus_theEndOfTheContextSaysWhatIsKnown.
func TestBus_theEndOfTheContextSaysWhatIsKnown(t *testing.T) {
	url := "nats://" + testkit.Server(t).Addr()
	nc := testkit.Connect(t, url)
	b := connectBus(t, url)
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	give := map[string]func(context.Context) (string, error){
		"Do": func(ctx context.Context) (string, error) {
			out, err := b.Do(ctx, "acme", berlin())
			return out.CommandID, err
		},
		"Publish": func(ctx context.Context) (string, error) { return b.Publish(ctx, "acme", berlin()) },
	}
	for name, f := range give { // nobody is there: it has no effect
		var unknown *client.UnknownError
		id, err := f(short())
		// Of a try that the end of the context falls into it is not known.
		for tries := 0; errors.As(err, &unknown) && tries < 10; tries++ {
			unknown = nil
			id, err = f(short())
		}
		var e *client.Error
		if errors.As(err, &unknown) || !errors.As(err, &e) || e.IdempotencyKey != id || id == "" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %q, %#v", name, id, err)
		}
		if !strings.Contains(err.Error(), "nobody serves") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, subject := range []string{"peering.rpc.*.*", "peering.commands.*.*"} { // somebody is, and is silent
		if _, err := nc.Subscribe(subject, func(*nats.Msg) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for name, f := range give {
		id, err := f(short())
		var unknown *client.UnknownError
		if !errors.As(err, &unknown) || unknown.ID != id || id == "" || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), id) {
			t.Errorf("%s: got %q, %#v", name, id, err)
		}
	}
	if _, err := b.WaitOutcome(short(), "acme", "c1"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "c1") {
		t.Errorf("got %v", err)
	}
	b.Close()
	for name, f := range give {
		if _, err := f(t.Context()); client.Code(err) != client.CodeNoAnswer {
			t.Errorf("%s on a closed connection: %v", name, err)
		}
	}
	if _, err := b.WaitOutcome(t.Context(), "acme", "c1"); err == nil {
		t.Error("waited on a closed connection")
	}
}

// TestBus_isConnectedLater: a service may start before the server does.
func TestBus_isConnectedLater(t *testing.T) {
	d := running(t)
	registered(t, connectBus(t, d.url))
	address := d.server.Addr()
	d.server.Shutdown()
	b := connectBus(t, "nats://"+address)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := b.Do(ctx, "acme", berlin())
	var unknown *client.UnknownError
	if errors.As(err, &unknown) || client.Code(err) != client.CodeNoAnswer {
		t.Errorf("without a connection: %#v", err)
	}
	if err := d.startServer(address); err != nil {
		t.Fatal(err)
	}
	if out, err := b.Do(t.Context(), "acme", berlin()); err != nil || out.Result != client.Accepted {
		t.Errorf("got %+v, %v", out, err)
	}
}

// TestBus_closeWhileItWaitsSaysThatItIsNotKnown: the request was sent, and
// whoever has it may carry it out.
func TestBus_closeWhileItWaitsSaysThatItIsNotKnown(t *testing.T) {
	url := "nats://" + testkit.Server(t).Addr()
	nc := testkit.Connect(t, url)
	arrived := make(chan string, 1)
	for _, subject := range []string{"peering.rpc.*.*", "peering.commands.*.*"} {
		if _, err := nc.Subscribe(subject, func(m *nats.Msg) { arrived <- m.Header.Get("Command-Id") }); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for style, opt := range map[string]nats.Option{"new": nats.Name("x"), "old": nats.UseOldRequestStyle()} {
		for name, give := range map[string]func(*client.Bus) error{
			"Do":      func(b *client.Bus) error { _, err := b.Do(t.Context(), "acme", berlin()); return err },
			"Publish": func(b *client.Bus) error { _, err := b.Publish(t.Context(), "acme", berlin()); return err },
		} {
			b := connectBus(t, url, opt)
			given := make(chan error, 1)
			go func() { given <- give(b) }()
			id := <-arrived
			b.Close()
			err := <-given
			var unknown *client.UnknownError
			if !errors.As(err, &unknown) || unknown.ID != id || client.Code(err) != client.CodeNoAnswer {
				t.Errorf("%s, requests in the %s style: %#v", name, style, err)
			}
		}
	}
}
