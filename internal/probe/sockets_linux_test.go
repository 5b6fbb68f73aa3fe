package probe_test

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// withoutSockets runs do while the process may open nothing.
func withoutSockets(t testing.TB, do func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
	}()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	do()
}

func TestLook_wantOfSocketsHereIsNoVerdict(t *testing.T) {
	a := newAuthority(t)
	s := serveDNS(t, only("127.0.0.1"))
	server := listen(t, "127.0.0.1:0", secured(with(a.leaf(t)), answering(healthy)))
	for layer, change := range map[string]func(*probe.Options){
		events.LayerConnect: func(*probe.Options) {},
		events.LayerDNS:     s.from(t, server.port),
	} {
		withoutSockets(t, func() {
			r := look(t, a, server.port, change)
			if !r.Aborted || r.Failure.Layer != layer {
				t.Errorf("got aborted %t, failure %+v; want an aborted look at %s", r.Aborted, r.Failure, layer)
			}
		})
		if r := look(t, a, server.port, change); r.Aborted || r.Failure.Code != "" {
			t.Errorf("%s: with sockets again: %+v", layer, r)
		}
	}
}

// listenWithoutBacklog listens at 127.0.0.1 and never accepts.
func listenWithoutBacklog(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(bound.(*syscall.SockaddrInet4).Port))
}
