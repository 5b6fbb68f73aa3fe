package httpapi

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// parkedCondition are parked commands in a certain condition: rows, or an error.
type parkedCondition struct {
	rows []ParkedRow
	err  error

	asked      ParkedQuery
	by, reason string
}

func (p *parkedCondition) List(_ context.Context, q ParkedQuery) ([]ParkedRow, error) {
	p.asked = q
	var page []ParkedRow
	for _, r := range p.rows {
		if r.Seq > q.After && len(page) < q.Limit {
			page = append(page, r)
		}
	}
	return page, p.err
}

func (p *parkedCondition) Show(context.Context, events.Seq) (ParkedRow, error) {
	return p.rows[0], p.err
}

func (p *parkedCondition) Retry(_ context.Context, _ events.Seq, by, reason string) (ParkedRow, error) {
	p.by, p.reason = by, reason
	return p.rows[0], p.err
}

func (p *parkedCondition) Discard(ctx context.Context, at events.Seq, by, reason string) (ParkedRow, error) {
	return p.Retry(ctx, at, by, reason)
}

// askParked asks an API whose parked commands are in a condition.
func askParked(t *testing.T, p *parkedCondition, method, target, body string) answer {
	t.Helper()
	if p.rows == nil {
		p.rows = []ParkedRow{{Seq: 12}}
	}
	return ask(newAPI(t, nil, nil, func(o *Options) {
		o.Backends = func() Backends { return Backends{Tokens: noTokens{}, Parked: p} }
	}), method, target, body)
}

func TestParked_bodyIsTextWhenItIsJSON(t *testing.T) {
	long := `{"description":"x` + strings.Repeat("é", parkedShown) + `"}`
	for _, c := range []struct {
		name, body, text string
		size             int
		coded, cut       bool
	}{
		{"JSON", `{"peer":"p1"}`, `{"peer":"p1"}`, 13, false, false},
		{"not JSON", `{"peer":`, "", 8, true, false},
		{"not UTF-8", "\"\xff\"", "", 3, true, false},
		{"nothing", "", "", 0, true, false},
		{"cut before it was parked", `{"peer":"p`, "", 13, true, true},
		{"too long to show", long, long[:parkedShown-1], len(long), false, true},
	} {
		row := ParkedRow{Seq: 12, Body: []byte(c.body), BodySize: c.size}
		got := into[ParkedCommand](t, askParked(t, &parkedCondition{rows: []ParkedRow{row}}, "GET", parkedPath+"/12", ""))
		if c.coded {
			if got.Body != nil || got.BodyBase64 == nil || *got.BodyBase64 != base64.StdEncoding.EncodeToString([]byte(c.body)) {
				t.Errorf("%s: reads %v, %v", c.name, got.Body, got.BodyBase64)
			}
		} else if got.BodyBase64 != nil || got.Body == nil || *got.Body != c.text {
			t.Errorf("%s: reads %.80v, %v", c.name, got.Body, got.BodyBase64)
		}
		if got.BodyCut != c.cut || got.BodySize != c.size {
			t.Errorf("%s: cut %t, size %d, want %t, %d", c.name, got.BodyCut, got.BodySize, c.cut, c.size)
		}
	}
}

// TestParked_pagesEndWhereTheListEnds: no page is promised that is not there,
// unless a page is as long as a page can be.
func TestParked_pagesEndWhereTheListEnds(t *testing.T) {
	p := &parkedCondition{}
	for i := range 2*maxParked + 1 {
		p.rows = append(p.rows, ParkedRow{Seq: events.Seq(i + 1)})
	}
	for _, c := range []struct {
		query       string
		first, rows int
		next        string
	}{
		{"", 1, 100, "100"},
		{"?limit=2&cursor=7", 8, 2, "9"},
		{"?limit=1&cursor=2000", 2001, 1, ""},
		{"?limit=2&cursor=1999", 2000, 2, ""},
		{"?limit=1000", 1, 1000, "1000"},
		{"?limit=1000&cursor=1000", 1001, 1000, "2000"},
		{"?limit=1000&cursor=2000", 2001, 1, ""},
	} {
		got := into[List[ParkedCommand]](t, askParked(t, p, "GET", parkedPath+c.query, ""))
		next := ""
		if got.NextCursor != nil {
			next = *got.NextCursor
		}
		if len(got.Items) != c.rows || got.Items[0].Sequence != events.Seq(c.first) || next != c.next {
			t.Errorf("%q: %d rows from %d, next %q, want %d from %d, %q", c.query, len(got.Items), got.Items[0].Sequence, next, c.rows, c.first, c.next)
		}
	}
	wantProblem(t, askParked(t, p, "GET", parkedPath+"?cursor=x", ""), 422, domain.Invalid, "cursor")
	askParked(t, p, "GET", parkedPath+"?enterprise=ACME&decided=true&limit=5&cursor=3", "")
	if want := (ParkedQuery{Enterprise: "acme", Decided: true, After: 3, Limit: 6}); p.asked != want {
		t.Errorf("asked for %+v, want %+v", p.asked, want)
	}
}

