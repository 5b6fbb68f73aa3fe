package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

type peerRow struct {
	ID               string `json:"id"`
	Description      string `json:"description"`
	Hostname         string `json:"hostname"`
	Address          string `json:"address"`
	PeerEnterpriseID string `json:"peer_enterprise_id"`
	Revision         uint64 `json:"revision"`
}

type trustedRow struct {
	ID     string `json:"id"`
	Host   string `json:"host"`
	Type   string `json:"type"`
	Origin string `json:"origin"`
	PeerID string `json:"peer_id"`
}

type list[T any] struct {
	Items    []T    `json:"items"`
	Sequence uint64 `json:"sequence"`
}

type receipt struct {
	ID       string `json:"id"`
	Sequence uint64 `json:"sequence"`
}

// into reads what a command printed with -o json.
func into[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func (p *process) peers(args ...string) []peerRow {
	p.t.Helper()
	return into[list[peerRow]](p.t, p.Must(append([]string{"-o", "json", "peer", "list", "demo-acme"}, args...)...)).Items
}

func (p *process) trusted() map[string]trustedRow {
	p.t.Helper()
	rows := map[string]trustedRow{}
	for _, r := range into[list[trustedRow]](p.t, p.Must("-o", "json", "trusted", "list", "demo-acme")).Items {
		rows[r.PeerID] = r
	}
	return rows
}

func find(t *testing.T, rows []peerRow, description string) peerRow {
	t.Helper()
	for _, r := range rows {
		if r.Description == description {
			return r
		}
	}
	t.Fatalf("no peer %q in %+v", description, rows)
	return peerRow{}
}

// TestServe_theMainJob is the README's tour, with a kill -9 in it.
func TestServe_theMainJob(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data, "--demo")
	if n := len(p.peers()); n != 5 {
		t.Fatalf("the demo has %d peers, want 5", n)
	}
	if out := p.Must("peer", "list", "demo-acme"); !strings.Contains(out, "Berlin") {
		t.Errorf("the table does not show Berlin:\n%s", out)
	}

	p.Must("peer", "add", "demo-acme", "--type", "micollab", "--description", "Vienna",
		"--hostname", "UC.Vienna.example.", "--peer-enterprise-id", "vienna")
	vienna := find(t, p.peers(), "Vienna")
	if vienna.Hostname != "uc.vienna.example" {
		t.Errorf("the hostname is %q", vienna.Hostname)
	}
	if got := p.trusted()[vienna.ID]; got.Host != "uc.vienna.example" || got.Type != "peer" {
		t.Errorf("the trusted server is %+v", got)
	}

	p.Must("peer", "set-address", "demo-acme", "Vienna", "198.51.100.7")
	if got := p.trusted()[vienna.ID]; got.Host != "198.51.100.7" {
		t.Errorf("after the address changed: %+v", got)
	}
	p.Must("peer", "delete", "demo-acme", "Berlin")

	before := snapshot(t, p)
	p.Kill()
	again := serve(t, data, "--demo")
	if after := snapshot(t, again); after != before {
		t.Errorf("after kill -9:\n%s\nbefore:\n%s", after, before)
	}
	if a := again.CLI("peer", "show", "demo-acme", vienna.ID); a.Code != 0 || !strings.Contains(a.Out, "198.51.100.7") {
		t.Errorf("got %+v", a)
	}

	again.Must("peer", "delete", "demo-acme", "Vienna")
	if _, ok := again.trusted()[vienna.ID]; ok {
		t.Error("the deleted peer is still trusted")
	}
	if a := again.CLI("peer", "show", "demo-acme", vienna.ID); a.Code != 4 || !strings.Contains(a.Err, "deleted") {
		t.Errorf("a deleted peer is answered %+v", a)
	}
	if code := again.Stop(); code != 0 {
		t.Errorf("stopped with code %d", code)
	}
}

// seenByProbers are the fields that a prober may change at any moment.
var seenByProbers = []string{"status", "status_cause", "status_since", "last_probe", "latency_ms", "certificate", "version", "version_source", "upn_presence"}

