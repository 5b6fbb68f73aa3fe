package prober

import (
	"fmt"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
)

// ownedBy lists those of n peers that one of the members owns.
func ownedBy(id string, n int, members ...string) (out []int) {
	for i := range n {
		if owner(members, keyOf(i)) == id {
			out = append(out, i)
		}
	}
	return out
}

// sampled lists when a prober looked at a peer, since a time; "": whichever.
func (w *world) sampled(prober string, peer events.PeerID, since time.Time) (at []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.samples {
		if s.Peer == peer && (prober == "" || s.Prober == prober) && !s.Started.Before(since) {
			at = append(at, s.Started)
		}
	}
	return at
}

// takeover is how long after a time the last of peers was looked at by a prober.
func (w *world) takeover(prober string, peers []int, since time.Time) (longest time.Duration) {
	w.t.Helper()
	for _, i := range peers {
		at := w.sampled(prober, peerID(i), since)
		if len(at) == 0 {
			w.t.Fatalf("%s was never looked at by %s", peerID(i), prober)
		}
		longest = max(longest, at[0].Sub(since))
	}
	return longest
}

// wantAllUp fails the test unless nothing but up was ever said of n peers.
func (w *world) wantAllUp(n int) {
	w.t.Helper()
	for i := range n {
		w.wantStatuses(peerID(i), up)
	}
}

func TestSeveral_eachPeerIsProbedByOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.add(60)
		ids := []string{"a", "b", "c"}
		var probers []*process
		for _, id := range ids {
			probers = append(probers, w.start(id))
		}
		time.Sleep(10 * time.Second)
		from, owned := time.Now(), 0
		time.Sleep(10 * time.Minute)
		for i, p := range probers {
			s := p.Status()
			owned += s.Owned
			if want := len(ownedBy(ids[i], 60, ids...)); s.Owned != want || s.Probers != 3 || s.Targets != 60 || !s.Leased {
				t.Errorf("%s: %+v, want %d of 60 owned among three", ids[i], s, want)
			}
		}
		if owned != 60 {
			t.Errorf("%d peers are owned, of 60", owned)
		}
		for i := range 60 {
			mine := owner(ids, keyOf(i))
			if all, own := w.sampled("", peerID(i), from), w.sampled(mine, peerID(i), from); len(all) != len(own) || len(own) < 17 {
				t.Errorf("%s was looked at %d times, by its owner %d", peerID(i), len(all), len(own))
			}
		}
		w.wantAllUp(60)
	})
}

func TestSeveral_whatOneThatIsKilledOwnedIsTakenOverWithinTenSeconds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.add(40)
		w.start("a")
		b := w.start("b")
		time.Sleep(time.Minute)
		killed := time.Now()
		b.kill()
		time.Sleep(20 * time.Second)
		took := w.takeover("a", ownedBy("b", 40, "a", "b"), killed)
		t.Logf("taken over after %s", took)
		if took > 10*time.Second || took < time.Second {
			t.Errorf("taken over after %s, want within 10 s, and not before it has fallen silent", took)
		}
		w.wantAllUp(40)
	})
}

func TestSeveral_whatOneThatLeavesOwnedIsTakenOverAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.add(40)
		w.start("a")
		b := w.start("b")
		time.Sleep(time.Minute)
		left := time.Now()
		b.stop()
		time.Sleep(20 * time.Second)
		if took := w.takeover("a", ownedBy("b", 40, "a", "b"), left); took > time.Second {
			t.Errorf("taken over after %s, want at once", took)
		}
		w.wantAllUp(40)
	})
}

// TestSeveral_oneThatIsStoppedAndGoesOnSaysNothingOfBefore: its probes in flight
// failed before, and what they were about was taken over meanwhile.
func TestSeveral_oneThatIsStoppedAndGoesOnSaysNothingOfBefore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts := w.add(20)
		for _, h := range hosts {
			w.set(h, server{took: 3 * time.Second})
		}
		w.start("a")
		b := w.start("b")
		time.Sleep(time.Minute)
		mine := ownedBy("b", 20, "a", "b")
		for _, i := range mine[:2] { // not so many that it suspects itself
			w.set(hosts[i], server{took: 3 * time.Second, failure: refused})
		}
		for len(w.sampled("b", peerID(mine[0]), time.Now().Add(-55*time.Second))) == 0 || w.peerBusy(hosts[mine[0]]) == 0 {
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second) // one look at least is in flight, and finds a failure
		b.freeze()
		stopped := time.Now()
		for _, i := range mine {
			w.set(hosts[i], server{took: 3 * time.Second})
		}
		time.Sleep(time.Minute)
		if took := w.takeover("a", mine, stopped); took > 10*time.Second {
			t.Errorf("taken over after %s", took)
		}
		b.resume()
		time.Sleep(10 * time.Minute)
		w.wantAllUp(20)
		if s := b.Status(); s.Owned != len(mine) {
			t.Errorf("%+v, want it to have its share back", s)
		}
	})
}

