package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	enterprisesURL = "/api/v1/enterprises"
	enterpriseURL  = enterprisesURL + "/acme"
	peersURL       = enterpriseURL + "/peers"
	peerURL        = peersURL + "/p1"
	trustedURL     = enterpriseURL + "/trusted-servers"
	entryURL       = trustedURL + "/peer-p1"
	allTrustedURL  = "/api/v1/trusted-servers"
)

func reads() []string {
	return []string{enterprisesURL, enterpriseURL, peersURL, peerURL, trustedURL, entryURL, allTrustedURL}
}

func lists() []string { return []string{enterprisesURL, peersURL, trustedURL, allTrustedURL} }

func TestRead_whatFailsBehindIsShownAsAProblem(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   domain.Code
		field  string
		retry  string
	}{
		{fmt.Errorf("query: %w", readmodel.ErrNotFound), 404, domain.NotFound, "", ""},
		{fmt.Errorf("query: %w", readmodel.ErrUnavailable), 503, codeUnavailable, "", "1"},
		{&readmodel.HeldError{Enterprise: "acme", HeldAt: 12}, 503, codeHeld, "", "30"},
		{&readmodel.QueryError{Field: "sort", Msg: "there is no such column"}, 422, domain.Invalid, "sort", ""},
		{context.DeadlineExceeded, 503, codeUnavailable, "", "1"},
		{errors.New("sql: syntax error near password"), 500, codeInternal, "", ""},
	} {
		h := newAPI(t, forbidden(t), &condition{err: c.err})
		for _, target := range reads() {
			a := ask(h, "GET", target, "")
			wantProblem(t, a, c.status, c.code, c.field)
			if got := a.Header.Get("Retry-After"); got != c.retry {
				t.Errorf("%s: Retry-After %q, want %q", target, got, c.retry)
			}
			if strings.Contains(a.Body, "password") {
				t.Errorf("%s shows the error behind: %s", target, a.Body)
			}
		}
	}
}

func TestRead_whatIsGoneTellsItsStory(t *testing.T) {
	story := &readmodel.Removal{Seq: 9, By: "bob", At: noon(), Reason: "office closed"}
	d := &condition{
		enterprise: readmodel.Enterprise{ID: "acme", Removed: story},
		peer:       readmodel.Peer{ID: "p1", Description: "Lyon", Deleted: story},
		trusted:    readmodel.TrustedServer{ID: "t1", Description: "Gateway", Removed: story},
	}
	for _, target := range []string{enterpriseURL, peerURL, entryURL} {
		p := wantProblem(t, ask(newAPI(t, forbidden(t), d), "GET", target, ""), 410, domain.Gone, "")
		want := Problem{DeletedBy: "bob", Reason: "office closed", Sequence: 9}
		if p.DeletedBy != want.DeletedBy || p.Reason != want.Reason || p.Sequence != want.Sequence || p.DeletedAt == nil || !p.DeletedAt.Equal(noon()) {
			t.Errorf("%s: the story is %+v", target, p)
		}
		for _, part := range []string{"bob", "2026-03-01T12:00:00Z", "office closed"} {
			if !strings.Contains(p.Detail, part) {
				t.Errorf("%s: %q does not say %s", target, p.Detail, part)
			}
		}
	}
}

func TestRead_idsThatCannotExistAreNotFound(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{err: errors.New("must not be asked")})
	for _, id := range []string{"a.b.c", "ac*me", "acme>", "ac me", "%2e%2e", "a/b/c", "äcme", "acme\x00", "abc", strings.Repeat("a", 33), "'; DROP TABLE peers", "acme\r\nX: y", "..;acme", "\xff\xfe\xfd\xfc"} {
		for _, target := range []string{enterprisesURL + "/%s", enterprisesURL + "/%s/peers", enterprisesURL + "/%s/peers/p1", enterprisesURL + "/%s/trusted-servers", enterprisesURL + "/%s/trusted-servers/t1"} {
			wantProblem(t, ask(h, "GET", fmt.Sprintf(target, url.PathEscape(id)), ""), 404, domain.NotFound, "")
		}
		wantProblem(t, ask(h, "DELETE", enterprisesURL+"/"+url.PathEscape(id), ""), 404, domain.NotFound, "")
		if id == "abc" || len(id) == 33 {
			continue // those could be a peer's
		}
		for _, target := range []string{peersURL + "/%s", trustedURL + "/%s"} {
			for _, method := range []string{"GET", "DELETE"} {
				wantProblem(t, ask(h, method, fmt.Sprintf(target, url.PathEscape(id)), ""), 404, domain.NotFound, "")
			}
		}
	}
}

