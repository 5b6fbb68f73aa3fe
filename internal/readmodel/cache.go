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
	limit  int
	rows   map[K]*R // nil: there is no such row
	wanted []*K
	dirty  map[K]struct{}
}

func newCache[K ordered[K], R any, P row[R, K]](t table[R], limit int) *cache[R, P, K] {
	return &cache[R, P, K]{table: t, limit: limit, rows: map[K]*R{}, dirty: map[K]struct{}{}}
}

// want asks for a row to be there after the next load.
func (c *cache[R, P, K]) want(k K) {
	if _, known := c.rows[k]; !known {
		c.rows[k] = nil
		c.wanted = append(c.wanted, &k)
	}
}

func (c *cache[R, P, K]) load(ctx context.Context, d dialect, tx *sqlx.Tx, g generation) error {
	err := find(ctx, &c.table, d, tx, g, c.wanted, func(r *R) { c.rows[P(r).key()] = r })
	c.wanted = c.wanted[:0]
	return err
}

// loadWhere reads the rows that fulfil the condition and are not known yet.
func (c *cache[R, P, K]) loadWhere(ctx context.Context, tx *sqlx.Tx, g generation, condition string, args ...any) error {
	return c.table.where(ctx, tx, g, condition, args, func(r *R) {
		if k := P(r).key(); c.rows[k] == nil {
			c.rows[k] = r
		}
	})
}

// get returns the row of k, which must have been asked for; nil: there is none.
func (c *cache[R, P, K]) get(k K) *R { return c.rows[k] }

// put replaces the row, or adds it.
func (c *cache[R, P, K]) put(r *R) {
	k := P(r).key()
	c.rows[k] = r
	c.dirty[k] = struct{}{}
}

// touch says that the row of k was changed in place.
func (c *cache[R, P, K]) touch(k K) { c.dirty[k] = struct{}{} }

// each calls fn for the rows that are known, in the order of their keys.
func (c *cache[R, P, K]) each(fn func(*R)) {
	keys := make([]K, 0, len(c.rows))
	for k, r := range c.rows {
		if r != nil {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, K.compare)
	for _, k := range keys {
		fn(c.rows[k])
	}
}

// flush writes what was changed, in the order of the keys: two writers that
// meet cannot lock each other out, and neighbours go to the same page.
func (c *cache[R, P, K]) flush(ctx context.Context, d dialect, tx *sqlx.Tx, g generation) error {
	keys := make([]K, 0, len(c.dirty))
	for k := range c.dirty {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, K.compare)
	list := make([]*R, len(keys))
	for i, k := range keys {
		list[i] = c.rows[k]
	}
	if err := c.table.upsert(ctx, d, tx, g, list); err != nil {
		return err
	}
	clear(c.dirty)
	if len(c.rows) > c.limit {
		clear(c.rows)
	}
	return nil
}
