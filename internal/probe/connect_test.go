package probe_test

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// closedPort is a port of 127.0.0.1 at which nobody listens.
func closedPort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestLook_closedPortIsRefused(t *testing.T) {
	r := look(t, newAuthority(t), closedPort(t))
	wantFailure(t, r, events.LayerConnect, "refused", ": the server refused the connection.")
	wantStep(t, r, "127.0.0.1 refused")
	if len(r.Addresses) != 1 || r.Latency != 0 {
		t.Errorf("got addresses %v, latency %s", r.Addresses, r.Latency)
	}
}

func TestLook_nextAddressHasItsTurn(t *testing.T) {
	a := newAuthority(t)
	server := listen(t, "127.0.0.3:0", secured(with(a.leaf(t)), answering(healthy)))
	s := serveDNS(t, only("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"))
	r := look(t, a, server.port, s.from(t, server.port, "127.0.0.0/29", "::1"))
	wantHealthy(t, r)
	if len(r.Addresses) != 4 {
		t.Errorf("got %v", r.Addresses)
	}
}

func TestLook_everyAddressThatFailedIsTold(t *testing.T) {
	s := serveDNS(t, only("127.0.0.1", "127.0.0.2"))
	port := closedPort(t)
	r := look(t, newAuthority(t), port, s.from(t, port, "127.0.0.0/29"))
	wantFailure(t, r, events.LayerConnect, "refused", ": each of 2 addresses refused the connection.")
	wantStep(t, r, "127.0.0.1 refused", "127.0.0.2 refused")
}

func TestLook_silentAddressLeavesTimeForTheNext(t *testing.T) {
	a := newAuthority(t)
	server := serve(t, besideFull(t), secured(with(a.leaf(t)), answering(healthy)))
	s := serveDNS(t, only("127.0.0.1", "127.0.0.2"))
	r := look(t, a, server.port, hurried, s.from(t, server.port, "127.0.0.0/29"))
	wantHealthy(t, r)
}

func TestLook_silentAddressTimesOut(t *testing.T) {
	at := full(t)
	r := look(t, newAuthority(t), int(at.Port()), hurried)
	wantFailure(t, r, events.LayerConnect, "timeout", ": the server did not answer in time.")
	wantStep(t, r, "127.0.0.1 did not answer")
}

func TestDial_socketThatIsAboutToGoInsideIsStopped(t *testing.T) {
	server := listen(t, "127.0.0.9:0", silent)
	p := probe.New(probe.Options{Guard: open(t, server.port, "127.0.0.1")})
	for _, address := range []string{"127.0.0.9", "::ffff:127.0.0.9", "169.254.169.254", "::1", "64:ff9b::7f00:9"} {
		conn, err := p.Dial(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(address), uint16(server.port)))
		if !errors.Is(err, probe.ErrForbidden) {
			t.Errorf("%s: got %v, %v; want a refusal", address, conn, err)
		}
	}
	open := listen(t, "127.0.0.1:0", silent)
	if _, err := p.Dial(t.Context(), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(open.port))); !errors.Is(err, probe.ErrForbidden) {
		t.Errorf("another port: got %v, want a refusal", err)
	}
	if n := server.accepted.Load() + open.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestDial_whatIsAllowedConnects(t *testing.T) {
	server := listen(t, "127.0.0.1:0", silent)
	p := probe.New(probe.Options{Guard: open(t, server.port)})
	for _, address := range []string{"127.0.0.1", "::ffff:127.0.0.1"} {
		conn, err := p.Dial(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(address), uint16(server.port)))
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		conn.Close()
	}
}

// full listens at 127.0.0.1 and has taken all connections that it takes, so that
// the next one is neither accepted nor refused.
func full(t testing.TB) netip.AddrPort {
	t.Helper()
	at := listenWithoutBacklog(t)
	for range 16 {
		conn, err := net.DialTimeout("tcp", at.String(), 100*time.Millisecond)
		if err != nil {
			return at
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the system accepts for a program that does not")
	return at
}

// besideFull listens at 127.0.0.2, with the port of one that is full at 127.0.0.1.
func besideFull(t testing.TB) net.Listener {
	t.Helper()
	for range 50 {
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(int(full(t).Port())))); err == nil {
			return l
		}
	}
	t.Fatal("no port is free at both addresses")
	return nil
}
