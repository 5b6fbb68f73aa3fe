package prober

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func keyOf(i int) domain.PeerKey { return domain.PeerKey{Enterprise: acme, Peer: peerID(i)} }

// taken takes all that is due.
func taken(s *schedule, now time.Time) (out []*entry) {
	for {
		e, _ := s.next(now)
		if e == nil {
			return out
		}
		out = append(out, e)
	}
}

func peersOf(entries []*entry) (out []string) {
	for _, e := range entries {
		out = append(out, string(e.key.Peer))
	}
	return out
}

func wantTaken(t *testing.T, s *schedule, now time.Time, want ...string) []*entry {
	t.Helper()
	got := taken(s, now)
	if !slices.Equal(peersOf(got), want) {
		t.Fatalf("taken %v, want %v", peersOf(got), want)
	}
	return got
}

func TestSchedule_whatIsDueLongestComesFirst(t *testing.T) {
	s := newSchedule(2)
	for i, due := range []int{30, 10, 20} {
		s.put(keyOf(i), fmt.Sprint("h", i), at(due))
	}
	if e, wait := s.next(at(4)); e != nil || wait != 6*time.Second {
		t.Errorf("%v after %s, want nothing for 6 s", e, wait)
	}
	if _, wait := s.next(epoch.Add(-time.Hour)); wait != idle {
		t.Errorf("waits %s, want at most %s", wait, idle)
	}
	wantTaken(t, s, at(30), "p1", "p2", "p0")
	if e, wait := s.next(at(100)); e != nil || wait != idle {
		t.Errorf("%v after %s of what runs", e, wait)
	}
}

func TestSchedule_aPeerThatMovesInTimeIsDueThen(t *testing.T) {
	s := newSchedule(2)
	s.put(keyOf(0), "h", at(10))
	s.put(keyOf(1), "h", at(20))
	s.put(keyOf(1), "h", at(5))
	s.put(keyOf(0), "h", at(30))
	if s.Len() != 2 {
		t.Errorf("%d peers", s.Len())
	}
	wantTaken(t, s, at(10), "p1")
}

func TestSchedule_aHostIsNeverAtMoreThanItsLimit(t *testing.T) {
	s := newSchedule(2)
	for i := range 4 {
		s.put(keyOf(i), "h", at(i))
	}
	s.put(keyOf(9), "other", at(8))
	first := wantTaken(t, s, at(10), "p0", "p1", "p9")
	s.done(first[1], at(40))
	second := wantTaken(t, s, at(10), "p2")
	s.done(second[0], at(41))
	s.done(first[0], at(42))
	wantTaken(t, s, at(10), "p3")
	wantTaken(t, s, at(60), "p1")
}

func TestSchedule_removal(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(s *schedule, running []*entry)
		want []string // taken after it
	}{
		"of one that waits":    {func(s *schedule, _ []*entry) { s.remove(keyOf(2)) }, nil},
		"of one kept back":     {func(s *schedule, r []*entry) { s.remove(keyOf(1)); s.done(r[0], at(99)) }, nil},
		"of one that runs":     {func(s *schedule, r []*entry) { s.remove(keyOf(0)); s.done(r[0], at(0)) }, []string{"p1"}},
		"of one that does not": {func(s *schedule, r []*entry) { s.remove(keyOf(7)); s.done(r[0], at(99)) }, []string{"p1"}},
		"until done it counts": {func(s *schedule, _ []*entry) { s.remove(keyOf(0)) }, nil},
		"of one whose turn has come": {func(s *schedule, r []*entry) {
			s.put(keyOf(3), "h", at(3))
			taken(s, at(10))
			s.done(r[0], at(99))
			s.remove(keyOf(1))
			s.remove(keyOf(0))
		}, []string{"p3"}},
		"of one whose turn has come and that is put off": {func(s *schedule, r []*entry) {
			s.put(keyOf(3), "h", at(3))
			taken(s, at(10))
			s.done(r[0], at(99))
			s.put(keyOf(1), "h", at(99))
		}, []string{"p3"}},
		"added again while it ran, it waits for its turn": {func(s *schedule, r []*entry) {
			s.remove(keyOf(0))
			s.put(keyOf(0), "h", at(6))
			s.done(r[0], at(99))
		}, []string{"p1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchedule(1)
			s.put(keyOf(0), "h", at(0))
			s.put(keyOf(1), "h", at(1))
			s.put(keyOf(2), "later", at(50))
			running := wantTaken(t, s, at(10), "p0")
			tt.do(s, running)
			wantTaken(t, s, at(10), tt.want...)
		})
	}
}

func TestSchedule_nothingOfAHostIsLeft(t *testing.T) {
	s := newSchedule(1)
	s.put(keyOf(0), "h", at(0))
	s.put(keyOf(1), "h", at(0))
	running := taken(s, at(1))
	for i := range 2 {
		s.remove(keyOf(i))
	}
	if len(s.hosts) != 1 {
		t.Errorf("%d hosts while a probe runs", len(s.hosts))
	}
	s.done(running[0], at(2))
	if len(s.hosts) != 0 || s.Len() != 0 || len(s.due) != 0 {
		t.Errorf("%d hosts, %d peers, %d waiting are left", len(s.hosts), s.Len(), len(s.due))
	}
}

