package probe_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/peering/peering/internal/probe"
)

// nameserver is a DNS server on loopback; answer is asked for each question and
// returns records in their text form, without the name, or the code of a
// failure. -1 is no answer at all.
type nameserver struct {
	address string
	asked   atomic.Int64
	handler dns.Handler

	mu    sync.Mutex
	names []string
}

func serveDNS(t testing.TB, answer func(n int64, kind uint16) ([]string, int)) *nameserver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameserver{address: conn.LocalAddr().String()}
	s.handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		s.mu.Lock()
		s.names = append(s.names, q.Question[0].Name)
		s.mu.Unlock()
		records, code := answer(s.asked.Add(1), q.Question[0].Qtype)
		if code < 0 {
			return
		}
		reply := new(dns.Msg).SetRcode(q, code)
		reply.RecursionAvailable = true // without, an empty answer is that of a server that does not know
		for _, r := range records {
			rr, err := dns.NewRR(q.Question[0].Name + " 0 IN " + r)
			if err != nil {
				t.Error(err)
				return
			}
			reply.Answer = append(reply.Answer, rr)
		}
		if err := w.WriteMsg(reply); err != nil {
			t.Error(err)
		}
	})
	start(t, &dns.Server{PacketConn: conn, Handler: s.handler})
	return s
}

// start runs server until the test ends.
func start(t testing.TB, server *dns.Server) {
	t.Helper()
	ended := make(chan error, 1)
	ready := make(chan struct{})
	server.NotifyStartedFunc = func() { close(ready) }
	go func() { ended <- server.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// resolver asks s instead of the servers of the system.
func (s *nameserver) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, s.address)
	}}
}

// from makes a look use s, and a guard that is open for entries.
func (s *nameserver) from(t testing.TB, port int, entries ...string) func(*probe.Options) {
	return func(o *probe.Options) {
		o.Hosts, o.Resolver, o.Guard = nil, s.resolver(), open(t, port, entries...)
	}
}

// only answers questions about IPv4 with the addresses given.
func only(ips ...string) func(int64, uint16) ([]string, int) {
	return func(_ int64, kind uint16) (records []string, code int) {
		for _, ip := range ips {
			if kind == dns.TypeA && !strings.Contains(ip, ":") {
				records = append(records, "A "+ip)
			}
			if kind == dns.TypeAAAA && strings.Contains(ip, ":") {
				records = append(records, "AAAA "+ip)
			}
		}
		return records, dns.RcodeSuccess
	}
}
