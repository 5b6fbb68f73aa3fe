package cli

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const threeRows = "id,description\np1,Lyon\n,Graz\n,Wien\n"

// imported imports a file from a server that gives this answer.
func imported(t *testing.T, file, format string, status int, body string, more ...string) ran {
	t.Helper()
	name := filepath.Join(t.TempDir(), "peers")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	url := fake(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, `{}`) },
		func(w http.ResponseWriter, _ *http.Request) { answer(w, status, body) })
	return command(t.Context(), url, append([]string{"-o", format, "peer", "import", "acme", name}, more...)...)
}

func result(index int, end string) string { return fmt.Sprintf(`{"index":%d,"result":%q}`, index, end) }

// refusedRow is of a row whose refusal has this code.
func refusedRow(index int, code string) string {
	return fmt.Sprintf(`{"index":%d,"result":"refused","error":{"code":%q,"message":"no"}}`, index, code)
}

func TestImport_printsTheAnswerAsItCame(t *testing.T) {
	body := `{ "id":"acme","sequence":9, "new":1,"results":[` + result(0, "done") + "," + refusedRow(1, "exists") + "," + result(2, "unchanged") + "]}\n"
	if got := imported(t, threeRows, "json", 200, body); got.out != body || got.code != exitRefused {
		t.Errorf("got %+v", got)
	}
	problem := `{"status":404, "code":"not_found","detail":"no","results":[` + result(0, "done") + "," + refusedRow(1, "exists") + "," + result(2, "unchanged") + "]}\n"
	if got := imported(t, threeRows, "json", 404, problem); got.out != problem || got.code != exitRefused {
		t.Errorf("got %+v", got)
	}
}

// TestImport_whatWasRefusedAsAWholeWasNotDone: also where its code has another
// exit code for one peer.
func TestImport_whatWasRefusedAsAWholeWasNotDone(t *testing.T) {
	for _, code := range []string{"exists", "gone", "not_found", "stale", "conflict", "malformed"} {
		problem := `{"status":409,"code":"` + code + `","detail":"no","results":[` + result(0, "done") + "," + refusedRow(1, code) + "," + result(2, "unchanged") + "]}"
		got := imported(t, threeRows, "table", 409, problem)
		if got.code != exitRefused || !strings.Contains(got.out, "would be done") || !strings.Contains(got.err, "1 would be done, 1 unchanged, 1 refused.") ||
			!strings.Contains(got.err, "nothing was changed") || strings.Contains(got.err, "--ignore-ids") {
			t.Errorf("%s: got %+v", code, got)
		}
		if got := imported(t, threeRows, "csv", 409, problem); !strings.Contains(got.out, "line 2,Lyon,would be done,,\n") || got.code != exitRefused {
			t.Errorf("%s: got %+v", code, got)
		}
	}
}

func TestImport_hintsAtIDsThatAreNotThere(t *testing.T) {
	for _, code := range []string{"gone", "not_found"} {
		rows := `"results":[` + refusedRow(0, code) + "," + result(1, "done") + "," + result(2, "done") + "]}"
		for status, body := range map[int]string{200: `{"id":"acme","sequence":9,` + rows, 422: `{"code":"` + code + `","detail":"no",` + rows} {
			if got := imported(t, threeRows, "table", status, body); got.code != exitRefused || !strings.Contains(got.err, "give --ignore-ids.") {
				t.Errorf("%s, %d: got %+v", code, status, got)
			}
		}
	}
}

func TestImport_failsWhenResultsAreLost(t *testing.T) {
	const warning = `"warnings":[{"code":"results_lost","message":"lost in a crash"}]`
	for name, c := range map[string]struct {
		results, says string
		code          int
	}{
		"all":                  {"", "what became of 3 of 3 rows is not known", exitFailed},
		"some":                 {result(0, "done") + "," + result(2, "unchanged"), "what became of 1 of 3 rows is not known", exitFailed},
		"and one refused":      {refusedRow(2, "exists"), "what became of 2 of 3 rows is not known", exitRefused},
		"of a row there isn't": {result(0, "done") + "," + result(7, "done"), "what became of 1 of 3 rows is not known", exitFailed},
	} {
		for _, format := range []string{"table", "csv", "json"} {
			got := imported(t, threeRows, format, 200, `{"id":"acme","sequence":9,"results":[`+c.results+`],`+warning+`}`, "--separately")
			if got.code != c.code || !strings.Contains(got.err, c.says) || !strings.Contains(got.err, "warning: lost in a crash") {
				t.Errorf("%s, %s: got %+v", name, format, got)
			}
		}
	}
}

func TestReadPeers_refusesAPeerThatIsThereTwice(t *testing.T) {
	for file, says := range map[string]string{
		"id,description\np1,A\np2,B\np1,C\n":                 `line 4: has the same id as line 2, "p1"`,
		"description\nLyon\nGraz\nLYON\n":                    `line 4: has the same description as line 2, "LYON"`,
		`[{"description":"x"},{"id":"a","description":"X"}]`: `item 2: has the same description as item 1, "X"`,
	} {
		if _, err := readPeers(strings.NewReader(file), stdio, false); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v", file, err)
		}
	}
	swapped := "id,description\np1,B\np2,A\n,C\n"
	if rows, err := readPeers(strings.NewReader(swapped), stdio, false); err != nil || len(rows) != 3 {
		t.Errorf("got %v, %v", rows, err)
	}
}

func TestReadPeers_ignoresIDs(t *testing.T) {
	rows, err := readPeers(strings.NewReader("id,description\np1,A\np1,B\n"), stdio, true)
	if err != nil || len(rows) != 2 {
		t.Fatalf("got %v, %v", rows, err)
	}
	for _, r := range rows {
		if o := r.operation(); o.Op != "put" || o.Peer != "" {
			t.Errorf("got %+v", o)
		}
	}
	for file, says := range map[string]string{
		"id,description\np1,A\np2,\n":     "line 3: has no description, and ids are ignored",
		"id,description\np1,A\np2,a\n":    "line 3: has the same description as line 2",
		`{"items":[{"description":"x"}]}`: "must be a list of objects",
	} {
		if _, err := readPeers(strings.NewReader(file), stdio, true); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v", file, err)
		}
	}
}
