package command

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// plainText is what a text in a command may consist of: no control characters.
const plainText = `^[^\x00-\x1f\x7f-\x9f]*$`

// Schema returns the JSON Schema (draft 7) of the command called name as the bus
// carries it, ready to be encoded; ok is false when there is no such command.
// What Decode refuses because of its shape the schema refuses too, as far as
// JSON Schema sees it: not a field that is given twice, nor how a number is
// written. It refuses more than Decode: what the rules refuse always, a missing
// field for example.
func Schema(name domain.CommandName) (schema map[string]any, ok bool) {
	k, ok := kinds()[name]
	if !ok {
		return nil, false
	}
	cmd, err := k.decode([]byte("{}"))
	if err != nil {
		panic(fmt.Sprintf("command: %s has no zero value: %v", name, err)) // a bug found at start
	}
	s := schemaOf(k.shape, reflect.TypeOf(cmd))
	s["title"] = string(name)
	return s, true
}

// schemaOf describes the shape s, which is that of the type t.
func schemaOf(s *shape, t reflect.Type) map[string]any {
	if value, ok := valueOfField(t); ok {
		t = value
	}
	schema := map[string]any{}
	switch s.form {
	case formText:
		schema["type"], schema["pattern"] = "string", plainText
		if values := valuesOf(t); values != nil {
			delete(schema, "pattern")
			schema["enum"] = values
		}
	case formTime:
		schema["type"], schema["format"] = "string", "date-time"
	case formBool:
		schema["type"] = "boolean"
	case formNumber:
		schema["type"] = "integer"
		if s.bits == 64 {
			schema["minimum"], schema["maximum"] = math.MinInt64, math.MaxInt64
		}
	case formList:
		schema["type"], schema["items"] = "array", schemaOf(s.item, t.Elem())
	case formObject:
		if s.operation {
			return operationSchema()
		}
		objectSchema(schema, s, t)
	}
	if s.nullable {
		schema["type"] = []any{schema["type"], "null"}
		if values, ok := schema["enum"].([]any); ok {
			schema["enum"] = append(values, nil)
		}
	}
	return schema
}

// objectSchema describes an object of the type t.
func objectSchema(schema map[string]any, s *shape, t reflect.Type) {
	properties, required := map[string]any{}, []string{}
	for _, f := range s.fields {
		if f.name == opField {
			continue
		}
		field, ok := fieldOf(t, f.name)
		if !ok {
			panic(fmt.Sprintf("command: %s has no field %s", t, f.name)) // a bug found at start
		}
		properties[f.name] = schemaOf(f.shape, field.Type)
		if isRequired(t, field) {
			required = append(required, f.name)
		}
	}
	schema["type"], schema["properties"], schema["additionalProperties"] = "object", properties, false
	if len(required) > 0 {
		schema["required"] = required
	}
}

// fieldOf is the field of the struct t whose name in JSON is name.
func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if jsonName(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// isRequired reports whether a command cannot do without the field f of t: what
// it acts on, and what it may not leave out. A truth value has a default, and of
// a server only the hostname has to be known.
func isRequired(t reflect.Type, f reflect.StructField) bool {
	name := jsonName(f)
	switch {
	case name == "peer", name == "trusted_server":
		return true
	case t == reflect.TypeFor[domain.Server]():
		return name == "hostname"
	}
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return options == "" && f.Type.Kind() != reflect.Bool
}

// operationSchema describes an operation of ChangePeers: one of several kinds.
func operationSchema() map[string]any {
	var all []any
	for _, name := range slices.Sorted(maps.Keys(operationKinds())) {
		k := operationKinds()[name]
		op, err := k.decode([]byte("{}"))
		if err != nil {
			panic(fmt.Sprintf("command: the operation %s has no zero value: %v", name, err)) // a bug found at start
		}
		s := map[string]any{"title": name}
		objectSchema(s, k.shape, reflect.TypeOf(op))
		s["properties"].(map[string]any)[opField] = map[string]any{"const": name}
		required, _ := s["required"].([]string)
		s["required"] = append(required, opField)
		all = append(all, s)
	}
	return map[string]any{"oneOf": all}
}

// valuesOf lists the values that a text of the type t may have, when they are
// few; nil: any.
func valuesOf(t reflect.Type) []any {
	switch t {
	case reflect.TypeFor[events.PeerType]():
		return []any{events.PeerMiCollab, events.PeerExternal}
	case reflect.TypeFor[events.Deployment]():
		return []any{events.DeploymentStandard, events.DeploymentMiCloudGCP}
	case reflect.TypeFor[events.TrustType]():
		return []any{events.TrustPresence, events.TrustIM, events.TrustPeer}
	}
	return nil
}
