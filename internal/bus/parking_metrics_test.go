package bus

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestParkedCollector_asksTheStreamsAtMostEvery15Seconds: and has no value while
// they do not answer, so that nobody takes silence for none.
func TestParkedCollector_asksTheStreamsAtMostEvery15Seconds(t *testing.T) {
	now, asked, n := time.Unix(0, 0), 0, uint64(3)
	var broken error
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewParkedCollector(func(context.Context) (uint64, error) { asked++; return n, broken }, func() time.Time { return now }))
	shows := func(want ...float64) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got []float64
		for _, f := range families {
			for _, m := range f.GetMetric() {
				got = append(got, m.GetGauge().GetValue())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("peering_parked_commands reads %v, want %v", got, want)
		}
	}
	shows(3)
	n = 4
	now = now.Add(parkedFor - time.Second)
	shows(3)
	now = now.Add(time.Second)
	shows(4)
	broken = errors.New("no answer")
	now = now.Add(parkedFor)
	shows()
	broken, n = nil, 0
	shows()
	now = now.Add(parkedFor)
	shows(0)
	if asked != 4 {
		t.Errorf("the streams were asked %d times, want 4", asked)
	}
}
