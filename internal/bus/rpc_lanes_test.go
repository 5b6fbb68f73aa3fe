package bus

import (
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestLanes_takeTurns: who comes late waits for one job of each of the others.
func TestLanes_takeTurns(t *testing.T) {
	q := newLanes(limits{working: 3, waiting: 100, bytes: 1 << 20, waitAll: 1000, bytesAll: 1 << 20})
	for i := range 10 {
		q.put(job{lane: "loud", tail: fmt.Sprint(i)})
	}
	q.put(job{lane: "b"})
	q.put(job{lane: "c"})
	var got []string
	for range 5 {
		j, _ := q.take()
		got = append(got, j.lane)
	}
	if want := "[loud b c loud loud]"; fmt.Sprint(got) != want {
		t.Errorf("in turn came %v, want %s", got, want)
	}
	if waiting, working := q.load(); waiting != 7 || working != 5 || len(q.turn) != 0 {
		t.Errorf("%d wait, %d are at work, %d lanes may begin; want 7, 5 and none", waiting, working, len(q.turn))
	}
	q.done(job{lane: "loud"})
	if j, _ := q.take(); j.tail != "3" {
		t.Errorf("the next of its lane is %s, want 3", j.tail)
	}
}

// TestLanes_areBounded whatever is put, taken and done: nothing is lost, nothing
// comes twice or out of order, and no limit is passed.
func TestLanes_areBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := limits{working: 2, waiting: 3, bytes: 4 << 10, waitAll: 5, bytesAll: 6 << 10}
		q := newLanes(l)
		waiting, working := map[string][]string{}, map[string]int{}
		bytes, count := map[string]int{}, 0
		all := 0
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			lane := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "lane")
			switch rapid.SampledFrom([]string{"put", "put", "take", "done"}).Draw(t, "step") {
			case "put":
				j := job{lane: lane, tail: fmt.Sprint(i), body: make([]byte, rapid.IntRange(0, 2048).Draw(t, "size"))}
				fits := len(waiting[lane]) < l.waiting && count < l.waitAll && bytes[lane]+j.size() <= l.bytes && all+j.size() <= l.bytesAll
				if got := q.put(j); (got == putDone) != fits {
					t.Fatalf("put: %v, want it to fit: %v", got, fits)
				}
				if fits {
					waiting[lane] = append(waiting[lane], fmt.Sprint(j.tail, "/", j.size()))
					bytes[lane] += j.size()
					all += j.size()
					count++
				}
			case "take":
				ready := false
				for name := range waiting {
					ready = ready || len(waiting[name]) > 0 && working[name] < l.working
				}
				if ready != (len(q.turn) > 0) {
					t.Fatalf("something may begin: %v, the queue has %d lanes", ready, len(q.turn))
				}
				if !ready {
					continue
				}
				j, _ := q.take()
				if want := waiting[j.lane][0]; want != fmt.Sprint(j.tail, "/", j.size()) {
					t.Fatalf("took %s of %s, want %s", j.tail, j.lane, want)
				}
				waiting[j.lane] = waiting[j.lane][1:]
				bytes[j.lane] -= j.size()
				all -= j.size()
				count--
				working[j.lane]++
			case "done":
				if working[lane] > 0 {
					q.done(job{lane: lane})
					working[lane]--
				}
			}
		}
		left := q.close()
		if len(left) != count {
			t.Fatalf("%d are left, want %d", len(left), count)
		}
		if q.put(job{}) != putClosed {
			t.Fatal("a closed queue takes a job")
		}
		for lane, n := range working {
			for range n {
				q.done(job{lane: lane})
			}
		}
		if len(q.lanes) > 0 && count == 0 {
			t.Fatalf("%d lanes are kept without a job", len(q.lanes))
		}
	})
}

// TestLanes_closeEndsTheWait of all who wait.
func TestLanes_closeEndsTheWait(t *testing.T) {
	q := newLanes(defaultLimits())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if j, ok := q.take(); ok {
				t.Errorf("took %+v", j)
			}
		})
	}
	q.close()
	wg.Wait()
}
