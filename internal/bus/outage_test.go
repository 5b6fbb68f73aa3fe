package bus

import (
	"fmt"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// Servers of the cluster die and come back, one after the other, while commands
// are published and two processes work: each command has one outcome and one
// effect, in order.
func TestOutage_everyCommandSurvivesServersThatRestart(t *testing.T) {
	c := testkit.Cluster(t)
	w := newWorld(t, c.URL(), 3)
	w.start()
	w.start()
	const enterprises = 16
	each := 60
	if testing.Short() {
		each = 20
	}
	for e := range enterprises {
		w.register(fmt.Sprint("ent-", e))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for node := range 3 {
			c.Kill(node)
			time.Sleep(500 * time.Millisecond) // commands meet what is left
			c.Restart(t, node)
		}
	}()
	published := 0
	for i := 0; i < each; i++ {
		for e := range enterprises {
			w.insist(fmt.Sprintf("ent-%d.AddPeer", e), fmt.Sprint("c", i), addition(fmt.Sprint("Peer ", i)))
			published++
		}
	}
	<-done
	w.idleFor(3 * testkit.Patience)
	if list := w.parked(); len(list) > 0 {
		t.Errorf("%d are parked, one %+v", len(list), list[0])
	}
	for e := range enterprises {
		ent := fmt.Sprint("ent-", e)
		seen := map[string]int{}
		for _, r := range w.history(ent)[1:] {
			seen[string(r.CommandID)]++
		}
		for i := range each {
			id := fmt.Sprint("c", i)
			out, ok := w.kept(ent, id)
			if !ok || out.Result != command.Accepted || seen[id] != 1 {
				t.Fatalf("%s %s: %d effects, outcome %t %+v", ent, id, seen[id], ok, out)
			}
		}
	}
	t.Logf("%d commands", published)
}

// insist publishes a command until it is in the queue; perhaps twice.
func (w *world) insist(tail, id, body string) {
	w.t.Helper()
	testkit.Eventually(w.t, "a command to be published", func() bool {
		_, err := w.queue.Publish(w.t.Context(), tail, map[string][]string{headerCommandID: {id}}, []byte(body))
		return err == nil
	})
}

// The stream of outcomes is deleted: nothing can be decided, so commands wait.
func TestOutage_withoutOutcomesCommandsWait(t *testing.T) {
	w := single(t)
	p := w.start()
	w.register("acme")
	js := testkit.JetStream(t, w.nc)
	if err := js.DeleteStream(t.Context(), eventstore.OutcomesStream); err != nil {
		t.Fatal(err)
	}
	w.publish("acme.AddPeer", "c1", addition("Berlin"))
	w.publish("acme.AddPeer", "c2", "garbage")
	p.held(1)
	if err := eventstore.Ensure(t.Context(), w.nc, w.options); err != nil {
		t.Fatal(err)
	}
	if out := w.outcome("acme", "c1"); out.Result != command.Accepted {
		t.Errorf("got %+v", out)
	}
	if out := w.outcome("acme", "c2"); out.Result != command.Failed {
		t.Errorf("got %+v", out)
	}
	w.idle()
	if list := w.parked(); len(list) != 1 || list[0].CommandID != "c2" {
		t.Errorf("parked: %+v", list)
	}
}

// What a message may be worked on without a word stays below what the queue waits.
func TestHold_isHeardOfInTime(t *testing.T) {
	for name, most := range map[string]time.Duration{
		"an attempt": handlerLimit, "a pause and a look": holdPause + worksLimit, "parking": parkLimit,
	} {
		if most+2*time.Second > eventstore.AckWait {
			t.Errorf("%s may take %s; the queue waits %s", name, most, eventstore.AckWait)
		}
	}
}
