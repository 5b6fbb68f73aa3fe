package httpapi

import (
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/domain"
)

// allCodes are the codes there are, with the status that interfaces promise.
func allCodes() map[domain.Code]int {
	return map[domain.Code]int{
		domain.Malformed: 400, domain.Forbidden: 403, domain.NotFound: 404, codeMethodNotAllowed: 405, codeTimeout: 408,
		domain.Exists: 409, codeConflict: 409, domain.Gone: 410, domain.Stale: 412, codeTooLarge: 413, codeMediaType: 415,
		domain.Invalid: 422, domain.Unsupported: 422, domain.FollowsPeer: 422, domain.IDReused: 422,
		codeInternal: 500, codeStarting: 503, codeUnavailable: 503, codeNotReady: 503, codeHeld: 503,
	}
}

func TestStatusOf_everyCodeHasItsStatus(t *testing.T) {
	for code, want := range allCodes() {
		if got := statusOf(code); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
		if meaning(code) == meaning("never heard of") != (code == codeInternal || code == codeMethodNotAllowed || code == codeNotReady) {
			t.Errorf("%s is not explained in the document", code)
		}
	}
	if got := statusOf("never heard of"); got != http.StatusInternalServerError {
		t.Errorf("an unknown code has status %d", got)
	}
}

// TestFrameworkProblem_errorsOfTheFrameworkHaveOurForm: no request is known that
// makes the framework refuse by itself; if a later version does, it shows as a
// problem like every other.
func TestFrameworkProblem_errorsOfTheFrameworkHaveOurForm(t *testing.T) {
	for status, code := range map[int]domain.Code{400: domain.Malformed, 406: domain.Malformed, 413: codeTooLarge, 422: domain.Invalid, 500: codeInternal} {
		in := &huma.ErrorModel{Status: status, Detail: "d", Errors: []*huma.ErrorDetail{{Message: "required", Location: "query.limit"}}}
		out, err := frameworkProblem(nil, "", in)
		p, ok := out.(*Problem)
		if err != nil || !ok || p.Status != status || p.Code != code || p.Field != "limit" || p.Detail != "required" {
			t.Errorf("%d became %+v, %v", status, out, err)
		}
	}
	if out, err := frameworkProblem(nil, "", 1); err != nil || out != any(1) {
		t.Errorf("another body became %v, %v", out, err)
	}
}
