package domain

import "github.com/peering/peering/internal/events"

// leastHosts is of how many hosts something must be known before they can say
// anything about the prober: with two, one that fails is half of them.
const leastHosts = 3

// PeerKey names a peer across enterprises.
type PeerKey struct {
	Enterprise events.EnterpriseID
	Peer       events.PeerID
}

// Isolation tells when a prober has to suspect itself: when most of the hosts
// that answered before fail now. It counts hosts and not peers, since a hundred
// peers on one server are one thing that can fail, and a host by most of its
// peers. A peer that never answered says nothing about the prober.
//
// One serves one prober. Each method takes constant time. The zero value knows
// of nothing. It is not safe for concurrent use.
type Isolation struct {
	peers   map[PeerKey]answered // that answered before
	hosts   map[string]tally
	failing int // of hosts
}

// answered is a peer that answered before, and what its latest probe found.
type answered struct {
	host   string
	failed bool
}

// tally counts the peers of one host.
type tally struct{ peers, failed int }

func (t tally) failing() bool { return 2*t.failed > t.peers }

// Expect says that the peer is known to answer at host, from the log. What was
// observed of it there stays.
func (i *Isolation) Expect(key PeerKey, host string) {
	if was, ok := i.peers[key]; !ok || was.host != host {
		i.put(key, answered{host: host})
	}
}

// Observe says what the latest probe of the peer found. A failure at a host
// where it never answered does not count, and then nothing that it did at
// another one does any more.
func (i *Isolation) Observe(key PeerKey, host string, failed bool) {
	was, ok := i.peers[key]
	switch {
	case !failed, ok && was.host == host:
		i.put(key, answered{host, failed})
	default:
		i.Forget(key)
	}
}

// Forget says that the peer counts no more: it is judged down, gone, or
// another prober's.
func (i *Isolation) Forget(key PeerKey) {
	if was, ok := i.peers[key]; ok {
		delete(i.peers, key)
		i.count(was, -1)
	}
}

// Suspected reports whether more than half of the hosts fail, of three or more.
func (i *Isolation) Suspected() bool {
	return len(i.hosts) >= leastHosts && 2*i.failing > len(i.hosts)
}

func (i *Isolation) put(key PeerKey, now answered) {
	i.Forget(key)
	if i.peers == nil {
		i.peers, i.hosts = map[PeerKey]answered{}, map[string]tally{}
	}
	i.peers[key] = now
	i.count(now, 1)
}

// count adds n peers like a to the tally of its host.
func (i *Isolation) count(a answered, n int) {
	t := i.hosts[a.host]
	if t.failing() {
		i.failing--
	}
	t.peers += n
	if a.failed {
		t.failed += n
	}
	if t.failing() {
		i.failing++
	}
	if t.peers == 0 {
		delete(i.hosts, a.host)
		return
	}
	i.hosts[a.host] = t
}
