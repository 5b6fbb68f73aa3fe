package prober

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// served is a world on a real server, whose probers answer requests.
type served struct {
	*world
	url string
}

func newServed(t *testing.T) *served {
	return &served{newWorld(t), "nats://" + testkit.Server(t).Addr()}
}

// serve starts a prober on a connection of its own.
func (s *served) serve(id string, set ...func(*Options)) *process {
	s.t.Helper()
	nc := testkit.Connect(s.t, s.url)
	kv := openKV(s.t, nc, 1)
	p := s.start(id, append([]func(*Options){func(o *Options) { o.Registry = kv }}, set...)...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, nc) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			s.t.Errorf("serving ended with %v", err)
		}
	})
	testkit.Eventually(s.t, id+" to serve", func() bool { return nc.NumSubscriptions() >= 3 })
	if err := nc.Flush(); err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *served) remote() *Remote { return NewRemote(testkit.Connect(s.t, s.url)) }

// ready waits until probers have shared out n peers, and each knows of all.
func (s *served) ready(n int, probers ...*process) {
	s.t.Helper()
	testkit.Eventually(s.t, "the peers to be shared out", func() bool {
		owned := 0
		for _, p := range probers {
			st := p.Status()
			if st.Probers != len(probers) {
				return false
			}
			owned += st.Owned
		}
		return owned == n
	})
}

func TestRemote_theOwnerProbesNow(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	hosts := s.add(12)
	a, b := s.serve("a"), s.serve("b")
	s.ready(12, a, b)
	remote, owners := s.remote(), map[string]int{}
	for i, host := range hosts {
		asked := time.Now()
		r, err := remote.Probe(t.Context(), acme, peerID(i))
		if err != nil {
			t.Fatal(err)
		}
		if want := owner([]string{"a", "b"}, keyOf(i)); r.Prober != want || !r.OK || r.Status != up || r.Started.Before(micro(asked)) {
			t.Errorf("%s: %+v, want it by %s", host, r, want)
		}
		owners[r.Prober]++
	}
	if len(owners) != 2 {
		t.Errorf("owners %v", owners)
	}
	s.fail(refused, hosts[0])
	var last Report
	for range 3 {
		last, _ = remote.Probe(t.Context(), acme, "p0")
	}
	if got := s.history("p0"); last.Status != down || last.StatusCause != refused || last.Sequence != got[len(got)-1].Seq {
		t.Errorf("%+v, and the log ends with %+v", last, got[len(got)-1])
	}
}

