package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/testkit"
)

// CommandsVariable is how many commands TestBus_killedAtRandom publishes to each
// of its brokers.
const CommandsVariable = "PEERING_BUS_COMMANDS"

const (
	crashEnterprises = 24
	publishers       = 4
	burst            = 25 // commands of a publisher that come together
	burstEvery       = 1100 * time.Millisecond
	// drainPatience is how long the queue may take to be empty after the last fault.
	drainPatience = 2 * time.Minute
)

func busCommands(t *testing.T) int {
	t.Helper()
	text := os.Getenv(CommandsVariable)
	if text == "" {
		return 2000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", CommandsVariable, err)
	}
	return n
}

// TestBus_killedAtRandom: each command has exactly one outcome, and if it was
// accepted exactly one effect, whatever is killed, and those of one enterprise
// take effect in the order in which they were published (targets S2, S5).
//
// The windows in which a process can be killed (before the append, between append
// and outcome, between outcome and acknowledgement) are hit at random, and
// counted from what the log says: see observer.windows.
func TestBus_killedAtRandom(t *testing.T) {
	t.Run("one replica", func(t *testing.T) {
		t.Parallel()
		crash(t, 1, testkit.SQLite(t))
	})
	t.Run("three replicas", func(t *testing.T) {
		t.Parallel()
		crash(t, 3, testkit.Postgres(t))
	})
}

func crash(t *testing.T, nodes int, db testkit.Database) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	broker := startBroker(t, nodes, "always")
	d := deployment{t, []string{
		"NATS_URL=" + broker.URL(), "PEERING_REPLICAS=" + strconv.Itoa(nodes), "PEERING_LOG_MAX_BYTES=256MiB",
		"PEERING_DATABASE_URL=" + db.URL, "PEERING_LOG_FORMAT=text",
	}}
	f := &faults{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), d: d, broker: broker, counts: map[string]int{},
		apis: [2]*process{d.start("api"), d.start("api")},
	}
	nc := testkit.Connect(t, broker.URL())
	pub, plan := &publisher{nc: nc}, newPlan(seed)
	lists := planned(t, nc, pub, plan, busCommands(t))

	f.observer = observe(t, broker.URL())
	began := time.Now()
	end := pub.bursts(t.Context(), t, lists, burst, burstEvery)
	f.until(end, []func(){f.killBroker, f.stopAPI, f.pauseAPI, f.killBroker, f.stopAPI})
	t.Logf("published within %s", time.Since(began).Round(time.Millisecond))
	calm := time.Now()
	drained(t, nc)
	t.Logf("the queue is empty %s after the last fault", time.Since(calm).Round(time.Millisecond))

	k := readKept(t, nc)
	k.check(t, pub.all)
	f.report(k, pub.all)
	for _, api := range f.apis {
		if code := api.Stop(); code != 0 {
			t.Errorf("an api stopped with code %d", code)
		}
	}
}

// planned makes the enterprises, and returns the orders for each publisher: those
// of an enterprise all come from one.
func planned(t *testing.T, nc *nats.Conn, pub *publisher, plan *plan, n int) [][]order {
	t.Helper()
	ents := make([]string, crashEnterprises)
	for i := range ents {
		ents[i] = fmt.Sprintf("crash-%02d", i)
		for _, o := range setUp(ents[i]) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := pub.publish(ctx, o); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
	}
	for _, ent := range ents {
		for _, peer := range []string{"counter", "moving"} {
			plan.peers[ent+"/"+peer] = awaitOutcome(t, nc, ent, peer).ID
		}
	}
	lists := make([][]order, publishers)
	for range n {
		ent := plan.random.IntN(crashEnterprises)
		w := ent % publishers
		lists[w] = append(lists[w], plan.next(ents[ent]))
	}
	return lists
}

// awaitOutcome asks for an outcome until it is there.
func awaitOutcome(t *testing.T, nc *nats.Conn, ent, id string) (out outcome) {
	t.Helper()
	subject := "peering.outcomes." + ent + "." + id
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		m, err := nc.Request("$JS.API.STREAM.MSG.GET.PEERING_OUTCOMES", fmt.Appendf(nil, `{"last_by_subj":%q}`, subject), 5*time.Second)
		var answer struct {
			Message *struct {
				Data []byte `json:"data"`
			} `json:"message"`
		}
		if err == nil && json.Unmarshal(m.Data, &answer) == nil && answer.Message != nil {
			if err := json.Unmarshal(answer.Message.Data, &out); err != nil || out.Result != "accepted" {
				t.Fatalf("%s: %s %v", subject, answer.Message.Data, err)
			}
			return out
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("no outcome %s", subject)
	return out
}

// drained waits until no command is left in the queue.
func drained(t *testing.T, nc *nats.Conn) {
	t.Helper()
	deadline := time.Now().Add(drainPatience)
	for {
		left := queued(t, nc)
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d commands are still in the queue after %s", left, drainPatience)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// report prints what happened, and compares the times with the target S5.
func (f *faults) report(k kept, all []published) {
	f.t.Helper()
	f.t.Logf("published: %v", kinds(all))
	f.t.Logf("faults: %v", f.counts)
	f.t.Logf("delivered again: %v", f.observer.windows(all, k))
	if again := f.observer.windows(all, k)["all"]; again == 0 {
		f.t.Error("no command was delivered a second time: nothing was killed while it worked")
	}
	f.times("between one outcome and the next", k.gaps(), 3*time.Second)
	f.times("a command that was next in its partition", k.waits(all), ackWait+3*time.Second)
}

// times prints the longest of some waits, with what else was going on.
func (f *faults) times(what string, list []wait, target time.Duration) {
	f.t.Helper()
	if len(list) == 0 {
		return
	}
	var b strings.Builder
	late := 0
	for i, w := range list {
		while := f.was(w.from, w.to)
		if w.took() > target && while == "" {
			late++
		}
		if i < 5 {
			fmt.Fprintf(&b, "; %s %s %s", w.place, w.took().Round(time.Millisecond), while)
			if w.seq != 0 {
				fmt.Fprintf(&b, " (begun %s)", f.observer.deliveries(w))
			}
		}
	}
	f.t.Logf("%s: median %s, longest%s", what, list[len(list)/2].took().Round(time.Millisecond), b.String())
	if late > 0 {
		f.t.Logf("%s: %d of %d took more than %s with no other fault", what, late, len(list), target)
	}
}
