package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestServe_killedDuringABulkChange: whoever repeats it with its key afterwards
// gets all of it done, and nothing twice.
func TestServe_killedDuringABulkChange(t *testing.T) {
	const rows = 1500
	data := t.TempDir()
	p := serve(t, data)
	post(t, p, "/api/v1/enterprises", `{"id":"bulk","description":"Bulk","domain":"bulk.example","server":{"hostname":"uc.bulk.example"}}`)
	for n := range 4 {
		var b strings.Builder
		for i := range rows {
			fmt.Fprintf(&b, "{\"op\":\"add\",\"type\":\"external\",\"description\":\"Run %d row %d\"}\n", n, i)
		}
		send := func(p *process) (int, string) { return bulk(p, fmt.Sprintf("run-%d", n), b.String()) }
		cut := make(chan struct{})
		go func() {
			defer close(cut)
			_, _ = send(p)
		}()
		time.Sleep(time.Duration(30+60*n) * time.Millisecond) // anywhere between its parts
		p.Kill()
		<-cut
		p = serve(t, data)
		status, text := send(p)
		if status != http.StatusOK {
			t.Fatalf("the repeat is answered %d: %.300s", status, text)
		}
		seq := into[receipt](t, text).Sequence
		_, shown := answer(t, p, fmt.Sprintf("/api/v1/enterprises/bulk?min_seq=%d", seq))
		total := into[struct {
			Peers struct{ Total int } `json:"peers"`
		}](t, shown).Peers.Total
		if want := (n + 1) * rows; total != want {
			t.Fatalf("after run %d there are %d peers, want %d: %s", n, total, want, shown)
		}
	}
}

// bulk sends lines under a key; status 0: there was no answer.
func bulk(p *process, key, lines string) (status int, text string) {
	req, err := http.NewRequest(http.MethodPost, p.URL+"/api/v1/enterprises/bulk/peers:bulk", strings.NewReader(lines))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}
