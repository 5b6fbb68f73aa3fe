package httpapi

import (
	"bytes"
	"cmp"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	verrors "github.com/pb33f/libopenapi-validator/errors"

	"github.com/peering/peering/internal/domain"
)

// contract compares requests and answers with the document that the API serves,
// by the judgement of a validator that shares nothing with the API.
type contract struct {
	t         testing.TB
	doc       document
	judge     validator.Validator
	succeeded map[string]bool // "operation status media type"
	refused   map[string]bool // "operation code"
}

// sentWithEverything are headers that the document leaves out: they say nothing
// of the operation.
var sentWithEverything = []string{
	"Content-Type", "Content-Length", "Content-Security-Policy", "Cross-Origin-Resource-Policy", "Referrer-Policy",
	"X-Content-Type-Options", "Cache-Control", "X-Accel-Buffering", "Connection", "Accept", "Authorization", "Host",
}

// notLookedInto are objects with free names, and those that are described by
// reference with words beside it, where the judge does not find the names. What
// their schemas demand is judged all the same.
func notLookedInto() []string {
	var paths []string
	for _, object := range []string{"data", "peers.by_status", "server", "since", "upn_presence", "deleted"} {
		paths = append(paths, "$.body."+object+".*", "$.body.items[*]."+object+".*")
	}
	return paths
}

func newContract(t testing.TB) *contract {
	t.Helper()
	h := newAPI(t, commandsFunc(accept), &condition{})
	source, err := libopenapi.NewDocument([]byte(ask(h, "GET", "/openapi.json", "").Body))
	if err != nil {
		t.Fatal(err)
	}
	judge, errs := validator.NewValidator(source,
		config.WithFormatAssertions(), config.WithStrictMode(), config.WithStrictIgnoredHeaders(sentWithEverything...),
		config.WithStrictIgnorePaths(notLookedInto()...))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	t.Cleanup(judge.Release)
	return &contract{t: t, doc: readDocument(t, h), judge: judge, succeeded: map[string]bool{}, refused: map[string]bool{}}
}

// operation is a described operation with its place.
type documented struct {
	documentOperation
	method, path string
}

// operations are all of the document, in the order of their paths.
func (c *contract) operations() []documented {
	var out []documented
	for path, operations := range c.doc.Paths {
		for method, op := range operations {
			out = append(out, documented{op, strings.ToUpper(method), path})
		}
	}
	slices.SortFunc(out, func(a, b documented) int { return cmp.Compare(a.path+a.method, b.path+b.method) })
	return out
}

func (c *contract) operation(id string) documented {
	c.t.Helper()
	for _, op := range c.operations() {
		if op.ID == id {
			return op
		}
	}
	c.t.Fatalf("the document has no operation %s", id)
	return documented{}
}

// codes are the codes of the problems that op documents.
func (op documented) codes() []domain.Code {
	var out []domain.Code
	for _, r := range op.Responses {
		for code := range r.Content[problemType].Examples {
			out = append(out, domain.Code(code))
		}
	}
	slices.Sort(out)
	return out
}

// status is that of op's success.
func (op documented) status() int {
	for status := range op.Responses {
		if n, err := strconv.Atoi(status); err == nil && n < 300 {
			return n
		}
	}
	return 0
}

// example is the body of op's example of this name; without a name the first one.
func (op documented) example(name string) string {
	if op.Body == nil {
		return ""
	}
	examples := op.Body.Content[typeJSON].Examples
	names := make([]string, 0, len(examples))
	for n := range examples {
		names = append(names, n)
	}
	slices.Sort(names)
	if name == "" && len(names) > 0 {
		name = names[0]
	}
	return string(examples[name].Value)
}

// send sends a request of op, which must be as the document says, or be refused
// for it, and judges the answer.
func (c *contract) send(h http.Handler, op documented, target, body string, headers ...string) answer {
	c.t.Helper()
	a := ask(h, op.method, target, body, headers...)
	r := newRequest(op.method, target, body, headers...)
	mayBeWrong := slices.Contains([]int{400, 413, 415, 422}, a.Code)
	for _, piece := range pieces(r.Header.Get("Content-Type"), body) {
		if mayBeWrong {
			break
		}
		r := newRequest(op.method, target, piece, headers...)
		_, errs := c.judge.ValidateHttpRequestSync(r)
		c.faults(op, "request "+target+" "+piece, errs)
	}
	c.answered(op, r, a)
	return a
}

// answered judges an answer and notes what it is an example of.
func (c *contract) answered(op documented, r *http.Request, a answer) {
	c.t.Helper()
	contentType := a.Header.Get("Content-Type")
	for _, piece := range pieces(contentType, a.Body) {
		_, errs := c.judge.ValidateHttpResponse(r, &http.Response{
			StatusCode: a.Code, Header: a.Header, Body: io.NopCloser(bytes.NewBufferString(piece)), Request: r,
		})
		c.faults(op, "answer "+strconv.Itoa(a.Code)+" to "+r.URL.String()+" "+piece, errs)
	}
	if a.Code < 300 {
		media, _, _ := mime.ParseMediaType(contentType)
		c.succeeded[success(op, a.Code, media)] = true
		return
	}
	c.refused[op.ID+" "+string(into[Problem](c.t, a).Code)] = true
}

func success(op documented, status int, media string) string {
	return op.ID + " " + strconv.Itoa(status) + " " + media
}

// pieces are what a schema describes one by one: the lines of a body of lines.
func pieces(contentType, body string) []string {
	if !ofType(contentType, typeNDJSON) {
		return []string{body}
	}
	return strings.Split(strings.TrimSpace(body), "\n")
}

func (c *contract) faults(op documented, what string, errs []*verrors.ValidationError) {
	c.t.Helper()
	for _, e := range errs {
		c.t.Errorf("%s: %.600s: %s: %s", op.ID, what, e.Message, e.Reason)
		for _, s := range e.SchemaValidationErrors {
			c.t.Errorf("  %s: %s", s.FieldPath, s.Reason)
		}
	}
}

// TestContract_theDocumentIsOpenAPI31: and every example in it is what its
// schema describes.
func TestContract_theDocumentIsOpenAPI31(t *testing.T) {
	c := newContract(t)
	_, errs := c.judge.ValidateDocument()
	c.faults(documented{}, "document", errs)
	fill := strings.NewReplacer("{sequence}", "57", "{", "", "}", "")
	for _, op := range c.operations() {
		target := fill.Replace(op.path)
		for media, content := range op.bodyContent() {
			for _, example := range content.examples() {
				r := newRequest(op.method, target, example, "Content-Type", media)
				_, errs := c.judge.ValidateHttpRequestSync(r)
				c.faults(op, "example "+example, errs)
			}
		}
		for status, response := range op.Responses {
			code, err := strconv.Atoi(status)
			if err != nil {
				t.Errorf("%s has the status %s", op.ID, status)
			}
			for media, content := range response.Content {
				for _, example := range content.examples() {
					header := http.Header{"Content-Type": {media}}
					for name, h := range response.Headers {
						header.Set(name, strings.Trim(string(h.Example), `"`))
					}
					_, errs := c.judge.ValidateHttpResponse(newRequest(op.method, target, ""), &http.Response{
						StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(example)),
					})
					c.faults(op, "example of "+status+" "+example, errs)
				}
			}
		}
	}
}
