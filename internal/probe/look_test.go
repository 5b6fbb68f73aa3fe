package probe_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

func TestLook_healthyServerAnswersOnEveryLayer(t *testing.T) {
	a := newAuthority(t)
	cert := a.leaf(t)
	asked := make(chan *http.Request, 1)
	s := listen(t, "127.0.0.1:0", secured(with(cert), func(conn net.Conn, r *http.Request) {
		asked <- r
		io.WriteString(conn, healthy)
	}))
	r := look(t, a, s.port)
	wantHealthy(t, r)

	var layers []string
	for _, step := range r.Steps {
		layers = append(layers, step.Layer)
	}
	if want := []string{events.LayerDNS, events.LayerConnect, events.LayerTLS, events.LayerHTTP}; !slices.Equal(layers, want) {
		t.Errorf("got layers %q, want %q", layers, want)
	}
	if r.Version != "9.8" {
		t.Errorf("got version %q, want 9.8", r.Version)
	}
	if r.Latency <= 0 || r.Latency > time.Since(r.Started) {
		t.Errorf("got latency %s of a look that took %s", r.Latency, time.Since(r.Started))
	}
	if want := []netip.Addr{netip.MustParseAddr("127.0.0.1")}; !slices.Equal(r.Addresses, want) {
		t.Errorf("got addresses %v, want %v", r.Addresses, want)
	}
	req := <-asked
	if req.Method != "GET" || req.URL.Path != "/.well-known/peering" || req.UserAgent() != "peering-prober" || !req.Close {
		t.Errorf("the server was asked %+v", req)
	}
	if want := net.JoinHostPort(host, req.Host[len(host)+1:]); req.Host != want {
		t.Errorf("got Host %q, want %q", req.Host, want)
	}
}

func TestLook_portIsRefusedBeforeAnythingIsAsked(t *testing.T) {
	guard, err := probe.ParseAllow([]string{"8443"})
	if err != nil {
		t.Fatal(err)
	}
	r := look(t, newAuthority(t), 443, func(o *probe.Options) {
		o.Guard, o.Hosts = guard, nil
		o.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Error("the name was looked up")
			return nil, io.EOF
		}}
	})
	wantFailure(t, r, events.LayerPolicy, "port_refused", "443", "PEERING_PROBE_ALLOW")
	if len(r.Steps) != 1 {
		t.Errorf("got steps %+v, want one", r.Steps)
	}
}

func TestLook_portsThatAreNoneAreRefused(t *testing.T) {
	p := probe.New(probe.Options{})
	for _, port := range []int{-1, 0, 65536, 65536 + 443} {
		r := p.Look(t.Context(), probe.Target{Hostname: host, Port: port})
		wantFailure(t, r, events.LayerPolicy, "port_refused")
	}
}

func TestLook_callerWhoGivesUpHearsNoVerdict(t *testing.T) {
	a := newAuthority(t)
	reached := make(chan struct{})
	s := listen(t, "127.0.0.1:0", func(conn net.Conn) {
		io.ReadFull(conn, make([]byte, 1))
		close(reached)
		silent(conn)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { <-reached; cancel() }()
	p := probe.New(probe.Options{Roots: a.pool(), Guard: open(t, s.port), Hosts: map[string]netip.Addr{host: netip.MustParseAddr("127.0.0.1")}})
	r := p.Look(ctx, probe.Target{Hostname: host, Port: s.port})
	checkResult(t, r)
	if !r.Aborted || r.Failure.Layer != events.LayerTLS {
		t.Errorf("got aborted %t, failure %+v; want a look that was given up in the handshake", r.Aborted, r.Failure)
	}
}

func TestLook_totalLimitIsAFindingAboutTheServer(t *testing.T) {
	a := newAuthority(t)
	s := listen(t, "127.0.0.1:0", silent)
	r := look(t, a, s.port, func(o *probe.Options) { o.Limits.Total = 100 * time.Millisecond })
	wantFailure(t, r, events.LayerTLS, "timeout")
}

func TestLook_sameHostWrittenOtherwise(t *testing.T) {
	a := newAuthority(t)
	s := listen(t, "127.0.0.1:0", secured(with(a.leaf(t)), answering(healthy)))
	p := probe.New(probe.Options{Roots: a.pool(), Guard: open(t, s.port), Hosts: map[string]netip.Addr{host: netip.MustParseAddr("127.0.0.1")}})
	wantHealthy(t, p.Look(t.Context(), probe.Target{Hostname: "PBX.acme.example.", Port: s.port}))
}

func TestLook_hostnamesThatAreNoneDoNotCrash(t *testing.T) {
	p := probe.New(probe.Options{Guard: open(t, 443), Limits: quick(), Resolver: &net.Resolver{
		PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF },
	}})
	for _, name := range []string{"", ".", "..", "a b", "x\r\ny", "127.0.0.2", "::1", "fe80::1%eth0", "[::1]", "\xff"} {
		r := p.Look(t.Context(), probe.Target{Hostname: name, Port: 443})
		checkResult(t, r)
		if r.Failure == (events.Cause{}) {
			t.Errorf("%q was found healthy", name)
		}
	}
}
