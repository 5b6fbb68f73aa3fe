package httpapi

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
)

// pages reads a list to its end, limit rows at a time, and returns the ids.
func pages(s *stack, target string, limit int) []string {
	s.t.Helper()
	var ids []string
	cursor := ""
	for {
		page := shownAs[List[Peer]](s, target+"&limit="+strconv.Itoa(limit)+"&cursor="+url.QueryEscape(cursor))
		if len(page.Items) > limit {
			s.t.Fatalf("%s: a page of %d rows", target, len(page.Items))
		}
		for _, p := range page.Items {
			ids = append(ids, string(p.ID))
		}
		if page.NextCursor == nil {
			return ids
		}
		cursor = *page.NextCursor
	}
}

func TestStack_pagesShowEveryRowOnceInOrder(t *testing.T) {
	s := newStack(t)
	s.acme()
	for i := range 23 {
		s.write(201, "POST", peersURL, fmt.Sprintf(`{"type":"micollab","description":"Peer %02d","hostname":"h%d.example","peer_enterprise_id":"ent-%d","version":"9.%d"}`, i, i%5, i, i%3))
	}
	for _, sort := range []string{"", "description", "-description", "server", "-server", "version", "status", "-updated_at", "type"} {
		var whole []string
		for _, limit := range []int{1, 5, 24, 1000} {
			got := pages(s, peersURL+"?sort="+sort, limit)
			seen := map[string]bool{}
			for _, id := range got {
				seen[id] = true
			}
			if len(got) != 24 || len(seen) != 24 {
				t.Fatalf("sort %q, limit %d: %d rows, %d of them different, want 24", sort, limit, len(got), len(seen))
			}
			if whole == nil {
				whole = got
			}
			if strings.Join(whole, " ") != strings.Join(got, " ") {
				t.Errorf("sort %q: another order with limit %d", sort, limit)
			}
		}
	}
}

func TestStack_listsAreFilteredAndSearched(t *testing.T) {
	s := newStack(t)
	s.acme()
	s.write(201, "POST", peersURL, `{"type":"external","description":"Partner"}`)
	s.write(201, "POST", trustedURL, `{"description":"By hand","host":"192.0.2.30","type":"im"}`)
	for target, want := range map[string]int{
		peersURL: 2, peersURL + "?q=LYON": 1, peersURL + "?q=%25": 0, peersURL + "?q=_": 0, peersURL + "?type=external": 1,
		peersURL + "?status=N/A": 1, peersURL + "?description=lyon": 1, peersURL + "?enabled=true": 2, peersURL + "?deleted=true": 0,
		trustedURL: 2, trustedURL + "?origin=manual": 1, trustedURL + "?type=peer": 1, trustedURL + "?host=192.0.2.30": 1,
		trustedURL + "?q=hand": 1, allTrustedURL: 2, allTrustedURL + "?enterprise=nowhere": 0,
		enterprisesURL: 1, enterprisesURL + "?q=hq": 1, enterprisesURL + "?q=nothing": 0,
	} {
		if got := len(shownAs[List[map[string]any]](s, target).Items); got != want {
			t.Errorf("%s: %d rows, want %d", target, got, want)
		}
	}
}

func TestStack_cursorsAndColumnsThatAreNotAreRefused(t *testing.T) {
	s := newStack(t)
	s.acme()
	for _, target := range lists() {
		for _, c := range []struct{ query, field string }{
			{"sort=colour", "sort"},
			{"sort=-", "sort"},
			{"sort=--description", "sort"},
			{"sort=description%3Bdrop", "sort"},
			{"sort=description%20desc", "sort"},
			{"cursor=x", "cursor"},
			{"cursor=eyJ9", "cursor"},
			{"cursor=%22%27", "cursor"},
		} {
			wantProblem(t, s.read(target+"?"+c.query), 422, domain.Invalid, c.field)
		}
	}
	s.write(201, "POST", peersURL, `{"type":"external","description":"Partner"}`)
	page := shownAs[List[Peer]](s, peersURL+"?sort=description&limit=1")
	if page.NextCursor == nil {
		t.Fatal("no second page")
	}
	wantProblem(t, s.read(peersURL+"?sort=-description&cursor="+url.QueryEscape(*page.NextCursor)), 422, domain.Invalid, "cursor")
}

func TestStack_fullLogRefusesWritesAndKeepsReading(t *testing.T) {
	s := newStack(t)
	id := s.acme()
	s.log.SetMaxBytes(1)
	a := ask(s.http, "POST", peersURL+"/"+id+"/disable", "")
	wantProblem(t, a, 503, codeUnavailable, "")
	if a.Header.Get("Retry-After") != "30" || !strings.Contains(a.Body, "full") {
		t.Errorf("Retry-After %s: %s", a.Header.Get("Retry-After"), a.Body)
	}
	if p := shownAs[Peer](s, peersURL+"/"+id); !p.Enabled {
		t.Error("the refused command had an effect")
	}
	s.log.SetMaxBytes(0)
	s.write(200, "POST", peersURL+"/"+id+"/disable", "")
}

// TestStack_rulesOfTheDomainReachTheCaller: a few of them; each is tested where
// it is decided.
func TestStack_rulesOfTheDomainReachTheCaller(t *testing.T) {
	s := newStack(t)
	s.acme()
	const valid = `"type":"micollab","description":"New","hostname":"n.example","peer_enterprise_id":"new1"`
	for _, c := range []struct {
		status              int
		code                domain.Code
		field, target, body string
	}{
		{422, domain.Invalid, "description", peersURL, `{"type":"external","description":"a|b"}`},
		{422, domain.Invalid, "hostname", peersURL, `{"type":"external","description":"x","hostname":"h.example"}`},
		{422, domain.Invalid, "port", peersURL, `{` + valid + `,"port":0}`},
		{422, domain.Invalid, "dialing_prefix", peersURL, `{` + valid + `,"dialing_prefix":"12a"}`},
		{422, domain.Invalid, "peer_enterprise_id", peersURL, strings.Replace(`{`+valid+`}`, "new1", "n.w", 1)},
		{422, domain.Invalid, "type", peersURL, `{"type":"pbx","description":"x"}`},
		{409, domain.Exists, "description", peersURL, strings.Replace(`{`+valid+`}`, "New", "LYON", 1)},
		{409, domain.Exists, "id", enterprisesURL, strings.Replace(hq, "Acme", "ACME", 1)},
		{422, domain.Invalid, "type", trustedURL, `{"description":"x","host":"192.0.2.1","type":"peers"}`},
		{422, domain.Invalid, "host", trustedURL, `{"description":"x","host":"not a host","type":"im"}`},
	} {
		wantProblem(t, ask(s.http, "POST", c.target, c.body), c.status, c.code, c.field)
	}
	s.write(201, "POST", enterprisesURL, strings.NewReplacer("Acme", "flex", "standard", "micloud-flex-gcp").Replace(hq))
	p := into[Problem](t, ask(s.http, "POST", enterprisesURL+"/flex/peers", `{`+valid+`}`))
	if p.Status != 422 || p.Code != domain.Unsupported || !strings.Contains(p.Detail, "MiCloud Flex") {
		t.Errorf("got %+v", p)
	}
}
