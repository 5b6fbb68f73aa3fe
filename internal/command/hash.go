package command

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"reflect"
	"time"

	"github.com/peering/peering/internal/domain"
)

// Hash is what tells a repeat of a command from another command under the same
// id (ADR 0005). It covers the command's name and everything given in it, in
// whatever order and spacing the JSON had, and nothing that was left out: a
// field added to a command later does not change the hash of an older body.
func Hash(cmd domain.Command) string {
	h := sha256.New()
	write(h, string(cmd.Name()))
	digest(h, reflect.ValueOf(cmd))
	return hex.EncodeToString(h.Sum(nil))
}

// digest writes v so that two different values never write the same bytes.
func digest(h hash.Hash, v reflect.Value) {
	if t, ok := v.Interface().(time.Time); ok {
		write(h, t.UTC().Format(time.RFC3339Nano))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for f, value := range v.Fields() {
			if !value.IsZero() {
				write(h, cmp.Or(jsonName(f), f.Name))
				digest(h, value)
			}
		}
		write(h, "")
	case reflect.Interface: // an operation: it is told from another by its name
		if cmd, ok := v.Interface().(domain.Command); ok {
			write(h, string(cmd.Name()))
			digest(h, v.Elem())
		}
	case reflect.Slice:
		write(h, fmt.Sprint(v.Len()))
		for i := range v.Len() {
			digest(h, v.Index(i))
		}
	default:
		write(h, fmt.Sprint(v))
	}
}

func write(h hash.Hash, s string) { fmt.Fprintf(h, "%d:%s;", len(s), s) }
