package command

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/peering/peering/internal/domain"
)

// form is what JSON a value has.
type form string

// The forms, in the words of a refusal.
const (
	formObject form = "an object"
	formText   form = "a text"
	formNumber form = "a whole number"
	formBool   form = "true or false"
	formTime   form = "a time such as 2026-01-31T12:00:00Z"
	formList   form = "a list"
)

// shape is the form of a value and what may be in it.
type shape struct {
	form     form
	nullable bool    // null means: withdraw
	fields   []field // of an object
	bits     int     // of a number
	item     *shape  // of a list
	// operation: the fields are those of the operation that the object says it is.
	operation bool
}

type field struct {
	name  string
	shape *shape
}

// lookup returns the place of the field called name, exactly so, or -1.
func (s *shape) lookup(name string) int {
	for i := range s.fields {
		if s.fields[i].name == name {
			return i
		}
	}
	return -1
}

// similar returns the name of the field that differs from name in case alone.
func (s *shape) similar(name string) string {
	for _, f := range s.fields {
		if strings.EqualFold(f.name, name) {
			return f.name
		}
	}
	return ""
}

// shapeOf is the shape of the JSON of t, as encoding/json would read it. It
// panics on a type that no command has had so far: a bug found at start.
func shapeOf(t reflect.Type) *shape {
	if value, ok := valueOfField(t); ok {
		s := shapeOf(value)
		s.nullable = true
		return s
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return &shape{form: formTime}
	case reflect.TypeFor[domain.PeerOperation]():
		return &shape{form: formObject, operation: true}
	}
	switch t.Kind() {
	case reflect.String:
		return &shape{form: formText}
	case reflect.Bool:
		return &shape{form: formBool}
	case reflect.Int:
		return &shape{form: formNumber, bits: t.Bits()}
	case reflect.Slice:
		return &shape{form: formList, item: shapeOf(t.Elem())}
	case reflect.Struct:
		s := &shape{form: formObject}
		for f := range t.Fields() {
			s.fields = append(s.fields, field{jsonName(f), shapeOf(f.Type)})
		}
		return s
	}
	panic(fmt.Sprintf("command: no shape for %s", t))
}

// valueOfField returns T when t is domain.Field[T].
func valueOfField(t reflect.Type) (value reflect.Type, ok bool) {
	one := reflect.TypeFor[domain.Field[string]]()
	generic, _, _ := strings.Cut(one.Name(), "[")
	if t.PkgPath() != one.PkgPath() || !strings.HasPrefix(t.Name(), generic+"[") {
		return nil, false
	}
	f, ok := t.FieldByName("Value")
	return f.Type, ok
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
