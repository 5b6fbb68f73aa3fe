package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ParseAllow makes a guard from entries: networks (10.20.0.0/16), addresses,
// ports and ranges of ports (8000-8100). Networks and addresses replace the
// private ranges that are open without any, ports replace 443 and 8443. Public
// addresses are always open.
//
// Loopback, link-local and reserved addresses are open only to an entry that
// lies within their range, the metadata address of a cloud only to that very
// address, and some to none. The error names the entry.
func ParseAllow(entries []string) (Guard, error) {
	listed, ports, err := parseEntries(entries)
	if err != nil {
		return Guard{}, err
	}
	if listed == nil {
		listed = private
	}
	if ports == nil {
		ports = defaultPorts
	}
	return newGuard(listed, ports), nil
}

// With is g and what the entries open; they replace nothing.
func (g Guard) With(entries ...string) (Guard, error) {
	listed, ports, err := parseEntries(entries)
	if err != nil {
		return Guard{}, err
	}
	g = g.orDefault()
	return newGuard(slices.Concat(g.listed, listed), slices.Concat(g.ports, ports)), nil
}

func parseEntries(entries []string) (listed []netip.Prefix, ports []portRange, err error) {
	for _, entry := range entries {
		text := strings.TrimSpace(entry)
		if strings.ContainsAny(text, ".:/") {
			p, err := parsePrefix(text)
			if err != nil {
				return nil, nil, fmt.Errorf("%q %w", entry, err)
			}
			listed = append(listed, p)
			continue
		}
		r, err := parsePorts(text)
		if err != nil {
			return nil, nil, fmt.Errorf("%q %w", entry, err)
		}
		ports = append(ports, r)
	}
	return listed, ports, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if !strings.Contains(s, "/") {
		var a netip.Addr
		a, err = netip.ParseAddr(s)
		if a.Zone() != "" {
			return netip.Prefix{}, errors.New("has a zone; an entry is for all interfaces")
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	switch {
	case err != nil:
		return netip.Prefix{}, errEntry
	case p.Addr().Is4In6():
		return netip.Prefix{}, errors.New("is an IPv4 address in IPv6 form; write it as IPv4")
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("is not the beginning of its network; %s is", p.Masked())
	}
	for _, n := range never {
		if n.Overlaps(p) && p.Bits() >= n.Bits() {
			return netip.Prefix{}, fmt.Errorf("cannot be allowed: what is in %s is never probed", n)
		}
	}
	return p, nil
}

func parsePorts(s string) (portRange, error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	from, err := parsePort(first)
	if err != nil {
		return portRange{}, err
	}
	to, err := parsePort(last)
	switch {
	case err != nil:
		return portRange{}, err
	case from > to:
		return portRange{}, errors.New("ends before it begins")
	}
	return portRange{from, to}, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	switch {
	case err != nil:
		return 0, errEntry
	case n < 1 || n > 65535:
		return 0, errors.New("is not a port: ports are 1 to 65535")
	}
	return uint16(n), nil
}

var errEntry = errors.New("is neither a network (10.20.0.0/16), an address, a port nor a range of ports (8000-8100)")
