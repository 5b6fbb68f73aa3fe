package probe_test

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// noAnswer is what a server says that drops the question.
const noAnswer = -1

// both answers the question about IPv4 with 127.0.0.1, and does with that about
// IPv6 what code says.
func both(code int) func(int64, uint16) ([]string, int) {
	return func(_ int64, kind uint16) ([]string, int) {
		if kind == dns.TypeA {
			return []string{"A 127.0.0.1"}, dns.RcodeSuccess
		}
		return nil, code
	}
}

func healthyServer(t testing.TB) (*authority, *counterpart) {
	a := newAuthority(t)
	return a, listen(t, "127.0.0.1:0", secured(with(a.leaf(t)), answering(healthy)))
}

func TestLook_lostPacketIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, lost := range []int{1, 2} {
		t.Run(strconv.Itoa(lost), func(t *testing.T) {
			t.Parallel()
			a, server := healthyServer(t)
			var v4, v6 atomic.Int64
			s := serveDNS(t, func(n int64, kind uint16) ([]string, int) {
				seen := &v4
				if kind == dns.TypeAAAA {
					seen = &v6
				}
				if seen.Add(1) <= int64(lost) {
					return nil, noAnswer
				}
				return both(dns.RcodeSuccess)(n, kind)
			})
			r := look(t, a, server.port, s.from(t, server.port)) // with the limits of every day
			wantHealthy(t, r)
			if took := r.Steps[0].TookMS; r.Incomplete || took < float64(lost)*900 || took > float64(lost)*1000+900 {
				t.Errorf("got incomplete %t after %.0f ms, want all after about %d s", r.Incomplete, took, lost)
			}
		})
	}
}

func TestLook_deadServerLeavesTimeForTheNext(t *testing.T) {
	t.Parallel()
	a, server := healthyServer(t)
	dead := serveDNS(t, func(int64, uint16) ([]string, int) { return nil, noAnswer })
	alive := serveDNS(t, both(dns.RcodeSuccess))
	var dials atomic.Int64
	r := look(t, a, server.port, hurried, alive.from(t, server.port), func(o *probe.Options) {
		o.Resolver = &net.Resolver{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			to := alive.address
			if dials.Add(1) <= 2 { // both questions go to the first server first
				to = dead.address
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		}}
	})
	wantHealthy(t, r)
	if dead.asked.Load() == 0 || alive.asked.Load() == 0 {
		t.Errorf("asked the dead server %d times and the other %d times", dead.asked.Load(), alive.asked.Load())
	}
}

func TestLook_familyThatFailsTakesNothingFromTheOther(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code       int
		incomplete bool
	}{
		"is silent":   {noAnswer, true},
		"fails":       {dns.RcodeServerFailure, true},
		"is refused":  {dns.RcodeRefused, true},
		"is empty":    {dns.RcodeSuccess, false},
		"is not here": {dns.RcodeNameError, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, server := healthyServer(t)
			s := serveDNS(t, both(c.code))
			r := look(t, a, server.port, hurried, s.from(t, server.port))
			wantHealthy(t, r)
			if got := texts(r.Addresses); r.Incomplete != c.incomplete || !slices.Equal(got, []string{"127.0.0.1"}) {
				t.Errorf("got %q, incomplete %t; want the IPv4 address, incomplete %t", got, r.Incomplete, c.incomplete)
			}
			if told := strings.Contains(r.Steps[0].Message, "may be other addresses"); told != c.incomplete {
				t.Errorf("the step says %q", r.Steps[0].Message)
			}
		})
	}
}

func TestLook_nameIsAbsentOnlyWhenBothAnswersSaySo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v4, v6 int
		code   string
	}{
		"both say so":          {dns.RcodeNameError, dns.RcodeNameError, "not_found"},
		"one is empty":         {dns.RcodeSuccess, dns.RcodeNameError, "not_found"},
		"the second fails":     {dns.RcodeNameError, dns.RcodeServerFailure, "dns_failed"},
		"the first fails":      {dns.RcodeServerFailure, dns.RcodeNameError, "dns_failed"},
		"the second is silent": {dns.RcodeNameError, noAnswer, "timeout"},
		"the first is silent":  {noAnswer, dns.RcodeSuccess, "timeout"},
		"both are silent":      {noAnswer, noAnswer, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveDNS(t, func(_ int64, kind uint16) ([]string, int) {
				if kind == dns.TypeA {
					return nil, c.v4
				}
				return nil, c.v6
			})
			r := look(t, newAuthority(t), 443, hurried, s.from(t, 443))
			wantFailure(t, r, events.LayerDNS, c.code, host)
		})
	}
}

func TestLook_silentDNSEndsWithItsTime(t *testing.T) {
	t.Parallel()
	s := serveDNS(t, func(int64, uint16) ([]string, int) { return nil, noAnswer })
	r := look(t, newAuthority(t), 443, hurried, s.from(t, 443))
	wantFailure(t, r, events.LayerDNS, "timeout")
	limit := float64(quick().DNS.Milliseconds())
	if took := r.Steps[0].TookMS; took < limit/2 || took > limit+float64((2*time.Second).Milliseconds()) {
		t.Errorf("it took %.0f ms, want about %.0f", took, limit)
	}
	if n := s.asked.Load(); n < 4 {
		t.Errorf("asked %d times, want each question again", n)
	}
}

func TestLook_longAnswerComesOverTCP(t *testing.T) {
	t.Parallel()
	a, server := healthyServer(t)
	s := serveDNS(t, both(dns.RcodeSuccess))
	// Over UDP every answer is cut.
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	start(t, &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		reply.Truncated = true
		if err := w.WriteMsg(reply); err != nil {
			t.Error(err)
		}
	})})
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	start(t, &dns.Server{Listener: stream, Handler: s.handler})
	r := look(t, a, server.port, s.from(t, server.port), func(o *probe.Options) {
		o.Resolver = &net.Resolver{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			to := stream.Addr().String()
			if network == "udp" {
				to = packets.LocalAddr().String()
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		}}
	})
	wantHealthy(t, r)
	if s.asked.Load() != 2 {
		t.Errorf("asked over TCP %d times, want 2", s.asked.Load())
	}
}
