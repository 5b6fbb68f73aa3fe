package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
)

const bulkURL = peersURL + ":bulk"

func put(i int) string {
	return fmt.Sprintf(`{"op":"put","type":"micollab","description":"Branch %d","hostname":"uc%d.branch.example","peer_enterprise_id":"branch-%d"}`, i, i, i)
}

func puts(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, put(i))
	}
	return out
}

func (s *stack) bulk(status int, target, body string, headers ...string) BulkReply {
	s.t.Helper()
	return into[BulkReply](s.t, s.write(status, "POST", target, body, headers...))
}

func ends(r BulkReply) map[domain.OperationEnd]int {
	count := map[domain.OperationEnd]int{}
	for _, row := range r.Results {
		count[row.Result]++
	}
	return count
}

func (s *stack) total() int {
	s.t.Helper()
	return shownAs[Enterprise](s, enterprisesURL+"/acme").Peers.Total
}

func TestBulk_300InOneAtomicRequest(t *testing.T) {
	s := newStack(t)
	s.write(201, "POST", enterprisesURL, hq)
	body := `{"operations":[` + strings.Join(puts(0, 300), ",") + `]}`
	dry := s.bulk(200, bulkURL, `{"dry_run":true,`+body[1:])
	if n := ends(dry); n[domain.Done] != 300 || dry.Results[7].ID != nil || s.total() != 0 {
		t.Fatalf("the dry run: %v, %d peers", n, s.total())
	}
	before := s.seen
	first := s.bulk(200, bulkURL, body, "Idempotency-Key", "import-1", "Reason", "import")
	if n := ends(first); n[domain.Done] != 300 || s.total() != 300 || first.Sequence != before+300 {
		t.Fatalf("got %v at %d, %d peers", n, first.Sequence, s.total())
	}
	again := s.bulk(200, bulkURL, body, "Idempotency-Key", "import-1", "Reason", "import")
	if again.Sequence != first.Sequence || *again.Results[299].ID != *first.Results[299].ID {
		t.Errorf("the repeat: sequence %d, want %d", again.Sequence, first.Sequence)
	}
	if n := ends(s.bulk(200, bulkURL, body)); n[domain.Unchanged] != 300 {
		t.Errorf("the same import once more: %v", n)
	}
}

func TestBulk_atomicIsAllOrNothing(t *testing.T) {
	s := newStack(t)
	s.write(201, "POST", enterprisesURL, hq)
	rows := puts(0, 3)
	rows[1] = `{"op":"add","type":"external","description":"not/allowed"}`
	body := `"operations":[` + strings.Join(rows, ",") + `]}`
	p := wantProblem(t, s.write(422, "POST", bulkURL, "{"+body), 422, domain.Invalid, "operations[1].description")
	if len(p.Results) != 3 || p.Results[0].Result != domain.Done || p.Results[1].Error == nil || p.Results[1].Error.Field != "description" {
		t.Errorf("the rows read %+v", p.Results)
	}
	if s.total() != 0 {
		t.Errorf("%d peers after a refused request", s.total())
	}
	dry := s.bulk(200, bulkURL, `{"dry_run":true,`+body)
	if n := ends(dry); n[domain.Refused] != 1 {
		t.Errorf("the dry run: %v", n)
	}
	if n := ends(s.bulk(200, bulkURL, `{"atomic":false,`+body)); n[domain.Done] != 2 || n[domain.Refused] != 1 || s.total() != 2 {
		t.Errorf("not atomic: %v, %d peers", n, s.total())
	}
}

func TestBulk_10000Lines(t *testing.T) {
	s := newStack(t)
	s.write(201, "POST", enterprisesURL, hq)
	lines := puts(0, 10_000)
	lines[17] = `{"op":"put","description":`
	lines[18] = lines[19]
	body := strings.Join(lines, "\n") + "\n"
	ndjson := []string{"Content-Type", typeNDJSON, "Idempotency-Key", "big"}
	dry := s.bulk(200, bulkURL+"?dry_run=true", body, ndjson...)
	if n := ends(dry); n[domain.Done] != 9998 || n[domain.Unchanged] != 1 || n[domain.Refused] != 1 {
		t.Fatalf("the dry run: %v", n)
	}
	r := s.bulk(200, bulkURL, body, ndjson...)
	if n := ends(r); n[domain.Done] != 9998 || n[domain.Refused] != 1 || r.Results[17].Error.Code != domain.Malformed || r.Results[9999].Index != 9999 {
		t.Fatalf("got %v, line 17: %+v", n, r.Results[17].Error)
	}
	s.settle() // a read waits for five seconds, which the race detector may take for longer
	if s.total() != 9998 {
		t.Errorf("%d peers", s.total())
	}
	again := s.bulk(200, bulkURL, body, ndjson...)
	if again.Sequence != r.Sequence || s.total() != 9998 {
		t.Errorf("the repeat: sequence %d, want %d", again.Sequence, r.Sequence)
	}
	wantProblem(t, s.write(413, "POST", bulkURL, body+put(10_000), ndjson...), 413, codeTooLarge, "")
	wantProblem(t, s.write(400, "POST", bulkURL+"?atomic=true", body, "Content-Type", typeNDJSON), 400, domain.Malformed, "operations[17]")
}

func TestBulk_refuses(t *testing.T) {
	s := newStack(t)
	s.write(201, "POST", enterprisesURL, hq)
	for _, c := range []struct {
		target, body string
		headers      []string
		status       int
		code         domain.Code
		field        string
	}{
		{bulkURL, `{"operations":[]}`, nil, 422, domain.Invalid, "operations"},
		{bulkURL, `{"operations":[{"op":"explode"}]}`, nil, 400, domain.Malformed, "operations[0].op"},
		{bulkURL, `{"operations":[{"op":"add","colour":"x"}]}`, nil, 400, domain.Malformed, "operations[0].colour"},
		{bulkURL, `{"operations":[` + put(1) + `],"atomic":"yes"}`, nil, 400, domain.Malformed, "atomic"},
		{bulkURL + "?dry_run=true", `{"operations":[` + put(1) + `]}`, nil, 422, domain.Invalid, "dry_run"},
		{bulkURL, "\n\n", []string{"Content-Type", typeNDJSON}, 422, domain.Invalid, "operations"},
		{bulkURL, put(1), []string{"Content-Type", typeNDJSON, "Content-Encoding", "gzip"}, 415, codeMediaType, "Content-Encoding"},
		{bulkURL, put(1), []string{"Content-Type", "text/csv"}, 415, codeMediaType, "Content-Type"},
		{bulkURL, `{"operations":[` + put(1) + `]}`, []string{"If-Match", `"1"`}, 422, domain.Invalid, "If-Match"},
		{strings.Replace(bulkURL, "acme", "nobody", 1), `{"operations":[` + put(1) + `]}`, nil, 404, domain.NotFound, ""},
	} {
		wantProblem(t, ask(s.http, "POST", c.target, c.body, c.headers...), c.status, c.code, c.field)
	}
}
