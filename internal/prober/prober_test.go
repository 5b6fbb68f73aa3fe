package prober

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// settled starts prober a on n peers that are up, and returns when that is known.
func (w *world) settled(n int, set ...func(*Options)) (hosts []string, p *process) {
	w.t.Helper()
	hosts, p = w.add(n), w.start("a", set...)
	time.Sleep(5 * time.Second)
	for i := range n {
		if c := w.status(peerID(i)); c.Status != up {
			w.t.Fatalf("%s is %s (%s) to begin with", peerID(i), c.Status, c.Cause.Code)
		}
	}
	return hosts, p
}

func TestProber_aNewPeerThatAnswersIsUpInTwoSeconds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start("a")
		time.Sleep(time.Minute)
		began := time.Now()
		w.add(1)
		time.Sleep(2 * time.Second)
		w.wantStatuses("p0", up)
		if looks := w.looksAt("h0.example", began); len(looks) != 2 || looks[0].Sub(began) > time.Second {
			t.Errorf("looks at %v, want two, the first within a second of %v", looks, began)
		}
	})
}

func TestProber_aNewPeerThatFailsIsDownInFiveSeconds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.fail(refused, "h0.example")
		w.start("a")
		w.add(1)
		time.Sleep(5 * time.Second)
		w.wantStatuses("p0", down)
	})
}

func TestProber_aPeerThatWasUpIsDownAfterThreeFailuresAtTheInterval(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, _ := w.settled(1)
		failing := time.Now()
		w.fail(refused, hosts[0])
		time.Sleep(53 * time.Second) // two failures at the most, with all jitter
		w.wantStatuses("p0", up)
		time.Sleep(47 * time.Second)
		w.wantStatuses("p0", up, down)
		looks := w.looksAt(hosts[0], failing)
		got := w.reported("p0")[1]
		if !got.Since.Equal(micro(looks[0])) || !got.ProbeStarted.Equal(micro(looks[2])) {
			t.Errorf("down since %s by the probe of %s, want the first and the third of %v", got.Since, got.ProbeStarted, looks)
		}
	})
}

func TestProber_whatIsAppendedNamesAllThatALaterReaderNeeds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("h0.example", server{version: "9.4", certificate: new(certificate("c1", "h0.example")), addresses: addresses([]string{"192.0.2.1", "192.0.2.2"})})
		w.add(1)
		w.start("a")
		time.Sleep(5 * time.Second)
		got := w.history("p0")
		if len(got) != 3 {
			t.Fatalf("%d events, want certificate, version and status: %+v", len(got), got)
		}
		cert, version, change := got[0].Event.(events.PeerCertificateSeen), got[1].Event.(events.PeerVersionDetected), got[2].Event.(events.PeerStatusChanged)
		looks := w.looksAt("h0.example", time.Time{})
		if want := (events.PeerVersionDetected{Peer: "p0", To: "9.4", ConfigSeq: 1}); version != want {
			t.Errorf("version %+v, want %+v", version, want)
		}
		if cert.Peer != "p0" || cert.ConfigSeq != 1 || cert.Fingerprint != "c1" || !slices.Equal(cert.Names, []string{"h0.example"}) {
			t.Errorf("certificate %+v", cert)
		}
		if change.From != unknown || change.To != up || change.ConfigSeq != 1 || change.Cause != (events.Cause{}) ||
			!change.Since.Equal(micro(looks[0])) || !change.ProbeStarted.Equal(micro(looks[1])) ||
			!slices.Equal(change.Resolved, []string{"192.0.2.1", "192.0.2.2"}) {
			t.Errorf("status %+v after looks at %v", change, looks)
		}
		for i, r := range got {
			if r.Actor != "prober:a" || r.Index != 0 || r.Count != 1 || r.Subject != events.StatusSubject(acme, "p0") || r.ID != events.NewEventID(acme, r.CommandID, 0) {
				t.Errorf("envelope %d: %+v", i, r.Envelope)
			}
		}
		if got[0].CommandID == got[1].CommandID || got[0].CorrelationID != got[1].CorrelationID || got[2].CorrelationID == got[0].CorrelationID {
			t.Errorf("of two probes: %+v", got)
		}
	})
}

