package bus

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/embednats"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// sendGarbage publishes the n-th piece.
func (c *raw) sendGarbage(g testkit.Garbage) {
	c.publish("peering.commands."+g.Tail, g.Header, g.Body)
}

// Each piece of garbage is parked, or has an outcome, or both, as its kind says;
// the good commands in between take effect; and nothing grows.
func TestGarbage_eachPieceComesToItsEnd(t *testing.T) {
	pieces := 100_000
	if testing.Short() {
		pieces = 4_000
	}
	const goodEvery, enterprises, ahead = 50, 20, 400
	// All of it is to be found again: parked commands get a sixteenth.
	server := testkit.Server(t, func(o *embednats.Options) { o.MaxStore = 32 << 30 })
	w := newWorld(t, "nats://"+server.Addr(), 1, func(o *eventstore.StreamOptions) { o.MaxBytes = 8 << 30 })
	w.start()
	for e := range enterprises {
		w.register(fmt.Sprint("ent-", e))
	}
	second := w.start()
	c := dial(t, w.url)
	parked, outcomes, good := map[string]int{}, enterprises, 0
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	routines, most := runtime.NumGoroutine(), 0
	start := time.Now()
	for n := range pieces {
		ent := fmt.Sprint("ent-", n%enterprises)
		g := testkit.NewGarbage(n, ent, "register")
		c.sendGarbage(g)
		if g.Parked != "" {
			parked[g.Parked]++
		}
		if g.Outcome {
			outcomes++
		}
		if n%goodEvery == 0 {
			c.publish("peering.commands."+ent+".DescribeEnterprise", "NATS/1.0\r\nCommand-Id: good-"+fmt.Sprint(n)+"\r\n\r\n", describing(fmt.Sprint("Text ", n)))
			good++
			outcomes++
		}
		if n%ahead == 0 {
			c.flush()
			w.stored(enterprises + n + 1 + good)
			most = max(most, runtime.NumGoroutine())
		}
		if n == pieces/2 {
			second.stop()
			second = w.start()
		}
	}
	c.flush()
	w.stored(enterprises + pieces + good)
	w.idleFor(4 * testkit.Patience)
	t.Logf("%d pieces and %d good commands in %s", pieces, good, time.Since(start))
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 128<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
	if most > routines+200 {
		t.Errorf("%d goroutines; %d before", most, routines)
	}
	w.checkGarbage(parked, outcomes)
	for n := 0; n < pieces; n += goodEvery {
		ent, id := fmt.Sprint("ent-", n%enterprises), fmt.Sprint("good-", n)
		if out, ok := w.kept(ent, id); !ok || out.Result != command.Accepted {
			t.Fatalf("good command %s of %s: %+v, %t", id, ent, out, ok)
		}
	}
	for n := range min(pieces, 2000) {
		g := testkit.NewGarbage(n, fmt.Sprint("ent-", n%enterprises), "register")
		if !g.Outcome {
			continue
		}
		o := incomingFrom(g.Tail, header{}, nil).origin
		if out, ok := w.kept(o.enterprise, g.ID); !ok || out.Error == nil || out.Error.Msg == "" || out.Result == command.Accepted {
			t.Fatalf("%s: outcome %+v, %t", g.Kind, out, ok)
		}
	}
}

// checkGarbage counts what is parked, by reason, and the outcomes.
func (w *world) checkGarbage(parked map[string]int, outcomes int) {
	w.t.Helper()
	got := map[string]int{}
	for _, p := range w.parked() {
		got[p.Reason]++
	}
	for reason, n := range parked {
		if got[reason] != n {
			w.t.Errorf("%d are parked as %s; want %d", got[reason], reason, n)
		}
		delete(got, reason)
	}
	if len(got) > 0 {
		w.t.Errorf("parked besides: %v", got)
	}
	stream, err := testkit.JetStream(w.t, w.nc).Stream(w.t.Context(), eventstore.OutcomesStream)
	if err != nil {
		w.t.Fatal(err)
	}
	if n := int(stream.CachedInfo().State.Msgs); n != outcomes {
		w.t.Errorf("%d outcomes; want %d", n, outcomes)
	}
}

// stored waits until the queue has taken n messages in all, and not much more
// than that waits: what comes too quickly the server drops.
func (w *world) stored(n int) {
	w.t.Helper()
	js := testkit.JetStream(w.t, w.nc)
	ctx, cancel := context.WithTimeout(w.t.Context(), 4*testkit.Patience)
	defer cancel()
	for last, waiting := uint64(0), uint64(0); last < uint64(n) || waiting > 2000; {
		if stream, err := js.Stream(ctx, eventstore.CommandsStream); err == nil {
			last, waiting = stream.CachedInfo().State.LastSeq, stream.CachedInfo().State.Msgs
		}
		if last > uint64(n) || !sleep(ctx, 5*time.Millisecond) {
			w.t.Fatalf("%d messages are stored, %d wait; want %d and fewer", last, waiting, n)
		}
	}
}
