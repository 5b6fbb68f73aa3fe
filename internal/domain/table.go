package domain

import (
	"cmp"
	"iter"
	"slices"
)

// table is a map of which drafts can be made. A draft has what its base has and
// changes of its own, which the base never sees; it costs what is changed in it,
// however large the base is. The base must not change while a draft is in use.
//
// What a table holds is never changed in place, because the drafts of it hold
// the same: another is put in its stead.
type table[K comparable, V any] struct {
	own   map[K]V
	base  *table[K, V]   // nil: this is no draft
	gone  map[K]struct{} // keys of the base that the draft does not have
	grown int            // how many more keys than the base
}

func newTable[K comparable, V any]() *table[K, V] { return &table[K, V]{own: map[K]V{}} }

func (t *table[K, V]) draft() *table[K, V] {
	return &table[K, V]{own: map[K]V{}, base: t, gone: map[K]struct{}{}}
}

func (t *table[K, V]) len() int {
	if t.base == nil {
		return len(t.own)
	}
	return t.base.len() + t.grown
}

func (t *table[K, V]) get(k K) (v V, ok bool) {
	if v, ok = t.own[k]; ok || t.base == nil {
		return v, ok
	}
	if _, gone := t.gone[k]; gone {
		return v, false
	}
	return t.base.get(k)
}

// at is the value of k, the zero value when there is none.
func (t *table[K, V]) at(k K) V {
	v, _ := t.get(k)
	return v
}

func (t *table[K, V]) has(k K) bool {
	_, ok := t.get(k)
	return ok
}

func (t *table[K, V]) put(k K, v V) {
	if t.base != nil {
		if !t.has(k) {
			t.grown++
		}
		delete(t.gone, k)
	}
	t.own[k] = v
}

func (t *table[K, V]) remove(k K) {
	if t.base != nil && t.has(k) {
		t.grown--
		if t.base.has(k) {
			t.gone[k] = struct{}{}
		}
	}
	delete(t.own, k)
}

// all ranges over the table in no order. Nothing may be put meanwhile.
func (t *table[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v := range t.own {
			if !yield(k, v) {
				return
			}
		}
		if t.base == nil {
			return
		}
		for k, v := range t.base.all() {
			_, changed := t.own[k]
			_, gone := t.gone[k]
			if !changed && !gone && !yield(k, v) {
				return
			}
		}
	}
}

// sortedKeys lists the keys of t in order.
func sortedKeys[K cmp.Ordered, V any](t *table[K, V]) []K {
	keys := make([]K, 0, t.len())
	for k := range t.all() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
