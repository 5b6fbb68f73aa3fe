package access

import (
	"sync"
	"time"
)

// maxKnown bounds what is remembered of holders, and of strangers.
const maxKnown = 10_000

// identity is what is known of a token; zero: nobody holds it.
type identity struct{ principal Principal }

func (i identity) nobody() bool { return i.principal == (Principal{}) }

// known remembers tokens by their hashes, and whether there are any.
type known struct {
	mu        sync.Mutex
	holders   map[string]learned
	strangers map[string]learned // apart, so that who makes tokens up drives no holder out
	isClosed  bool
	foundOpen time.Time
	forgotten uint64 // how often something was
}

type learned struct {
	identity
	at time.Time
}

func newKnown() *known { return &known{holders: map[string]learned{}, strangers: map[string]learned{}} }

func (n *known) identity(hash string, now time.Time) (id identity, age time.Duration, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l, ok := n.holders[hash]
	if !ok {
		l, ok = n.strangers[hash]
	}
	return l.identity, now.Sub(l.at), ok
}

// turn is to be taken before a question whose answer is learnt.
func (n *known) turn() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.forgotten
}

// learn remembers the answer to a question that was asked at, after turn was
// taken; unless anything was forgotten since: it may be what the answer is.
func (n *known) learn(hash string, id identity, at time.Time, turn uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if turn != n.forgotten {
		return
	}
	delete(n.holders, hash)
	delete(n.strangers, hash)
	list := n.holders
	if id.nobody() {
		list = n.strangers
	}
	if len(list) >= maxKnown {
		clear(list)
	}
	list[hash] = learned{id, at}
}

// forget drops what is known of tokens, and what is being asked for.
func (n *known) forget(hashes ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forgotten++
	for _, hash := range hashes {
		delete(n.holders, hash)
	}
}

// mode reports whether a token was ever seen, else how long ago it was found
// that there is none; ok is false when nobody has looked.
func (n *known) mode(now time.Time) (closed bool, age time.Duration, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.isClosed, now.Sub(n.foundOpen), !n.foundOpen.IsZero()
}

func (n *known) closed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isClosed = true
}

func (n *known) open(at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.foundOpen = at
}
