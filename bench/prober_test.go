package bench_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/probe"
	"github.com/peering/peering/internal/prober"
)

// BenchmarkProber is target P8: what it takes to probe 10,000 peers every 30 s,
// next to a plain loop that dials, asks and reads as often and as concurrently,
// and verifies certificates as well. The servers, and the NATS server with the
// log, the samples and the list of probers, are another process.
//
//	prober-cpu-s   processor time for 1,000 probes: schedule, look, judgement, sample
//	plain-cpu-s    the reference: tls.Dial, GET, http.ReadResponse
//	ratio          prober-cpu-s / plain-cpu-s, the median of the rounds
//	rss-MiB        of the process, with all peers and no reference yet
//	failed         probes that found something wrong: must be 0
func BenchmarkProber(b *testing.B) {
	s := probing{peers: 10_000, interval: 30 * time.Second, concurrency: 256, rounds: 3}
	if testing.Short() {
		s = probing{peers: 200, interval: time.Second, concurrency: 256, rounds: 1}
	}
	s.neighbours = startNeighbours(b)
	s.pool = s.roots(b)
	nc := s.fill(b)
	for b.Loop() {
		var ours, plain, ratio, rss []float64
		for round := range s.rounds {
			n, cpu := s.prober(b, nc, round, &rss)
			m, reference := s.plain(b)
			ours, plain = append(ours, cpu.Seconds()/n*1000), append(plain, reference.Seconds()/m*1000)
			ratio = append(ratio, ours[round]/plain[round])
		}
		b.ReportMetric(median(ours), "prober-cpu-s")
		b.ReportMetric(median(plain), "plain-cpu-s")
		b.ReportMetric(median(ratio), "ratio")
		b.ReportMetric(rss[0], "rss-MiB")
		b.ReportMetric(float64(s.failed.Load()), "failed")
	}
	b.ReportMetric(0, "ns/op")
}

// probing is what is to be probed, and how.
type probing struct {
	*neighbours
	peers       int
	interval    time.Duration
	concurrency int
	rounds      int
	pool        *x509.CertPool
	looks       atomic.Int64
	failed      atomic.Int64
}

func (s *probing) target(i int) probe.Target {
	return probe.Target{Hostname: fmt.Sprintf("uc%05d%s", i, neighbourZone), Port: s.Ports[i%len(s.Ports)]}
}

// fill makes the streams and adds the peers, 100 to an enterprise.
func (s *probing) fill(b *testing.B) *nats.Conn {
	b.Helper()
	nc, err := nats.Connect(s.NATS)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	for _, ensure := range []func(context.Context, *nats.Conn, eventstore.StreamOptions) error{eventstore.Ensure, eventstore.EnsureSamples} {
		if err := ensure(b.Context(), nc, eventstore.StreamOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	store, err := eventstore.NewJetStream(nc, events.NewCodec(events.Default()))
	if err != nil {
		b.Fatal(err)
	}
	for first := 0; first < s.peers; first += 100 {
		ent := events.EnterpriseID(fmt.Sprintf("probed-%03d", first/100))
		id := events.CommandID("fill-" + string(ent))
		var list []events.Envelope
		for i := first; i < min(first+100, s.peers); i++ {
			t := s.target(i)
			list = append(list, events.Envelope{
				ID: events.NewEventID(ent, id, i-first), Enterprise: ent, Time: benchTime(0), CommandID: id,
				Index: i - first, Count: min(100, s.peers-first), CorrelationID: string(id), Actor: "bench",
				Event: events.PeerAdded{
					Peer: peerID(i), PeerType: events.PeerMiCollab, Description: fmt.Sprintf("Partner %d", i),
					Hostname: t.Hostname, Port: t.Port, PeerEnterpriseID: "partner",
				},
			})
		}
		if _, err := store.Append(b.Context(), events.ConfigSubject(ent), 0, list...); err != nil {
			b.Fatal(err)
		}
	}
	return nc
}

// counting is a prober.Looker that counts.
type counting struct {
	*probe.Probe
	s *probing
}

func (c counting) Look(ctx context.Context, t probe.Target) probe.Result {
	res := c.Probe.Look(ctx, t)
	c.s.looks.Add(1)
	if res.Failure != (events.Cause{}) && !res.Aborted {
		c.s.failed.Add(1)
	}
	return res
}

func (s *probing) looker(b *testing.B) prober.Looker {
	b.Helper()
	guard, err := probe.Guard{}.With("127.0.0.1", "1-65535")
	if err != nil {
		b.Fatal(err)
	}
	hosts := map[string]netip.Addr{}
	for i := range s.peers {
		hosts[s.target(i).Hostname] = netip.MustParseAddr("127.0.0.1")
	}
	return counting{probe.New(probe.Options{Roots: s.pool, Guard: guard, Hosts: hosts}), s}
}

// prober runs a prober until every peer has its verdict, and measures one
// interval after that.
func (s *probing) prober(b *testing.B, nc *nats.Conn, round int, rss *[]float64) (probes float64, cpu time.Duration) {
	b.Helper()
	store, err1 := eventstore.NewJetStream(nc, events.NewCodec(events.Default()))
	samples, err2 := eventstore.NewSamples(nc, slog.New(slog.DiscardHandler))
	registry, err3 := prober.OpenKV(b.Context(), nc, 1)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			b.Fatal(err)
		}
	}
	p := prober.New(prober.Options{
		ID: fmt.Sprintf("bench-%d", round), Source: eventstore.NewReader(nc), Store: store, Registry: registry, Probe: s.looker(b),
		Keep: samples.Keep, Used: func(context.Context) (float64, error) { return 0, nil },
		Interval: s.interval, Concurrency: s.concurrency,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), Metrics: prometheus.NewRegistry(),
	})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	settled := s.looks.Load() + int64(s.peers)
	if round == 0 {
		settled += int64(s.peers) // two successes make a peer up
	}
	for began := time.Now(); s.looks.Load() < settled; pause(ctx, 100*time.Millisecond) {
		if time.Since(began) > 5*s.interval+10*time.Second {
			b.Fatalf("%d looks are missing; %+v", settled-s.looks.Load(), p.Status())
		}
	}
	pause(ctx, min(s.interval, 3*time.Second)) // until that is written
	before, used := s.looks.Load(), cpuTime(b)
	pause(ctx, s.interval)
	probes, cpu = float64(s.looks.Load()-before), cpuTime(b)-used
	*rss = append(*rss, memory(b, os.Getpid(), "VmRSS:"))
	cancel()
	<-ended
	return probes, cpu
}

// plain probes as often in a plain loop.
func (s *probing) plain(b *testing.B) (probes float64, cpu time.Duration) {
	b.Helper()
	used := cpuTime(b)
	places := make(chan struct{}, s.concurrency)
	var running sync.WaitGroup
	tick := time.NewTicker(s.interval / time.Duration(s.peers))
	defer tick.Stop()
	for i := range s.peers {
		<-tick.C
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			if err := s.plainly(b.Context(), s.target(i)); err != nil {
				b.Error(err)
			}
		})
	}
	running.Wait()
	return float64(s.peers), cpuTime(b) - used
}

// plainly dials, asks and reads. The key shares are those of the prober, which
// are cheaper than the library's own choice.
func (s *probing) plainly(ctx context.Context, t probe.Target) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{
		ServerName: t.Hostname, RootCAs: s.pool, NextProtos: []string{"http/1.1"},
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
	}}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(t.Port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+t.Hostname+"/.well-known/peering", http.NoBody)
	if err != nil {
		return err
	}
	req.Close = true
	if err := req.Write(conn); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// cpuTime is what this process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
