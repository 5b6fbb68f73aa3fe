package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
)

// document is what the tests need of the OpenAPI document.
type document struct {
	OpenAPI    string                                  `json:"openapi"`
	Paths      map[string]map[string]documentOperation `json:"paths"`
	Components struct {
		Schemas map[string]*documentSchema `json:"schemas"`
	} `json:"components"`
}

type documentOperation struct {
	ID         string              `json:"operationId"`
	Summary    string              `json:"summary"`
	Parameters []documentParameter `json:"parameters"`
	Body       *struct {
		Required bool                     `json:"required"`
		Content  map[string]documentMedia `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string                   `json:"description"`
		Content     map[string]documentMedia `json:"content"`
		Headers     map[string]struct {
			Description string          `json:"description"`
			Example     json.RawMessage `json:"example"`
		} `json:"headers"`
	} `json:"responses"`
	Tags     []string              `json:"tags"`
	Security []map[string][]string `json:"security"`
}

type documentParameter struct {
	Name, In, Description string
	Required              bool
	Schema                documentSchema
	Example               any
}

type documentMedia struct {
	Schema   documentSchema  `json:"schema"`
	Example  json.RawMessage `json:"example"`
	Examples map[string]struct {
		Value json.RawMessage `json:"value"`
	} `json:"examples"`
}

type documentSchema struct {
	Ref                  string                     `json:"$ref"`
	Type                 any                        `json:"type"`
	Properties           map[string]*documentSchema `json:"properties"`
	AdditionalProperties any                        `json:"additionalProperties"`
}

func readDocument(t testing.TB, h http.Handler) document {
	t.Helper()
	a := ask(h, "GET", "/openapi.json", "")
	if a.Code != 200 || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, content type %q", a.Code, a.Header.Get("Content-Type"))
	}
	return into[document](t, a)
}

// bodies are the descriptions of every body, by operation.
func bodies() map[string]*bodyDoc {
	return map[string]*bodyDoc{
		"register-enterprise": registerEnterpriseDoc(), "edit-enterprise": editEnterpriseDoc(),
		"add-peer": addPeerDoc(), "edit-peer": editPeerDoc(), "schedule-maintenance": maintenanceDoc(),
		"add-trusted-server": addTrustedServerDoc(), "edit-trusted-server": editTrustedServerDoc(),
	}
}

// TestOpenAPI_describesTheRoutesAndNoOthers: every documented operation is
// served, and every path that is served under /api is documented.
func TestOpenAPI_describesTheRoutesAndNoOthers(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	doc := readDocument(t, h)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("the document is of OpenAPI %s", doc.OpenAPI)
	}
	fill := strings.NewReplacer("{enterprise}", "acme", "{peer}", "p1", "{trusted_server}", "t1", "{token}", "t1")
	documented := map[string]bool{}
	for path, operations := range doc.Paths {
		var methods []string
		for method, op := range operations {
			method = strings.ToUpper(method)
			methods = append(methods, method)
			documented[method+" "+fill.Replace(path)] = true
			if a := ask(h, method, fill.Replace(path), ""); a.Code == 404 || a.Code == 405 {
				t.Errorf("%s %s is documented and answers %d", method, path, a.Code)
			}
			if op.ID == "" || op.Summary == "" {
				t.Errorf("%s %s has no id or summary", method, path)
			}
		}
		if slices.Contains(methods, "GET") {
			methods = append(methods, "HEAD")
		}
		slices.Sort(methods)
		if allow := ask(h, "PUT", fill.Replace(path), "").Header.Get("Allow"); allow != strings.Join(methods, ", ") {
			t.Errorf("%s takes %s, the document says %v", path, allow, methods)
		}
	}
	for _, target := range reads() {
		if target = strings.Replace(target, "peer-p1", "t1", 1); !documented["GET "+target] {
			t.Errorf("GET %s is not documented", target)
		}
	}
	for _, w := range writes() {
		if !documented[w.method+" "+w.path] {
			t.Errorf("%s %s is not documented", w.method, w.path)
		}
	}
}

// TestOpenAPI_examplesOfBodiesAreAccepted: the decoder takes every example, and
// the operation gives the command.
func TestOpenAPI_examplesOfBodiesAreAccepted(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	fill := strings.NewReplacer("{enterprise}", "acme", "{peer}", "p1", "{trusted_server}", "t1", "{token}", "t1")
	seen := 0
	for path, operations := range readDocument(t, h).Paths {
		for method, op := range operations {
			if op.Body == nil {
				continue
			}
			doc, ok := bodies()[op.ID]
			if !ok { // no command: the contract test sends it
				continue
			}
			for mediaType, media := range op.Body.Content {
				for name, example := range media.Examples {
					seen++
					if _, err := command.Decode(doc.command, example.Value); err != nil {
						t.Errorf("%s, example %s: %v", op.ID, name, err)
					}
					a := ask(h, strings.ToUpper(method), fill.Replace(path), string(example.Value), "Content-Type", mediaType)
					if a.Code >= 300 {
						t.Errorf("%s, example %s as %s: status %d: %s", op.ID, name, mediaType, a.Code, a.Body)
					}
				}
			}
		}
	}
	if want := len(bodies()); seen < want {
		t.Errorf("%d examples for %d bodies", seen, want)
	}
}

// TestOpenAPI_bodiesHaveTheFieldsOfTheirCommands: the described body and the
// command that the decoder reads have the same fields, at every depth.
func TestOpenAPI_bodiesHaveTheFieldsOfTheirCommands(t *testing.T) {
	commands := map[domain.CommandName]domain.Command{}
	for _, w := range writes() {
		commands[w.command.Name()] = w.command
	}
	for id, doc := range bodies() {
		want, got := map[string]bool{}, map[string]bool{}
		fieldsOf(reflect.TypeOf(commands[doc.command]), "", want)
		fieldsOf(doc.schema, "", got)
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s: described %v, decoded %v", id, got, want)
		}
	}
}

// fieldsOf collects the JSON names in t; the value of a domain.Field stands for
// the field.
func fieldsOf(t reflect.Type, prefix string, into map[string]bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		if value, ok := t.FieldByName("Value"); ok && t.NumField() == 3 {
			fieldsOf(value.Type, prefix, into)
			return
		}
	}
	if t.Kind() != reflect.Struct || t.PkgPath() == "time" {
		into[prefix] = true
		return
	}
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			fieldsOf(f.Type, prefix+"."+name, into)
		}
	}
}

func TestOpenAPI_pathParametersAreThoseOfThePath(t *testing.T) {
	form := regexp.MustCompile(`\{([a-z_]+)\}`)
	for path, operations := range readDocument(t, newAPI(t, commandsFunc(accept), &condition{})).Paths {
		var want []string
		for _, m := range form.FindAllStringSubmatch(path, -1) {
			want = append(want, m[1])
		}
		for method, op := range operations {
			var got []string
			for _, p := range op.Parameters {
				if p.Description == "" || p.Schema.Type == nil {
					t.Errorf("%s %s: parameter %s is not described", method, path, p.Name)
				}
				if p.In == "path" {
					got = append(got, p.Name)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s %s: path parameters %v, want %v", method, path, got, want)
			}
		}
	}
}

func TestOpenAPI_everyRefusalIsDescribed(t *testing.T) {
	seen := map[string]bool{}
	for path, operations := range readDocument(t, newAPI(t, commandsFunc(accept), &condition{})).Paths {
		for method, op := range operations {
			for _, status := range []string{"400", "403", "422", "500", "503"} {
				if _, ok := op.Responses[status]; !ok {
					t.Errorf("%s %s: %s is not described", method, path, status)
				}
			}
			for status, r := range op.Responses {
				media, isProblem := r.Content[problemType]
				if status >= "400" != isProblem || isProblem && !strings.HasSuffix(media.Schema.Ref, "/Problem") {
					t.Errorf("%s %s: %s is not described as a problem", method, path, status)
				}
				for _, example := range media.Examples {
					var p Problem
					if err := json.Unmarshal(example.Value, &p); err != nil || http.StatusText(p.Status) != p.Title {
						t.Errorf("%s %s: example %s", method, path, example.Value)
					}
					seen[string(p.Code)] = true
				}
			}
		}
	}
	for code := range allCodes() {
		if code == codeMethodNotAllowed || code == codeNotReady {
			continue // not answers of an operation
		}
		if !seen[string(code)] {
			t.Errorf("no operation describes %s", code)
		}
	}
}

func TestOpenAPI_headersOfSuccessAreThoseThatAreSent(t *testing.T) {
	for path, operations := range readDocument(t, newAPI(t, commandsFunc(accept), &condition{})).Paths {
		for method, op := range operations {
			_, created := op.Responses["201"]
			success := op.Responses["200"]
			if created {
				success = op.Responses["201"]
			}
			_, etag := success.Headers["ETag"]
			_, location := success.Headers["Location"]
			one := slices.Contains([]string{"show-enterprise", "show-peer", "show-trusted-server"}, op.ID)
			if etag != one || location != created {
				t.Errorf("%s %s: ETag %v, Location %v", method, path, etag, location)
			}
		}
	}
}

// TestOpenAPI_answersHaveTheFieldsDescribed: the schema of an answer has its
// fields, and those of bodies refuse others.
func TestOpenAPI_answersHaveTheFieldsDescribed(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	schemas := readDocument(t, h).Components.Schemas
	for target, name := range map[string]string{enterpriseURL: "Enterprise", peerURL: "Peer", entryURL: "TrustedServer", peersURL: "ListPeer"} {
		for field := range into[map[string]any](t, ask(h, "GET", target, "")) {
			if schemas[name] == nil || schemas[name].Properties[field] == nil {
				t.Errorf("%s: the field %s is not described", name, field)
			}
		}
	}
	for name, s := range schemas {
		open := s.AdditionalProperties != any(false)
		if closed := strings.HasSuffix(name, "Input") || strings.HasSuffix(name, "Patch"); closed == open {
			t.Errorf("%s: additional properties are %v", name, s.AdditionalProperties)
		}
	}
	for _, frameworks := range []string{"ErrorModel", "ErrorDetail"} {
		if schemas[frameworks] != nil {
			t.Errorf("the document describes %s, which is never sent", frameworks)
		}
	}
}

func TestOpenAPI_nothingIsLoadedFromElsewhere(t *testing.T) {
	a := ask(newAPI(t, commandsFunc(accept), &condition{}), "GET", "/openapi.json", "")
	for _, foreign := range []string{"http://", "https://unpkg", "cdn"} {
		if strings.Contains(a.Body, foreign) {
			t.Errorf("the document mentions %s", foreign)
		}
	}
}

func TestConforms_everyDocumentedParameterHasASchemaThatIsChecked(t *testing.T) {
	for _, p := range listParams(nil, "x", textParam("e", "d", "one", "two"), boolParam("b", "d")) {
		if p.Schema.Type == huma.TypeInteger && p.Schema.Minimum == nil {
			t.Errorf("%s has no least value", p.Name)
		}
		if err := conforms(p.Schema, "\x00"); err == nil {
			t.Errorf("%s takes a control character", p.Name)
		}
	}
}
