package prober

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/probe"
)

// troubled is a log of which appends fail in some way.
type troubled struct {
	Store
	mu    sync.Mutex
	fault func(ctx context.Context, write func() (events.Seq, error)) (events.Seq, error) // nil: none
}

func (s *troubled) Append(ctx context.Context, subject events.Subject, after events.Seq, evs ...events.Envelope) (events.Seq, error) {
	write := func() (events.Seq, error) { return s.Store.Append(context.WithoutCancel(ctx), subject, after, evs...) }
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		return fault(ctx, write)
	}
	return write()
}

func (s *troubled) become(fault func(context.Context, func() (events.Seq, error)) (events.Seq, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func (s *troubled) over(o *Options) { s.Store, o.Store = o.Store, s }

func TestReport_aChangeThatWasNotWrittenComesWithTheNextProbe(t *testing.T) {
	unavailable := fmt.Errorf("eventstore: %w", eventstore.ErrUnavailable)
	for name, tt := range map[string]struct {
		fault   func(ctx context.Context, write func() (events.Seq, error)) (events.Seq, error)
		written bool // in spite of the error
	}{
		"full": {func(context.Context, func() (events.Seq, error)) (events.Seq, error) { return 0, eventstore.ErrFull }, false},
		"unavailable until the lease ends": {func(ctx context.Context, _ func() (events.Seq, error)) (events.Seq, error) {
			<-ctx.Done()
			return 0, unavailable
		}, false},
		"written, and the answer was lost": {func(ctx context.Context, write func() (events.Seq, error)) (events.Seq, error) {
			_, _ = write()
			<-ctx.Done()
			return 0, unavailable
		}, true},
		"written after the answer was given up": {func(ctx context.Context, write func() (events.Seq, error)) (events.Seq, error) {
			time.AfterFunc(10*time.Second, func() { _, _ = write() })
			return 0, unavailable
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var log troubled
				hosts, _ := w.settled(1, log.over)
				log.become(tt.fault)
				w.fail(refused, hosts...)
				time.Sleep(100 * time.Second)
				time.Sleep(15 * time.Second)
				want := []events.Status{up}
				if tt.written {
					want = append(want, down)
				}
				w.wantStatuses("p0", want...)
				log.become(nil)
				time.Sleep(10 * time.Minute)
				w.wantStatuses("p0", up, down)
				w.fail(events.Cause{}, hosts...)
				time.Sleep(5 * time.Minute)
				w.wantStatuses("p0", up, down, up)
				w.wantSound("p0")
			})
		})
	}
}

func TestReport_whatSomebodyElseReportedCounts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, p := w.settled(1)
		w.fail(refused, hosts...)
		time.Sleep(40 * time.Second) // one failure, or two
		w.report(acme, "p0", events.PeerStatusChanged{Peer: "p0", From: up, To: down, Cause: refused, Since: time.Now(), ConfigSeq: 1, ProbeStarted: time.Now()})
		time.Sleep(time.Millisecond)
		if s := p.standing(); s[0].status != down {
			t.Errorf("it is judged %s, before the next probe", s[0].status)
		}
		time.Sleep(10 * time.Minute)
		w.wantStatuses("p0", up, down)
		w.fail(events.Cause{}, hosts...)
		time.Sleep(5 * time.Minute)
		w.wantStatuses("p0", up, down, up)
		w.wantSound("p0")
	})
}

// TestReport_aConflictIsJudgedAnewFromTheLog: somebody else reports at the very
// moment.
func TestReport_aConflictIsJudgedAnewFromTheLog(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var log troubled
		hosts, p := w.settled(1, log.over)
		log.become(func(_ context.Context, write func() (events.Seq, error)) (events.Seq, error) {
			log.become(nil)
			w.report(acme, "p0", events.PeerStatusChanged{Peer: "p0", From: up, To: down, Cause: timedOut, Since: time.Now(), ConfigSeq: 1, ProbeStarted: time.Now()})
			return write()
		})
		w.fail(timedOut, hosts...)
		time.Sleep(10 * time.Minute)
		w.wantStatuses("p0", up, down)
		if got := w.history("p0"); got[1].Actor != "test" {
			t.Errorf("reported by %s", got[1].Actor)
		}
		if s := p.standing(); len(s) != 1 || s[0].status != down {
			t.Errorf("%+v", s)
		}
		w.fail(events.Cause{}, hosts...)
		time.Sleep(5 * time.Minute)
		w.wantStatuses("p0", up, down, up)
		w.wantSound("p0")
	})
}