func TestSchedule_aHostThatChangesCountsForTheOldOneUntilDone(t *testing.T) {
	s := newSchedule(1)
	s.put(keyOf(0), "old", at(0))
	s.put(keyOf(1), "old", at(1))
	running := wantTaken(t, s, at(2), "p0")
	s.put(keyOf(0), "new", at(2))
	moved := wantTaken(t, s, at(2), "p0") // at another host, so at once
	s.done(running[0], at(3))
	wantTaken(t, s, at(2), "p1")
	s.put(keyOf(1), "new", at(2)) // that is at p0
	wantTaken(t, s, at(2))
	s.done(moved[0], at(60))
	wantTaken(t, s, at(2), "p1")
}

func TestSchedule_lateIsWhoHasWaitedLongest(t *testing.T) {
	s := newSchedule(1)
	if d := s.late(at(9)); d != 0 {
		t.Errorf("an empty schedule is %s late", d)
	}
	s.put(keyOf(0), "h", at(5))
	if d := s.late(at(4)); d != 0 {
		t.Errorf("%s late before anything is due", d)
	}
	if d := s.late(at(9)); d != 4*time.Second {
		t.Errorf("%s late, want 4 s", d)
	}
	s.put(keyOf(1), "h", at(6))
	taken(s, at(9))
	if d := s.late(at(10)); d != 4*time.Second {
		t.Errorf("%s late, want the 4 s of the one that its host keeps back", d)
	}
}

// naive is the schedule as its rules are written.
type naive struct {
	perHost int
	waits   map[domain.PeerKey]*naiveEntry
	runs    map[*entry]*naiveEntry
}

// naiveEntry is one peer. One that is due already and moves may be kept back,
// and then it does not: latest tells from when on it must be taken.
type naiveEntry struct {
	key         domain.PeerKey
	host        string
	due, latest time.Time
	runs        bool
}

func (n *naive) load(host string) (count int) {
	for _, e := range n.runs {
		if e.host == host {
			count++
		}
	}
	return count
}

// ready reports whether one may be taken: it is due, and not too many run at its
// host.
func (n *naive) ready(e *naiveEntry, now time.Time) bool {
	return !e.runs && !e.due.After(now) && n.load(e.host) < n.perHost
}

// TestSchedule_isTheNaiveOne holds the schedule against a list that is searched.
func TestSchedule_isTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := &naive{rapid.IntRange(1, 3).Draw(t, "per host"), map[domain.PeerKey]*naiveEntry{}, map[*entry]*naiveEntry{}}
		s := newSchedule(n.perHost)
		clock := 0
		key := func() domain.PeerKey { return keyOf(rapid.IntRange(0, 7).Draw(t, "peer")) }
		soon := func() time.Time { return at(clock + rapid.IntRange(-3, 9).Draw(t, "due")) }
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, host, due := key(), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "host"), soon()
				n.put(k, host, due, at(clock))
				s.put(k, host, due)
			},
			"remove": func(t *rapid.T) {
				k := key()
				delete(n.waits, k)
				s.remove(k)
			},
			"next": func(t *rapid.T) {
				n.take(t, s, at(clock))
			},
			"done": func(t *rapid.T) {
				running := make([]*entry, 0, len(n.runs))
				for e := range n.runs {
					running = append(running, e)
				}
				if len(running) == 0 {
					return
				}
				slices.SortFunc(running, func(a, b *entry) int { return a.due.Compare(b.due) })
				e, due := rapid.SampledFrom(running).Draw(t, "running"), soon()
				n.runs[e].runs, n.runs[e].due, n.runs[e].latest = false, due, due
				delete(n.runs, e)
				s.done(e, due)
			},
			"time": func(t *rapid.T) { clock += rapid.IntRange(1, 5).Draw(t, "seconds") },
			"": func(t *rapid.T) {
				if s.Len() != len(n.waits) {
					t.Fatalf("%d peers, want %d", s.Len(), len(n.waits))
				}
			},
		})
	})
}

// put leaves one that runs as it is.
func (n *naive) put(k domain.PeerKey, host string, due, now time.Time) {
	e := n.waits[k]
	switch {
	case e == nil || e.host != host:
		n.waits[k] = &naiveEntry{key: k, host: host, due: due, latest: due}
	case e.runs:
	case e.due.After(now):
		e.due, e.latest = due, due
	default:
		if due.Before(e.due) {
			e.due = due
		}
		if due.After(e.latest) {
			e.latest = due
		}
	}
}

// take holds one call of next against the list.
func (n *naive) take(t *rapid.T, s *schedule, now time.Time) {
	e, wait := s.next(now)
	if e == nil {
		for _, other := range n.waits {
			if n.ready(other, now) && !other.latest.After(now) {
				t.Fatalf("nothing is taken for %s, and %+v is ready", wait, *other)
			}
		}
		return
	}
	want := n.waits[e.key]
	if want == nil || !n.ready(want, now) {
		t.Fatalf("taken %s at %s, which is not ready", e.key.Peer, e.host)
	}
	want.runs = true
	n.runs[e] = want
	if load := n.load(e.host); load > n.perHost {
		t.Fatalf("%d probes at %s", load, e.host)
	}
}

func TestSchedule_nobodyStarves(t *testing.T) {
	s := newSchedule(2)
	counts := map[domain.PeerKey]int{}
	for i := range 20 {
		s.put(keyOf(i), fmt.Sprint("h", i%3), at(0))
	}
	for now := range 200 { // four at a time, always late
		for range 4 {
			e, _ := s.next(at(now))
			if e == nil {
				break
			}
			counts[e.key]++
			s.done(e, at(now+1))
		}
	}
	for i := range 20 {
		if n := counts[keyOf(i)]; n < 38 || n > 42 {
			t.Errorf("%s was probed %d times, want about 40", peerID(i), n)
		}
	}
}