func (w *world) peerBusy(host string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy[host]
}

// TestSeveral_failuresFromBeforeAStopAreNoStreakWithThoseAfterIt: others have
// seen the peer answer meanwhile.
func TestSeveral_failuresFromBeforeAStopAreNoStreakWithThoseAfterIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts := w.add(20)
		w.start("a")
		b := w.start("b")
		time.Sleep(time.Minute)
		i := ownedBy("b", 20, "a", "b")[0]
		failing := time.Now()
		w.fail(refused, hosts[i])
		for len(w.sampled("b", peerID(i), failing)) < 2 {
			time.Sleep(100 * time.Millisecond)
		}
		b.freeze()
		w.fail(events.Cause{}, hosts[i])
		answering := time.Now()
		time.Sleep(2 * time.Minute)
		if len(w.sampled("a", peerID(i), answering)) == 0 {
			t.Fatal("nobody saw it answer")
		}
		w.fail(refused, hosts[i])
		resumed := time.Now()
		b.resume()
		for len(w.sampled("b", peerID(i), resumed)) < 1 {
			time.Sleep(100 * time.Millisecond)
		}
		w.fail(events.Cause{}, hosts[i])
		time.Sleep(10 * time.Minute)
		w.wantAllUp(20)
	})
}

// TestSeveral_aRollingRestartLosesNothingAndInventsNothing: one after the other
// is replaced while a peer goes down.
func TestSeveral_aRollingRestartLosesNothingAndInventsNothing(t *testing.T) {
	for _, pause := range []time.Duration{time.Second, 20 * time.Second, 45 * time.Second} {
		t.Run(pause.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				hosts := w.add(30)
				running := []*process{w.start("a0"), w.start("b0"), w.start("c0")}
				time.Sleep(time.Minute)
				w.fail(refused, hosts[7])
				for round := range 3 {
					for i, p := range running {
						p.stop()
						time.Sleep(pause)
						running[i] = w.start(fmt.Sprintf("%c%d", 'a'+i, round+1))
						time.Sleep(pause)
					}
				}
				time.Sleep(3 * time.Minute)
				for i := range hosts {
					want := []events.Status{up}
					if i == 7 {
						want = append(want, down)
					}
					w.wantStatuses(peerID(i), want...)
				}
			})
		})
	}
}

func TestSeveral_anOutageOfTheRegistryInventsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts := w.add(30)
		a, b := w.start("a"), w.start("b")
		time.Sleep(time.Minute)
		w.fail(refused, hosts[3])
		a.line.shut()
		b.line.shut()
		time.Sleep(10 * time.Second)
		for _, p := range []*process{a, b} {
			if s := p.Status(); s.Leased || s.Owned != 0 || s.Probers != 0 {
				t.Errorf("%+v without a registry", s)
			}
		}
		silent := time.Now()
		time.Sleep(20 * time.Second)
		if n := len(w.sampled("", "p5", silent)); n != 0 {
			t.Errorf("%d looks without a registry", n)
		}
		w.wantStatuses("p3", up)
		a.line.open()
		time.Sleep(4 * time.Second)
		b.line.open()
		time.Sleep(3 * time.Minute)
		for i := range hosts {
			want := []events.Status{up}
			if i == 3 {
				want = append(want, down)
			}
			w.wantStatuses(peerID(i), want...)
		}
		if s, u := a.Status(), b.Status(); s.Owned+u.Owned != 30 || s.Owned == 0 || u.Owned == 0 {
			t.Errorf("%+v and %+v", s, u)
		}
	})
}

func TestSeveral_oneThatIsCutOffFromTheRegistryAloneGivesUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.add(30)
		a, b := w.start("a"), w.start("b")
		time.Sleep(time.Minute)
		cut := time.Now()
		b.line.shut()
		time.Sleep(5 * time.Minute)
		for _, i := range ownedBy("b", 30, "a", "b") {
			theirs := w.sampled("b", peerID(i), cut)
			if n := len(theirs); n > 0 && theirs[n-1].Sub(cut) > 2*silentAfter {
				t.Errorf("%s is looked at by b, %s after it was cut off", peerID(i), theirs[n-1].Sub(cut))
			}
		}
		if s := a.Status(); s.Owned != 30 || b.Status().Leased {
			t.Errorf("%+v, leased %t", s, b.Status().Leased)
		}
		w.wantAllUp(30)
	})
}
