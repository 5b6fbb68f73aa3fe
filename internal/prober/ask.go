package prober

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// Report is what one probe found, and what is thought of the peer after it.
type Report struct {
	Steps       []events.Step               `json:"steps"`
	OK          bool                        `json:"ok"`
	Cause       events.Cause                `json:"cause,omitzero"`
	Status      events.Status               `json:"status,omitempty"` // of the peer, after the probe
	StatusCause events.Cause                `json:"status_cause,omitzero"`
	Sequence    events.Seq                  `json:"sequence,omitempty"` // of the last event that it led to
	Version     string                      `json:"version,omitempty"`
	Certificate *events.PeerCertificateSeen `json:"certificate,omitempty"`
	Addresses   []string                    `json:"addresses,omitempty"`
	Started     time.Time                   `json:"started"`
	LatencyMS   float64                     `json:"latency_ms,omitempty"`
	Prober      string                      `json:"prober"`

	// Error is why there is no such report: errNotProbed or errBusy.
	Error string `json:"error,omitempty"`
}

// The errors that travel in a Report.
const (
	errNotProbed = "not_probed"
	errBusy      = "busy"
)

// Subjects of requests to the probers. A request for a peer reaches them all, and
// its owner answers, twice: at once that it has begun, and then with the report.
const (
	probeSubject = "peering.prober.probe."
	testSubject  = "peering.prober.test"
	testQueue    = "probers"
)

const (
	maxTests  = 16                      // looks at servers that are no peers, at the same time
	knowsSoon = 1500 * time.Millisecond // a peer that was added just now
	maxLook   = 12 * time.Second        // a probe, and the report of it
)

// accepted is the first answer to a request: the prober is at it.
type accepted struct {
	Accepted bool `json:"accepted"`
}

// test is a request to look at a server that is no peer.
type test struct {
	Hostname string `json:"hostname"`
	Port     int    `json:"port"`
}

// Serve answers requests on nc until ctx ends, when those in progress have been
// answered.
func (p *Prober) Serve(ctx context.Context, nc *nats.Conn) error {
	requests := make(chan *nats.Msg, 256)
	probes, err := nc.ChanSubscribe(probeSubject+"*.*", requests)
	if err != nil {
		return err
	}
	defer func() { _ = probes.Unsubscribe() }() // it only says that the connection is gone
	tests, err := nc.ChanQueueSubscribe(testSubject, testQueue, requests)
	if err != nil {
		return err
	}
	defer func() { _ = tests.Unsubscribe() }()
	return p.serve(ctx, requests)
}

func (p *Prober) serve(ctx context.Context, requests <-chan *nats.Msg) error {
	done := make(chan struct{})
	inProgress := 0
	finish := func(fn func()) {
		inProgress++
		go func() {
			fn()
			done <- struct{}{}
		}()
	}
	for ctx.Err() == nil || inProgress > 0 {
		select {
		case m := <-requests:
			if ctx.Err() == nil {
				finish(func() { p.handle(ctx, m) })
			}
		case <-done:
			inProgress--
		case <-ctx.Done():
			if inProgress > 0 {
				<-done
				inProgress--
			}
		}
	}
	return ctx.Err()
}

// handle answers one request. One that is none, or for a peer of another prober,
// is passed over: somebody else answers it, or nobody.
func (p *Prober) handle(ctx context.Context, m *nats.Msg) {
	ctx, cancel := context.WithTimeout(ctx, maxLook)
	defer cancel()
	if m.Subject == testSubject {
		var t test
		if json.Unmarshal(m.Data, &t) == nil && t.Hostname != "" {
			respond(m, p.test(ctx, t))
		}
		return
	}
	ent, peer, _ := strings.Cut(strings.TrimPrefix(m.Subject, probeSubject), ".")
	key := domain.PeerKey{Enterprise: events.EnterpriseID(ent), Peer: events.PeerID(peer)}
	p.mu.Lock()
	mine := owner(p.members, key) == p.id
	p.mu.Unlock()
	if mine {
		respond(m, accepted{true})
		respond(m, p.probeNow(ctx, key))
	}
}

// respond sends an answer; who asked may be gone.
func respond(m *nats.Msg, answer any) {
	if data, err := json.Marshal(answer); err == nil {
		_ = m.Respond(data)
	}
}

// test looks at a server that is no peer, and writes nothing.
func (p *Prober) test(ctx context.Context, t test) Report {
	select {
	case p.tests <- struct{}{}:
		defer func() { <-p.tests }()
	default:
		return Report{Error: errBusy}
	}
	res := p.o.Probe.Look(ctx, probe.Target{Hostname: t.Hostname, Port: t.Port})
	p.metrics.looked(&res)
	return p.reportOf(&res, (&peer{}).finding(p.o.Rules, &Target{}, &res, true).Attention)
}

// probeNow has a peer probed next, and waits for what is found. A peer that is
// not known is waited for: it may have been added just now.
func (p *Prober) probeNow(ctx context.Context, key domain.PeerKey) Report {
	answer := make(chan Report, 1)
	for began := time.Now(); !p.ask(key, answer); {
		if time.Since(began) > knowsSoon || sleep(ctx, 20*time.Millisecond) != nil {
			return Report{Error: errNotProbed}
		}
	}
	select {
	case r := <-answer:
		return r
	case <-ctx.Done():
		return Report{Error: errBusy}
	}
}

// ask has the next probe of a peer answer, and that one be now. It reports false
// when the peer is not known.
func (p *Prober) ask(key domain.PeerKey, answer chan<- Report) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.peers[key]
	t, ok := p.targets.Get(key)
	if known == nil || !ok {
		return false
	}
	known.asked = append(known.asked, answer)
	p.schedule.put(key, t.Hostname, time.Now())
	p.rouse()
	return true
}

// reportOf is the report of a probe, without what it means for a peer.
func (p *Prober) reportOf(res *probe.Result, attention []events.Cause) Report {
	cause := res.Failure
	if len(attention) > 0 {
		cause = cmp.Or(cause, attention[0])
	}
	return Report{
		Steps: res.Steps, OK: res.Failure == events.Cause{}, Cause: cause, Version: res.Version,
		Certificate: res.Certificate, Addresses: resolved(res), Started: micro(res.Started),
		LatencyMS: float64(res.Latency.Microseconds()) / 1000, Prober: p.id,
	}
}
