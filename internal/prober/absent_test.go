package prober

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// TestSeveral_whoDoesNotHearHimselfConcludesNothing: a watch may fall silent while
// beats are taken; that says nothing of the others.
func TestSeveral_whoDoesNotHearHimselfConcludesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.add(40)
		a := w.start("a")
		w.start("b")
		time.Sleep(time.Minute)
		from := time.Now()
		a.hears.shut()
		time.Sleep(30 * time.Second)
		for _, i := range ownedBy("b", 40, "a", "b") {
			if n := len(w.sampled("a", peerID(i), from)); n > 0 {
				t.Errorf("%s of another was looked at %d times", peerID(i), n)
			}
		}
		if s := a.Status(); !s.Leased || s.Probers != 2 {
			t.Errorf("%+v", s)
		}
		a.hears.open()
		time.Sleep(time.Minute)
		w.wantAllUp(40)
	})
}

// slowLog is a log that cannot be followed for a time.
type slowLog struct {
	Source
	after time.Duration
}

func (s slowLog) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	if err := sleep(ctx, s.after); err != nil {
		return err
	}
	return s.Source.Follow(ctx, after, limit, sink)
}

func TestSeveral_whoHasNotReadTheLogTakesNoShare(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.add(40)
		a := w.start("a")
		time.Sleep(time.Minute)
		b := w.start("b", func(o *Options) { o.Source = slowLog{o.Source, 10 * time.Minute} })
		time.Sleep(5 * time.Minute)
		if s := a.Status(); s.Owned != 40 || !b.member().Starting {
			t.Errorf("%+v, starting: %t", s, b.member().Starting)
		}
		time.Sleep(6 * time.Minute)
		if n := len(ownedBy("b", 40, "a", "b")); b.Status().Owned != n || a.Status().Owned != 40-n || b.member().Starting {
			t.Errorf("%+v, %+v", a.Status(), b.Status())
		}
		w.wantAllUp(40)
	})
}

func TestUnwatched_aTimeInWhichNobodyProbedIsInTheLog(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, a := w.settled(3)
		w.fail(refused, hosts[1])
		time.Sleep(10 * time.Minute)
		stopped := time.Now()
		a.stop()
		time.Sleep(time.Hour)
		w.fail(refused, hosts[2])
		w.start("b")
		time.Sleep(10 * time.Minute)
		w.wantStatuses("p0", up, unknown, up)
		w.wantStatuses("p1", up, down, unknown, down)
		w.wantStatuses("p2", up, unknown, down)
		for i := range hosts {
			w.wantSound(peerID(i))
			list := w.reported(peerID(i))
			gap := list[len(list)-2]
			if gap.Cause.Code != domain.CauseNotProbed || gap.Since.Sub(stopped).Abs() > 2*time.Second {
				t.Errorf("%s: %+v, stopped at %s", peerID(i), gap, stopped)
			}
		}
	})
}

func TestUnwatched_aRestartIsNone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, a := w.settled(3)
		a.stop()
		time.Sleep(time.Minute)
		b := w.start("b")
		time.Sleep(10 * time.Minute)
		b.line.shut() // from the registry alone, for long
		time.Sleep(time.Minute)
		b.line.open()
		time.Sleep(10 * time.Minute)
		w.wantAllUp(3)
	})
}

// renewing is a server that shows another certificate each time.
type renewing struct {
	Looker
	mu sync.Mutex
	n  int
}

func (r *renewing) Look(ctx context.Context, t probe.Target) probe.Result {
	res := r.Looker.Look(ctx, t)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	c := certificate(fmt.Sprint("c", r.n), t.Hostname)
	res.Certificate = &c
	return res
}

func TestReport_aServerThatAlwaysShowsAnotherCertificateDoesNotFillTheLog(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.settled(1, func(o *Options) { o.Probe = &renewing{Looker: o.Probe} })
		time.Sleep(24 * time.Hour)
		if n := len(w.history("p0")); n < 24 || n > 30 {
			t.Errorf("%d events a day, want about one an hour", n)
		}
	})
}

func TestPace_peersOfWhichNothingCanBeReportedAreNotProbedWithoutEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts := w.add(1)
		w.start("a", func(o *Options) { o.Used = func(context.Context) (float64, error) { return 0.95, nil } })
		time.Sleep(10 * time.Minute)
		if n := len(w.looksAt(hosts[0], time.Time{})); n < 15 || n > 35 {
			t.Errorf("%d looks in ten minutes", n)
		}
		w.wantStatuses("p0")
	})
}
