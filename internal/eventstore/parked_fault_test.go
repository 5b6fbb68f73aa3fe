package eventstore_test

import (
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// TestParked_lostAnswers: what is stored and not acknowledged is not stored
// twice.
func TestParked_lostAnswers(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		_, direct := busOf(t, top)
		for name, lose := range map[string]func(*testkit.Line){"answers": (*testkit.Line).LoseAnswers, "requests": (*testkit.Line).LoseRequests} {
			through := func(call func(*eventstore.Parked) error) {
				t.Helper()
				line := testkit.Proxy(t, node(top))
				parked := parkedOn(t, testkit.Connect(t, line.URL()))
				park(t, parked, eventstore.ParkedCommand{}) // the room is known from here on
				lose(line)
				result := make(chan error, 1)
				go func() { result <- call(parked) }()
				testkit.Eventually(t, "something to be lost", func() bool { return line.Lost() > 0 })
				line.Cut()
				if err := <-result; err != nil {
					t.Errorf("lost %s: %v", name, err)
				}
			}
			before := count(t, direct)
			c := whole()
			c.Source = 0
			var seq events.Seq
			through(func(p *eventstore.Parked) (err error) {
				seq, err = p.Park(t.Context(), c)
				return err
			})
			if n := count(t, direct); n != before+2 {
				t.Errorf("lost %s: %d are parked, want one and the one before", name, n-before)
			}
			d := decided("Ann")
			through(func(p *eventstore.Parked) error {
				stands, err := p.Decide(t.Context(), seq, d)
				if stands != d {
					t.Errorf("lost %s: got %+v, want %+v", name, stands, d)
				}
				return err
			})
			if got, err := direct.Unsettled(t.Context(), 10); err != nil || len(got) != 1 || *got[0].Decision != d {
				t.Errorf("lost %s: unsettled %+v, %v", name, got, err)
			}
			through(func(p *eventstore.Parked) error { return p.Settle(t.Context(), seq) })
			if got, err := direct.Unsettled(t.Context(), 10); err != nil || len(got) != 0 {
				t.Errorf("lost %s: after settling: %+v, %v", name, got, err)
			}
		}
	})
}