// snapshot is everything that the lists show of what people have changed in the
// demo, without the position.
func snapshot(t *testing.T, p *process) string {
	t.Helper()
	peers := into[list[map[string]json.RawMessage]](t, p.Must("-o", "json", "peer", "list", "demo-acme"))
	for _, row := range peers.Items {
		for _, field := range seenByProbers {
			if _, ok := row[field]; !ok {
				t.Errorf("a peer has no %s", field)
			}
			delete(row, field)
		}
	}
	trusted := into[list[json.RawMessage]](t, p.Must("-o", "json", "trusted", "list", "demo-acme"))
	text, err := json.Marshal([]any{peers.Items, trusted.Items})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestServe_killedWhileWriting: whatever was acknowledged is there after every
// restart, once (targets S1, S2).
func TestServe_killedWhileWriting(t *testing.T) {
	data := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 3 {
		p := serve(t, data)
		if round == 0 {
			post(t, p, "/api/v1/enterprises", `{"id":"load","description":"Load","domain":"load.example","server":{"hostname":"uc.load.example","address":"","version":"9.8","deployment":"standard"}}`)
		}
		var mu sync.Mutex
		var writers sync.WaitGroup
		for w := range 8 {
			writers.Go(func() {
				for i := 0; ; i++ {
					name := fmt.Sprintf("r%d-w%d-%d", round, w, i)
					body := fmt.Sprintf(`{"type":"external","description":%q}`, name)
					if _, err := tryPost(p, "/api/v1/enterprises/load/peers", name, body); err != nil {
						return
					}
					mu.Lock()
					acknowledged[name] = true
					mu.Unlock()
				}
			})
		}
		p.Eventually("enough was written", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acknowledged) >= 60*(round+1)
		})
		p.Kill()
		writers.Wait()
	}

	p := serve(t, data)
	seen := map[string]int{}
	for _, row := range into[list[peerRow]](t, p.Must("-o", "json", "peer", "list", "load", "--all")).Items {
		seen[row.Description]++
	}
	for name := range acknowledged {
		if seen[name] != 1 {
			t.Errorf("%s was acknowledged and is there %d times", name, seen[name])
		}
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", name, n)
		}
	}
	t.Logf("%d acknowledged, %d there", len(acknowledged), len(seen))
}

func tryPost(p *process, path, key, body string) (receipt, error) {
	req, err := http.NewRequest(http.MethodPost, p.URL+path, strings.NewReader(body))
	if err != nil {
		return receipt{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return receipt{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return receipt{}, fmt.Errorf("status %d", resp.StatusCode)
	}
	var r receipt
	return r, json.NewDecoder(resp.Body).Decode(&r)
}

func post(t *testing.T, p *process, path, body string) receipt {
	t.Helper()
	r, err := tryPost(p, path, "", body)
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	return r
}

func TestServe_saysOnlyWhereItListensOnStandardOutput(t *testing.T) {
	p := serve(t, t.TempDir(), "--nats-listen", "127.0.0.1:0")
	if c, err := net.Dial("tcp", strings.TrimPrefix(p.NATS, "nats://")); err != nil {
		t.Errorf("nobody listens at %s: %v", p.NATS, err)
	} else {
		_ = c.Close()
	}
	p.Stop()
	for _, line := range p.Stdout() {
		if !strings.HasPrefix(line, "http=") && !strings.HasPrefix(line, "nats=") {
			t.Errorf("unexpected line %q", line)
		}
	}
}

func TestServe_secondProcessOnTheSameDataIsRefused(t *testing.T) {
	data := t.TempDir()
	serve(t, data)
	second := launch(t, nil, "peering", "serve", "--data", data, "--listen", "127.0.0.1:0")
	if code := second.Wait(); code == 0 || !strings.Contains(second.Log(), "in use") {
		t.Errorf("code %d: %s", code, second.Log())
	}
}

func TestServe_dataOfANewerProgramIsRefused(t *testing.T) {
	data := t.TempDir()
	text := `{"format":99,"written_by":"9.9.9"}`
	if err := os.WriteFile(filepath.Join(data, "format.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, nil, "peering", "serve", "--data", data, "--listen", "127.0.0.1:0")
	if code := p.Wait(); code == 0 || !strings.Contains(p.Log(), "9.9.9") {
		t.Errorf("code %d: %s", code, p.Log())
	}
}

func TestServe_wrongConfigurationIsWrongUsage(t *testing.T) {
	p := launch(t, []string{"PEERING_LOG_LEVEL=loud"}, "peering", "serve", "--data", t.TempDir(), "--listen", "nowhere")
	if code := p.Wait(); code != 2 {
		t.Errorf("code %d, want 2", code)
	}
	for _, want := range []string{"--listen", "PEERING_LOG_LEVEL"} {
		if !strings.Contains(p.Log(), want) {
			t.Errorf("%s is not named in: %s", want, p.Log())
		}
	}
}

func TestServe_stopsWhileRequestsAreInProgress(t *testing.T) {
	p := serve(t, t.TempDir(), "--demo")
	waiting := make(chan int, 1)
	go func() { waiting <- p.Status("/api/v1/enterprises/demo-acme/peers?min_seq=1000000") }()
	p.Eventually("the request has arrived", func() bool {
		return strings.Contains(body(t, p, "/metrics"), "peering_http_requests_in_progress 2\n")
	})
	began := time.Now()
	if code := p.Stop(); code != 0 {
		t.Errorf("code %d", code)
	}
	if status := <-waiting; status != http.StatusServiceUnavailable {
		t.Errorf("the request in progress got %d, want 503", status)
	}
	t.Logf("stopped after %s", time.Since(began))
}

func TestServe_anotherSitesPageIsRefused(t *testing.T) {
	p := serve(t, t.TempDir(), "--demo")
	req, err := http.NewRequest(http.MethodDelete, p.URL+"/api/v1/enterprises/demo-acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "attacker.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, want 403", resp.StatusCode)
	}
}
