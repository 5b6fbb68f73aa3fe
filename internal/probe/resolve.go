package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/peering/peering/internal/events"
)

// resolve finds the addresses of the host and leaves out those that may not be
// dialled. They are returned in the order in which they are to be tried.
func (l *look) resolve(ctx context.Context) ([]netip.Addr, bool) {
	began := time.Now()
	found, c := l.lookup(ctx)
	if c != (events.Cause{}) {
		l.failed(began, c)
		return nil, false
	}
	allowed := slices.DeleteFunc(found, func(a netip.Addr) bool { return !l.guard.AllowsAddress(a) })
	if len(allowed) == 0 {
		l.passed(began, events.LayerDNS, plain(l.host, 253)+" was resolved.")
		l.failed(time.Now(), addressRefused(l.host))
		return nil, false
	}
	l.result.Addresses = slices.Clone(allowed)
	slices.SortFunc(l.result.Addresses, netip.Addr.Compare)
	message := plain(l.host, 253) + " is " + several(texts(l.result.Addresses), 4) + "."
	if l.result.Incomplete {
		message += " There may be other addresses, which the DNS did not tell."
	}
	l.passed(began, events.LayerDNS, message)
	return alternate(allowed), true
}

// resolved are the addresses of a name that may be dialled, none when they cannot
// be told for sure.
func (p *Probe) resolved(ctx context.Context, name string) []netip.Addr {
	l := &look{Probe: p, host: strings.ToLower(strings.TrimSuffix(name, "."))}
	found, _ := l.lookup(ctx)
	if l.result.Incomplete {
		return nil
	}
	return slices.DeleteFunc(found, func(a netip.Addr) bool { return !l.guard.AllowsAddress(a) })
}

// lookup asks for all addresses of the host, once each; an address stands for
// itself. When one family could not be asked for, the other is the result.
func (l *look) lookup(ctx context.Context) ([]netip.Addr, events.Cause) {
	if a, ok := l.hosts[l.host]; ok {
		return []netip.Addr{a.Unmap()}, events.Cause{}
	}
	if a, err := netip.ParseAddr(l.host); err == nil {
		return []netip.Addr{a.Unmap()}, events.Cause{}
	}
	ctx, cancel := context.WithTimeout(ctx, l.limits.DNS)
	defer cancel()
	before := l.shortages.Load()
	answer, err := l.families(ctx)
	if len(answer) == 0 {
		l.result.Aborted = l.shortages.Load() > before
		return nil, l.unresolved(err)
	}
	var found []netip.Addr
	for _, a := range answer {
		if a = a.Unmap(); !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	l.result.Incomplete = err != nil && !absent(err) || len(found) > mostAddresses
	return found[:min(len(found), mostAddresses)], events.Cause{}
}

// families asks for IPv4 and for IPv6 at the same time, and apart: what becomes
// of one question takes nothing from the answer to the other. The error says why
// addresses are missing; that there are none, only when both answers say so.
func (l *look) families(ctx context.Context) ([]netip.Addr, error) {
	var v4, v6 []netip.Addr
	var err4, err6 error
	var wg sync.WaitGroup
	wg.Go(func() { v4, err4 = l.family(ctx, "ip4") })
	v6, err6 = l.family(ctx, "ip6")
	wg.Wait()
	if err4 == nil || absent(err4) && err6 != nil {
		err4 = err6
	}
	return slices.Concat(v4, v6), err4
}

// family asks for addresses of one family, and again when nobody answers: how
// often the system's settings would try is made for a longer patience.
func (l *look) family(ctx context.Context, network string) (found []netip.Addr, err error) {
	for range dnsTries {
		// The dot makes the name absolute: it is not tried in the domains that
		// this machine searches.
		found, err = l.resolver.LookupNetIP(ctx, network, l.host+".")
		if !timedOut(err) || ctx.Err() != nil {
			break
		}
	}
	return found, err
}

// absent tells whether err says that there is nothing to be found. A name that
// this machine itself gives an address of the other family ends in the second.
func absent(err error) bool {
	var answer *net.DNSError
	var other *net.AddrError
	return errors.As(err, &answer) && answer.IsNotFound || errors.As(err, &other)
}

func (l *look) unresolved(err error) events.Cause {
	host := plain(l.host, 253)
	switch {
	case absent(err):
		return cause(events.LayerDNS, codeNotFound, "The name %s does not exist, or has no address.", host)
	case timedOut(err):
		return cause(events.LayerDNS, codeTimeout, "The address of %s could not be found in time: the DNS did not answer.", host)
	default:
		return cause(events.LayerDNS, codeDNSFailed, "The address of %s could not be found: the DNS answered with a failure, or could not be reached.", host)
	}
}

// alternate mixes the two families, so that one that leads nowhere from here
// costs one try before the other has its turn. The family of the first address
// begins, and the order within each stays.
func alternate(addresses []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	for _, a := range addresses {
		if a.Is4() == addresses[0].Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	var mixed []netip.Addr
	for i := range max(len(first), len(second)) {
		mixed = append(mixed, first[min(i, len(first)):min(i+1, len(first))]...)
		mixed = append(mixed, second[min(i, len(second)):min(i+1, len(second))]...)
	}
	return mixed
}

func texts(addresses []netip.Addr) []string {
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = a.String()
	}
	return out
}
