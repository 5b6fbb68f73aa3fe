package readmodel

import (
	"cmp"
	"fmt"
)

// layout is what comparing two tables takes: the columns, of which the first
// ones are the primary key.
type layout struct {
	noun    string
	columns []column
	keys    int
}

func (t *table[R]) layout() layout { return layout{noun: t.noun, columns: t.columns, keys: t.keys} }

func (directory) layouts() []layout {
	e, p, t := enterpriseTable(), peerTable(), trustedServerTable()
	return []layout{e.layout(), p.layout(), t.layout()}
}

// compareKeys compares the first keys values of two rows in the order in which
// both databases sort them: integers before texts, texts by their bytes.
func compareKeys(keys int, a, b []any) int {
	for i := range keys {
		if c := compareValues(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

func compareValues(a, b any) int {
	x, aInteger := a.(int64)
	y, bInteger := b.(int64)
	switch {
	case aInteger && bInteger:
		return cmp.Compare(x, y)
	case aInteger:
		return -1
	case bInteger:
		return 1
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// plain is a value without what differs between drivers.
func plain(v any) any {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return v
}
