package httpapi

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// examples are those of a content, whichever way they are written.
func (m documentMedia) examples() []string {
	var out []string
	if len(m.Example) > 0 {
		out = append(out, string(m.Example))
	}
	for _, e := range m.Examples {
		out = append(out, string(e.Value))
	}
	return out
}

func (op documentOperation) bodyContent() map[string]documentMedia {
	if op.Body == nil {
		return nil
	}
	return op.Body.Content
}

// TestDocument_saysEverything: whoever adds an operation describes it, and shows
// what it takes and answers.
func TestDocument_saysEverything(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	var about struct {
		Info struct {
			Description string
			License     struct{ Name, Identifier string }
		}
		Servers []struct{ URL, Description string }
		Tags    []struct{ Name, Description string }
	}
	if err := json.Unmarshal([]byte(ask(h, "GET", "/openapi.json", "").Body), &about); err != nil {
		t.Fatal(err)
	}
	if about.Info.Description == "" || about.Info.License.Identifier != "Apache-2.0" || len(about.Servers) != 1 || about.Servers[0].URL != "/" {
		t.Errorf("the document is introduced as %+v", about)
	}
	described := map[string]bool{}
	for _, tag := range about.Tags {
		described[tag.Name] = tag.Description != ""
	}
	for path, operations := range readDocument(t, h).Paths {
		for method, op := range operations {
			for _, fault := range op.silent() {
				t.Errorf("%s %s: %s", method, path, fault)
			}
			if len(op.Tags) != 1 || !described[op.Tags[0]] {
				t.Errorf("%s %s: the tags %v are not described", method, path, op.Tags)
			}
		}
	}
}

// silent lists what op does not say.
func (op documentOperation) silent() []string {
	var faults []string
	unless := func(said bool, what string) {
		if !said {
			faults = append(faults, what)
		}
	}
	unless(op.ID != "" && op.Summary != "", "no id or summary")
	unless(len(op.Security) == 2 && op.Security[0]["bearer"] != nil && len(op.Security[1]) == 0, "the security is not bearer or none")
	for _, p := range op.Parameters {
		unless(p.Description != "", "parameter "+p.Name+" is not described")
		unless(p.In == "query" || p.Example != nil, "parameter "+p.Name+" has no example")
	}
	for media, content := range op.bodyContent() {
		unless(len(content.examples()) > 0, "no example of a body of "+media)
	}
	for status, r := range op.Responses {
		unless(r.Description != "", status+" is not described")
		for name, h := range r.Headers {
			unless(h.Description != "" && len(h.Example) > 0, "header "+name+" of "+status+" is not described")
		}
		for media, content := range r.Content {
			examples := content.examples()
			unless(len(examples) > 0, "no example of "+status+" "+media)
			unless(!slices.ContainsFunc(examples, func(e string) bool { return strings.Contains(e, `"items":[]`) }), "the example of "+status+" has no row")
		}
	}
	return faults
}
