package prober

import (
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

func (w *world) wantIsolated(n int) {
	w.t.Helper()
	for i := range n {
		got := w.reported(peerID(i))
		last := got[len(got)-1]
		if last.To != unknown || last.Cause.Layer != events.LayerPolicy || last.Cause.Code != domain.CauseProberIsolated || last.From != up {
			w.t.Errorf("the last of %s: %+v", peerID(i), last)
		}
		for _, e := range got {
			if e.To == down {
				w.t.Errorf("%s was called down: %+v", peerID(i), e)
			}
		}
	}
}

// TestIsolation_whenMostFailAtOnceTheProberSuspectsItself: and says so once, of
// each peer and to whoever must act.
func TestIsolation_whenMostFailAtOnceTheProberSuspectsItself(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, p := w.settled(10)
		w.fail(timedOut, hosts...)
		time.Sleep(10 * time.Minute)
		w.wantIsolated(10)
		if !p.Status().Isolated || !p.member().Isolated || len(w.logged) != 1 {
			t.Errorf("%+v, logged %v", p.Status(), w.logged)
		}
		w.fail(events.Cause{}, hosts...)
		time.Sleep(5 * time.Minute) // it is over it when it has been for some rounds
		for i := range hosts {
			w.wantStatuses(peerID(i), up, unknown, up)
			w.wantSound(peerID(i))
		}
		if p.Status().Isolated || len(w.logged) != 1 {
			t.Errorf("%+v, logged %v", p.Status(), w.logged)
		}
	})
}

// TestIsolation_whoWasCalledDownBeforeStaysSo: nothing new was seen of it, and
// since when it is down is worth keeping.
func TestIsolation_whoWasCalledDownBeforeStaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, _ := w.settled(10)
		w.fail(refused, hosts[:4]...)
		time.Sleep(5 * time.Minute)
		w.wantStatuses("p0", up, down)
		w.fail(timedOut, hosts[4:]...)
		time.Sleep(10 * time.Minute)
		w.fail(events.Cause{}, hosts[4:]...)
		time.Sleep(10 * time.Minute)
		for i := range hosts {
			want := []events.Status{up, unknown, up}
			if i < 4 {
				want = []events.Status{up, down}
			}
			w.wantStatuses(peerID(i), want...)
			w.wantSound(peerID(i))
		}
	})
}

// TestIsolation_whatMayNotBeDialledSaysNothing: a refusal of our own is no sign
// that the network is there.
func TestIsolation_whatMayNotBeDialledSaysNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts := w.add(10)
		w.fail(barred, hosts[4:]...)
		p := w.start("a")
		time.Sleep(5 * time.Minute)
		w.wantStatuses("p4", down)
		w.fail(timedOut, hosts[:4]...)
		time.Sleep(10 * time.Minute)
		w.wantIsolated(4)
		if !p.Status().Isolated {
			t.Errorf("%+v", p.Status())
		}
		w.wantStatuses("p9", down)
	})
}

func TestIsolation_aSuccessByHandClearsAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, p := w.settled(10)
		w.fail(timedOut, hosts...)
		time.Sleep(5 * time.Minute)
		w.fail(events.Cause{}, hosts[3])
		r := p.probeNow(t.Context(), keyOf(3))
		if r.Status != up || !r.OK || r.Sequence == 0 {
			t.Errorf("%+v", r)
		}
		w.wantStatuses("p3", up, unknown, up)
		w.wantSound("p3")
	})
}

// TestIsolation_aProberThatComesNewSuspectsItselfToo: from what the log says of
// the peers.
func TestIsolation_aProberThatComesNewSuspectsItselfToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, p := w.settled(10)
		p.stop()
		w.fail(timedOut, hosts...)
		p = w.start("b")
		time.Sleep(10 * time.Minute)
		w.wantIsolated(10)
		if !p.Status().Isolated {
			t.Errorf("%+v", p.Status())
		}
	})
}

func TestByHand_theAnswerIsWhatTheProbeFoundAndLedTo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, p := w.settled(1)
		w.fail(refused, hosts...)
		for range 2 {
			if r := p.probeNow(t.Context(), keyOf(0)); r.OK || r.Cause != refused || r.Status != up || r.Sequence != 0 {
				t.Errorf("%+v", r)
			}
		}
		r := p.probeNow(t.Context(), keyOf(0))
		last := w.history("p0")[len(w.history("p0"))-1]
		if r.Status != down || r.StatusCause != refused || r.Sequence != last.Seq || r.Prober != "a" || len(r.Steps) != 1 {
			t.Errorf("%+v", r)
		}
		w.fail(events.Cause{}, hosts...)
		if r := p.probeNow(t.Context(), keyOf(0)); r.Status != up || !r.OK || r.LatencyMS != 3 {
			t.Errorf("%+v", r)
		}
		w.wantStatuses("p0", up, down, up)
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.samples); !w.samples[n-1].ByHand || w.samples[0].ByHand {
			t.Errorf("samples %+v", w.samples)
		}
	})
}

func TestByHand_aProbeInProgressDoesNotCountForIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("h0.example", server{took: time.Second})
		w.add(1)
		p := w.start("a")
		time.Sleep(500 * time.Millisecond)
		asked := time.Now()
		if r := p.probeNow(t.Context(), keyOf(0)); r.Started.Before(asked) || r.Error != "" {
			t.Errorf("the probe began at %s, asked for at %s: %s", r.Started, asked, r.Error)
		}
	})
}

func TestByHand_aPeerThatIsGoneIsNotProbed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("h0.example", server{took: 3 * time.Second})
		w.add(1)
		p := w.start("a")
		time.Sleep(time.Second)
		answer := make(chan Report, 1)
		go func() { answer <- p.probeNow(t.Context(), keyOf(0)) }()
		time.Sleep(time.Second)
		w.configure(acme, events.PeerDeleted{Peer: "p0"})
		if r := <-answer; r.Error != errNotProbed {
			t.Errorf("%+v", r)
		}
		began := time.Now()
		if r := p.probeNow(t.Context(), keyOf(0)); r.Error != errNotProbed || time.Since(began) > 2*time.Second {
			t.Errorf("%+v after %s", r, time.Since(began))
		}
	})
}
