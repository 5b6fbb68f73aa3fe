package probe_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/peering/peering/internal/probe"
)

func FuzzParseAllow(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8,443", "8000-8100", "::1", "127.0.0.0/8", "fc00::/7,::/0", "100.100.100.200", "a,b", "0.0.0.0/0", "2001::/23,1-65535"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		entries := strings.Split(s, ",")
		g, err := probe.ParseAllow(entries)
		if err != nil {
			for _, e := range entries {
				if strings.HasPrefix(err.Error(), strconv.Quote(e)) {
					return
				}
			}
			t.Fatalf("the error %q names none of %q", err, entries)
		}
		for _, a := range []string{"224.0.0.1", "255.255.255.255", "0.0.0.0", "::", "ff02::1", "2002:7f00:1::", "::127.0.0.1"} {
			if g.AllowsAddress(netip.MustParseAddr(a)) {
				t.Errorf("%q opens %s", entries, a)
			}
		}
		for _, a := range []string{"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"} {
			if g.AllowsAddress(netip.MustParseAddr(a)) && !strings.Contains(s, ":") && !strings.Contains(s, a) {
				t.Errorf("%q opens %s without naming it", entries, a)
			}
		}
		if !g.AllowsAddress(netip.MustParseAddr("8.8.8.8")) {
			t.Errorf("%q closes a public address", entries)
		}
	})
}

func FuzzGuard_formsOfAnAddressAreOne(f *testing.F) {
	for _, s := range []string{"\x7f\x00\x00\x01", "\xa9\xfe\xa9\xfe", "\x0a\x00\x00\x01", "\x08\x08\x08\x08"} {
		f.Add([]byte(s), uint64(1))
	}
	g := allow(f, "64:ff9b::/96", "0.0.0.0/0", "::/0")
	f.Fuzz(func(t *testing.T, b []byte, rest uint64) {
		a, ok := netip.AddrFromSlice(b)
		if !ok || !a.Is4() {
			return
		}
		for _, form := range forms(a, rest) {
			if g.AllowsAddress(form) && !g.AllowsAddress(a) {
				t.Errorf("%s is refused, and %s is not", a, form)
			}
		}
		if mapped := netip.AddrFrom16(a.As16()); g.AllowsAddress(mapped) != g.AllowsAddress(a) {
			t.Errorf("%s and %s are one address and judged as two", a, mapped)
		}
	})
}
