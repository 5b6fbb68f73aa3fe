package readmodel

import (
	"context"
	"slices"

	"github.com/jmoiron/sqlx"
)

// row is a row of a table that knows its primary key.
type row[R any, K comparable] interface {
	*R
	key() K
}

// ordered is a primary key.
type ordered[K any] interface {
	comparable
	compare(K) int
}

// cache keeps rows of a table in memory between reading and writing them. A key
// that was looked for and is not there is kept too.
type cache[R any, P row[R, K], K ordered[K]] struct {
	table  table[R]
	slots  map[K]*slot[R]
	used   []use[R, K] // those that may have changed since the last flush
	wanted []*K        // those to be read
	spare  []*R        // room for rows

	// Rows that were added before and since the planner was told of the table.
	told, untold int
}

// slot is what is known of a key.
type slot[R any] struct {
	row    *R // as it is to be; nil: there is no such row
	stored *R // as it is in the table, while the slot is in use
	inUse  bool
	dirty  bool
}

type use[R, K any] struct {
	key  K
	slot *slot[R]
}

func newCache[K ordered[K], R any, P row[R, K]](t table[R]) *cache[R, P, K] {
	return &cache[R, P, K]{table: t, slots: map[K]*slot[R]{}}
}

// want asks for a row to be there after the next load, and to be changed before
// the next flush.
func (c *cache[R, P, K]) want(k K) {
	s := c.slots[k]
	if s == nil {
		s = &slot[R]{}
		c.slots[k] = s
		c.wanted = append(c.wanted, &k)
	}
	c.use(k, s)
}

// use remembers how the row of a slot is stored, before it is changed.
func (c *cache[R, P, K]) use(k K, s *slot[R]) {
	if s.inUse {
		return
	}
	s.inUse, s.stored = true, c.copy(s.row)
	c.used = append(c.used, use[R, K]{k, s})
}

func (c *cache[R, P, K]) copy(r *R) *R {
	if r == nil {
		return nil
	}
	var to *R
	if n := len(c.spare); n > 0 {
		to, c.spare = c.spare[n-1], c.spare[:n-1]
	} else {
		to = new(R)
	}
	*to = *r
	return to
}

func (c *cache[R, P, K]) load(ctx context.Context, d dialect, tx *sqlx.Tx, g generation) error {
	err := find(ctx, &c.table, d, tx, g, c.wanted, func(r *R) {
		s := c.slots[P(r).key()]
		s.row, s.stored = r, c.copy(r)
	})
	c.wanted = c.wanted[:0]
	return err
}

// loadWhere asks for the rows that fulfil the condition as want does, and reads
// those that are not known yet.
func (c *cache[R, P, K]) loadWhere(ctx context.Context, tx *sqlx.Tx, g generation, condition string, args ...any) error {
	return c.table.where(ctx, tx, g, condition, args, func(r *R) {
		k := P(r).key()
		if c.slots[k] == nil {
			c.slots[k] = &slot[R]{row: r}
		}
		c.use(k, c.slots[k])
	})
}

// get returns the row of k, which must have been asked for; nil: there is none.
func (c *cache[R, P, K]) get(k K) *R {
	if s := c.slots[k]; s != nil {
		return s.row
	}
	return nil
}

// put replaces the row, or adds it; it must have been asked for.
func (c *cache[R, P, K]) put(r *R) {
	s := c.slots[P(r).key()]
	s.row, s.dirty = r, true
}

// touch says that the row of k was changed in place.
func (c *cache[R, P, K]) touch(k K) { c.slots[k].dirty = true }

// each calls fn for the rows that are known, in the order of their keys.
func (c *cache[R, P, K]) each(fn func(*R)) {
	keys := make([]K, 0, len(c.slots))
	for k, s := range c.slots {
		if s.row != nil {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, K.compare)
	for _, k := range keys {
		fn(c.slots[k].row)
	}
}

// The planner is told of a table when it has tellAfter rows, and again whenever
// it has grown by tellFactor times what it was: looking takes as long as writing
// thousands of rows.
const (
	tellAfter  = 5000
	tellFactor = 8
)

// tell tells the planner what is in the table. One that knows nothing takes the
// index whose first column says least, and reads all of an enterprise for every
// key that is looked for.
func (c *cache[R, P, K]) tell(ctx context.Context, d dialect, tx *sqlx.Tx, g generation, list []change[R]) error {
	for _, ch := range list {
		if ch.stored == nil {
			c.untold++
		}
	}
	if c.untold < max(tellAfter, tellFactor*c.told) {
		return nil
	}
	c.told, c.untold = c.told+c.untold, 0
	return d.analyse(ctx, tx, g.table(c.table.noun))
}

// flush writes what was changed, in the order of the keys: neighbours go to the
// same page. When it knows more than keep rows after that, it forgets them all.
func (c *cache[R, P, K]) flush(ctx context.Context, d dialect, tx *sqlx.Tx, g generation, keep int) error {
	slices.SortFunc(c.used, func(a, b use[R, K]) int { return a.key.compare(b.key) })
	list := make([]change[R], 0, len(c.used))
	for _, u := range c.used {
		if u.slot.dirty {
			list = append(list, change[R]{u.slot.row, u.slot.stored})
		}
	}
	if err := c.table.write(ctx, d, tx, g, list); err != nil {
		return err
	}
	if err := c.tell(ctx, d, tx, g, list); err != nil {
		return err
	}
	for _, u := range c.used {
		if u.slot.stored != nil {
			c.spare = append(c.spare, u.slot.stored)
		}
		*u.slot = slot[R]{row: u.slot.row}
	}
	clear(c.used)
	c.used = c.used[:0]
	if len(c.slots) > keep {
		clear(c.slots)
		c.spare = nil
	}
	return nil
}
