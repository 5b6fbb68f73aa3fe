package bus

import (
	"fmt"
	"testing"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/testkit"
)

func TestRun_carriesOutCommandsInTheirOrder(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, on testkit.Topology) {
		w := newWorld(t, on.URL, on.Replicas)
		first, second := w.start(), w.start()
		const enterprises, each = 8, 40
		for e := range enterprises {
			w.register(fmt.Sprint("ent-", e))
		}
		for i := range each {
			for e := range enterprises {
				w.publish(fmt.Sprintf("ent-%d.DescribeEnterprise", e), fmt.Sprint("c", i), describing(fmt.Sprint("Text ", i)))
			}
		}
		w.idle()
		for e := range enterprises {
			all := w.history(fmt.Sprint("ent-", e))
			if len(all) != each+1 {
				t.Fatalf("%d events; want %d", len(all), each+1)
			}
			for i, r := range all[1:] {
				if want := fmt.Sprint("c", i); string(r.CommandID) != want || r.Actor != "bus" {
					t.Fatalf("event %d is of %s by %s; want %s", i, r.CommandID, r.Actor, want)
				}
				if out, ok := w.kept(fmt.Sprint("ent-", e), fmt.Sprint("c", i)); !ok || out.Result != command.Accepted || out.Sequence != r.Seq {
					t.Fatalf("outcome of %d: %+v, %t", i, out, ok)
				}
			}
		}
		sum := 0
		for _, p := range []*process{first, second} {
			sum += p.counted("peering_bus_commands_total", "accepted")
		}
		if want := enterprises * (each + 1); sum != want || len(w.parked()) != 0 {
			t.Errorf("%d commands counted; want %d; parked %+v", sum, want, w.parked())
		}
	})
}

// What Tend found counts when Run begins again, and not what there was at first.
func TestRun_beginsAgainWithThePartitionsThatTendFound(t *testing.T) {
	w := single(t)
	p := w.start()
	before := w.bus.Partitions
	w.divide(2 * before)
	p.commands.tend(t.Context(), w.ensure, nil)
	testkit.Eventually(t, "Run to have heard of it", func() bool { return len(p.commands.wanted) == 0 })
	p.stop()
	w.bus.Partitions = before // as whoever begins again knows it
	p.run(func() {})
	for i := range 64 {
		w.register(fmt.Sprint("ent-", i))
	}
}
