package client

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// request is one call on its way, before it is tried.
type request struct {
	method  string
	path    string // escaped, below the server's URL
	query   url.Values
	header  http.Header
	body    []byte
	keep    *bytes.Buffer
	refusal *Error // why it must not be sent
	once    bool   // it must not be sent again when it is not known what became of it
}

// newRequest makes a request of the path that the segments name. Fixed segments
// and ids alternate in no particular way: every one is escaped, and one that a
// proxy between here and the server could read as another path is refused as
// not found, which it is.
func newRequest(method string, segments ...string) *request {
	r := &request{method: method, query: url.Values{}, header: http.Header{}}
	var b strings.Builder
	b.WriteString("/api/v1")
	for _, s := range segments {
		if s == "" || s == "." || s == ".." || strings.ContainsAny(s, `/\`) {
			r.refusal = refused(CodeNotFound, "", "there is no such thing: an id may not be empty, a dot, or contain a slash")
		}
		b.WriteString("/" + url.PathEscape(s))
	}
	r.path = b.String()
	return r
}

// send gives the request a JSON body.
func (r *request) send(v any) *request {
	data, err := json.Marshal(v)
	if err != nil { // of the types of this package: does not happen
		r.refusal = refused(CodeMalformed, "", "the body cannot be encoded: "+err.Error())
		return r
	}
	r.body = data
	contentType := "application/json"
	if r.method == http.MethodPatch {
		contentType = "application/merge-patch+json"
	}
	r.header.Set("Content-Type", contentType)
	return r
}