func TestRemote_aPeerThatWasAddedAMomentAgoIsProbed(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	var late gate
	p := s.serve("a", func(o *Options) { o.Source = delayed{o.Source, &late} })
	s.ready(0, p)
	late.shut()
	s.add(1)
	time.AfterFunc(300*time.Millisecond, late.open)
	if r, err := s.remote().Probe(t.Context(), acme, "p0"); err != nil || r.Status != up || !r.OK {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRemote_whatIsNotProbedIsSaidSo(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	s.add(1)
	s.configure(acme, events.PeerAdded{Peer: "x", PeerType: events.PeerExternal}, events.PeerDisabled{Peer: "p0"})
	s.ready(0, s.serve("a"))
	remote := s.remote()
	errs := make(chan error, 3)
	for _, peer := range []events.PeerID{"p0", "x", "never"} {
		go func() {
			_, err := remote.Probe(t.Context(), acme, peer)
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; !errors.Is(err, ErrNotProbed) {
			t.Errorf("%v", err)
		}
	}
}

func TestRemote_withoutAProberItIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	remote := newServed(t).remote()
	began := time.Now()
	if _, err := remote.Probe(t.Context(), acme, "p0"); !errors.Is(err, ErrNoProber) {
		t.Errorf("%v", err)
	}
	if _, err := remote.Test(t.Context(), "h.example", 443); !errors.Is(err, ErrNoProber) {
		t.Errorf("%v", err)
	}
	if d := time.Since(began); d > acceptsIn/2 {
		t.Errorf("said after %s", d)
	}
}

func TestRemote_aProberThatIsThereAndCannotSpeakIsNone(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	s.add(1)
	nc := testkit.Connect(t, s.url)
	sub, err := nc.SubscribeSync(probeSubject + "*.*") // and says nothing
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.remote().Probe(t.Context(), acme, "p0"); !errors.Is(err, ErrNotProbed) {
		t.Errorf("%v", err)
	}
	if m, err := sub.NextMsg(time.Second); err != nil || m.Subject != probeSubject+"acme.p0" {
		t.Errorf("%v, %v", m, err)
	}
}

func TestRemote_whoeverAsksMayGiveUp(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	s.set("h0.example", server{took: time.Minute})
	s.add(1)
	s.ready(1, s.serve("a"))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := s.remote().Probe(ctx, acme, "p0"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
}

func TestRemote_aTestIsOfWhateverServerAndWritesNothing(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	s.ready(0, s.serve("a"))
	s.set("new.example", server{failure: refused, version: "9.4", certificate: new(certificate("c1"))})
	r, err := s.remote().Test(t.Context(), "new.example", 443)
	if err != nil || r.OK || r.Cause != refused || r.Version != "9.4" || r.Certificate.Fingerprint != "c1" || r.Prober != "a" || r.Status != "" {
		t.Errorf("%+v, %v", r, err)
	}
	if id, _ := s.log.Identity(t.Context()); id.Last != 0 || len(s.samples) != 0 {
		t.Errorf("%d events, %d samples", id.Last, len(s.samples))
	}
}

func TestRemote_tooManyTestsAreRefused(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	s.ready(0, s.serve("a"))
	s.set("slow.example", server{took: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	remote, ended := s.remote(), make(chan error, maxTests)
	for range maxTests {
		go func() {
			_, err := remote.Test(ctx, "slow.example", 443)
			ended <- err
		}()
	}
	testkit.Eventually(t, "as many tests as there may be", func() bool { return s.peerBusy("slow.example") == maxTests })
	if _, err := remote.Test(t.Context(), "h.example", 443); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	cancel()
	for range maxTests {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

func TestServe_whatIsNoRequestIsPassedOver(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	s.add(1)
	s.ready(1, s.serve("a"))
	nc := testkit.Connect(t, s.url)
	for _, m := range []nats.Msg{
		{Subject: testSubject, Data: []byte("no JSON")},
		{Subject: testSubject},
		{Subject: testSubject, Data: []byte(`{"port":443}`)},
		{Subject: testSubject, Data: []byte(`{"hostname":7}`)},
		{Subject: testSubject, Data: []byte(`[]`)},
		{Subject: probeSubject + "acme.p0"}, // with nobody to answer to
		{Subject: probeSubject + "acme.*"},
		{Subject: probeSubject + "ACME.p0", Data: make([]byte, 1<<16)},
	} {
		if err := nc.PublishMsg(&m); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if r, err := s.remote().Probe(t.Context(), acme, "p0"); err != nil || !r.OK {
		t.Errorf("%+v, %v", r, err)
	}
	if n := len(s.looksAt("", time.Time{})); n != 0 {
		t.Errorf("%d looks at no host", n)
	}
}

func TestServe_endsWhenWhatIsInProgressWasAnswered(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	s.add(1)
	p := s.start("a")
	s.ready(1, p)
	s.set("slow.example", server{took: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	nc := testkit.Connect(t, s.url)
	go func() { ended <- p.Serve(ctx, nc) }()
	testkit.Eventually(t, "it to serve", func() bool { return nc.NumSubscriptions() == 2 && nc.Flush() == nil })
	answered := make(chan error, 1)
	remote := s.remote()
	go func() {
		_, err := remote.Test(t.Context(), "slow.example", 443)
		answered <- err
	}()
	testkit.Eventually(t, "the test to begin", func() bool { return s.peerBusy("slow.example") == 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if err := <-answered; err != nil {
		t.Errorf("not answered: %v", err)
	}
	if n := nc.NumSubscriptions(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}

// TestRemote_anAnswerThatCannotBeReadIsAnError: from whoever may publish there.
func TestRemote_anAnswerThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string][]string{
		"no acceptance": {"hello"}, "a refusal": {`{"accepted":false}`}, "no report": {`{"accepted":true}`, "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServed(t)
			nc := testkit.Connect(t, s.url)
			_, err := nc.Subscribe(probeSubject+"*.*", func(m *nats.Msg) {
				for _, text := range answers {
					_ = m.Respond([]byte(text))
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			_, err = s.remote().Probe(t.Context(), acme, "p0")
			if err == nil || errors.Is(err, ErrNotProbed) || errors.Is(err, ErrNoProber) || errors.Is(err, ErrBusy) {
				t.Error(fmt.Sprint("the error is ", err))
			}
		})
	}
}