func TestProber_configurationTakesEffectWithinASecond(t *testing.T) {
	for name, tt := range map[string]struct {
		change events.Event
		old    bool // looks at the old host go on
		new    bool // looks at another begin
	}{
		"a new hostname":        {events.PeerHostnameChanged{Peer: "p0", From: "h0.example", To: "new.example", ToPort: 443}, false, true},
		"another enterprise":    {events.PeerEnterpriseChanged{Peer: "p0", To: "third"}, true, false},
		"disabling":             {events.PeerDisabled{Peer: "p0"}, false, false},
		"deletion":              {events.PeerDeleted{Peer: "p0"}, false, false},
		"the end of the tenant": {events.EnterpriseRemoved{}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				_, p := w.settled(1)
				changed := time.Now()
				w.configure(acme, tt.change)
				time.Sleep(time.Second)
				if got := len(w.looksAt("h0.example", changed)) > 0; got != tt.old {
					t.Errorf("the old host is looked at: %t", got)
				}
				if got := len(w.looksAt("new.example", changed)) > 0; got != tt.new {
					t.Errorf("the new host is looked at: %t", got)
				}
				time.Sleep(time.Hour)
				if got := len(w.looksAt("h0.example", changed)) > 0; got != tt.old {
					t.Errorf("the old host is looked at in the hour after it: %t", got)
				}
				if probed := tt.old || tt.new; probed != (p.Status().Owned == 1) || probed != (w.status("p0").Status == up) {
					t.Errorf("%d owned, %s", p.Status().Owned, w.status("p0").Status)
				}
			})
		})
	}
}

func TestProber_anEnabledPeerIsProbedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.settled(1)
		w.configure(acme, events.PeerDisabled{Peer: "p0"})
		time.Sleep(time.Minute)
		enabled := time.Now()
		seq := w.configure(acme, events.PeerEnabled{Peer: "p0"})
		time.Sleep(3 * time.Second)
		if looks := w.looksAt("h0.example", enabled); len(looks) == 0 || looks[0].Sub(enabled) > time.Second {
			t.Errorf("looks %v", looks)
		}
		w.wantStatuses("p0", up, up)
		if got := w.reported("p0")[1]; got.From != unknown || got.ConfigSeq != seq {
			t.Errorf("%+v, want it from unknown under %d", got, seq)
		}
	})
}

func TestProber_anExternalPeerIsNeverProbed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start("a")
		w.configure(acme, events.PeerAdded{Peer: "x", PeerType: events.PeerExternal, Description: "x"})
		w.configure(acme, events.PeerEnabled{Peer: "x"})
		time.Sleep(time.Hour)
		if len(w.looks) != 0 || p.Status().Targets != 0 || len(w.history("x")) != 0 {
			t.Errorf("%d looks, %d targets", len(w.looks), p.Status().Targets)
		}
	})
}

// TestProber_onlyTransitionsBecomeEvents: what hours of probes find of servers
// that are all the same makes no log grow.
func TestProber_onlyTransitionsBecomeEvents(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.fail(refused, "h1.example")
		w.set("h2.example", server{version: "9.4", certificate: new(certificate("c1", "h2.example"))})
		w.add(3)
		w.start("a")
		time.Sleep(6 * time.Hour)
		for peer, want := range map[events.PeerID]int{"p0": 1, "p1": 1, "p2": 3} {
			if got := w.history(peer); len(got) != want {
				t.Errorf("%d events of %s, want %d", len(got), peer, want)
			}
		}
		if n := len(w.looksAt("h0.example", time.Time{})); n < 680 || n > 760 {
			t.Errorf("%d looks in six hours, want about 720", n)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.samples) != len(w.looks) {
			t.Errorf("%d samples of %d looks", len(w.samples), len(w.looks))
		}
	})
}

// TestProber_whateverServersDoTheLogStaysSmall: what changes with every probe is
// reported a few times an hour.
func TestProber_whateverServersDoTheLogStaysSmall(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts := w.add(1)
		w.start("a")
		for i := range 12 * 120 { // 12 hours
			w.set(hosts[0], server{
				failure: []events.Cause{{}, {}, {}, refused, timedOut, refused}[i/2%6],
				version: fmt.Sprintf("9.%d", i%5), certificate: new(certificate(fmt.Sprint("c", i%3), hosts[0])),
			})
			time.Sleep(30 * time.Second)
		}
		w.wantSound("p0")
		if n := len(w.history("p0")); n > 12*25 {
			t.Errorf("%d events in 12 hours", n)
		}
	})
}

