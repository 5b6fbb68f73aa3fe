package command

import (
	"container/list"
	"context"
	"sync"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// entryWeight is what an entry costs besides its state.
const entryWeight = 512

// entry is what this process knows of one enterprise. Whoever acquired it has
// it alone until the release, so commands to one enterprise are decided in turn
// and never conflict with one another in here; a state that is being loaded is
// loaded once, and those who wait find it.
type entry struct {
	enterprise events.EnterpriseID
	turn       chan struct{} // holds one element while somebody has the entry

	// Of whoever has the turn.
	state  *domain.Enterprise // nil: not loaded
	behind bool               // the log is known, or suspected, to have more
	since  int                // events since a snapshot was loaded, or became due
	shared int                // how many more commands look for what other processes appended before they are decided

	// Of the cache.
	users  int
	weight int
	place  *list.Element
}

// cache keeps entries up to a weight in bytes, the least recently used ones go
// first. An entry that is in use stays whatever it weighs.
type cache struct {
	limit int

	mu      sync.Mutex
	weight  int
	entries map[events.EnterpriseID]*entry
	recent  *list.List // of *entry, the most recently used in front
}

func newCache(limit int) *cache {
	return &cache{limit: limit, entries: map[events.EnterpriseID]*entry{}, recent: list.New()}
}

// acquire waits for the turn at ent. The caller must release the entry. The
// error is ctx's.
func (c *cache) acquire(ctx context.Context, ent events.EnterpriseID) (*entry, error) {
	e := c.pin(ent)
	select {
	case e.turn <- struct{}{}:
		return e, nil
	case <-ctx.Done():
		c.unpin(e, -1)
		return nil, ctx.Err()
	}
}

// release gives the turn to the next one and forgets what is too much.
func (c *cache) release(e *entry) {
	weight := entryWeight
	if e.state != nil {
		weight += e.state.Size()
	}
	<-e.turn
	c.unpin(e, weight)
}

func (c *cache) pin(ent events.EnterpriseID) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[ent]
	if e == nil {
		e = &entry{enterprise: ent, turn: make(chan struct{}, 1)}
		e.place = c.recent.PushFront(e)
		c.entries[ent] = e
	}
	e.users++
	c.recent.MoveToFront(e.place)
	return e
}

// unpin ends one use of e, which weighs weight from now on; -1: as before.
func (c *cache) unpin(e *entry, weight int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.users--
	if weight >= 0 {
		c.weight += weight - e.weight
		e.weight = weight
	}
	for at := c.recent.Back(); at != nil && c.weight > c.limit; {
		old := at.Value.(*entry)
		at = at.Prev()
		if old.users == 0 {
			c.recent.Remove(old.place)
			delete(c.entries, old.enterprise)
			c.weight -= old.weight
		}
	}
}
