package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
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
	l.passed(began, events.LayerDNS, plain(l.host, 253)+" is "+several(texts(l.result.Addresses), 4)+".")
	return alternate(allowed), true
}

// newResolver returns a resolver that leaves nothing behind when the time for an
// answer is over: that of the C library holds a thread until it gives up, and
// Go's own waits for a silent server behind the caller's back. It counts in
// shortages what failed for want of something here, which its errors hide.
func newResolver(from *net.Resolver, shortages *atomic.Int64) *net.Resolver {
	dial := new(net.Dialer).DialContext
	if from != nil && from.Dial != nil {
		dial = from.Dial
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		switch {
		case err == nil:
			context.AfterFunc(ctx, func() { _ = conn.Close() })
		case short(err):
			shortages.Add(1)
		}
		return conn, err
	}}
}

// lookup asks for all addresses of the host, once each; an address stands for
// itself.
func (l *look) lookup(ctx context.Context) ([]netip.Addr, events.Cause) {
	if a, ok := l.hosts[l.host]; ok {
		return []netip.Addr{a.Unmap()}, events.Cause{}
	}
	if a, err := netip.ParseAddr(l.host); err == nil {
		return []netip.Addr{a.Unmap()}, events.Cause{}
	}
	ctx, cancel := context.WithTimeout(ctx, l.limits.DNS)
	defer cancel()
	// The dot makes the name absolute: it is not tried in the domains that this
	// machine searches.
	before := l.shortages.Load()
	answer, err := l.resolver.LookupNetIP(ctx, "ip", l.host+".")
	if err != nil {
		l.result.Aborted = l.shortages.Load() > before
		return nil, l.unresolved(err)
	}
	var found []netip.Addr
	for _, a := range answer {
		if a = a.Unmap(); !slices.Contains(found, a) && len(found) < mostAddresses {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil, l.unresolved(&net.DNSError{IsNotFound: true})
	}
	return found, events.Cause{}
}

func (l *look) unresolved(err error) events.Cause {
	host := plain(l.host, 253)
	var failure *net.DNSError
	switch {
	case errors.As(err, &failure) && failure.IsNotFound:
		return cause(events.LayerDNS, codeNotFound, "The name %s does not exist, or has no address.", host)
	case timedOut(err):
		return cause(events.LayerDNS, codeTimeout, "The address of %s could not be found in time: the DNS did not answer.", host)
	default:
		return cause(events.LayerDNS, codeDNSFailed, "The address of %s could not be found: the DNS answered with a failure, or could not be reached.", host)
	}
}

// alternate mixes the two families, so that one that leads nowhere from here
// costs one try before the other has its turn. The resolver's order decides
// which comes first, and stays within each.
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
