package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/testkit"
)

// program starts `peering serve` as users start it, on an empty directory.
func program(b *testing.B) *testkit.Program {
	b.Helper()
	bin, err := testkit.Build()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(bin) }) // a directory of the system's for such things
	p := testkit.StartProgram(b, bin, nil, "peering", "serve", "--data", b.TempDir(), "--listen", "127.0.0.1:0", "--log-level", "warn")
	p.Ready()
	return p
}

var client = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 256},
}

// send does one request and returns the sequence that the answer carries.
func send(b *testing.B, method, url, body string) uint64 {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, url, bytes.NewBufferString(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		b.Error(err)
		return 0
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		b.Errorf("%s %s: %d %s %v", method, url, resp.StatusCode, text, err)
		return 0
	}
	var answer struct {
		Sequence uint64 `json:"sequence"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		b.Error(err)
	}
	return answer.Sequence
}

func register(b *testing.B, p *testkit.Program, ent string) {
	b.Helper()
	send(b, http.MethodPost, p.URL+"/api/v1/enterprises", fmt.Sprintf(
		`{"id":%q,"description":"Bench","domain":"%s.example","server":{"hostname":"uc.%s.example","address":"","version":"9.8","deployment":"standard"}}`, ent, ent, ent))
}

func addPeer(b *testing.B, p *testkit.Program, ent string, n int) uint64 {
	b.Helper()
	return send(b, http.MethodPost, p.URL+"/api/v1/enterprises/"+ent+"/peers", fmt.Sprintf(
		`{"type":"micollab","description":"Partner %d","hostname":"uc%d.partner.example","peer_enterprise_id":"partner","version":"9.7.1.105"}`, n, n))
}

// BenchmarkVisible is target P6: from the receipt of a command to the answer of
// a read that shows it, over HTTP, at 500 commands a second on 50 enterprises.
// The read waits with min_seq as a client would.
func BenchmarkVisible(b *testing.B) {
	const rate, enterprises = 500, 50
	seconds := 20
	if testing.Short() {
		seconds = 1
	}
	p := program(b)
	for i := range enterprises {
		register(b, p, fmt.Sprintf("visible-%02d", i))
	}
	for b.Loop() {
		var mu sync.Mutex
		var commands, visible []float64
		var running sync.WaitGroup
		tick := time.NewTicker(time.Second / rate)
		began := time.Now()
		for n := range rate * seconds {
			<-tick.C
			running.Go(func() {
				ent := fmt.Sprintf("visible-%02d", n%enterprises)
				start := time.Now()
				seq := addPeer(b, p, ent, n)
				received := time.Now()
				send(b, http.MethodGet, fmt.Sprintf("%s/api/v1/enterprises/%s?min_seq=%d", p.URL, ent, seq), "")
				shown := time.Now()
				mu.Lock()
				defer mu.Unlock()
				commands = append(commands, milliseconds(received.Sub(start)))
				visible = append(visible, milliseconds(shown.Sub(received)))
			})
		}
		running.Wait()
		b.ReportMetric(float64(rate*seconds)/time.Since(began).Seconds(), "commands/s")
		tick.Stop()
		b.ReportMetric(percentile(commands, 0.50), "command-p50-ms")
		b.ReportMetric(percentile(commands, 0.99), "command-p99-ms")
		b.ReportMetric(percentile(visible, 0.50), "visible-p50-ms")
		b.ReportMetric(percentile(visible, 0.99), "visible-p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkMemory is what `peering serve` needs with 100,000 peers, 10,000 of
// them in one enterprise, and whether the large one is as quick as a small one:
//
//	rss-MiB, peak-MiB   of the whole process, NATS and SQLite in it
//	add-first-ms        a peer added to an empty enterprise
//	add-10000-ms        a peer added to one with 10,000, snapshots included
//	page-p99-ms         a page of the large one, sorted by any column
func BenchmarkMemory(b *testing.B) {
	large, small, each := 10_000, 90, 1_000
	if testing.Short() {
		large, small, each = 200, 2, 50
	}
	p := program(b)
	for b.Loop() {
		register(b, p, "large")
		fill(b, 16, large, func(n int) { addPeer(b, p, "large", n) })
		var alone []float64
		register(b, p, "alone")
		for n := range 50 {
			start := time.Now()
			addPeer(b, p, "alone", n)
			alone = append(alone, milliseconds(time.Since(start)))
		}
		var full []float64
		for n := range 50 {
			start := time.Now()
			addPeer(b, p, "large", large+n)
			full = append(full, milliseconds(time.Since(start)))
		}
		for i := range small {
			register(b, p, fmt.Sprintf("small-%03d", i))
		}
		fill(b, 32, small*each, func(n int) { addPeer(b, p, fmt.Sprintf("small-%03d", n%small), n) })
		var pages []float64
		for _, sort := range []string{"description", "-hostname", "status", "-updated_at", "version", "upn_presence"} {
			for range 20 {
				start := time.Now()
				send(b, http.MethodGet, p.URL+"/api/v1/enterprises/large/peers?sort="+sort, "")
				pages = append(pages, milliseconds(time.Since(start)))
			}
		}
		b.ReportMetric(memory(b, p.PID(), "VmRSS:"), "rss-MiB")
		b.ReportMetric(memory(b, p.PID(), "VmHWM:"), "peak-MiB")
		b.ReportMetric(median(alone), "add-first-ms")
		b.ReportMetric(median(full), "add-10000-ms")
		b.ReportMetric(percentile(pages, 0.99), "page-p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// fill calls fn for 0…n-1 from that many goroutines.
func fill(b *testing.B, workers, n int, fn func(int)) {
	b.Helper()
	var running sync.WaitGroup
	for w := range workers {
		running.Go(func() {
			for i := w; i < n && !b.Failed(); i += workers {
				fn(i)
			}
		})
	}
	running.Wait()
}

// memory reads a figure of the kernel's about a process, in MiB.
func memory(b *testing.B, pid int, field string) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		testkit.Absent(b, "memory is read from Linux's /proc: "+err.Error())
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	b.Fatalf("no %s in /proc", field)
	return 0
}

func percentile(values []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(float64(len(sorted))*p), len(sorted)-1)]
}
