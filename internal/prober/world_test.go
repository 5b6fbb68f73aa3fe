package prober

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/probe"
)

const acme = events.EnterpriseID("acme")

var (
	timedOut = events.Cause{Layer: events.LayerConnect, Code: "timeout", Message: "No answer."}
	refused  = events.Cause{Layer: events.LayerConnect, Code: "refused", Message: "Refused."}
	barred   = events.Cause{Layer: events.LayerPolicy, Code: "address_refused", Message: "Not allowed."}
)

// server is what a look at a hostname finds.
type server struct {
	failure     events.Cause
	version     string
	certificate *events.PeerCertificateSeen
	addresses   []netip.Addr
	took        time.Duration // 0: 5 ms
}

// world is what the probers of a test share: the servers, the log, the registry.
type world struct {
	t        *testing.T
	log      *eventstore.Memory
	registry *memoryRegistry
	commands int

	mu      sync.Mutex
	servers map[string]server
	looks   []lookedAt
	busy    map[string]int
	busiest map[string]int // looks at a host at the same time; "": at all
	samples []events.Sample
	logged  []string // messages of level error
}

type lookedAt struct {
	host string
	at   time.Time
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, log: eventstore.NewMemory(events.NewCodec(events.Default())), registry: newMemoryRegistry(),
		servers: map[string]server{}, busy: map[string]int{}, busiest: map[string]int{},
	}
}

// set makes a server one that is found like that; an unknown one is up.
func (w *world) set(host string, s server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[host] = s
}

// fail makes servers fail, or answer when the cause is zero.
func (w *world) fail(c events.Cause, hosts ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, host := range hosts {
		s := w.servers[host]
		s.failure = c
		w.servers[host] = s
	}
}

// Look implements Looker: a server is found as it is when the look begins.
func (w *world) Look(ctx context.Context, t probe.Target) probe.Result {
	s := w.begin(t.Hostname)
	res := probe.Result{
		Started: time.Now(), Failure: s.failure, Version: s.version, Certificate: s.certificate,
		Addresses: s.addresses, Trusted: w.resolved(t.Trusted), Latency: 3 * time.Millisecond,
		Steps: []events.Step{{Layer: events.LayerDNS, OK: true, TookMS: 1}},
	}
	if s.failure != (events.Cause{}) {
		res.Latency = 0
	}
	if sleep(ctx, max(s.took, 5*time.Millisecond)) != nil {
		res.Aborted, res.Failure = true, timedOut
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy[""]--
	w.busy[t.Hostname]--
	return res
}

// resolved are the addresses of a name.
func (w *world) resolved(name string) []netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.servers[name].addresses
}

func (w *world) begin(host string) server {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks = append(w.looks, lookedAt{host, time.Now()})
	for _, h := range []string{"", host} {
		w.busy[h]++
		w.busiest[h] = max(w.busiest[h], w.busy[h])
	}
	return w.servers[host]
}

// looksAt lists when a host was looked at, since a time.
func (w *world) looksAt(host string, since time.Time) (at []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.looks {
		if l.host == host && !l.at.Before(since) {
			at = append(at, l.at)
		}
	}
	return at
}

func (w *world) keep(s events.Sample) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, s)
	return nil
}

// Enabled, Handle, WithAttrs and WithGroup make the world a slog.Handler that
// keeps what somebody must act on.
func (w *world) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (w *world) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logged = append(w.logged, r.Message)
	return nil
}

func (w *world) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w *world) WithGroup(string) slog.Handler      { return w }

// configure appends to the configuration of an enterprise, as an administrator.
func (w *world) configure(ent events.EnterpriseID, evs ...events.Event) events.Seq {
	w.t.Helper()
	return w.append(ent, events.ConfigSubject(ent), evs...)
}

// report appends to the status of a peer, as somebody else.
func (w *world) report(ent events.EnterpriseID, peer events.PeerID, e events.Event) events.Seq {
	w.t.Helper()
	return w.append(ent, events.StatusSubject(ent, peer), e)
}

func (w *world) append(ent events.EnterpriseID, subject events.Subject, evs ...events.Event) events.Seq {
	w.t.Helper()
	after, err := w.log.Last(context.Background(), subject)
	if err != nil {
		w.t.Fatal(err)
	}
	w.commands++
	id := events.CommandID(fmt.Sprintf("c%d", w.commands))
	envelopes := make([]events.Envelope, len(evs))
	for i, e := range evs {
		envelopes[i] = events.Envelope{
			ID: events.NewEventID(ent, id, i), Enterprise: ent, Time: micro(time.Now()),
			CommandID: id, Index: i, Count: len(evs), CorrelationID: string(id), Actor: "test", Event: e,
		}
	}
	seq, err := w.log.Append(context.Background(), subject, after, envelopes...)
	if err != nil {
		w.t.Fatal(err)
	}
	return seq
}

func added(id events.PeerID, host string) events.PeerAdded {
	return events.PeerAdded{Peer: id, PeerType: events.PeerMiCollab, Description: string(id), Hostname: host, Port: 443, PeerEnterpriseID: "other"}
}

// add adds peers p0, p1, … of acme at h0, h1, ….
func (w *world) add(n int) (hosts []string) {
	w.t.Helper()
	for i := range n {
		hosts = append(hosts, fmt.Sprintf("h%d.example", i))
		w.configure(acme, added(peerID(i), hosts[i]))
	}
	return hosts
}

func peerID(i int) events.PeerID { return events.PeerID(fmt.Sprintf("p%d", i)) }

