package prober

import (
	"container/heap"
	"slices"
	"time"

	"github.com/peering/peering/internal/domain"
)

// schedule says which peer is to be probed next. It holds peers by when they are
// due, in an indexed heap, and keeps back what would be one probe too many at
// one host. It reads no clock and is not safe for concurrent use.
type schedule struct {
	perHost int // probes at one host at the same time
	due     dueHeap
	entries map[domain.PeerKey]*entry
	hosts   map[string]*hostLoad
}

// entry is one peer: waiting in the heap, kept back by its host, or running.
type entry struct {
	key   domain.PeerKey
	host  string
	due   time.Time
	index int // in the heap; -1: not in it
	state entryState
}

type entryState uint8

const (
	waiting entryState = iota
	keptBack
	running
	gone // removed while it was running
)

// hostLoad is what one host is at.
type hostLoad struct {
	running  int
	keptBack []*entry // in the order in which they became due
	entries  int
}

func newSchedule(perHost int) *schedule {
	return &schedule{perHost: perHost, entries: map[domain.PeerKey]*entry{}, hosts: map[string]*hostLoad{}}
}

// Len counts the peers.
func (s *schedule) Len() int { return len(s.entries) }

// put has a peer probed at due, at host. One that is there already moves; one
// that its host keeps back is next there; one that is running is due when done
// says so.
func (s *schedule) put(key domain.PeerKey, host string, due time.Time) {
	e := s.entries[key]
	if e != nil && e.host != host {
		s.remove(key)
		e = nil
	}
	switch {
	case e == nil:
		e = &entry{key: key, host: host, due: due}
		s.entries[key] = e
		s.load(host).entries++
		heap.Push(&s.due, e)
	case e.state == waiting:
		e.due = due
		heap.Fix(&s.due, e.index)
		s.free(s.hosts[host])
	case e.state == keptBack:
		h := s.hosts[host]
		i := slices.Index(h.keptBack, e)
		h.keptBack = slices.Insert(slices.Delete(h.keptBack, i, i+1), 0, e)
	}
}

// limit is how many probes of a host may run at the same time: more, when it has
// many peers, so that one that does not answer is judged in time for all of them.
func (s *schedule) limit(h *hostLoad) int { return max(s.perHost, h.entries/8) }

// remove forgets a peer. One that is running counts for its host until done.
func (s *schedule) remove(key domain.PeerKey) {
	e := s.entries[key]
	if e == nil {
		return
	}
	delete(s.entries, key)
	switch e.state {
	case waiting:
		heap.Remove(&s.due, e.index)
		s.free(s.hosts[e.host])
	case keptBack:
		h := s.hosts[e.host]
		for i, other := range h.keptBack {
			if other == e {
				h.keptBack = append(h.keptBack[:i], h.keptBack[i+1:]...)
				break
			}
		}
	case running:
		e.state = gone
		return
	case gone: // is none of the entries
	}
	s.unload(e)
}

// next takes the peer that is due longest. Without one it returns how long it is
// until there will be, at most idle.
func (s *schedule) next(now time.Time) (e *entry, wait time.Duration) {
	for len(s.due) > 0 {
		first := s.due[0]
		if wait := first.due.Sub(now); wait > 0 {
			return nil, min(wait, idle)
		}
		heap.Pop(&s.due)
		h := s.hosts[first.host]
		if h.running >= s.limit(h) {
			first.state = keptBack
			h.keptBack = append(h.keptBack, first)
			continue
		}
		first.state = running
		h.running++
		return first, 0
	}
	return nil, idle
}

// done says that the probe of an entry is over and when the next is due. What
// its host kept back is due now.
func (s *schedule) done(e *entry, next time.Time) {
	h := s.hosts[e.host]
	h.running--
	s.free(h)
	if e.state == gone {
		s.unload(e)
		return
	}
	e.state, e.due = waiting, next
	heap.Push(&s.due, e)
}

// free has one of those that a host keeps back wait for its turn, when there is
// room at the host: whoever had that turn may be gone.
func (s *schedule) free(h *hostLoad) {
	if h.running >= s.limit(h) || len(h.keptBack) == 0 {
		return
	}
	freed := h.keptBack[0]
	h.keptBack = h.keptBack[1:]
	freed.state = waiting
	heap.Push(&s.due, freed)
}

// late is how long the peer that is due longest has been waiting, for its turn
// or for its host. It takes time with the number of hosts.
func (s *schedule) late(now time.Time) time.Duration {
	var late time.Duration
	if len(s.due) > 0 {
		late = max(0, now.Sub(s.due[0].due))
	}
	for _, h := range s.hosts {
		for _, e := range h.keptBack[:min(1, len(h.keptBack))] {
			late = max(late, now.Sub(e.due))
		}
	}
	return late
}

func (s *schedule) load(host string) *hostLoad {
	h := s.hosts[host]
	if h == nil {
		h = &hostLoad{}
		s.hosts[host] = h
	}
	return h
}

func (s *schedule) unload(e *entry) {
	h := s.hosts[e.host]
	if h.entries--; h.entries == 0 {
		delete(s.hosts, e.host)
	}
}

// dueHeap implements heap.Interface.
type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h, e.index = (*h)[:last], -1
	return e
}
