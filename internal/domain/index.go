package domain

import (
	"cmp"
	"slices"
)

// index finds the things that have a key. Keys that the rules make unique may
// still be shared by what an older program stored, so every key holds a set;
// the first member is kept apart because it is nearly always the only one.
type index[K comparable, V cmp.Ordered] struct {
	first map[K]V
	more  map[K]map[V]struct{}
}

func newIndex[K comparable, V cmp.Ordered]() index[K, V] {
	return index[K, V]{first: map[K]V{}, more: map[K]map[V]struct{}{}}
}

func (x index[K, V]) add(k K, v V) {
	first, taken := x.first[k]
	switch {
	case !taken:
		x.first[k] = v
	case first != v:
		if x.more[k] == nil {
			x.more[k] = map[V]struct{}{}
		}
		x.more[k][v] = struct{}{}
	}
}

func (x index[K, V]) remove(k K, v V) {
	rest := x.more[k]
	if first, ok := x.first[k]; ok && first == v {
		delete(x.first, k)
		for next := range rest {
			x.first[k] = next
			delete(rest, next)
			break
		}
	} else {
		delete(rest, v)
	}
	if rest != nil && len(rest) == 0 {
		delete(x.more, k)
	}
}

// others lists what has the key k besides v, in order.
func (x index[K, V]) others(k K, v V) []V {
	var out []V
	if first, ok := x.first[k]; ok && first != v {
		out = append(out, first)
	}
	for other := range x.more[k] {
		if other != v {
			out = append(out, other)
		}
	}
	slices.Sort(out)
	return out
}

// other returns the first thing that has the key k besides v.
func (x index[K, V]) other(k K, v V) (V, bool) {
	if len(x.more[k]) == 0 {
		first, ok := x.first[k]
		return first, ok && first != v
	}
	if all := x.others(k, v); len(all) > 0 {
		return all[0], true
	}
	return v, false
}