// TestReport_whatWasFoldedAndNotYetJudgedCounts: a probe may end between the
// moment when an event of somebody else is known and when it is judged by.
func TestReport_whatWasFoldedAndNotYetJudgedCounts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		writes := 0
		var log troubled
		_, p := w.settled(1, log.over)
		log.become(func(_ context.Context, write func() (events.Seq, error)) (events.Seq, error) {
			writes++
			return write()
		})
		p.frozen.shut() // so that this test alone takes what is appended, and probes
		seq := w.report(acme, "p0", events.PeerStatusChanged{Peer: "p0", From: up, To: down, Cause: refused, Since: time.Now(), ConfigSeq: 1, ProbeStarted: time.Now()})
		m, _, _ := w.log.At(t.Context(), seq)
		if _, err := p.take([]events.Message{m}); err != nil {
			t.Fatal(err)
		}
		known := p.peers[keyOf(0)]
		target, _ := p.targets.Get(keyOf(0))
		p.frozen.open()
		for i := range 3 {
			res := probe.Result{Started: time.Now().Add(time.Duration(i) * time.Millisecond), Failure: refused}
			p.conclude(t.Context(), known, &target, &res, p.finding(known, &target, &res, false), &Report{})
		}
		w.wantStatuses("p0", up, down)
		w.wantSound("p0")
		if writes != 0 {
			t.Errorf("%d attempts to report what was reported", writes)
		}
	})
}

// TestReport_aLogThatComesLateDoublesNothing: what was written is known before
// it comes back.
func TestReport_aLogThatComesLateDoublesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var late gate
		w.set("h0.example", server{version: "9.4", certificate: new(certificate("c1", "h0.example")), took: 100 * time.Millisecond})
		w.add(1)
		p := w.start("a", func(o *Options) { o.Source = delayed{o.Source, &late} })
		time.Sleep(50 * time.Millisecond)
		late.shut()
		time.Sleep(10 * time.Second)
		for _, failing := range []bool{true, true, true, false, false} {
			w.fail(map[bool]events.Cause{true: refused}[failing], "h0.example")
			p.probeNow(t.Context(), keyOf(0))
			time.Sleep(time.Second)
		}
		late.open()
		time.Sleep(5 * time.Minute)
		w.wantStatuses("p0", up, down, up)
		w.wantSound("p0")
		if n := len(w.history("p0")); n != 5 {
			t.Errorf("%d events, want one of the certificate and one of the version besides", n)
		}
	})
}

// delayed is a log that is followed through a gate.
type delayed struct {
	Source
	gate *gate
}

func (s delayed) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	return s.Source.Follow(ctx, after, limit, func(m []events.Message) error {
		return errors.Join(s.gate.pass(ctx), sink(m))
	})
}

func TestReport_aVerdictFromBeforeAChangeOfThePeerIsDropped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("h0.example", server{failure: refused, took: 700 * time.Millisecond})
		w.add(1)
		w.start("a")
		for len(w.looksAt("h0.example", time.Time{})) < 3 { // the third would make it down
			time.Sleep(100 * time.Millisecond)
		}
		w.set("h0.example", server{})
		seq := w.configure(acme, events.PeerEnterpriseChanged{Peer: "p0", To: "third"})
		time.Sleep(10 * time.Second)
		w.wantStatuses("p0", up)
		if got := w.reported("p0")[0]; got.ConfigSeq != seq || got.From != unknown {
			t.Errorf("%+v", got)
		}
	})
}

