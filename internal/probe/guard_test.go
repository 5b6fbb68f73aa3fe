package probe_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/probe"
)

func allow(t testing.TB, entries ...string) probe.Guard {
	t.Helper()
	g, err := probe.ParseAllow(entries)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGuard_addresses(t *testing.T) {
	for _, c := range []struct {
		entries string
		allowed string
		refused string
	}{
		{
			entries: "",
			allowed: "8.8.8.8 1.1.1.1 2606:4700::1111 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 fc00::1 fd12::1 ::ffff:10.0.0.1 ::ffff:8.8.8.8",
			refused: `127.0.0.1 127.255.255.255 ::1 0.0.0.0 0.1.2.3 :: 169.254.0.1 169.254.169.254 fe80::1 fe80::1%eth0 2606:4700::1%eth0
				224.0.0.1 239.255.255.255 ff02::1 255.255.255.255 240.0.0.1 192.0.0.1 192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1
				2001:db8::1 3fff::1 100::1 fec0::1 5f00::1 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 100.100.100.200 168.63.129.16
				64:ff9b::8.8.8.8 64:ff9b::7f00:1 64:ff9b:1::808:808 2002:808:808:: 2002:7f00:1:: 2001::1 ::8.8.8.8 ::127.0.0.1
				::ffff:0:8.8.8.8 ::ffff:127.0.0.1 ::ffff:169.254.169.254 2606:4700::5efe:7f00:1 2606:4700::200:5efe:a9fe:a9fe`,
		},
		{"10.20.0.0/16", "10.20.0.1 8.8.8.8 2606:4700::1111", "10.21.0.1 192.168.1.1 100.64.0.1 fd12::1 127.0.0.1"},
		{"10.20.0.5", "10.20.0.5", "10.20.0.6"},
		{"8.8.8.8", "8.8.8.8 1.1.1.1", "10.0.0.1"},
		{"9000", "10.0.0.1 fd12::1", "127.0.0.1"},
		{"0.0.0.0/0 ::/0", "10.0.0.1 192.168.1.1 fd12::1 8.8.8.8", "127.0.0.1 ::1 169.254.1.1 169.254.169.254 100.100.100.200 168.63.129.16 192.0.2.1 240.0.0.1 64:ff9b::808:808 fd00:ec2::254"},
		{"126.0.0.0/7", "126.0.0.1", "127.0.0.1"},
		{"127.0.0.0/8", "127.0.0.1 127.9.9.9 ::ffff:127.0.0.1", "10.0.0.1 ::1"},
		{"127.0.0.1 ::1", "127.0.0.1 ::1", "127.0.0.2"},
		{"100.64.0.0/10 fc00::/7", "100.100.100.201 fd00:ec2::253", "100.100.100.200 fd00:ec2::254"},
		{"100.100.100.200/32", "100.100.100.200 ::ffff:100.100.100.200", "100.100.100.201"},
		{"169.254.0.0/16", "169.254.1.1", "169.254.169.254 169.254.170.2 fe80::1"},
		{"169.254.169.254", "169.254.169.254", "169.254.169.253"},
		{"fd00:ec2::254", "fd00:ec2::254", "fd00:ec2::253"},
		{"168.63.129.16/31", "168.63.129.17", "168.63.129.16"},
		{"168.63.129.16", "168.63.129.16", "10.0.0.1"},
		{"192.0.2.0/25", "192.0.2.1", "192.0.2.129 198.51.100.1"},
		{"240.0.0.0/4", "240.0.0.1", "255.255.255.255"},
		{"2001:db8::/32", "2001:db8::1", "3fff::1 2001:db8::5efe:7f00:1"},
		{"fec0::/10", "fec0::1", "fe80::1 fd12::1"},
		{"64:ff9b::/96", "64:ff9b::808:808", "64:ff9b::a00:1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::e000:1"},
		{"64:ff9b::/96 10.0.0.0/8", "64:ff9b::a00:1", "64:ff9b::7f00:1"},
		{"::8000:0/97", "", "::127.0.0.1 ::169.254.169.254"},
	} {
		g := allow(t, strings.Fields(c.entries)...)
		for _, a := range strings.Fields(c.allowed) {
			if !g.AllowsAddress(netip.MustParseAddr(a)) {
				t.Errorf("%q: %s is refused, want allowed", c.entries, a)
			}
		}
		for _, a := range strings.Fields(c.refused) {
			if g.AllowsAddress(netip.MustParseAddr(a)) {
				t.Errorf("%q: %s is allowed, want refused", c.entries, a)
			}
		}
	}
}

func TestGuard_zeroIsThatOfNoEntries(t *testing.T) {
	var zero probe.Guard
	none := allow(t)
	for _, a := range []string{"10.0.0.1", "8.8.8.8", "127.0.0.1", "169.254.169.254"} {
		a := netip.MustParseAddr(a)
		if zero.AllowsAddress(a) != none.AllowsAddress(a) {
			t.Errorf("%s: the zero guard says %t", a, zero.AllowsAddress(a))
		}
	}
	if zero.AllowsAddress(netip.Addr{}) {
		t.Error("the zero address is allowed")
	}
	if !zero.AllowsPort(443) || !zero.AllowsPort(8443) || zero.AllowsPort(80) {
		t.Error("the zero guard allows other ports than 443 and 8443")
	}
}

func TestGuard_ports(t *testing.T) {
	for _, c := range []struct {
		entries          []string
		allowed, refused []int
	}{
		{nil, []int{443, 8443}, []int{0, -1, 22, 80, 444, 8442, 65536 + 443}},
		{[]string{"10.0.0.0/8"}, []int{443, 8443}, []int{22}},
		{[]string{"9000"}, []int{9000}, []int{443, 8443, 9001}},
		{[]string{"443", "8000-8100", "65535"}, []int{443, 8000, 8050, 8100, 65535}, []int{7999, 8101, 65534, 8443}},
	} {
		g := allow(t, c.entries...)
		for _, p := range c.allowed {
			if !g.AllowsPort(p) {
				t.Errorf("%q: port %d is refused", c.entries, p)
			}
		}
		for _, p := range c.refused {
			if g.AllowsPort(p) {
				t.Errorf("%q: port %d is allowed", c.entries, p)
			}
		}
	}
}

func TestGuard_withOpensBesidesWhatWasOpen(t *testing.T) {
	g, err := allow(t, "10.0.0.0/8", "8443").With("127.0.0.1", "9000")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"10.0.0.1", "127.0.0.1"} {
		if !g.AllowsAddress(netip.MustParseAddr(a)) {
			t.Errorf("%s is refused", a)
		}
	}
	if g.AllowsAddress(netip.MustParseAddr("192.168.1.1")) || !g.AllowsPort(8443) || !g.AllowsPort(9000) || g.AllowsPort(443) {
		t.Error("With changed more than it was told")
	}
	if _, err := g.With("nonsense"); err == nil || !strings.Contains(err.Error(), `"nonsense"`) {
		t.Errorf("got %v, want an error that names the entry", err)
	}
}

