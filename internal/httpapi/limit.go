package httpapi

import (
	"container/list"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
)

// Limits bound how often callers may ask; a caller who asks more is answered 429
// too_many_requests. Callers on loopback while no token exists are not limited.
type Limits struct {
	// PerToken is requests a second with one token, over time; twice as many may
	// come at once.
	PerToken int
	// PerAddress is requests a second from one address without a good token: a
	// wrong one, or none. An address of IPv6 counts as its /64.
	PerAddress int
}

// DefaultLimits are generous to services, and slow down whoever guesses.
func DefaultLimits() Limits { return Limits{PerToken: 1000, PerAddress: 50} }

// maxBuckets bounds what is remembered of callers; those that were not seen for
// the longest time are forgotten first.
const maxBuckets = 10_000

// limiter counts the requests of callers.
type limiter struct {
	limits            Limits
	tokens, addresses *buckets
}

func newLimiter(l Limits) *limiter {
	if l.PerToken <= 0 {
		l.PerToken = DefaultLimits().PerToken
	}
	if l.PerAddress <= 0 {
		l.PerAddress = DefaultLimits().PerAddress
	}
	return &limiter{limits: l, tokens: newBuckets(l.PerToken), addresses: newBuckets(l.PerAddress)}
}

// token counts a request with a token, and reports whether it may go on.
func (l *limiter) token(id string) bool { return l.tokens.of(id).Allow() }

// address counts a request without a good token.
func (l *limiter) address(remote string) bool { return l.addresses.of(network(remote)).Allow() }

// exhausted reports whether an address has used up what it has, without counting.
func (l *limiter) exhausted(remote string) bool { return l.addresses.of(network(remote)).Tokens() < 1 }

// network is what counts as one address.
func network(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return ""
	}
	addr := at.Addr().Unmap().WithZone("")
	const one = 64 // what a single customer gets of IPv6
	if addr.Is6() {
		if prefix, err := addr.Prefix(one); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}

// buckets are token buckets by key.
type buckets struct {
	perSecond int
	mu        sync.Mutex
	byKey     map[string]*list.Element
	recent    *list.List // of *bucket, the latest in front
}

type bucket struct {
	key string
	*rate.Limiter
}

func newBuckets(perSecond int) *buckets {
	return &buckets{perSecond: perSecond, byKey: map[string]*list.Element{}, recent: list.New()}
}

func (b *buckets) of(key string) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.byKey[key]; ok {
		b.recent.MoveToFront(e)
		return e.Value.(*bucket).Limiter
	}
	if b.recent.Len() >= maxBuckets {
		oldest := b.recent.Remove(b.recent.Back()).(*bucket)
		delete(b.byKey, oldest.key)
	}
	made := &bucket{key, rate.NewLimiter(rate.Limit(b.perSecond), 2*b.perSecond)}
	b.byKey[key] = b.recent.PushFront(made)
	return made.Limiter
}
