package command

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Two processes that write to one enterprise in turn get in each other's way
// once: from then on each looks what the other did before it decides.
func TestSharedEnterprise_isLookedAtBeforehand(t *testing.T) {
	b := inMemory()
	reg := prometheus.NewPedanticRegistry()
	first := New(b.store, b.outcomes, b.snapshots, Options{Metrics: reg})
	second := b.handler()
	must(t, first, register(acme))
	for i := range 20 {
		must(t, second, addPeer(fmt.Sprintf("Second %d", i)))
		must(t, first, addPeer(fmt.Sprintf("First %d", i)))
	}
	if n := counter(t, reg, "peering_append_conflicts_total"); n != 1 {
		t.Errorf("%v conflicts; want 1", n)
	}
	for i := range sharing + 1 {
		must(t, first, addPeer(fmt.Sprintf("Alone %d", i)))
	}
	e, err := first.cache.acquire(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	defer first.release(e)
	if e.shared != 0 {
		t.Errorf("%d more looks, though the other process wrote nothing for long", e.shared)
	}
}

// counter is the value of a counter without labels.
func counter(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}
