package eventstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

func decided(by string) eventstore.ParkedDecision {
	return eventstore.ParkedDecision{Action: eventstore.ParkedRetried, By: by, At: time.Now().UTC(), Reason: "because"}
}

func TestDecide_theFirstOneStands(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		_, parked := busOf(t, top)
		for round := range 10 {
			c := whole()
			c.Source = events.Seq(round + 1)
			seq := park(t, parked, c)
			got := make([]eventstore.ParkedDecision, 4)
			var wg sync.WaitGroup
			for i := range got {
				other := parkedOn(t, testkit.Connect(t, top.URL))
				wg.Go(func() {
					d := decided(fmt.Sprintf("process %d", i))
					stands, err := other.Decide(t.Context(), seq, d)
					if err != nil {
						t.Error(err)
					}
					got[i] = stands
				})
			}
			wg.Wait()
			for _, d := range got[1:] {
				if d != got[0] {
					t.Errorf("two decisions stand: %+v and %+v", got[0], d)
				}
			}
			if d := shown(t, parked, seq).Decision; d == nil || *d != got[0] {
				t.Errorf("got %+v, want %+v", d, got[0])
			}
			if round%2 == 0 {
				continue
			}
			if err := parked.Settle(t.Context(), seq); err != nil {
				t.Error(err)
			}
			if stands, err := parked.Decide(t.Context(), seq, decided("late")); err != nil || stands != got[0] {
				t.Errorf("late: got %+v, %v, want %+v", stands, err, got[0])
			}
		}
		unsettled, err := parked.Unsettled(t.Context(), 100)
		if err != nil || len(unsettled) != 5 {
			t.Errorf("unsettled: got %d, %v, want 5", len(unsettled), err)
		}
		if got, err := parked.Unsettled(t.Context(), 2); err != nil || len(got) != 2 {
			t.Errorf("at most two: got %d, %v", len(got), err)
		}
		for _, c := range unsettled {
			if c.Decision == nil || string(c.Body) != `{"a":1}` {
				t.Errorf("got %+v", c)
			}
			for range 2 {
				if err := parked.Settle(t.Context(), c.Seq); err != nil {
					t.Error(err)
				}
			}
		}
		if got, err := parked.Unsettled(t.Context(), 2); err != nil || len(got) != 0 || count(t, parked) != 0 {
			t.Errorf("all settled: got %+v, %v, %d parked", got, err, count(t, parked))
		}
	})
}

func TestDecide_isKeptWithTheCommand(t *testing.T) {
	nc := testkit.NATS(t)
	_, parked := busOf(t, testkit.Topology{Replicas: 1, Conn: nc})
	c := whole()
	c.Body, c.BodySize = []byte(strings.Repeat("y", 10<<10)), 0
	want := shown(t, parked, park(t, parked, c))
	d := decided("Ann")
	if _, err := parked.Decide(t.Context(), want.Seq, d); err != nil {
		t.Fatal(err)
	}
	if err := parked.Settle(t.Context(), want.Seq); err != nil {
		t.Fatal(err)
	}
	got := shown(t, parked, want.Seq)
	want.Body, want.Decision, want.Settled = want.Body[:4<<10], &d, true
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	m, err := testkit.JetStream(t, nc).Stream(t.Context(), eventstore.ParkedStream)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := m.GetLastMsgForSubject(t.Context(), fmt.Sprintf("peering.decided.acme.%d", want.Seq))
	if err != nil || raw.Header.Get("Nats-TTL") != "2160h0m0s" {
		t.Errorf("got %v, %v, want it to be forgotten after 90 days", raw, err)
	}
}

func TestDecide_whatIsNotThere(t *testing.T) {
	_, parked := busOf(t, testkit.Topology{Replicas: 1, Conn: testkit.NATS(t)})
	seq := park(t, parked, whole())
	if _, err := parked.Decide(t.Context(), seq, decided("x")); err != nil {
		t.Fatal(err)
	}
	for _, none := range []events.Seq{0, seq + 1, seq + 2, seq + 3, 1 << 60} { // the next two are the decision and its mark
		if _, err := parked.Get(t.Context(), none); !errors.Is(err, eventstore.ErrNoParked) {
			t.Errorf("get %d: got %v", none, err)
		}
		if _, err := parked.Decide(t.Context(), none, decided("x")); !errors.Is(err, eventstore.ErrNoParked) {
			t.Errorf("decide %d: got %v", none, err)
		}
		if err := parked.Settle(t.Context(), none); err != nil {
			t.Errorf("settle %d: got %v", none, err)
		}
	}
	undecided := whole()
	undecided.Source = 99
	left := park(t, parked, undecided)
	if err := parked.Settle(t.Context(), left); err == nil || shown(t, parked, left).Decision != nil {
		t.Errorf("a command that nobody decided about was settled: %v", err)
	}
	if d := shown(t, parked, seq).Decision; d == nil {
		t.Error("the decision was taken away by settling its sequence")
	}
}

// TestParked_fullStream: when no command can be parked any more, all that are
// parked can still be decided about.
func TestParked_fullStream(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		_, parked := busOf(t, top) // 16 MiB
		others := []*eventstore.Parked{parked, parkedOn(t, testkit.Connect(t, top.URL))}
		var seqs []events.Seq
		for i := range 1000 {
			c := whole()
			c.Source, c.Body = events.Seq(i+1), []byte(strings.Repeat("z", 60<<10))
			seq, err := others[i%2].Park(t.Context(), c)
			if errors.Is(err, eventstore.ErrFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			seqs = append(seqs, seq)
		}
		if len(seqs) < 200 || len(seqs) == 1000 {
			t.Fatalf("%d of 60 KiB found room in 16 MiB", len(seqs))
		}
		for i, seq := range seqs {
			if _, err := parked.Decide(t.Context(), seq, decided("x")); err != nil {
				t.Fatalf("decision %d of %d: %v", i, len(seqs), err)
			}
			if err := parked.Settle(t.Context(), seq); err != nil {
				t.Fatal(err)
			}
		}
		testkit.Eventually(t, "room", func() bool { _, err := parked.Park(t.Context(), whole()); return err == nil })
	})
}

// TestParked_garbageLeavesRoom: however much is parked that cannot be tried again,
// what can be finds room.
func TestParked_garbageLeavesRoom(t *testing.T) {
	url := "nats://" + testkit.Server(t).Addr()
	_, parked := busOf(t, testkit.Topology{Replicas: 1, URL: url, Conn: testkit.Connect(t, url)}) // 16 MiB
	fill := func(c eventstore.ParkedCommand) int {
		for i := range 1000 {
			c.Source++
			_, err := parked.Park(t.Context(), c)
			if errors.Is(err, eventstore.ErrFull) {
				return i
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Fatal("there is always room")
		return 0
	}
	garbage := whole()
	garbage.Body = []byte(strings.Repeat("z", 60<<10))
	dear := garbage
	dear.KeepWhole, dear.Source = true, 10_000
	if n := fill(garbage); n < 200 {
		t.Errorf("%d of 60 KiB found room in 16 MiB", n)
	}
	if n := fill(dear); n < 30 {
		t.Errorf("%d of 60 KiB that can be tried again found room behind the others", n)
	}
}
