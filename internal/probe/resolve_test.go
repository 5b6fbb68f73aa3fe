package probe_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

func TestLook_failuresOfTheDNSAreToldApart(t *testing.T) {
	a := newAuthority(t)
	for name, c := range map[string]struct {
		answer func(int64, uint16) ([]string, int)
		code   string
	}{
		"no such name": {func(int64, uint16) ([]string, int) { return nil, dns.RcodeNameError }, "not_found"},
		"no address":   {only(), "not_found"},
		"fails":        {func(int64, uint16) ([]string, int) { return nil, dns.RcodeServerFailure }, "dns_failed"},
		"refuses":      {func(int64, uint16) ([]string, int) { return nil, dns.RcodeRefused }, "dns_failed"},
		"is silent":    {func(int64, uint16) ([]string, int) { return nil, -1 }, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveDNS(t, c.answer)
			r := look(t, a, 443, hurried, s.from(t, 443))
			wantFailure(t, r, events.LayerDNS, c.code, host)
			if len(r.Steps) != 1 || len(r.Addresses) != 0 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestLook_resolverThatCannotBeReachedIsAFailureOfTheDNS(t *testing.T) {
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameserver{address: gone.LocalAddr().String()}
	gone.Close()
	r := look(t, newAuthority(t), 443, s.from(t, 443))
	wantFailure(t, r, events.LayerDNS, "dns_failed")
}

func TestLook_nameIsAskedAsItIs(t *testing.T) {
	s := serveDNS(t, func(int64, uint16) ([]string, int) { return nil, dns.RcodeNameError })
	look(t, newAuthority(t), 443, s.from(t, 443))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.names {
		if name != host+"." {
			t.Errorf("the DNS was asked for %q, want %q alone", name, host+".")
		}
	}
	if len(s.names) == 0 {
		t.Error("the DNS was not asked")
	}
}

func TestLook_oneFamilyIsEnough(t *testing.T) {
	a := newAuthority(t)
	server := listen(t, "127.0.0.1:0", secured(with(a.leaf(t)), answering(healthy)))
	s := serveDNS(t, func(_ int64, kind uint16) ([]string, int) {
		if kind == dns.TypeAAAA {
			return nil, dns.RcodeServerFailure
		}
		return []string{"A 127.0.0.1"}, dns.RcodeSuccess
	})
	wantHealthy(t, look(t, a, server.port, s.from(t, server.port)))
}

func TestLook_addressesAreSortedAndThoseRefusedAreLeftOut(t *testing.T) {
	a := newAuthority(t)
	at := samePort(t, "127.0.0.1", "127.0.0.9")
	server := serve(t, at[0], secured(with(a.leaf(t)), answering(healthy)))
	forbidden := serve(t, at[1], silent)
	s := serveDNS(t, only("127.0.0.9", "127.0.0.4", "169.254.169.254", "::ffff:169.254.169.254", "127.0.0.1", "127.0.0.1"))
	r := look(t, a, server.port, s.from(t, server.port, "127.0.0.0/29"))
	wantHealthy(t, r)
	if got, want := texts(r.Addresses), []string{"127.0.0.1", "127.0.0.4"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := forbidden.accepted.Load(); n != 0 {
		t.Errorf("%d connections went where none may", n)
	}
	for _, step := range r.Steps {
		if strings.Contains(step.Message, "127.0.0.9") || strings.Contains(step.Message, "169.254") {
			t.Errorf("the step %+v names an address that is refused", step)
		}
	}
}

func TestLook_nameThatLeadsOnlyWhereNothingMayIsToldCoarsely(t *testing.T) {
	inside := []string{"127.0.0.9", "169.254.169.254"}
	s := serveDNS(t, only(inside...))
	r := look(t, newAuthority(t), 443, s.from(t, 443))
	wantFailure(t, r, events.LayerPolicy, "address_refused", host, "PEERING_PROBE_ALLOW")
	if len(r.Addresses) != 0 || len(r.Steps) != 2 || !r.Steps[0].OK {
		t.Errorf("got addresses %v, steps %+v", r.Addresses, r.Steps)
	}
	for _, step := range r.Steps {
		for _, ip := range inside {
			if strings.Contains(step.Message, ip) {
				t.Errorf("the step %+v names an address", step)
			}
		}
	}
}

func TestLook_nameThatIsBoundAnewIsDialledWhereItWasChecked(t *testing.T) {
	for _, inside := range []string{"127.0.0.9", "169.254.169.254"} {
		a := newAuthority(t)
		cert := with(a.leaf(t))
		reached := make(chan string, 1)
		at := samePort(t, "127.0.0.1", "127.0.0.9")
		server := serve(t, at[0], func(conn net.Conn) {
			reached <- conn.LocalAddr().(*net.TCPAddr).IP.String()
			secured(cert, answering(healthy))(conn)
		})
		forbidden := serve(t, at[1], silent)
		var moved atomic.Bool
		s := serveDNS(t, func(_ int64, kind uint16) ([]string, int) {
			switch {
			case kind != dns.TypeA:
				return nil, dns.RcodeSuccess
			case moved.Swap(true):
				return []string{"A " + inside}, dns.RcodeSuccess
			default: // from now on the name leads inside
				return []string{"A 127.0.0.1"}, dns.RcodeSuccess
			}
		})
		first := look(t, a, server.port, s.from(t, server.port))
		wantHealthy(t, first)
		if got := <-reached; got != "127.0.0.1" || !slices.Equal(texts(first.Addresses), []string{got}) {
			t.Errorf("dialled %s, checked %v", got, first.Addresses)
		}
		if n := s.asked.Load(); n != 2 { // A and AAAA
			t.Errorf("the DNS was asked %d times in one look, want 2", n)
		}
		wantFailure(t, look(t, a, server.port, s.from(t, server.port)), events.LayerPolicy, "address_refused")
		if n := forbidden.accepted.Load(); n != 0 {
			t.Errorf("%d connections went inside", n)
		}
	}
}

func TestLook_namesOfItsOwnAreGuardedToo(t *testing.T) {
	r := look(t, newAuthority(t), 443, func(o *probe.Options) {
		o.Guard, o.Hosts = probe.Guard{}, map[string]netip.Addr{host: netip.MustParseAddr("::ffff:127.0.0.1")}
	})
	wantFailure(t, r, events.LayerPolicy, "address_refused")
}

func texts(addresses []netip.Addr) []string {
	var out []string
	for _, a := range addresses {
		out = append(out, a.String())
	}
	return out
}
