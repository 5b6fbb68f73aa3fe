package command

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/pb33f/jsonschema/v6"

	"github.com/peering/peering/internal/domain"
)

// schemaFor compiles the schema of a command as a client would.
func schemaFor(t testing.TB, name domain.CommandName) *jsonschema.Schema {
	t.Helper()
	schema, ok := Schema(name)
	if !ok {
		t.Fatalf("%s has no schema", name)
	}
	return compileSchema(t, schema)
}

// withoutRequired takes from a schema that fields must be there.
func withoutRequired(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "required")
		for _, inside := range v {
			withoutRequired(inside)
		}
	case []any:
		for _, inside := range v {
			withoutRequired(inside)
		}
	}
}

func compileSchema(t testing.TB, schema map[string]any) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.AssertFormat()
	if err := c.AddResource("http://peering.example/command.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("http://peering.example/command.json")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s
}

// valid reports whether body is JSON that the schema takes.
func valid(schema *jsonschema.Schema, body string) bool {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(body)))
	return err == nil && schema.Validate(value) == nil
}

// TestSchema_refusesWhatDecodeRefuses, except what JSON Schema does not see.
func TestSchema_refusesWhatDecodeRefuses(t *testing.T) {
	unseen := []string{
		"duplicate, nested",    // the value is compared, not the text
		"fraction", "exponent", // the number is whole
		"too large",
		"lone surrogate", "lone low surrogate", "surrogate and another", "surrogate and a letter", // replaced before
		"invalid UTF-8", "overlong UTF-8", // so too
	}
	for _, c := range malformedBodies {
		schema, _ := Schema(c.name)
		withoutRequired(schema) // the bodies say only what is wrong with them
		taken := valid(compileSchema(t, schema), c.body)
		if want := slices.Contains(unseen, c.rule); taken != want {
			t.Errorf("%s: %s %s is valid: %v", c.rule, c.name, quote(c.body), taken)
		}
	}
}

// TestSchema_takesAndRefuses: each pair differs in the one thing that is wrong.
func TestSchema_takesAndRefuses(t *testing.T) {
	for _, c := range []struct {
		name      domain.CommandName
		good, bad string
	}{
		{"AddPeer", `{"type":"external","description":"a"}`, `{"type":"external","description":"a","colour":1}`},
		{"AddPeer", `{"type":"external","description":"a"}`, `{"type":"internal","description":"a"}`},
		{"AddPeer", `{"type":"external","description":"a"}`, `{"type":"external"}`},
		{"AddPeer", `{"type":"external","description":"a"}`, `{"type":"external","description":"a\u0000"}`},
		{"AddPeer", `{"type":"external","description":"a"}`, `{"type":"external","description":"a\u0085"}`},
		{"AddPeer", `{"type":"external","description":"é😀"}`, `{"type":"external","description":null}`},
		{"AddPeer", `{"type":"external","description":"a","port":null}`, `{"type":"external","description":"a","port":"443"}`},
		{"AddPeer", `{"type":"external","description":"a","port":443}`, `{"type":"external","description":"a","port":9223372036854775808}`},
		{"EditPeer", `{"peer":"p","type":null}`, `{"peer":"p","type":"x"}`},
		{"EditPeer", `{"peer":"p"}`, `{}`},
		{"EditEnterprise", `{"server":null}`, `{"server":{"port":1}}`},
		{"EditEnterprise", `{"server":{"address":null}}`, `{"server":{"address":[]}}`},
		{"RegisterEnterprise", `{"id":"acme","description":"a","domain":"a","server":{"hostname":"h"}}`, `{"id":"acme","description":"a","domain":"a","server":{}}`},
		{"ScheduleMaintenance", `{"peer":"p","start":"2026-03-01T03:00:00+01:00","end":"2026-03-01T04:00:00Z"}`, `{"peer":"p","start":"2026-03-01 03:00","end":"2026-03-01T04:00:00Z"}`},
		{"RemoveTrustedServer", `{"trusted_server":"t"}`, `{"peer":"t"}`},
		{"RemoveEnterprise", `{}`, `{"peer":"t"}`},
		{"ChangePeers", `{"operations":[{"op":"delete","peer":"p"}]}`, `{"operations":[{"op":"destroy","peer":"p"}]}`},
		{"ChangePeers", `{"operations":[],"atomic":false}`, `{"operations":[],"dry_run":true}`},
		{"ChangePeers", `{"operations":[{"op":"add","type":"external","description":"a"}]}`, `{"operations":[{"op":"delete","peer":"p","type":"external"}]}`},
		{"ChangePeers", `{"operations":[]}`, `{"operations":[{"peer":"p"}]}`},
	} {
		if !valid(schemaFor(t, c.name), c.good) {
			t.Errorf("%s: %s is refused", c.name, c.good)
		}
		if _, err := Decode(c.name, []byte(c.good)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if valid(schemaFor(t, c.name), c.bad) {
			t.Errorf("%s: %s is valid", c.name, c.bad)
		}
	}
}

// TestSchema_hasEveryCommand, and every field of each.
func TestSchema_hasEveryCommand(t *testing.T) {
	for _, name := range Names() {
		schemaFor(t, name)
		schema, _ := Schema(name)
		properties := schema["properties"].(map[string]any)
		for _, f := range kinds()[name].shape.fields {
			if _, ok := properties[f.name]; !ok {
				t.Errorf("%s: the field %s is not described", name, f.name)
			}
		}
	}
	if _, ok := Schema("PaintPeer"); ok {
		t.Error("a command that there is not has a schema")
	}
}
