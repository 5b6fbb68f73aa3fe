package e2e_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/peering/peering/internal/testkit"
)

// zone is where the servers of these tests have their names.
const zone = "neighbour.example"

// neighbours are servers on loopback that a prober can be sent to: each has a
// name, which the test's DNS knows, a port, and a certificate of an authority of
// the test.
type neighbours struct {
	resolver string // address of the DNS
	caFile   string
	servers  []*neighbour
}

// neighbour is one of them. When it is away, its port takes connections and ends
// them: nobody else can get it meanwhile.
type neighbour struct {
	hostname string
	port     int
	away     atomic.Bool
}

// startNeighbours starts that many, until the test ends.
func startNeighbours(t *testing.T, n int) *neighbours {
	t.Helper()
	authority := testkit.NewAuthority(t)
	cert := authority.Certificate(t, 60*24*time.Hour, "*."+zone)
	out := &neighbours{resolver: startDNS(t), caFile: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(out.caFile, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		s := &neighbour{hostname: fmt.Sprintf("uc%02d.%s", i, zone)}
		s.start(t, cert)
		out.servers = append(out.servers, s)
	}
	return out
}

// env is what a prober needs to reach them.
func (n *neighbours) env() []string {
	return []string{"PEERING_PROBE_RESOLVER=" + n.resolver, "PEERING_PROBE_CA_FILE=" + n.caFile, "PEERING_PROBE_ALLOW=127.0.0.0/8,1-65535"}
}

func (s *neighbour) start(t *testing.T, cert tls.Certificate) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"version":"9.8"}`) // who asked may be gone
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ErrorLog: log.New(io.Discard, "", 0),
		ReadHeaderTimeout: 10 * time.Second,
	}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(&absentee{l, &s.away}, "", "") }()
	t.Cleanup(func() {
		_ = server.Close() // it only says that the listener is closed
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// absentee ends connections at once while the server is away.
type absentee struct {
	net.Listener
	away *atomic.Bool
}

func (l *absentee) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || !l.away.Load() {
			return conn, err
		}
		_ = conn.Close()
	}
}

// startDNS serves the zone, where every name is 127.0.0.1, and nothing else.
func startDNS(t *testing.T) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		switch asked := q.Question[0]; {
		case !strings.HasSuffix(asked.Name, "."+zone+"."):
			m.Rcode = dns.RcodeNameError
		case asked.Qtype == dns.TypeA:
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1),
			})
		}
		_ = w.WriteMsg(m) // who asked may be gone
	})}
	up := make(chan struct{})
	server.NotifyStartedFunc = func() { close(up) }
	served := make(chan error, 1)
	go func() { served <- server.ActivateAndServe() }()
	select {
	case <-up:
	case err := <-served:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(server.Shutdown(), <-served); err != nil {
			t.Error(err)
		}
	})
	return conn.LocalAddr().String()
}