// history lists what was reported of a peer of acme.
func (w *world) history(peer events.PeerID) (out []events.Recorded) {
	w.t.Helper()
	_, err := w.log.Load(context.Background(), events.StatusSubject(acme, peer), 0, func(r events.Recorded) error {
		out = append(out, r)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// reported lists the transitions of a peer of acme.
func (w *world) reported(peer events.PeerID) (out []events.PeerStatusChanged) {
	w.t.Helper()
	for _, r := range w.history(peer) {
		if e, ok := r.Event.(events.PeerStatusChanged); ok {
			out = append(out, e)
		}
	}
	return out
}

// status is what the log says of a peer of acme.
func (w *world) status(peer events.PeerID) events.Connection {
	w.t.Helper()
	targets := NewTargets()
	codec := events.NewCodec(events.Default())
	id, _ := w.log.Identity(context.Background())
	for seq := range id.Last {
		m, _, _ := w.log.At(context.Background(), seq+1)
		if r, err := codec.Decode(m); err == nil {
			targets.Apply(r)
		}
	}
	t, _ := targets.Get(domain.PeerKey{Enterprise: acme, Peer: peer})
	return t.Connection
}

// wantStatuses fails the test unless the transitions of a peer were to these.
func (w *world) wantStatuses(peer events.PeerID, want ...events.Status) {
	w.t.Helper()
	got := w.reported(peer)
	same := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		same = same && got[i].To == want[i]
	}
	if !same {
		w.t.Errorf("the transitions of %s: %+v, want %v", peer, got, want)
	}
}

// wantSound fails the test unless the transitions of a peer follow from each
// other: each begins where the last one ended, and none changes nothing.
func (w *world) wantSound(peer events.PeerID) {
	w.t.Helper()
	var c events.Connection
	for _, r := range w.history(peer) {
		e, ok := r.Event.(events.PeerStatusChanged)
		if !ok {
			continue
		}
		if c.Status != "" && c.From == e.ConfigSeq {
			if e.From != c.Status {
				w.t.Errorf("%s went from %s when it was %s: %+v", peer, e.From, c.Status, e)
			}
			if e.To == c.Status && e.Cause.Code == c.Cause.Code {
				w.t.Errorf("%s was reported twice: %+v", peer, e)
			}
		}
		c.Status, c.Cause, c.From = e.To, e.Cause, e.ConfigSeq
	}
}

// process is a prober that can be stopped in every way.
type process struct {
	*Prober
	w      *world
	line   gate // to the registry
	frozen gate // everything, like a process that is stopped
	hears  gate // what comes back from the registry; a watch that is deaf ends with no error
	end    context.CancelFunc
	ended  chan error
}

// Look, Beat, Watch, Forget, Append and Follow are those of the world, as long
// as the process runs and is connected.
func (p *process) Look(ctx context.Context, t probe.Target) probe.Result {
	p.frozen.wait()
	res := p.w.Look(ctx, t)
	p.frozen.wait()
	return res
}

func (p *process) Beat(ctx context.Context, m Member) error {
	p.frozen.wait()
	if err := p.line.pass(ctx); err != nil {
		return err
	}
	return p.w.registry.Beat(ctx, m)
}

func (p *process) Watch(ctx context.Context, fn func(Member, time.Duration)) error {
	return p.w.registry.watch(ctx, func(ctx context.Context) error {
		if err := p.frozen.pass(ctx); err != nil {
			return err
		}
		hearing, cancel := context.WithTimeoutCause(ctx, deafAfter, errSilent)
		defer cancel()
		if err := errors.Join(p.hears.pass(hearing), p.line.pass(hearing)); err != nil {
			return errors.Join(context.Cause(hearing), err)
		}
		return nil
	}, fn)
}

func (p *process) Forget(ctx context.Context, id string) error {
	p.frozen.wait()
	if err := p.line.pass(ctx); err != nil {
		return err
	}
	return p.w.registry.Forget(ctx, id)
}

func (p *process) Append(ctx context.Context, subject events.Subject, after events.Seq, evs ...events.Envelope) (events.Seq, error) {
	p.frozen.wait()
	p.w.mu.Lock()
	log := p.w.log
	p.w.mu.Unlock()
	return log.Append(ctx, subject, after, evs...)
}

func (p *process) Identity(ctx context.Context) (events.Identity, error) {
	return p.w.log.Identity(ctx)
}

func (p *process) Follow(ctx context.Context, after events.Seq, limit int, sink func([]events.Message) error) error {
	return p.w.log.Follow(ctx, after, limit, func(m []events.Message) error {
		p.frozen.wait()
		return sink(m)
	})
}

// start starts a prober. It is stopped when the test ends, if it is not before.
func (w *world) start(id string, set ...func(*Options)) *process {
	w.t.Helper()
	p := &process{w: w, ended: make(chan error, 1)}
	o := Options{
		ID: id, Source: p, Store: p, Registry: p, Probe: p, Keep: w.keep,
		Used:   func(context.Context) (float64, error) { return 0.1, nil },
		Logger: slog.New(w), Metrics: prometheus.NewRegistry(),
	}
	for _, fn := range set {
		fn(&o)
	}
	p.Prober = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	p.end = cancel
	go func() { p.ended <- p.Run(ctx) }()
	w.t.Cleanup(p.stop)
	return p
}

// stop ends a prober in order.
func (p *process) stop() {
	p.resume()
	p.end()
	if err := <-p.ended; !errors.Is(err, context.Canceled) {
		p.w.t.Errorf("the prober ended with %v", err)
	}
	p.ended <- context.Canceled
}

// kill ends a prober that says nothing any more.
func (p *process) kill() {
	p.line.shut()
	p.stop()
}

// freeze stops a process, wherever it is.
func (p *process) freeze() { p.frozen.shut() }

// resume has a frozen process go on as if nothing had happened.
func (p *process) resume() {
	p.frozen.open()
	p.hears.open()
}

// inWorld runs a test in fake time.
func inWorld(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(t, newWorld(t)) })
}