func TestParseAllow_errorsNameTheEntry(t *testing.T) {
	for entry, tells := range map[string]string{
		"":                    "neither",
		"example.com":         "neither",
		"10.0.0.0/33":         "neither",
		"10.0.0.0/-1":         "neither",
		"10.0.0":              "neither",
		"https":               "neither",
		"+443":                "neither",
		"8000-":               "neither",
		"-8000":               "neither",
		"8000-8010-8020":      "neither",
		"127.0.0.1:443":       "neither",
		"0":                   "1 to 65535",
		"65536":               "1 to 65535",
		"99999999999":         "neither",
		"9000-8000":           "ends before it begins",
		"10.1.2.3/8":          "10.0.0.0/8",
		"fe80::1%eth0":        "zone",
		"::ffff:10.0.0.0/104": "write it as IPv4",
		"::ffff:10.0.0.1":     "write it as IPv4",
		"224.0.0.0/4":         "never probed",
		"239.1.1.1":           "never probed",
		"0.0.0.0":             "never probed",
		"255.255.255.255":     "never probed",
		"ff02::/16":           "never probed",
		"::":                  "never probed",
		"2002::/16":           "never probed",
		"2001:0:1::/48":       "never probed",
		"64:ff9b:1:ffff::/64": "never probed",
	} {
		_, err := probe.ParseAllow([]string{"443", entry})
		if err == nil || !strings.Contains(err.Error(), tells) || !strings.HasPrefix(err.Error(), `"`+entry+`"`) {
			t.Errorf("%q: got error %v, want one that begins with the entry and tells %q", entry, err, tells)
		}
	}
	allow(t, " 10.0.0.0/8 ", "\t443") // blanks around an entry are no matter
}

