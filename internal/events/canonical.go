package events

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// layout reads the JSON of one struct in the form in which Encode writes it: the
// members in the order of the fields, without spaces, and texts that need no
// escape. Nearly all of the log has that form, and reading it so takes a fraction
// of the time of encoding/json, which a rebuild spends on every event.
//
// Anything else is left to encoding/json, which alone says what is valid: read
// either gives the same value as encoding/json, or gives up (ADR 0012).
type layout struct{ members []member }

// member is one field of a struct.
type member struct {
	key      string // with quotes and colon
	index    int    // of the field
	omitted  bool   // may be left out
	contents *layout
	kind     reflect.Kind
	time     bool
}

var timeType = reflect.TypeFor[time.Time]()

// layoutOf returns the layout of the struct t, nil when t has a field that it
// cannot describe.
func layoutOf(t reflect.Type) *layout {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var l layout
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		m := member{
			key: strconv.Quote(name) + ":", index: i, kind: f.Type.Kind(), time: f.Type == timeType,
			omitted: options == "omitempty" || options == "omitzero",
		}
		if f.Anonymous || name == "" || name == "-" || options != "" && !m.omitted {
			return nil
		}
		switch {
		case m.time, m.kind == reflect.String, m.kind == reflect.Int, m.kind == reflect.Uint64:
		case f.Type == reflect.TypeFor[[]string]():
		case m.kind == reflect.Struct:
			if m.contents = layoutOf(f.Type); m.contents == nil {
				return nil
			}
		default:
			return nil
		}
		l.members = append(l.members, m)
	}
	return &l
}

// read fills v, a struct with zero fields, from all of data. When it returns
// false, v may be half filled.
func (l *layout) read(data []byte, v reflect.Value) bool {
	rest, ok := l.object(data, v)
	return ok && len(rest) == 0
}

// object reads an object at the start of data and returns what follows it.
func (l *layout) object(data []byte, v reflect.Value) (rest []byte, ok bool) {
	if len(data) == 0 || data[0] != '{' {
		return nil, false
	}
	data = data[1:]
	first := true
	for _, m := range l.members {
		next := data
		if !first {
			if len(next) == 0 || next[0] != ',' {
				next = nil
			} else {
				next = next[1:]
			}
		}
		if len(next) < len(m.key) || string(next[:len(m.key)]) != m.key {
			if m.omitted {
				continue
			}
			return nil, false
		}
		if data, ok = m.value(next[len(m.key):], v.Field(m.index)); !ok {
			return nil, false
		}
		first = false
	}
	if len(data) == 0 || data[0] != '}' {
		return nil, false
	}
	return data[1:], true
}

// value reads the value of a member.
func (m member) value(data []byte, v reflect.Value) (rest []byte, ok bool) {
	switch {
	case m.time:
		text, rest, ok := plainText(data)
		return rest, ok && v.Addr().Interface().(*time.Time).UnmarshalText(text) == nil
	case m.contents != nil:
		return m.contents.object(data, v)
	case m.kind == reflect.String:
		text, rest, ok := plainText(data)
		if ok {
			v.SetString(string(text))
		}
		return rest, ok
	case m.kind == reflect.Slice:
		list, rest, ok := plainTexts(data)
		if ok {
			v.Set(reflect.ValueOf(list))
		}
		return rest, ok
	default:
		n, rest, ok := plainNumber(data)
		switch {
		case !ok:
		case m.kind == reflect.Int:
			v.SetInt(int64(n))
		default:
			v.SetUint(n)
		}
		return rest, ok
	}
}

// plainText reads a JSON text of printable ASCII without escapes.
func plainText(data []byte) (text, rest []byte, ok bool) {
	if len(data) == 0 || data[0] != '"' {
		return nil, nil, false
	}
	data = data[1:]
	end := bytes.IndexByte(data, '"')
	if end < 0 {
		return nil, nil, false
	}
	for _, c := range data[:end] {
		if c < 0x20 || c >= 0x7f || c == '\\' {
			return nil, nil, false
		}
	}
	return data[:end], data[end+1:], true
}

// plainTexts reads a JSON array of at least one plainText, without spaces.
func plainTexts(data []byte) (list []string, rest []byte, ok bool) {
	if len(data) == 0 || data[0] != '[' {
		return nil, nil, false
	}
	for {
		text, rest, ok := plainText(data[1:])
		if !ok || len(rest) == 0 || rest[0] != ',' && rest[0] != ']' {
			return nil, nil, false
		}
		list, data = append(list, string(text)), rest
		if data[0] == ']' {
			return list, data[1:], true
		}
	}
}

// plainNumber reads a JSON number without sign, fraction and exponent that fits
// into every integer of 64 bits.
func plainNumber(data []byte) (n uint64, rest []byte, ok bool) {
	const most = 18 // digits
	i := 0
	for i < len(data) && i <= most && data[i] >= '0' && data[i] <= '9' {
		n = n*10 + uint64(data[i]-'0')
		i++
	}
	if i == 0 || i > most || i > 1 && data[0] == '0' {
		return 0, nil, false
	}
	return n, data[i:], true
}
