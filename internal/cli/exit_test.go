package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/peering/peering/client"
)

// faults is wrong usage of another package.
type faults struct{ usage bool }

func (faults) Error() string { return "faults" }
func (f faults) Usage() bool { return f.usage }

func TestExitCode_ofEveryKindOfError(t *testing.T) {
	problem := func(status int, code string) error { return &client.Error{Status: status, Code: code} }
	for _, c := range []struct {
		err  error
		want int
	}{
		{errors.New("x"), 1},
		{usage("x"), 2},
		{fmt.Errorf("serve: %w", faults{true}), 2},
		{errors.Join(errors.New("x"), faults{true}), 2},
		{faults{false}, 1},
		{problem(0, client.CodeNoAnswer), 1},
		{problem(200, client.CodeUnexpected), 1},
		{problem(404, client.CodeUnexpected), 1},
		{problem(400, client.CodeMalformed), 2},
		{problem(401, "no_token"), 3},
		{problem(403, client.CodeForbidden), 3},
		{problem(404, client.CodeNotFound), 4},
		{problem(0, client.CodeNotFound), 4},
		{problem(409, client.CodeExists), 3},
		{problem(409, client.CodeConflict), 5},
		{problem(410, client.CodeGone), 4},
		{problem(412, client.CodeStale), 5},
		{problem(413, "too_large"), 1},
		{problem(422, client.CodeInvalid), 3},
		{problem(422, client.CodeUnsupported), 3},
		{problem(422, client.CodeFollowsPeer), 3},
		{problem(422, client.CodeIDReused), 3},
		{problem(422, "a new one"), 3},
		{problem(500, "internal"), 1},
		{problem(503, client.CodeUnavailable), 1},
	} {
		if got := exitCode(fmt.Errorf("wrapped: %w", c.err)); got != c.want {
			t.Errorf("%#v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestRun_aRoleThatIsMisused(t *testing.T) {
	for _, c := range []struct {
		args []string
		err  error
		want int
	}{
		{nil, nil, 0},
		{nil, errors.New("x"), 1},
		{nil, faults{true}, 2},
		{[]string{"--nonsense"}, nil, 2},
		{[]string{"nonsense"}, nil, 2},
	} {
		cmd := &cobra.Command{Use: "peering-api", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return c.err }}
		var errs strings.Builder
		cmd.SetErr(&errs)
		cmd.SetArgs(append([]string{}, c.args...))
		if got := run(t.Context(), cmd); got != c.want {
			t.Errorf("%v, %v: exit code %d, want %d\n%s", c.args, c.err, got, c.want, errs.String())
		}
		if c.want == 2 && !strings.Contains(errs.String(), `See "peering-api --help".`) {
			t.Errorf("%v: it says %q", c.args, errs.String())
		}
	}
}

func TestHints_sayWhatElseIsKnown(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		says   string
	}{
		{500, `{"code":"internal","detail":"no","instance":"urn:uuid:7"}`, "The server's log has it as urn:uuid:7."},
		{412, `{"code":"stale","detail":"no","current":9,"changed_by":"j\u001b.doe","changed_at":"2026-03-01T12:00:00Z"}`, "It is at revision 9, changed by j?.doe at 2026-"},
	} {
		url := fake(t, nil, func(w http.ResponseWriter, _ *http.Request) { answer(w, c.status, c.body) })
		if got := command(t.Context(), url, "enterprise", "remove", "acme"); !strings.Contains(got.err, c.says) {
			t.Errorf("got %q, want %q", got.err, c.says)
		}
	}
}

// TestRun_printsTheProblemWhereJSONIsAskedFor: as it came, and nothing where none
// came.
func TestRun_printsTheProblemWhereJSONIsAskedFor(t *testing.T) {
	const problem = `{"code":"forbidden", "detail":"no\u001b", "more":[1]}` + "\n"
	refuses := fake(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusForbidden, problem) },
		func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusForbidden, problem) })
	page := fake(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusForbidden, "<html>") }, nil)
	for _, c := range []struct {
		url, args, out string
		code           int
	}{
		{refuses, "-o json enterprise list", problem, 3},
		{refuses, "-o json enterprise show acme", problem, 3},
		{refuses, "-o json enterprise remove acme", problem, 3},
		{refuses, "-o json peer delete acme Berlin", problem, 3},
		{refuses, "-o csv enterprise list", "", 3},
		{refuses, "enterprise list", "", 3},
		{page, "-o json enterprise list", "", 1},
		{"http://127.0.0.1:1", "-o json enterprise remove acme --nonsense", "", 2},
	} {
		got := command(t.Context(), c.url, strings.Fields(c.args)...)
		if got.code != c.code || got.out != c.out || !strings.HasPrefix(got.err, "peering: ") {
			t.Errorf("%s: got %+v, want code %d and %q", c.args, got, c.code, c.out)
		}
	}
}

func TestRun_isGivenUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}, nil)
	got := command(ctx, url, "enterprise", "list")
	if got.code != 1 || strings.Contains(got.err, "peering serve") || !strings.Contains(got.err, "given up") {
		t.Errorf("got %+v", got)
	}
}