func TestList_parametersBecomeTheQuery(t *testing.T) {
	yes := true
	list := readmodel.ListQuery{Q: "Lyon & co", Sort: "-description", Limit: 20, Cursor: "c1"}
	const common = "?q=Lyon+%26+co&sort=-description&limit=20&cursor=c1"
	for target, want := range map[string]any{
		enterprisesURL:               readmodel.EnterpriseQuery{},
		peersURL + "?status=&limit=": readmodel.PeerQuery{},
		enterprisesURL + common:      readmodel.EnterpriseQuery{ListQuery: list},
		peersURL + common + "&status=N/A&type=external&enabled=true&deleted=true&description=x": readmodel.PeerQuery{
			ListQuery: list, Status: events.StatusNA, Type: events.PeerExternal, Enabled: &yes, Deleted: true, Description: "x",
		},
		trustedURL + common + "&type=im&origin=manual&host=H.example&description=x": readmodel.TrustedServerQuery{
			ListQuery: list, Enterprise: "acme", Type: events.TrustIM, Origin: "manual", Host: "h.example", Description: "x",
		},
		allTrustedURL + common:             readmodel.TrustedServerQuery{ListQuery: list},
		allTrustedURL + "?enterprise=Acme": readmodel.TrustedServerQuery{Enterprise: "acme"},
	} {
		d := &condition{}
		a := ask(newAPI(t, forbidden(t), d), "GET", target, "")
		if diff := cmp.Diff(want, d.asked); a.Code != 200 || diff != "" {
			t.Errorf("%s: status %d, query (-want +got):\n%s", target, a.Code, diff)
		}
	}
}

func TestList_parametersAreChecked(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{err: errors.New("must not be asked")})
	for _, target := range lists() {
		for _, c := range []struct{ query, field string }{
			{"limit=0", "limit"},
			{"limit=1001", "limit"},
			{"limit=-1", "limit"},
			{"limit=ten", "limit"},
			{"limit=+5", "limit"},
			{"limit=%2B5", "limit"},
			{"limit=1e2", "limit"},
			{"limit=99999999999999999999", "limit"},
			{"min_seq=-1", "min_seq"},
			{"min_seq=x", "min_seq"},
			{"min_seq=18446744073709551615", "min_seq"},
			{"unknown=1", "unknown"},
			{"Limit=1", "Limit"},
			{"limit=1&limit=2", "limit"},
			{"q=a&q=a", "q"},
			{"q=%00", "q"},
			{"q=%ff", "q"},
			{"sort=a%0ab", "sort"},
			{"cursor=" + strings.Repeat("x", 3000), "cursor"},
			{"%00=1", "?"},
			{"as_of=12", "as_of"},
		} {
			wantProblem(t, ask(h, "GET", target+"?"+c.query, ""), 422, domain.Invalid, c.field)
		}
		for _, broken := range []string{"q=%zz", "q=%", "a;b=1"} {
			wantProblem(t, ask(h, "GET", target+"?"+broken, ""), 400, domain.Malformed, "")
		}
	}
	for target, field := range map[string]string{
		peersURL + "?status=away": "status", peersURL + "?type=MICOLLAB": "type", peersURL + "?enabled=1": "enabled",
		peersURL + "?deleted=yes": "deleted", trustedURL + "?type=admin": "type", trustedURL + "?origin=me": "origin",
		trustedURL + "?enterprise=acme": "enterprise", allTrustedURL + "?enterprise=a.b.c": "enterprise", peerURL + "?limit=1": "limit",
	} {
		wantProblem(t, ask(h, "GET", target, ""), 422, domain.Invalid, field)
	}
}

func TestList_unknownParameterNamesTheKnownOnes(t *testing.T) {
	a := ask(newAPI(t, forbidden(t), &condition{}), "GET", peersURL+"?state=up", "")
	if p := into[Problem](t, a); !strings.Contains(p.Detail, "status") || !strings.Contains(p.Detail, "limit") {
		t.Errorf("got %q", p.Detail)
	}
}

func TestList_lastPageHasNoCursor(t *testing.T) {
	for _, target := range lists() {
		for cursor, want := range map[string]string{"": `"next_cursor":null`, "c2": `"next_cursor":"c2"`} {
			a := ask(newAPI(t, forbidden(t), &condition{cursor: cursor}), "GET", target, "")
			if a.Code != 200 || !strings.Contains(a.Body, want) || !strings.Contains(a.Body, `"sequence":77`) {
				t.Errorf("%s: status %d: %s", target, a.Code, a.Body)
			}
		}
	}
}

