package bus

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/jsonschema/v6"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

func theDocument(t testing.TB) object {
	t.Helper()
	body, err := AsyncAPI("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, body).(object)
}

// parsed reads JSON as the validator wants it.
func parsed(t testing.TB, body []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// official is the schema of AsyncAPI documents.
func official(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/asyncapi/3.0.0.json")
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, parsed(t, text), "")
}

// compile compiles the schema at a place in doc.
func compile(t testing.TB, doc any, place string) *jsonschema.Schema {
	t.Helper()
	const url = "http://peering.example/doc.json"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.AssertFormat()
	if err := c.AddResource(url, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(url + "#" + place)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func payloadOf(t testing.TB, doc any, message string) *jsonschema.Schema {
	t.Helper()
	return compile(t, doc, "/components/messages/"+message+"/payload")
}

func TestAsyncAPI_isADocument(t *testing.T) {
	if err := official(t).Validate(theDocument(t)); err != nil {
		t.Errorf("%v", err)
	}
}

func TestAsyncAPI_theSchemaIsTheOneOfTheTable(t *testing.T) {
	text, err := os.ReadFile("testdata/asyncapi/3.0.0.json")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("testdata/asyncapi/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(text)); !strings.Contains(string(readme), sum) {
		t.Errorf("the schema has the sum %s, which the table does not name", sum)
	}
}

// TestAsyncAPI_faultsAreFound: what makes the other tests worth something.
func TestAsyncAPI_faultsAreFound(t *testing.T) {
	schema := official(t)
	for rule, spoil := range map[string]func(object){
		"no title":          func(d object) { delete(at(d, "info"), "title") },
		"another version":   func(d object) { d["asyncapi"] = "2.6.0" },
		"unknown field":     func(d object) { at(d, "channels", channelCommands)["colour"] = "red" },
		"unknown action":    func(d object) { at(d, "operations", "sendCommand")["action"] = "publish" },
		"no channel":        func(d object) { delete(at(d, "operations", "receiveOutcome"), "channel") },
		"address no text":   func(d object) { at(d, "channels", channelOutcomes)["address"] = json.Number("1") },
		"no type of schema": func(d object) { at(d, "components", "schemas", "Outcome")["type"] = "thing" },
		"reply no object":   func(d object) { at(d, "operations", "requestCommand")["reply"] = "x" },
	} {
		doc := theDocument(t)
		spoil(doc)
		if schema.Validate(doc) == nil {
			t.Errorf("%s: the document is still valid", rule)
		}
	}
}

// at is the object at a place in doc.
func at(doc object, path ...string) object {
	for _, key := range path {
		doc = doc[key].(object)
	}
	return doc
}

func TestAsyncAPI_isTheSameEachTime(t *testing.T) {
	first, err := AsyncAPI("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, err := AsyncAPI("1.2.3"); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("another document: %v", err)
		}
	}
	if other, _ := AsyncAPI(""); !bytes.Contains(other, []byte(`"version":"dev"`)) || !bytes.Contains(first, []byte(`"version":"1.2.3"`)) {
		t.Error("the version of the product is not in the document")
	}
}

// TestAsyncAPI_everyReferenceLeadsSomewhere, and every parameter of an address
// is described.
func TestAsyncAPI_everyReferenceLeadsSomewhere(t *testing.T) {
	doc := theDocument(t)
	found := 0
	walk(doc, func(o object) {
		to, ok := o["$ref"].(string)
		if !ok {
			return
		}
		found++
		var place any = doc
		for key := range strings.SplitSeq(strings.TrimPrefix(to, "#/"), "/") {
			inside, _ := place.(object)
			place = inside[key]
		}
		if place == nil {
			t.Errorf("%s leads nowhere", to)
		}
	})
	if found < 100 {
		t.Errorf("found %d references", found)
	}
	for name, c := range at(doc, "channels") {
		address, _ := c.(object)["address"].(string)
		params, _ := c.(object)["parameters"].(object)
		if got := strings.Count(address, "{"); got != len(params) {
			t.Errorf("%s has %d parameters in its address and %d described", name, got, len(params))
		}
		for p := range params {
			if !strings.Contains(address, "{"+p+"}") {
				t.Errorf("%s describes %s, which is not in its address", name, p)
			}
		}
	}
}

// walk calls fn for every object in v.
func walk(v any, fn func(object)) {
	switch v := v.(type) {
	case object:
		fn(v)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walk(v[key], fn)
		}
	case []any:
		for _, one := range v {
			walk(one, fn)
		}
	}
}

// TestAsyncAPI_outcomesAreDescribed, those of many operations among them.
func TestAsyncAPI_outcomesAreDescribed(t *testing.T) {
	doc := theDocument(t)
	schema := payloadOf(t, doc, messageOutcome)
	refusal := &domain.Error{Code: domain.Gone, Field: "peer", Msg: "it is gone", Gone: &domain.Removal{Seq: 4, By: "bob"}}
	for _, out := range []command.Outcome{
		{CommandID: "c1", Command: "AddPeer", Hash: "00", Result: command.Accepted, ID: "p1", Sequence: 4, Events: []events.EventID{"e"}, Warnings: []domain.Warning{{Code: "w", Message: "m", Peer: "p"}}},
		{CommandID: "c1", Command: "AddPeer", Result: command.Rejected, Events: []events.EventID{}, Error: refusal},
		{CommandID: "c1", Command: "ChangePeers", Result: command.Rejected, Events: []events.EventID{}, Error: &domain.Error{
			Code: domain.Invalid, Results: []domain.OperationResult{{Index: 1, Result: domain.Refused, Error: refusal}},
		}},
		{Command: "?", Result: command.Failed, Events: []events.EventID{}, Error: &domain.Error{Code: domain.Malformed, Msg: "no"}},
	} {
		body, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(parsed(t, body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, body := range []string{
		`{"command_id":"c","command":"AddPeer","hash":"","result":"done","events":[],"at":"2026-03-01T12:00:00Z"}`,
		`{"command_id":"c","command":"AddPeer","hash":"","result":"accepted","at":"2026-03-01T12:00:00Z"}`,
		`{"command_id":"c","command":"ChangePeers","hash":"","result":"rejected","events":[],"at":"2026-03-01T12:00:00Z","error":{"code":"invalid","message":"m","results":[{"index":"one","result":"refused"}]}}`,
	} {
		if schema.Validate(parsed(t, []byte(body))) == nil {
			t.Errorf("%s is valid", body)
		}
	}
}

// TestAsyncAPI_hasEveryCommand, with an example that the decoder takes.
func TestAsyncAPI_hasEveryCommand(t *testing.T) {
	doc := theDocument(t)
	for _, name := range command.Names() {
		body := exampleBody(name)
		if _, err := command.Decode(name, []byte(body)); err != nil {
			t.Errorf("the example of %s: %v", name, err)
		}
		if err := payloadOf(t, doc, string(name)).Validate(parsed(t, []byte(body))); err != nil {
			t.Errorf("the example of %s: %v", name, err)
		}
		for _, channel := range []string{channelCommands, channelRequests} {
			if _, ok := at(doc, "channels", channel, "messages")[string(name)]; !ok {
				t.Errorf("%s is not on the channel %s", name, channel)
			}
		}
	}
	if got, want := at(doc, "components", "parameters", "command")["enum"].([]any), command.Names(); len(got) != len(want) {
		t.Errorf("the parameter may be %v", got)
	}
}

// TestAsyncAPI_problemsAreDescribed: what a request is answered with when there
// is no outcome.
func TestAsyncAPI_problemsAreDescribed(t *testing.T) {
	schema := payloadOf(t, theDocument(t), messageProblem)
	for _, a := range []answer{busy(), stopping(), noResult(404, domain.NotFound, "peer", "x")} {
		if err := schema.Validate(parsed(t, a.body)); err != nil {
			t.Errorf("%s: %v", a.body, err)
		}
	}
	if schema.Validate(parsed(t, []byte(`{"title":"x","status":200,"code":"y"}`))) == nil {
		t.Error("a problem that is none is valid")
	}
}
