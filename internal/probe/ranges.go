package probe

import (
	"net/netip"
	"slices"

	"code.dny.dev/ssrf"
)

var (
	// private are the ranges in which peers legitimately live. They are open
	// until a deployment lists its own.
	private = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")

	defaultPorts = []portRange{{443, 443}, {8443, 8443}}

	// never are the addresses that no entry opens: they are nobody's, everybody's,
	// or forms of IPv4 addresses that no server is reached by.
	never = prefixes(
		"0.0.0.0/8", "255.255.255.255/32", "224.0.0.0/4", "ff00::/8", "::/128",
		"::ffff:0:0:0/96", // IPv4-translated
		"64:ff9b:1::/48",  // NAT64 of a site: where the IPv4 address is depends on the site
		"2002::/16",       // 6to4
		"2001::/32",       // Teredo
	)

	// compatible and ssrf.IPv6NAT64Prefix carry an IPv4 address in their last
	// four bytes. A network without IPv4 may list the latter; what is carried has
	// to be allowed as well.
	compatible = netip.MustParsePrefix("::/96")

	// special are ranges that an entry opens only when it lies inside of one: who
	// lists 0.0.0.0/0 has not thought of loopback.
	special = slices.DeleteFunc(slices.Concat(
		prefixes("::1/128", "fe80::/10"), []netip.Prefix{ssrf.IPv6NAT64Prefix},
		ssrf.IPv4DeniedPrefixes, ssrf.IPv6DeniedPrefixes,
	), func(p netip.Prefix) bool { return slices.Contains(private, p) })

	// metadata are the addresses at which clouds tell a machine its secrets, or
	// direct it. They lie in ranges that somebody may open, so each is opened by
	// itself only.
	metadata = addresses(
		"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "fe80::a9fe:a9fe",
		"169.254.170.2", "169.254.170.23", "fd00:ec2::23", // of containers
		"169.254.0.23", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	)
)

// opened is what entry opens beyond public addresses: what it shares with the
// private ranges, and itself when it lies in one special range. Outside of the
// global IPv6 addresses, all that has no name is special.
func opened(entry netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range private {
		if entry.Overlaps(p) {
			out = append(out, narrower(entry, p))
		}
	}
	inside, touches := false, false
	for _, s := range special {
		touches = touches || entry.Overlaps(s)
		inside = inside || entry.Overlaps(s) && entry.Bits() >= s.Bits()
	}
	nameless := !touches && len(out) == 0 && entry.Addr().Is6() && entry.Bits() >= ssrf.IPv6GlobalUnicast.Bits()
	if inside || nameless {
		out = append(out, entry)
	}
	return out
}

// carried is the IPv4 address that a reaches by way of a translator or tunnel.
func carried(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	if a == netip.IPv6Loopback() || a == netip.IPv6Unspecified() {
		return netip.Addr{}, false
	}
	b := a.As16()
	isatap := b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
	return netip.AddrFrom4([4]byte(b[12:])), isatap || ssrf.IPv6NAT64Prefix.Contains(a) || compatible.Contains(a)
}

func within(a netip.Addr, ranges []netip.Prefix) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// narrower is the one of two prefixes that overlap which lies in the other.
func narrower(a, b netip.Prefix) netip.Prefix {
	if a.Bits() >= b.Bits() {
		return a
	}
	return b
}

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func addresses(texts ...string) []netip.Addr {
	out := make([]netip.Addr, len(texts))
	for i, s := range texts {
		out[i] = netip.MustParseAddr(s)
	}
	return out
}
