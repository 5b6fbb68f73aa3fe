package probe_test

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog" // toxiproxy's own logger; it is silent here

	"github.com/peering/peering/internal/events"
)

// poisoned is the port of a line to port that does what the toxics say.
func poisoned(t testing.TB, port int, toxics ...string) int {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, "line", "127.0.0.1:0", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Toxics.ResetToxics(context.WithoutCancel(t.Context()))
		p.Stop()
	})
	for _, toxic := range toxics {
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			t.Fatal(err)
		}
	}
	_, text, err := net.SplitHostPort(p.Listen)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLook_slowLineIsMeasured(t *testing.T) {
	a := newAuthority(t)
	s := listen(t, "127.0.0.1:0", secured(with(a.leaf(t)), answering(healthy)))
	r := look(t, a, poisoned(t, s.port, `{"type":"latency","attributes":{"latency":100}}`))
	wantHealthy(t, r)
	// The answers to the hello and to the request each wait once.
	if r.Latency < 200*time.Millisecond || r.Latency > 5*time.Second {
		t.Errorf("got latency %s of a line that takes at least 200ms", r.Latency)
	}
	for _, step := range r.Steps {
		if slow := step.Layer == events.LayerTLS || step.Layer == events.LayerHTTP; slow && step.TookMS < 100 {
			t.Errorf("the step %+v has not its own time", step)
		}
	}
}

func TestLook_brokenLinesAreToldApart(t *testing.T) {
	a := newAuthority(t)
	cfg := with(a.leaf(t))
	long := strings.Replace(healthy, "\r\n", "\r\nX-Padding: "+strings.Repeat("x", 30000)+"\r\n", 1)
	for name, c := range map[string]struct {
		toxic       string
		layer, code string
	}{
		"too slow":          {`{"type":"latency","attributes":{"latency":2000}}`, events.LayerTLS, "timeout"},
		"silent":            {`{"type":"timeout","attributes":{"timeout":0}}`, events.LayerTLS, "timeout"},
		"reset":             {`{"type":"reset_peer","attributes":{"timeout":0}}`, events.LayerTLS, "closed"},
		"cut in the hello":  {`{"type":"limit_data","attributes":{"bytes":50}}`, events.LayerTLS, "closed"},
		"trickles":          {`{"type":"bandwidth","attributes":{"rate":1}}`, events.LayerTLS, "timeout"},
		"requests are lost": {`{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`, events.LayerTLS, "timeout"},
		"cut in the answer": {`{"type":"limit_data","attributes":{"bytes":8000}}`, events.LayerHTTP, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "127.0.0.1:0", secured(cfg, answering(long)))
			r := look(t, a, poisoned(t, s.port, c.toxic), hurried)
			wantFailure(t, r, c.layer, c.code)
		})
	}
}

func TestLook_piecesAreAsGoodAsTheWhole(t *testing.T) {
	a := newAuthority(t)
	s := listen(t, "127.0.0.1:0", secured(with(a.leaf(t)), answering(healthy)))
	r := look(t, a, poisoned(t, s.port, `{"type":"slicer","attributes":{"average_size":20,"size_variation":10,"delay":10}}`))
	wantHealthy(t, r)
	if r.Version != "9.8" {
		t.Errorf("got version %q", r.Version)
	}
}

func TestLook_nothingIsLeftOpen(t *testing.T) {
	a := newAuthority(t)
	good, bad := with(a.leaf(t)), with(a.leaf(t, named("uc.other.example")))
	for name, c := range map[string]struct {
		talk func(net.Conn)
		code string
	}{
		"healthy":              {secured(good, answering(healthy)), ""},
		"stalls in handshake":  {silent, "timeout"},
		"is not accepted":      {secured(bad, answering(healthy)), "name_mismatch"},
		"stalls in the answer": {secured(good, func(c net.Conn, _ *http.Request) { silent(c) }), "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			s := listen(t, "127.0.0.1:0", func(conn net.Conn) {
				c.talk(conn)
				silent(conn)
				close(ended)
			})
			r := look(t, a, s.port, hurried)
			if r.Failure.Code != c.code {
				t.Errorf("got %+v, want %q", r.Failure, c.code)
			}
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Error("the connection is still open")
			}
		})
	}
}
