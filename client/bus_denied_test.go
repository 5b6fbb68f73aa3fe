package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/client"
)

// TestBus_whatTheServerDoesNotAllowIsNotTriedAgain: it says so beside the
// request, and nobody else answers it. Nobody waits for the end of the try.
func TestBus_whatTheServerDoesNotAllowIsNotTriedAgain(t *testing.T) {
	nc := strict(t, func(int) bool { return true })
	b, err := client.NewBus(nc, client.WithBusTimeout(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for what, give := range map[string]func() error{
		"Publish":     func() error { _, err := b.Publish(ctx, "acme", berlin()); return err },
		"Do":          func() error { _, err := b.Do(ctx, "acme", berlin()); return err },
		"WaitOutcome": func() error { _, err := b.WaitOutcome(ctx, "acme", "c1"); return err },
	} {
		err := give()
		var unknown *client.UnknownError
		if errors.As(err, &unknown) || client.Code(err) != client.CodeForbidden {
			t.Errorf("%s: %#v", what, err)
		}
	}
	if ctx.Err() != nil {
		t.Error("they waited for the end of their time")
	}
}

// TestBus_whatIsAllowedMeanwhileIsNotCalledForbidden: the connection remembers
// what the server said before its accounts were reloaded.
func TestBus_whatIsAllowedMeanwhileIsNotCalledForbidden(t *testing.T) {
	nc := strict(t, func(n int) bool { return n == 0 })
	b, err := client.NewBus(nc, client.WithBusTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(t.Context(), "acme", berlin()); client.Code(err) != client.CodeForbidden {
		t.Errorf("the first is %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = b.Publish(ctx, "acme", berlin())
	var unknown *client.UnknownError
	if !errors.As(err, &unknown) {
		t.Errorf("what was sent, and perhaps kept, is %#v", err)
	}
}

// strict connects to a NATS server that answers nothing but PING, and refuses
// what is published when denies says so of the n-th, counted from 0.
func strict(t *testing.T, denies func(n int) bool) *nats.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		refuse(conn, denies)
	}()
	nc, err := nats.Connect("nats://"+l.Addr().String(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		<-served
		_ = l.Close()
	})
	return nc
}

func refuse(conn net.Conn, denies func(n int) bool) {
	fmt.Fprint(conn, `INFO {"server_id":"x","version":"2.15.2","headers":true,"max_payload":1048576}`+"\r\n")
	n := 0
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "PING":
			fmt.Fprint(conn, "PONG\r\n")
		case "PUB", "HPUB":
			if subject, _, _ := strings.Cut(rest, " "); denies(n) {
				fmt.Fprintf(conn, "-ERR 'Permissions Violation for Publish to %q'\r\n", subject)
			}
			n++
		}
	}
}
