//go:build !linux

package probe_test

import (
	"net/netip"
	"testing"

	"github.com/peering/peering/internal/testkit"
)

// listenWithoutBacklog needs a queue of connections that can be filled.
func listenWithoutBacklog(t testing.TB) netip.AddrPort {
	t.Helper()
	testkit.Absent(t, "a full queue of connections drops the next one on Linux only")
	return netip.AddrPort{}
}
