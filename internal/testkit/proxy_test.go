package testkit

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestProxy_losesWhatItIsToldTo(t *testing.T) {
	srv := Server(t)
	direct := Connect(t, "nats://"+srv.Addr())
	line := Proxy(t, srv.Addr())
	behind := Connect(t, line.URL())
	sub, err := direct.SubscribeSync("requests")
	if err != nil {
		t.Fatal(err)
	}
	if err := direct.Flush(); err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		_, err := behind.Request("requests", nil, 200*time.Millisecond)
		return err
	}
	answer := func() bool {
		m, err := sub.NextMsg(100 * time.Millisecond)
		return err == nil && m.Respond(nil) == nil
	}
	go answer()
	if err := ask(); err != nil {
		t.Fatalf("an open line: %v", err)
	}

	line.LoseAnswers()
	done := make(chan error, 1)
	go func() { done <- ask() }()
	if !answer() {
		t.Error("a line that loses answers lost a request")
	}
	if err := <-done; err == nil {
		t.Error("a line that loses answers let one through")
	}

	line.Cut()
	Eventually(t, "the connection to come back", func() bool { return behind.Status() == nats.CONNECTED })
	line.LoseRequests()
	if err := ask(); err == nil || answer() {
		t.Errorf("a line that loses requests let one through: %v", err)
	}
	if line.Lost() == 0 {
		t.Error("nothing was counted as lost")
	}
}
