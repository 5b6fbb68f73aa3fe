package httpapi

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/access"
)

const busDocument = `{"asyncapi":"3.0.0"}`

// TestAsyncAPI_isServedAsTheOtherDocumentIs: with the same headers, to the same
// callers, with the same refusals.
func TestAsyncAPI_isServedAsTheOtherDocumentIs(t *testing.T) {
	s := newStack(t)
	s.http = newAPI(t, nil, nil, func(o *Options) { o.Backends, o.AsyncAPI = s.backends, []byte(busDocument) })
	_, admin := s.made(access.Admin, "")
	_, viewer := s.made(access.Viewer, "acme")
	for name, headers := range map[string][]string{
		"none": nil, "malformed": {"Authorization", "Basic x"}, "unknown": {"Authorization", "Bearer x"},
		"admin": {"Authorization", "Bearer " + admin}, "viewer": {"Authorization", "Bearer " + viewer},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS"} {
			got, want := askFrom(s.http, remote, method, asyncAPIPath, "", headers...), askFrom(s.http, remote, method, "/openapi.json", "", headers...)
			for _, a := range []answer{got, want} { // what differs from one request to the next
				maps.DeleteFunc(a.Header, func(name string, _ []string) bool { return strings.HasSuffix(strings.ToLower(name), "request-id") })
			}
			if diff := cmp.Diff(want.Header, got.Header); got.Code != want.Code || diff != "" {
				t.Errorf("%s, %s: status %d, want %d; headers (-want +got):\n%s", name, method, got.Code, want.Code, diff)
			}
			if method == "GET" && got.Code == 200 && got.Body != busDocument {
				t.Errorf("%s: the body is %s", name, got.Body)
			}
		}
	}
	if a := askFrom(s.http, remote, "GET", asyncAPIPath, ""); a.Code != 200 {
		t.Errorf("without a token: status %d", a.Code)
	}
	if a := ask(s.http, "GET", "/openapi.json", ""); !strings.Contains(a.Body, asyncAPIPath) {
		t.Error("the OpenAPI document does not name that of the bus")
	}
}

func TestAsyncAPI_whereThereIsNoBusThereIsNone(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	wantProblem(t, ask(h, "GET", asyncAPIPath, ""), 404, "not_found", "")
	if a := ask(h, "GET", "/openapi.json", ""); strings.Contains(a.Body, asyncAPIPath) {
		t.Error("the OpenAPI document names one")
	}
}