// forms are the ways in which an IPv4 address is written as an IPv6 one.
func forms(a netip.Addr, r uint64) []netip.Addr {
	v4 := a.As4()
	last := func(prefix string) netip.Addr {
		b := netip.MustParseAddr(prefix).As16()
		copy(b[12:], v4[:])
		return netip.AddrFrom16(b)
	}
	sixToFour := netip.MustParseAddr("2002::").As16()
	copy(sixToFour[2:], v4[:])
	binary.BigEndian.PutUint64(sixToFour[8:], r)
	teredo := netip.MustParseAddr("2001::").As16()
	binary.BigEndian.PutUint64(teredo[4:], r)
	for i := range 4 {
		teredo[12+i] = ^v4[i]
	}
	local := netip.MustParseAddr("64:ff9b:1::").As16() // RFC 6052, a prefix of 48 bits
	copy(local[6:8], v4[:2])
	copy(local[9:11], v4[2:])
	return []netip.Addr{
		last("::ffff:0.0.0.0"), last("::"), last("::ffff:0:0:0"), last("64:ff9b::"), last("64:ff9b:1::"), netip.AddrFrom16(local),
		netip.AddrFrom16(sixToFour), netip.AddrFrom16(teredo),
		last("2606:4700:1:2:0:5efe::"), last("2606:4700:1:2:200:5efe::"), last("fd12::5efe:0:0"),
	}
}

func TestGuard_noFormOfARefusedAddressIsAllowed(t *testing.T) {
	guards := map[string]probe.Guard{}
	for _, entries := range []string{
		"", "0.0.0.0/0 ::/0", "64:ff9b::/96", "64:ff9b::/96 0.0.0.0/0", "fc00::/7", "127.0.0.0/8 64:ff9b::/96",
		"::8000:0/97 ::1", "2001:db8::/32", "169.254.169.254 64:ff9b::/96",
	} {
		guards[entries] = allow(t, strings.Fields(entries)...)
	}
	rapid.Check(t, func(t *rapid.T) {
		bases := []string{"0.0.0.0/0", "127.0.0.0/8", "169.254.0.0/16", "10.0.0.0/8", "224.0.0.0/4", "169.254.169.254/32", "168.63.129.16/32", "100.100.100.200/32", "192.0.2.0/24"}
		base := netip.MustParsePrefix(rapid.SampledFrom(bases).Draw(t, "base"))
		v4 := base.Masked().Addr().As4()
		n := binary.BigEndian.Uint32(v4[:]) | rapid.Uint32().Draw(t, "host")&(uint32(1)<<(32-base.Bits())-1)
		binary.BigEndian.PutUint32(v4[:], n)
		a := netip.AddrFrom4(v4)
		for entries, g := range guards {
			if g.AllowsAddress(a) {
				continue
			}
			for _, form := range forms(a, rapid.Uint64().Draw(t, "rest")) {
				if form != netip.IPv6Loopback() && g.AllowsAddress(form) {
					t.Errorf("%q: %s is refused, and %s, which leads there, is not", entries, a, form)
				}
			}
		}
	})
}
