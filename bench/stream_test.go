package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/testkit"
)

// BenchmarkStream is the stream of events with 1,000 readers, next to the same
// stream with a single one in the same run: from the moment a command was
// accepted to the moment its event has arrived at a reader.
//
//	one-p50-ms, one-p99-ms     a single reader
//	many-p50-ms, many-p99-ms   all events at all readers
//	events/s                   delivered to all readers together
//	missed                     events that did not arrive: must be 0
//	rss-MiB                    of the process that serves them
func BenchmarkStream(b *testing.B) {
	readers, commands := 1000, 400
	if testing.Short() {
		readers, commands = 20, 20
	}
	p := program(b)
	register(b, p, "stream")
	for b.Loop() {
		one := follow(b, p, 1, commands, 0)
		many := follow(b, p, readers, commands, commands)
		b.ReportMetric(percentile(one.latency, 0.50), "one-p50-ms")
		b.ReportMetric(percentile(one.latency, 0.99), "one-p99-ms")
		b.ReportMetric(percentile(many.latency, 0.50), "many-p50-ms")
		b.ReportMetric(percentile(many.latency, 0.99), "many-p99-ms")
		b.ReportMetric(float64(len(many.latency))/many.took.Seconds(), "events/s")
		b.ReportMetric(float64(readers*commands-len(many.latency)), "missed")
		b.ReportMetric(many.rss, "rss-MiB")
	}
	b.ReportMetric(0, "ns/op")
}

// followed is what readers saw.
type followed struct {
	latency []float64 // milliseconds
	took    time.Duration
	rss     float64
}

// follow has readers follow the stream while commands come at 50 a second.
func follow(b *testing.B, p *testkit.Program, readers, commands, from int) followed {
	b.Helper()
	const rate = 50
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	var ready, done sync.WaitGroup
	results := make([][]float64, readers)
	for i := range readers {
		ready.Add(1)
		done.Go(func() { results[i] = readEvents(ctx, b, transport, p.URL+"/api/v1/stream", commands, ready.Done) })
	}
	ready.Wait()
	began := time.Now()
	tick := time.NewTicker(time.Second / rate)
	for n := range commands {
		<-tick.C
		addPeer(b, p, "stream", from+n)
	}
	tick.Stop()
	done.Wait()
	out := followed{took: time.Since(began), rss: memory(b, p.PID(), "VmRSS:")}
	for _, r := range results {
		out.latency = append(out.latency, r...)
	}
	return out
}

// readEvents reads a stream until it has had as many events as there will be.
func readEvents(ctx context.Context, b *testing.B, transport http.RoundTripper, url string, want int, ready func()) (latency []float64) {
	once := sync.OnceFunc(ready)
	defer once()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		b.Error(err)
		return nil
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for len(latency) < want && lines.Scan() {
		if bytes.HasPrefix(lines.Bytes(), []byte("event: ping")) {
			once() // it has caught up
			continue
		}
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: {\"sequence\":"))
		if !ok || !bytes.Contains(data, []byte(`"time"`)) {
			continue
		}
		arrived := time.Now()
		var e struct {
			Time time.Time `json:"time"`
		}
		if err := json.Unmarshal(lines.Bytes()[len("data: "):], &e); err != nil {
			b.Error(err)
			return latency
		}
		latency = append(latency, milliseconds(arrived.Sub(e.Time)))
	}
	if len(latency) < want {
		b.Error(fmt.Errorf("a reader got %d of %d events: %w", len(latency), want, lines.Err()))
	}
	return latency
}
