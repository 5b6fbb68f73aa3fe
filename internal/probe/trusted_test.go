package probe_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/peering/peering/internal/probe"
)

// TestLook_theTrustedNameIsResolvedToo: of a server that answers, and without
// addresses that may not be dialled.
func TestLook_theTrustedNameIsResolvedToo(t *testing.T) {
	a, s := healthyServer(t)
	names := func(o *probe.Options) {
		o.Hosts["edge.example"] = netip.MustParseAddr("127.0.0.1")
		o.Hosts["inside.example"] = netip.MustParseAddr("169.254.169.254")
	}
	for name, want := range map[string][]netip.Addr{
		"Edge.example.":  {netip.MustParseAddr("127.0.0.1")},
		"inside.example": nil,
		"":               nil,
	} {
		r := lookAt(t, a, probe.Target{Hostname: host, Port: s.port, Trusted: name}, names)
		if !slices.Equal(r.Trusted, want) {
			t.Errorf("%q is %v, want %v", name, r.Trusted, want)
		}
	}
	if r := lookAt(t, a, probe.Target{Hostname: host, Port: closedPort(t), Trusted: "edge.example"}, names); r.Trusted != nil {
		t.Errorf("of a server that does not answer: %v", r.Trusted)
	}
}
