package probe_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// counterpart is a server on a loopback address.
type counterpart struct {
	port     int
	accepted atomic.Int64
	listener net.Listener
}

// listen serves every connection with talk, which may take its time: when the
// test ends, its connection is closed under it.
func listen(t testing.TB, address string, talk func(net.Conn)) *counterpart {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l, talk)
}

// samePort binds one port of all addresses.
func samePort(t testing.TB, addresses ...string) []net.Listener {
	t.Helper()
	for range 50 { // what is free at one address may be taken at another
		bound, err := bindAll(addresses)
		if err == nil {
			return bound
		}
		for _, l := range bound {
			l.Close()
		}
	}
	t.Fatalf("no port is free at all of %q", addresses)
	return nil
}

func bindAll(addresses []string) (bound []net.Listener, err error) {
	port := "0"
	for _, a := range addresses {
		l, err := net.Listen("tcp", net.JoinHostPort(a, port))
		if err != nil {
			return bound, err
		}
		bound = append(bound, l)
		port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	return bound, nil
}

// serve is listen with a listener that is there already.
func serve(t testing.TB, l net.Listener, talk func(net.Conn)) *counterpart {
	c := &counterpart{listener: l, port: l.Addr().(*net.TCPAddr).Port}
	var mu sync.Mutex
	var open []net.Conn
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			c.accepted.Add(1)
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			wg.Go(func() { defer conn.Close(); talk(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, conn := range open {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return c
}

// secured finishes the handshake and reads the request before talk has its turn.
func secured(cfg *tls.Config, talk func(conn net.Conn, r *http.Request)) func(net.Conn) {
	return func(raw net.Conn) {
		conn := tls.Server(raw, cfg)
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		talk(conn, r)
		conn.Close()
	}
}

// answering says text to every request.
func answering(text string) func(net.Conn, *http.Request) {
	return func(conn net.Conn, _ *http.Request) { io.WriteString(conn, text) }
}

const healthy = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + `{"product":"peering","version":"9.8"}`

func with(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

// silent keeps the connection and says nothing until the other side ends it.
func silent(conn net.Conn) { io.Copy(io.Discard, conn) }

// open is a guard for the loopback addresses given, and port.
func open(t testing.TB, port int, entries ...string) probe.Guard {
	t.Helper()
	if len(entries) == 0 {
		entries = []string{"127.0.0.1"}
	}
	g, err := probe.Guard{}.With(append(entries, strconv.Itoa(port))...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// quick are limits that a test can wait for.
func quick() probe.Limits {
	const brief = 400 * time.Millisecond
	return probe.Limits{DNS: brief, Connect: brief, TLS: brief, HTTP: brief}
}

// look looks at host, which stands for 127.0.0.1, and checks what holds of every
// result.
func look(t testing.TB, a *authority, port int, change ...func(*probe.Options)) probe.Result {
	t.Helper()
	return lookAt(t, a, probe.Target{Hostname: host, Port: port}, change...)
}

func lookAt(t testing.TB, a *authority, at probe.Target, change ...func(*probe.Options)) probe.Result {
	t.Helper()
	opts := probe.Options{
		Roots: a.pool(), Guard: open(t, at.Port),
		Hosts: map[string]netip.Addr{host: netip.MustParseAddr("127.0.0.1")},
	}
	for _, c := range change {
		c(&opts)
	}
	r := probe.New(opts).Look(t.Context(), at)
	checkResult(t, r)
	return r
}

func hurried(o *probe.Options) { o.Limits = quick() }

func checkResult(t testing.TB, r probe.Result) {
	t.Helper()
	for i, s := range r.Steps {
		last := i == len(r.Steps)-1
		if !s.OK && !last {
			t.Errorf("step %d failed and is not the last: %+v", i, r.Steps)
		}
		if last && s.OK != (r.Failure == events.Cause{}) {
			t.Errorf("the last step is %+v, and the failure %+v", s, r.Failure)
		}
		if !strings.HasSuffix(s.Message, ".") || strings.ContainsFunc(s.Message, unicode.IsControl) {
			t.Errorf("the message %q is not a sentence", s.Message)
		}
		if s.OK != (s.Code == "") {
			t.Errorf("a step with ok %t has the code %q", s.OK, s.Code)
		}
	}
	for _, a := range r.Addresses {
		if strings.Contains(r.Failure.Message, a.String()) {
			t.Errorf("the message %q names an address", r.Failure.Message)
		}
	}
	if len(r.Steps) == 0 || r.Started.IsZero() {
		t.Errorf("a result without a step or a beginning: %+v", r)
	}
}

// wantFailure checks what failed, and that the message tells every part.
func wantFailure(t testing.TB, r probe.Result, layer, code string, parts ...string) {
	t.Helper()
	if r.Failure.Layer != layer || r.Failure.Code != code {
		t.Errorf("got %+v, want %s/%s", r.Failure, layer, code)
	}
	for _, p := range parts {
		if !strings.Contains(r.Failure.Message, p) {
			t.Errorf("the message %q does not tell %q", r.Failure.Message, p)
		}
	}
	if r.Aborted {
		t.Error("aborted")
	}
}

// wantStep checks that the last step's message tells every part.
func wantStep(t testing.TB, r probe.Result, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if last := r.Steps[len(r.Steps)-1]; !strings.Contains(last.Message, p) {
			t.Errorf("the step's message %q does not tell %q", last.Message, p)
		}
	}
}

func wantHealthy(t testing.TB, r probe.Result) {
	t.Helper()
	if r.Failure != (events.Cause{}) || r.Aborted {
		t.Fatalf("got %+v, aborted %t; want no failure", r.Failure, r.Aborted)
	}
}
