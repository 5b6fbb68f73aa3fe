package bus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestParkedCollector_asksTheStreamsAtMostEvery15Seconds: and has no value while
// they do not answer, so that nobody takes silence for none.
func TestParkedCollector_asksTheStreamsAtMostEvery15Seconds(t *testing.T) {
	now, asked, n := time.Unix(0, 0), 0, uint64(3)
	var broken error
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewParkedCollector(func(context.Context) (uint64, error) { asked++; return n, broken }, func() time.Time { return now }))
	shows := func(want string) {
		t.Helper()
		if want != "" {
			want = "# HELP peering_parked_commands Commands that could not be handled and wait for an operator, or for what one decided to be carried out. No value while the streams do not answer.\n" +
				"# TYPE peering_parked_commands gauge\npeering_parked_commands " + want + "\n"
		}
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "peering_parked_commands"); err != nil {
			t.Error(err)
		}
	}
	shows("3")
	n = 4
	now = now.Add(parkedFor - time.Second)
	shows("3")
	now = now.Add(time.Second)
	shows("4")
	broken = errors.New("no answer")
	now = now.Add(parkedFor)
	shows("")
	broken, n = nil, 0
	shows("")
	now = now.Add(parkedFor)
	shows("0")
	if asked != 4 {
		t.Errorf("the streams were asked %d times, want 4", asked)
	}
}
