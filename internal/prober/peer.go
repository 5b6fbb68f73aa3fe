package prober

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// peer is a target that this prober owns.
type peer struct {
	// judging is what is thought of it beyond what the log says; nil: nothing is. Use
	// judged and think.
	judging  *domain.Judgement
	config   events.Seq // that it is judged under
	reported events.Seq // the last event of its status that the judgement knows
	writing  bool       // events of it are being appended
	since    time.Time  // owned since

	address     string // trusted, that the next two are about
	addressSeen bool
	nameCovered bool

	// unwatched is since when nobody probed it, as long as that is not in the log;
	// zero: somebody did.
	unwatched time.Time

	failures int // probes in a row that failed
	quick    int // probes in quick succession, since it is judged under config
	asked    []chan<- Report
}

// When peers are probed.
const (
	settleAfter  = 1500 * time.Millisecond // a peer without a verdict
	jitter       = 0.1                     // of the interval, either way
	quickProbes  = 6                       // of such a peer, whatever becomes of them
	adoptEvery   = 2 * time.Millisecond    // peers that come together are spread out
	backoffShare = 10                      // one that has been down for a time: a tenth of that
	maxBackoff   = 5 * time.Minute
)

// refresh brings what is known of peers in line with the log and with who owns
// them.
func (p *Prober) refresh(keys ...domain.PeerKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.caughtUp {
		return
	}
	now := time.Now()
	var fresh []Target
	for _, key := range keys {
		t, ok := p.targets.Get(key)
		known := p.peers[key]
		switch {
		case !ok || owner(p.members, key) != p.id:
			p.drop(key)
		case known == nil:
			fresh = append(fresh, t)
		case known.config != t.Connection.From:
			p.judge(known, &t)
			p.suspicion.Forget(key)
			p.schedule.put(key, t.Hostname, now)
		case known.reported < t.StatusSeq && !known.writing:
			p.judge(known, &t)
		}
	}
	spread := min(time.Duration(len(fresh))*adoptEvery, p.o.Interval)
	for i := range fresh {
		p.adopt(&fresh[i], now, now.Add(time.Duration(rand.Float64()*float64(spread)))) // #nosec G404 -- to spread
	}
	p.rouse()
}

// refreshAll is refresh for every peer there is, or was.
func (p *Prober) refreshAll() {
	keys := p.targets.All()
	p.mu.Lock()
	for key := range p.peers {
		if _, ok := p.targets.Get(key); !ok {
			keys = append(keys, key)
		}
	}
	p.mu.Unlock()
	p.refresh(keys...)
}

// adopt begins to probe a target.
func (p *Prober) adopt(t *Target, now, due time.Time) {
	known := &peer{since: now, unwatched: p.unwatchedSince}
	p.judge(known, t)
	p.peers[t.Key()] = known
	s := known.judged(t)
	if s.Status() == events.StatusUp || s.Status() == events.StatusDegraded || s.Cause().Code == domain.CauseProberIsolated {
		p.suspicion.Expect(t.Key(), t.Hostname)
	}
	p.schedule.put(t.Key(), t.Hostname, due)
}

// drop ends the probing of a peer.
func (p *Prober) drop(key domain.PeerKey) {
	known := p.peers[key]
	if known == nil {
		return
	}
	answer(known.asked, Report{Error: errNotProbed})
	known.asked = nil
	delete(p.peers, key)
	p.suspicion.Forget(key)
	p.schedule.remove(key)
}

// judge begins to judge a peer anew, from what the log says.
func (p *Prober) judge(known *peer, t *Target) {
	if known.config != t.Connection.From {
		known.failures, known.quick = 0, 0
	}
	known.judging = nil
	known.config, known.reported = t.Connection.From, t.StatusSeq
}

// judged is what is thought of a target.
func (k *peer) judged(t *Target) domain.Judgement {
	if k.judging != nil {
		return *k.judging
	}
	return domain.NewJudgement(t.Connection, t.Flips)
}

// think notes what is thought of a target, unless the log says all of that.
func (k *peer) think(j domain.Judgement, t *Target) {
	k.judging = nil
	if !j.Rests(t.Connection, t.Flips) {
		k.judging = &j
	}
}

// rouse has whoever waits for the next probe look again.
func (p *Prober) rouse() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// answer tells everybody who asked. Each has a place for it.
func answer(asked []chan<- Report, r Report) {
	for _, one := range asked {
		one <- r
	}
}

// finding is what a probe of a peer found, in the terms of the rules.
func (p *Prober) finding(known *peer, t *Target, res *probe.Result, byHand bool) domain.Finding {
	p.mu.Lock()
	defer p.mu.Unlock()
	return known.finding(p.o.Rules, t, res, byHand)
}

// finding is what a probe found, in the terms of the rules, and what the peer was
// seen to have at some time.
func (k *peer) finding(r domain.JudgeRules, t *Target, res *probe.Result, byHand bool) domain.Finding {
	f := domain.Finding{Started: res.Started, Failure: res.Failure, ByHand: byHand}
	if res.Failure != (events.Cause{}) {
		return f
	}
	if k.address != t.Address {
		k.address, k.addressSeen, k.nameCovered = t.Address, false, false
	}
	seen := domain.Seen{Started: res.Started, Names: res.Names, Addresses: res.Addresses, Trusted: res.Trusted, Version: res.Version}
	if c := res.Certificate; c != nil {
		seen.NotAfter = c.NotAfter
	}
	if res.Incomplete && !domain.AddressMatches(t.Address, res.Addresses) {
		seen.Addresses = nil // the trusted one may be among those that are missing
	}
	f.Attention = r.Attention(domain.Before{
		Version: t.Version, TrustedHost: t.Address,
		AddressSeen: k.addressSeen || t.AddressSeen, NameCovered: k.nameCovered || t.NameCovered,
	}, seen)
	if t.Address != "" {
		k.addressSeen = k.addressSeen || domain.AddressMatches(t.Address, seen.Addresses) || domain.AddressesMeet(seen.Addresses, seen.Trusted)
		k.nameCovered = k.nameCovered || domain.NameCovers(seen.Names, t.Address)
	}
	return f
}

// due is when a peer is to be probed next, after a probe that began at started.
// One that is down for long is looked at more rarely, so that what is dead does
// not take the places of what lives.
func (p *Prober) due(known *peer, t *Target, started, now time.Time) time.Time {
	interval, judgement := p.o.Interval, known.judged(t)
	switch {
	case len(known.asked) > 0:
		return now
	case judgement.Settling() && known.quick < quickProbes:
		known.quick++
		return now.Add(settleAfter)
	case judgement.Status() == events.StatusDown:
		down := now.Sub(judgement.Since())
		interval = max(interval, min(down/backoffShare, maxBackoff))
	}
	shift := (2*rand.Float64() - 1) * jitter * float64(interval) // #nosec G404 -- to spread
	next := started.Add(interval + time.Duration(shift))
	if next.Before(now) {
		return now
	}
	return next
}

// trustedName is the name that the trusted-server entry of a peer carries, when it
// is a name, and another one than the hostname.
func trustedName(t *Target) string {
	if _, err := netip.ParseAddr(t.Address); err == nil || t.Address == t.Hostname {
		return ""
	}
	return t.Address
}
