package probe_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

func TestLook_answersThatAreGood(t *testing.T) {
	a := newAuthority(t)
	cfg := with(a.leaf(t))
	endless := func(conn net.Conn, _ *http.Request) {
		io.WriteString(conn, healthy)
		for chunk := bytes.Repeat([]byte("x"), 32<<10); ; {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	}
	late := `HTTP/1.1 200 OK` + "\r\n\r\n" + strings.Repeat(" ", 64<<10) + `"version":"9.8"`
	for name, c := range map[string]struct {
		talk    func(net.Conn, *http.Request)
		version string
	}{
		"no version":             {answering("HTTP/1.1 200 OK\r\n\r\n{}"), ""},
		"not found":              {answering("HTTP/1.1 404 Not Found\r\n\r\n" + `{"version":"1.2"}`), ""},
		"redirects":              {answering("HTTP/1.1 302 Found\r\nLocation: https://169.254.169.254/\r\n\r\n"), ""},
		"forbidden":              {answering("HTTP/1.1 401 No\r\n\r\n"), ""},
		"endless body":           {endless, "9.8"},
		"version beyond limit":   {answering(late), ""},
		"chunked":                {answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n\"version\"\r\n7\r\n: \"9.8\"\r\n0\r\n\r\n"), "9.8"},
		"broken chunks":          {answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), ""},
		"body cut off":           {answering("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n\"version\":\"9.8\""), "9.8"},
		"body that stalls":       {func(c net.Conn, _ *http.Request) { io.WriteString(c, healthy); silent(c) }, "9.8"},
		"words before it":        {answering("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + healthy), "9.8"},
		"version that is a word": {answering("HTTP/1.1 200 OK\r\n\r\n" + `{"version":"(devel)"}`), ""},
		"HTTP/1.0":               {answering("HTTP/1.0 200 OK\r\n\r\n" + `{"version" : "9.7.1.105"}`), "9.7.1.105"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "127.0.0.1:0", secured(cfg, c.talk))
			r := look(t, a, s.port, hurried)
			wantHealthy(t, r)
			if r.Version != c.version || r.Latency <= 0 {
				t.Errorf("got version %q and latency %s, want %q and one", r.Version, r.Latency, c.version)
			}
			if s.accepted.Load() != 1 {
				t.Errorf("got %d connections, want 1", s.accepted.Load())
			}
		})
	}
}

func TestLook_answersThatAreNone(t *testing.T) {
	a := newAuthority(t)
	cfg := with(a.leaf(t))
	endless := func(conn net.Conn, _ *http.Request) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(conn, "X-More: "+strings.Repeat("x", 1000)+"\r\n"); err != nil {
				return
			}
		}
	}
	oneLine := func(conn net.Conn, _ *http.Request) {
		for {
			if _, err := io.WriteString(conn, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		talk func(net.Conn, *http.Request)
		code string
	}{
		"503":                   {answering("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "server_error"},
		"500 with a body":       {answering("HTTP/1.1 500 Oh\r\n\r\n" + `{"version":"9.8"}`), "server_error"},
		"stalls":                {func(c net.Conn, _ *http.Request) { silent(c) }, "timeout"},
		"stalls in header":      {func(c net.Conn, _ *http.Request) { io.WriteString(c, "HTTP/1.1 200 OK\r\nX:"); silent(c) }, "timeout"},
		"closes":                {answering(""), "closed"},
		"closes in header":      {answering("HTTP/1.1 200 OK\r\nX: y\r\n"), "closed"},
		"another protocol":      {answering("SSH-2.0-OpenSSH_9.6\r\n\r\n"), "malformed"},
		"a header that is none": {answering("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"), "malformed"},
		"no status":             {answering("HTTP/1.1 abc OK\r\n\r\n"), "malformed"},
		"endless header":        {endless, "too_large"},
		"endless line":          {oneLine, "too_large"},
		"never gets there":      {answering(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20)), "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, "127.0.0.1:0", secured(cfg, c.talk))
			r := look(t, a, s.port, hurried)
			wantFailure(t, r, events.LayerHTTP, c.code)
			if r.Version != "" || r.Certificate == nil {
				t.Errorf("got version %q, certificate %v; want the certificate alone", r.Version, r.Certificate)
			}
		})
	}
}

func TestLook_bodyThatIsNotWantedIsNotWaitedFor(t *testing.T) {
	a := newAuthority(t)
	cfg := with(a.leaf(t))
	for _, status := range []string{"404 Not Found", "302 Found", "503 Service Unavailable"} {
		s := listen(t, "127.0.0.1:0", secured(cfg, func(conn net.Conn, _ *http.Request) {
			io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Length: 1000\r\n\r\nand then")
			silent(conn)
		}))
		r := look(t, a, s.port, func(o *probe.Options) { o.Limits.HTTP, o.Limits.Total = time.Minute, time.Minute })
		if took := time.Since(r.Started); took > 20*time.Second {
			t.Errorf("%s: took %s", status, took)
		}
	}
}

func TestLook_headerAndBodyHaveLimitsOfTheirOwn(t *testing.T) {
	a := newAuthority(t)
	body := strings.Repeat(" ", 20<<10) + `"version":"9.8"`
	s := listen(t, "127.0.0.1:0", secured(with(a.leaf(t)), answering("HTTP/1.1 200 OK\r\n\r\n"+body)))
	for limit, want := range map[int]string{30 << 10: "9.8", 10 << 10: ""} {
		r := look(t, a, s.port, func(o *probe.Options) { o.Limits.Header, o.Limits.Body = 1<<10, limit })
		wantHealthy(t, r)
		if r.Version != want {
			t.Errorf("with %d bytes of the body: got version %q, want %q", limit, r.Version, want)
		}
	}
}

func TestLook_versionRuleSaysWhereAndHow(t *testing.T) {
	a := newAuthority(t)
	s := listen(t, "127.0.0.1:0", secured(with(a.leaf(t)), func(conn net.Conn, r *http.Request) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n<b>Release 9.4 at "+r.URL.RequestURI()+"</b>")
	}))
	rule, err := probe.ParseVersionRule("/about?x=1", `Release ([0-9.]+) at /about\?x=1<`)
	if err != nil {
		t.Fatal(err)
	}
	r := look(t, a, s.port, func(o *probe.Options) { o.Version = rule })
	wantHealthy(t, r)
	if r.Version != "9.4" {
		t.Errorf("got version %q, want 9.4", r.Version)
	}
}
