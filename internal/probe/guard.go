package probe

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// errForbidden ends a connect to what the guard does not allow.
var errForbidden = errors.New("probe: this address may not be dialled")

// Guard says which addresses and ports may be dialled. Public addresses always
// may, private ones unless the deployment says otherwise, and what leads to this
// machine, its link or its cloud's metadata only when it is listed: see
// ParseAllow. The zero Guard is that of no entries.
type Guard struct {
	listed  []netip.Prefix // what is opened besides public addresses, as it was given
	ports   []portRange
	checker *ssrf.Guardian // made from listed; nil in the zero Guard
}

type portRange struct{ from, to uint16 }

// newGuard makes a guard that opens what is listed. The library knows which
// addresses are not public; what it is told to allow has gone through opened,
// so that a wide entry opens nothing special by the way.
func newGuard(listed []netip.Prefix, ports []portRange) Guard {
	var v4, v6 []netip.Prefix
	for _, entry := range listed {
		for _, p := range opened(entry) {
			if p.Addr().Is4() {
				v4 = append(v4, p)
			} else {
				v6 = append(v6, p)
			}
		}
	}
	return Guard{listed: listed, ports: ports, checker: ssrf.New(
		ssrf.WithNetworks("tcp4", "tcp6"), ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...),
	)}
}

func (g Guard) orDefault() Guard {
	if g.checker != nil {
		return g
	}
	return newGuard(private, defaultPorts)
}

// AllowsPort tells whether port may be dialled.
func (g Guard) AllowsPort(port int) bool {
	return slices.ContainsFunc(g.orDefault().ports, func(r portRange) bool {
		return int(r.from) <= port && port <= int(r.to)
	})
}

// AllowsAddress tells whether a may be dialled, in whatever form it is written:
// an IPv4 address that is mapped, translated or tunnelled in an IPv6 address is
// not allowed when it is not itself.
func (g Guard) AllowsAddress(a netip.Addr) bool {
	g = g.orDefault()
	a = a.Unmap()
	return g.admits(a) && g.checker.SafeAddr(a) == nil
}

// admits refuses what no range opens.
func (g Guard) admits(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || within(a, never) {
		return false
	}
	if slices.Contains(metadata, a) && !slices.Contains(g.listed, netip.PrefixFrom(a, a.BitLen())) {
		return false
	}
	inner, ok := carried(a)
	return !ok || g.AllowsAddress(inner)
}

// control is asked by the dialer when the socket exists and is about to connect
// to address. What a name stood for earlier makes no difference here.
func (g Guard) control(network, address string, c syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !g.AllowsPort(int(to.Port())) || !g.AllowsAddress(to.Addr()) {
		return errForbidden
	}
	// The library looks at the kind of the network as well.
	if to.Addr().Is4In6() {
		address = netip.AddrPortFrom(to.Addr().Unmap(), to.Port()).String()
	}
	if g.checker.Safe(network, address, c) != nil {
		return errForbidden
	}
	return nil
}