func TestRead_etagIsRevisionAndLastSequence(t *testing.T) {
	d := &condition{
		enterprise: readmodel.Enterprise{Revision: 41, LastSeq: 57},
		peer:       readmodel.Peer{Revision: 41, LastSeq: 57},
		trusted:    readmodel.TrustedServer{Revision: 41},
	}
	h := newAPI(t, forbidden(t), d)
	for target, etag := range map[string]string{enterpriseURL: `"41.57"`, peerURL: `"41.57"`, entryURL: `"41.41"`} {
		if a := ask(h, "GET", target, ""); a.Code != 200 || a.Header.Get("ETag") != etag {
			t.Errorf("%s: status %d, ETag %s, want %s", target, a.Code, a.Header.Get("ETag"), etag)
		}
		// What is shown depends on more than the ETag says, so it is always sent.
		if a := ask(h, "GET", target, "", "If-None-Match", etag); a.Code != 200 || a.Body == "" {
			t.Errorf("%s with If-None-Match: status %d", target, a.Code)
		}
	}
}

func TestMinSeq_isAwaitedForTheEnterpriseOfThePath(t *testing.T) {
	var ent events.EnterpriseID
	var min events.Seq
	h := newAPI(t, forbidden(t), &condition{await: func(_ context.Context, e events.EnterpriseID, s events.Seq) error {
		ent, min = e, s
		return nil
	}})
	for _, target := range reads() {
		a := ask(h, "GET", target+"?min_seq=1234", "")
		want := events.EnterpriseID("")
		if strings.Contains(target, "acme") {
			want = "acme"
		}
		if a.Code != 200 || min != 1234 || ent != want {
			t.Errorf("%s: status %d, awaited %d of %q, want 1234 of %q", target, a.Code, min, ent, want)
		}
	}
}

func TestMinSeq_notReachedIs503AfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &condition{await: func(ctx context.Context, _ events.EnterpriseID, _ events.Seq) error {
			<-ctx.Done()
			return fmt.Errorf("wait: %w", ctx.Err())
		}}
		h := newAPI(t, forbidden(t), d)
		for _, target := range reads() {
			start := time.Now()
			wantProblem(t, ask(h, "GET", target+"?min_seq=9", ""), 503, codeUnavailable, "min_seq")
			if took := time.Since(start); took != awaitTimeout {
				t.Errorf("%s: answered after %s, want %s", target, took, awaitTimeout)
			}
		}
	})
}

func TestMinSeq_heldEnterpriseIsSaidSo(t *testing.T) {
	d := &condition{await: func(context.Context, events.EnterpriseID, events.Seq) error {
		return &readmodel.HeldError{Enterprise: "acme", HeldAt: 12}
	}}
	h := newAPI(t, forbidden(t), d)
	for _, target := range reads() {
		p := wantProblem(t, ask(h, "GET", target+"?min_seq=12", ""), 503, codeHeld, "")
		if p.Sequence != 12 {
			t.Errorf("%s: sequence %d, want 12", target, p.Sequence)
		}
	}
}

func TestList_emptyOfAnEnterpriseThatIsNot(t *testing.T) {
	for _, target := range []string{peersURL, trustedURL} {
		d := &emptyLists{condition{err: readmodel.ErrNotFound}}
		wantProblem(t, ask(newAPI(t, forbidden(t), d), "GET", target, ""), 404, domain.NotFound, "")
		d = &emptyLists{condition{enterprise: readmodel.Enterprise{Removed: &readmodel.Removal{Seq: 3, By: "bob", At: noon()}}}}
		wantProblem(t, ask(newAPI(t, forbidden(t), d), "GET", target, ""), 410, domain.Gone, "")
		d = &emptyLists{}
		if a := ask(newAPI(t, forbidden(t), d), "GET", target, ""); a.Code != 200 || !strings.Contains(a.Body, `"items":[]`) {
			t.Errorf("%s: status %d: %s", target, a.Code, a.Body)
		}
	}
}

// emptyLists is a read model in which only the lists are empty.
type emptyLists struct{ condition }

func (*emptyLists) Peers(context.Context, events.EnterpriseID, readmodel.PeerQuery) (readmodel.Page[readmodel.Peer], error) {
	return readmodel.Page[readmodel.Peer]{}, nil
}

func (*emptyLists) TrustedServers(context.Context, readmodel.TrustedServerQuery) (readmodel.Page[readmodel.TrustedServer], error) {
	return readmodel.Page[readmodel.TrustedServer]{}, nil
}
