package cli

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peering/peering/client"
)

func TestNeutral_noCellIsAFormula(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", "N/A": "N/A", "a=1": "a=1", " =1": " =1", "'x": "'x",
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\tx": "'\tx", "\rx": "'\rx", "\nx": "'\nx",
	} {
		if got := neutral(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// TestCSV_keysCanBeUsedAgain: an id may begin with a dash.
func TestCSV_keysCanBeUsedAgain(t *testing.T) {
	const id = "-dash"
	for what, row := range map[string][][]string{
		"enterprise": csvRows(enterpriseColumns(), []client.Enterprise{{ID: id, Description: id}}),
		"peer":       csvRows(peerColumns(), []client.Peer{{ID: id, PeerEnterpriseID: id, Description: id}}),
		"deleted":    csvRows(deletedColumns(), []client.Peer{{ID: id, Description: id}}),
		"trusted":    csvRows(trustedServerColumns(true), []client.TrustedServer{{ID: id, Enterprise: id, PeerID: id, Description: id}}),
	} {
		for i, field := range row[0] {
			want := "'" + id
			if field == "enterprise" || field == "id" || strings.HasSuffix(field, "_id") {
				want = id
			}
			if got := row[1][i]; strings.Contains(got, id) && got != want {
				t.Errorf("%s: %s is %q, want %q", what, field, got, want)
			}
		}
	}
	url := fake(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, `{}`) },
		func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, `{"id":"-dash","sequence":7}`) })
	if got := command(t.Context(), url, "-o", "csv", "enterprise", "remove", "--", id); got.out != "id,sequence\n-dash,7\n" {
		t.Errorf("got %+v", got)
	}
}

// TestListTable_fitsAsFarAsItCan: what can be spared goes, in its order, and no
// more than has to.
func TestListTable_fitsAsFarAsItCan(t *testing.T) {
	rows := []client.Peer{{
		Type: client.PeerMiCollab, Description: "Berlin", Server: "uc.berlin.example", Port: 443, Address: "192.0.2.7",
		PeerEnterpriseID: "berlin", DialingPrefix: "81", Version: "9.8", Status: "up",
	}}
	all := listTable(peerColumns(), rows, 0)
	spared := func(width int) (titles []string) {
		got := listTable(peerColumns(), rows, width)
		for _, title := range []string{"LATENCY", "DIALING PREFIX", "PEER ENTERPRISE ID", "PORT", "LAST PROBE", "DESCRIPTION", "SERVER", "STATUS"} {
			if !strings.Contains(got, title) {
				titles = append(titles, title)
			}
		}
		if textWidth(got) > width && len(titles) < 5 {
			t.Errorf("%d wide, more than %d:\n%s", textWidth(got), width, got)
		}
		return titles
	}
	order := []string{"LATENCY", "DIALING PREFIX", "PEER ENTERPRISE ID", "PORT", "LAST PROBE"}
	for width, before := textWidth(all), 0; width > 0; width-- {
		titles := spared(width)
		if n := len(titles); n < before || n > len(order) || !slices.Equal(titles, order[:n]) {
			t.Fatalf("%d wide: without %q, after %d", width, titles, before)
		}
		before = len(titles)
	}
	if titles := spared(textWidth(all)); len(titles) > 0 {
		t.Errorf("it fits, and is without %q", titles)
	}
	if titles := spared(1); len(titles) != len(order) {
		t.Errorf("a terminal without room is without %q", titles)
	}
}

func TestCSV_everyTextSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		text = strings.ReplaceAll(text, "\r\n", "\n") // what the CSV reader does within quotes
		columns := []column[string]{{field: "a", value: func(s string) any { return s }}, {field: "b", value: func(string) any { return 1 }}}
		var out strings.Builder
		if err := printList(&out, formatCSV, columns, []string{text}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("%v in %q", err, out.String())
		}
		if got := rows[1][0]; got != neutral(text) || strings.ContainsAny(got[:min(1, len(got))], "=+-@\t\r\n") {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestForTable_timesAreLocalAndTextIsSafe(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if got, want := forTable(at), at.Local().Format("2006-01-02 15:04:05 MST"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := forCSV(at.In(time.FixedZone("X", 3600))); got != "2026-03-01T12:00:00Z" {
		t.Errorf("got %q", got)
	}
	if forTable(time.Time{}) != "" || forCSV(time.Time{}) != "" {
		t.Error("a time that is not known is shown")
	}
	if got := forTable("a\x1b[31m\nb\u202ec"); got != "a?[31m?b?c" {
		t.Errorf("got %q", got)
	}
	if forTable(remark("N/A")) != "N/A" || forCSV(remark("N/A")) != "" {
		t.Error("a remark is for tables only")
	}
}

// TestList_aTextOfOthersDoesNotReachTheTerminal: neither as a colour nor as a
// line of its own.
func TestList_aTextOfOthersDoesNotReachTheTerminal(t *testing.T) {
	url := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"items":[{"id":"a","description":"x\u001b[31m\ny"}],"next_cursor":null,"sequence":3}`)
	}, nil)
	got := command(t.Context(), url, "enterprise", "list")
	if got.code != 0 || strings.Contains(got.out, "\x1b") || strings.Count(got.out, "\n") != 2 {
		t.Errorf("got %+v", got)
	}
}

// failing is a standard output that is full.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, http.ErrContentLength }

func TestPrint_aFullDiskIsAnError(t *testing.T) {
	columns := []column[string]{{field: "a", value: func(s string) any { return s }}}
	for _, f := range []format{formatTable, formatCSV} {
		if printList(failing{}, f, columns, []string{"x"}) == nil || printOne(failing{}, f, columns, "x") == nil {
			t.Errorf("%s: an error got lost", f)
		}
	}
}