// interrupted is a log whose first attempts fail.
type interrupted struct {
	Source
	failures int
}

func (s *interrupted) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	if s.failures > 0 {
		s.failures--
		return errors.New("no leader")
	}
	return s.Source.Follow(ctx, after, limit, sink)
}

func TestProber_followsTheLogThroughInterruptions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.add(1)
		p := w.start("a", func(o *Options) { o.Source = &interrupted{o.Source, 3} })
		time.Sleep(time.Minute)
		w.wantStatuses("p0", up)
		w.configure(acme, events.PeerDisabled{Peer: "p0"})
		time.Sleep(time.Millisecond)
		if s := p.Status(); s.Targets != 0 || s.Seq != 3 || s.Owned != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestProber_anUnreadableEventHoldsItsEnterprise(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, p := w.settled(1)
		w.configure("other", added("q0", "q0.example"))
		w.log.Put(string(events.ConfigSubject(acme)), nil, []byte("no event"))
		held := time.Now()
		time.Sleep(10 * time.Minute)
		if n := len(w.looksAt("h0.example", held)); n != 0 {
			t.Errorf("%d looks at a peer of the enterprise that is held", n)
		}
		if n := len(w.looksAt("q0.example", held)); n == 0 {
			t.Error("another enterprise is held too")
		}
		if s := p.Status(); s.Held != 1 || s.Targets != 1 || s.Owned != 1 || len(w.logged) != 1 {
			t.Errorf("%+v, logged %v", s, w.logged)
		}
		if since := p.member().Held[acme]; since.Sub(held).Abs() > time.Second {
			t.Errorf("said to be held since %s, want %s", since, held)
		}
	})
}

func TestProber_reportsBehindAStatusThatCannotBeRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hosts, _ := w.settled(1)
		seq := w.log.Put(string(events.StatusSubject(acme, "p0")), nil, []byte("no event"))
		w.fail(refused, hosts...)
		time.Sleep(2 * time.Minute)
		if c := w.status("p0"); c.Status != down {
			t.Errorf("%s, want down, behind %d", c.Status, seq)
		}
	})
}

// replaced is a log that becomes another one.
type replaced struct {
	*process
	first, second *eventstore.Memory
	swap          chan struct{}
}

func (s *replaced) now() *eventstore.Memory {
	select {
	case <-s.swap:
		return s.second
	default:
		return s.first
	}
}

func (s *replaced) Identity(ctx context.Context) (events.Identity, error) {
	return s.now().Identity(ctx)
}

func (s *replaced) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	log := s.now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if log == s.first {
		go func() {
			select {
			case <-s.swap:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return log.Follow(ctx, after, limit, sink)
}

func TestProber_anotherStreamReplacesAll(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		source := &replaced{first: w.log, swap: make(chan struct{})}
		w.configure("held", added("x", "x.example"))
		w.log.Put(string(events.ConfigSubject("held")), nil, []byte("no event"))
		w.add(2)
		p := w.start("a", func(o *Options) { source.process = o.Source.(*process); o.Source = source })
		time.Sleep(time.Minute)

		source.second = eventstore.NewMemory(events.NewCodec(events.Default()))
		w.mu.Lock()
		w.log = source.second
		w.mu.Unlock()
		w.configure("other", added("q0", "q0.example"))
		w.configure("held", added("x", "x.example"))
		close(source.swap)
		time.Sleep(time.Minute)
		swapped := time.Now()
		time.Sleep(time.Hour)
		for host, want := range map[string]bool{"h0.example": false, "h1.example": false, "q0.example": true, "x.example": true} {
			if got := len(w.looksAt(host, swapped)) > 0; got != want {
				t.Errorf("%s is looked at: %t", host, got)
			}
		}
		if s := p.Status(); s.Targets != 2 || s.Owned != 2 || s.Held != 0 {
			t.Errorf("%+v", s)
		}
		if m := p.member(); len(m.Held) != 0 {
			t.Errorf("still said to be held: %v", m.Held)
		}
	})
}

func TestProber_leavesTheRegistryWhenItStops(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, p := w.settled(1)
		p.stop()
		if m := w.registry.said["a"].member; !m.Left || m.Owned != 0 || m.Targets != 1 {
			t.Errorf("%+v", m)
		}
	})
}