// TestParked_listsLeaveOutWhatIsLong: bodies and outcomes are shown one by one.
func TestParked_listsLeaveOutWhatIsLong(t *testing.T) {
	row := ParkedRow{Seq: 12, Body: []byte("{}"), BodySize: 2, Outcome: &command.Outcome{Result: command.Accepted, Sequence: 7}}
	a := askParked(t, &parkedCondition{rows: []ParkedRow{row}}, "GET", parkedPath, "")
	got := into[List[ParkedCommand]](t, a).Items[0]
	if got.Body != nil || got.BodyBase64 != nil || got.Outcome != nil || got.BodySize != 2 {
		t.Errorf("the list shows %+v", got)
	}
	one := into[ParkedCommand](t, askParked(t, &parkedCondition{rows: []ParkedRow{row}}, "GET", parkedPath+"/12", ""))
	if one.Outcome == nil || one.Outcome.Result != "accepted" || *one.Outcome.Sequence != 7 {
		t.Errorf("one shows the outcome %+v", one.Outcome)
	}
}

func TestParked_aRetryNeedsNoReasonADiscardDoes(t *testing.T) {
	for _, c := range []struct {
		what, body, reason string
		status             int
	}{
		{"retry", "", "", 200},
		{"retry", "{}", "", 200},
		{"retry", `{"reason":" it is back "}`, "it is back", 200},
		{"discard", `{"reason":"a test"}`, "a test", 200},
		{"discard", `{"reason":"` + strings.Repeat("é", 500) + `"}`, strings.Repeat("é", 500), 200},
		{"discard", "", "", 422},
		{"discard", `{"reason":"  "}`, "", 422},
		{"discard", `{"reason":"a\nb"}`, "", 400},
		{"retry", `{"reason":"a\u0000b"}`, "", 400},
		{"retry", `{"reason":"` + strings.Repeat("é", 501) + `"}`, "", 422},
		{"retry", `{"why":"x"}`, "", 400},
	} {
		p := &parkedCondition{}
		a := askParked(t, p, "POST", parkedPath+"/12/"+c.what, c.body)
		if a.Code != c.status || p.reason != c.reason || p.by != map[bool]string{true: loopbackActor}[c.status == 200] {
			t.Errorf("%s %.40s: status %d, by %q, reason %q: %s", c.what, c.body, a.Code, p.by, p.reason, a.Body)
		}
	}
}

func TestParked_refusalsSayWhy(t *testing.T) {
	at := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	decided := &DecidedError{Decision: ParkedDecision{Action: "retried", By: "service ops", At: at, Reason: "the log is back"}}
	for _, c := range []struct {
		err    error
		status int
		code   domain.Code
		detail string
	}{
		{decided, 409, codeConflict, "It was retried by service ops at 2026-03-01T11:00:00Z: the log is back"},
		{fmt.Errorf("%w: x", readmodel.ErrNotFound), 404, domain.NotFound, `There is no parked command "12".`},
		{&domain.Error{Code: domain.Invalid, Msg: "It cannot be retried: its body was cut."}, 422, domain.Invalid, "It cannot be retried: its body was cut."},
		{fmt.Errorf("%w: secret", command.ErrUnavailable), 503, codeUnavailable, "The streams of the bus do not answer. Try again: the first decision stands, and is carried out once."},
		{errors.New("secret"), 500, codeInternal, "Something went wrong here. The log says more."},
	} {
		for _, what := range []string{"retry", "discard"} {
			a := askParked(t, &parkedCondition{err: c.err}, "POST", parkedPath+"/12/"+what, `{"reason":"x"}`)
			if p := wantProblem(t, a, c.status, c.code, ""); p.Detail != c.detail {
				t.Errorf("%s: %q, want %q", what, p.Detail, c.detail)
			}
		}
	}
	for _, name := range []string{"0", "-1", "x", "99999999999999999999"} {
		wantProblem(t, askParked(t, &parkedCondition{}, "GET", parkedPath+"/"+name, ""), 404, domain.NotFound, "")
	}
}
