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
