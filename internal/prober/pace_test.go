package prober

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
)

// gaps are the times between looks.
func gaps(at []time.Time) (out []time.Duration) {
	for i := range at[1:] {
		out = append(out, at[i+1].Sub(at[i]))
	}
	return out
}

func TestPace_theIntervalHasJitter(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, _ := w.settled(1)
		from := time.Now()
		time.Sleep(2 * time.Hour)
		all := gaps(w.looksAt(hosts[0], from))
		if least, most := slices.Min(all), slices.Max(all); least < 27*time.Second || most > 33*time.Second || most-least < 3*time.Second {
			t.Errorf("from %s to %s between looks, want 27 s to 33 s", least, most)
		}
		if n := len(all); n < 230 || n > 250 {
			t.Errorf("%d looks in two hours, want about 240", n)
		}
	})
}

func TestPace_theDeadAreLookedAtMoreRarely(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, _ := w.settled(1)
		w.fail(refused, hosts[0])
		died := time.Now()
		time.Sleep(3 * time.Hour)
		early := gaps(w.looksAt(hosts[0], died))[:5]
		late := gaps(w.looksAt(hosts[0], died.Add(time.Hour)))
		if most := slices.Max(early); most > 34*time.Second {
			t.Errorf("%s between looks at one that just died", most)
		}
		if least, most := slices.Min(late), slices.Max(late); least < 270*time.Second || most > 330*time.Second {
			t.Errorf("from %s to %s between looks at one dead for hours, want about 5 min", least, most)
		}
		w.fail(events.Cause{}, hosts[0])
		back := time.Now()
		time.Sleep(11 * time.Minute)
		w.wantStatuses("p0", up, down, up)
		time.Sleep(9 * time.Minute)
		if all := gaps(w.looksAt(hosts[0], back.Add(11*time.Minute))); slices.Max(all) > 33*time.Second {
			t.Errorf("%v between looks at one that is back", all)
		}
	})
}

func TestPace_theStartIsSpread(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var evs []events.Event
		for i := range 5000 {
			evs = append(evs, added(peerID(i), fmt.Sprintf("h%d.example", i)))
		}
		for part := range slices.Chunk(evs, 1000) {
			w.configure(acme, part...)
		}
		w.start("a")
		time.Sleep(12 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		perSecond := map[int]int{}
		began := w.looks[0].at
		first := map[string]bool{}
		for _, l := range w.looks {
			if !first[l.host] {
				first[l.host] = true
				perSecond[int(l.at.Sub(began)/time.Second)]++
			}
		}
		for s, n := range perSecond {
			if n > 650 {
				t.Errorf("%d first looks in second %d, want 5000 in 10 s", n, s)
			}
		}
		if len(first) != 5000 || len(perSecond) < 10 {
			t.Errorf("%d peers looked at, in %d seconds", len(first), len(perSecond))
		}
	})
}

func TestPace_theLimitsAreKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 60 {
			host := fmt.Sprintf("h%d.example", i%6)
			w.set(host, server{took: 4 * time.Second})
			w.configure(acme, added(peerID(i), host))
		}
		p := w.start("a", func(o *Options) { o.Concurrency, o.PerHost = 8, 3 })
		time.Sleep(time.Hour)
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := w.busiest[""]; n != 8 {
			t.Errorf("%d looks at the same time, want 8", n)
		}
		for i := range 6 {
			host := fmt.Sprintf("h%d.example", i)
			if n := w.busiest[host]; n > 3 {
				t.Errorf("%d looks at %s at the same time", n, host)
			}
		}
		counts := map[events.PeerID]int{}
		for _, s := range w.samples {
			counts[s.Peer]++
		}
		for i := range 60 { // 8 places for an hour, 4 s each: 7200 looks
			if n := counts[peerID(i)]; n < 100 {
				t.Errorf("%s was looked at %d times", peerID(i), n)
			}
		}
		if p.Status().Late < 0 {
			t.Errorf("%s late", p.Status().Late)
		}
	})
}

func TestPace_aSlowHostIsSeenToBeLate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("slow.example", server{took: 10 * time.Second})
		for i := range 40 {
			w.configure(acme, added(peerID(i), "slow.example"))
		}
		p := w.start("a")
		time.Sleep(10 * time.Minute)
		if late := p.Status().Late; late < 20*time.Second { // 40 looks of 10 s, five at a time
			t.Errorf("%s late, want most of a minute", late)
		}
	})
}
