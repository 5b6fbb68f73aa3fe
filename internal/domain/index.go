package domain

import (
	"cmp"
	"maps"
	"slices"
)

// index finds the things that have a key. Keys that the rules make unique may
// still be shared by what an older program stored, so every key holds a set;
// the first member is kept apart because it is nearly always the only one.
type index[K comparable, V cmp.Ordered] struct {
	first *table[K, V]
	more  *table[K, map[V]struct{}]
}

func newIndex[K comparable, V cmp.Ordered]() index[K, V] {
	return index[K, V]{first: newTable[K, V](), more: newTable[K, map[V]struct{}]()}
}

func (x index[K, V]) draft() index[K, V] {
	return index[K, V]{first: x.first.draft(), more: x.more.draft()}
}

func (x index[K, V]) add(k K, v V) {
	first, taken := x.first.get(k)
	switch {
	case !taken:
		x.first.put(k, v)
	case first != v:
		x.rest(k)[v] = struct{}{}
	}
}

func (x index[K, V]) remove(k K, v V) {
	first, ok := x.first.get(k)
	rest := x.more.at(k)
	_, among := rest[v]
	switch {
	case ok && first == v && len(rest) == 0:
		x.first.remove(k)
		return
	case ok && first == v:
		rest = x.rest(k)
		for next := range rest {
			x.first.put(k, next)
			delete(rest, next)
			break
		}
	case among:
		rest = x.rest(k)
		delete(rest, v)
	default:
		return
	}
	if len(rest) == 0 {
		x.more.remove(k)
	}
}

// rest returns the members of k besides the first, to be changed: in a draft
// they are its own from then on.
func (x index[K, V]) rest(k K) map[V]struct{} {
	if rest, own := x.more.own[k]; own {
		return rest
	}
	rest := maps.Clone(x.more.at(k))
	if rest == nil {
		rest = map[V]struct{}{}
	}
	x.more.put(k, rest)
	return rest
}

// others lists what has the key k besides v, in order, up to most of them, and
// says how many there are.
func (x index[K, V]) others(k K, v V, most int) (list []V, total int) {
	note := func(other V) {
		if other == v {
			return
		}
		total++
		if at, _ := slices.BinarySearch(list, other); at < most {
			list = slices.Insert(list, at, other)
			list = list[:min(len(list), most)]
		}
	}
	if first, ok := x.first.get(k); ok {
		note(first)
	}
	for other := range x.more.at(k) {
		note(other)
	}
	return list, total
}

// other returns the first thing that has the key k besides v.
func (x index[K, V]) other(k K, v V) (V, bool) {
	if len(x.more.at(k)) == 0 {
		first, ok := x.first.get(k)
		return first, ok && first != v
	}
	if list, _ := x.others(k, v, 1); len(list) > 0 {
		return list[0], true
	}
	return v, false
}
