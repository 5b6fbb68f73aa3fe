package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/testkit"
)

// TestBus_anotherProcessTakesOver is target S5 while commands keep coming. A
// process that stops in order leaves nothing behind, and nobody waits. Of one that
// is killed, the partitions that it worked on wait for AckWait; all others go on.
func TestBus_anotherProcessTakesOver(t *testing.T) {
	const (
		ents  = 24
		every = 150 * time.Millisecond // a command for each enterprise
		soon  = 3 * time.Second
	)
	d := onOneNode(t, "always")
	first, second := d.follower(), d.follower()
	nc := testkit.Connect(t, d.url())
	pub := &publisher{nc: nc}
	for i := range ents {
		if err := pub.publish(t.Context(), setUp(fmt.Sprintf("take-%02d", i))[0]); err != nil {
			t.Fatal(err)
		}
	}
	drained(t, nc)
	observer := observe(t, d.url())

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		keepComing(ctx, t, pub, ents, every)
	}()
	time.Sleep(time.Second)
	observer.untilWorking(time.Second)
	began := time.Now()
	if code := first.Stop(); code != 0 {
		t.Errorf("stopped with code %d", code)
	}
	t.Logf("stopped within %s", time.Since(began).Round(time.Millisecond))
	time.Sleep(time.Second)
	d.follower()
	time.Sleep(time.Second)
	observer.untilWorking(time.Second)
	time.Sleep(2 * time.Millisecond) // into what it does
	second.Kill()
	killed := time.Now()
	time.Sleep(ackWait + time.Second)
	stop()
	<-ended
	drained(t, nc)

	checkTakeover(t, nc, pub.all, observer, killed, soon)
}

// keepComing publishes a command for each enterprise, again and again.
func keepComing(ctx context.Context, t *testing.T, pub *publisher, ents int, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; {
		for i := range ents {
			n++
			if err := pub.publish(t.Context(), described(fmt.Sprintf("take-%02d", i), n)); err != nil {
				t.Error(err)
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func checkTakeover(t *testing.T, nc *nats.Conn, all []published, observer *observer, killed time.Time, soon time.Duration) {
	t.Helper()
	k := readKept(t, nc)
	hit := observer.again(all) // partitions that the killed process worked on
	var before, others, inFlight time.Duration
	for _, w := range k.waits(all) {
		switch {
		case w.to.Before(killed):
			before = max(before, w.took())
		case hit[w.partition]:
			inFlight = max(inFlight, w.took())
		default:
			others = max(others, w.took())
		}
	}
	t.Logf("%d commands; longest until the kill, with a process that stops in order: %s; after it, in %d partitions that were worked on: %s, in the others: %s",
		len(all), before.Round(time.Millisecond), len(hit), inFlight.Round(time.Millisecond), others.Round(time.Millisecond))
	for _, wrong := range []struct {
		what     string
		is, most time.Duration
	}{{"before the kill", before, soon}, {"in other partitions", others, soon}, {"in flight", inFlight, ackWait + soon}} {
		if wrong.is > wrong.most {
			t.Errorf("%s a command took %s, want at most %s", wrong.what, wrong.is, wrong.most)
		}
	}
	for _, p := range all {
		if out := k.outcomes[p.ent+"/"+p.id]; len(out) != 1 || out[0].Result != "accepted" || len(k.effects[p.ent+"/"+p.id]) != 1 {
			t.Errorf("%s/%s has the outcomes %+v and the events %+v", p.ent, p.id, out, k.effects[p.ent+"/"+p.id])
		}
	}
}