func TestReport_aNearlyFullLogIsLeftToAdministrators(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		used := 0.89
		hosts, p := w.settled(1, func(o *Options) {
			o.Used = func(context.Context) (float64, error) { mu.Lock(); defer mu.Unlock(); return used, nil }
		})
		set := func(to float64) { mu.Lock(); used = to; mu.Unlock() }
		set(0.9)
		time.Sleep(15 * time.Second)
		w.fail(refused, hosts...)
		time.Sleep(10 * time.Minute)
		w.wantStatuses("p0", up)
		if s := p.Status(); !s.Muted || !p.member().Muted {
			t.Errorf("%+v", s)
		}
		set(0.89)
		time.Sleep(time.Minute)
		w.wantStatuses("p0", up, down)
		if p.Status().Muted {
			t.Error("muted for good")
		}
	})
}

func TestReport_aVersionThatChangesIsReportedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("h0.example", server{version: "9.4"})
		w.settled(1)
		time.Sleep(time.Hour)
		w.set("h0.example", server{version: "9.5"})
		time.Sleep(time.Hour)
		w.set("h0.example", server{version: "no version\n"})
		time.Sleep(time.Hour)
		var got []events.PeerVersionDetected
		for _, r := range w.history("p0") {
			if e, ok := r.Event.(events.PeerVersionDetected); ok {
				got = append(got, e)
			}
		}
		if want := (events.PeerVersionDetected{Peer: "p0", From: "9.4", To: "9.5", ConfigSeq: 1}); len(got) != 2 || got[1] != want {
			t.Errorf("%+v", got)
		}
	})
}

// TestReport_serversThatShowSeveralInTurnDoNotFillTheLog: behind one name there
// may be several machines.
func TestReport_serversThatShowSeveralInTurnDoNotFillTheLog(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts := w.add(1)
		w.start("a")
		for i := range 24 * 120 {
			w.set(hosts[0], server{version: fmt.Sprintf("9.%d", i%2), certificate: new(certificate(fmt.Sprint("c", i%2), hosts[0]))})
			time.Sleep(30 * time.Second)
		}
		kinds := map[events.Type]int{}
		for _, r := range w.history("p0") {
			kinds[r.Event.Type()]++
		}
		if n := kinds["PeerCertificateSeen"]; n < 2 || n > 2+4 {
			t.Errorf("%d events of certificates in a day, want at most one in six hours besides the two", n)
		}
		if n := kinds["PeerVersionDetected"]; n < 2 || n > 24*12 {
			t.Errorf("%d events of versions in a day, want at most one in five minutes", n)
		}
		w.wantStatuses("p0", up)
	})
}

func TestReport_aNewCertificateIsReportedAtOnceAndKeepsTheStreak(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("h0.example", server{certificate: new(certificate("c0"))})
		w.settled(1)
		w.set("h0.example", server{failure: events.Cause{Layer: events.LayerTLS, Code: "untrusted"}, certificate: new(certificate("c1"))})
		time.Sleep(100 * time.Second)
		w.wantStatuses("p0", up, down)
		got := w.history("p0")
		if e, ok := got[2].Event.(events.PeerCertificateSeen); !ok || e.Fingerprint != "c1" || len(got) != 4 {
			t.Errorf("%+v", got)
		}
	})
}

func TestReport_anAttentionDegrades(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.configure(acme, events.PeerAdded{Peer: "p0", PeerType: events.PeerMiCollab, Hostname: "h0.example", Port: 443, Address: "192.0.2.1"})
		w.set("h0.example", server{addresses: addresses([]string{"192.0.2.1"}), version: "9.4"})
		w.start("a")
		time.Sleep(time.Minute)
		w.set("h0.example", server{addresses: addresses([]string{"192.0.2.9"}), version: "9.4"})
		time.Sleep(2 * time.Minute)
		w.wantStatuses("p0", up, events.StatusDegraded)
		if c := w.status("p0").Cause; c.Code != domain.CauseAddressDrift {
			t.Errorf("%+v", c)
		}
		w.configure(acme, events.PeerAddressChanged{Peer: "p0", From: "192.0.2.1", To: "192.0.2.9"})
		time.Sleep(2 * time.Minute)
		w.wantStatuses("p0", up, events.StatusDegraded, up)
	})
}
