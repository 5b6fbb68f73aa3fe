package client

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// threePages answers three pages of two enterprises each.
func threePages(t *testing.T) *server {
	return serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		page := map[string]int{"": 0, "one": 1, "two": 2}[r.URL.Query().Get("cursor")]
		next := []string{`"one"`, `"two"`, "null"}[page]
		answerJSON(w, http.StatusOK, fmt.Sprintf(`{"items":[{"id":"e%d"},{"id":"e%d"}],"next_cursor":%s,"sequence":%d}`, 2*page, 2*page+1, next, 10+page))
	})
}

func TestAll_goesThroughEveryPage(t *testing.T) {
	s := threePages(t)
	var got []string
	for e, err := range connect(t, s.URL).AllEnterprises(t.Context(), ListQuery{Limit: 2}, MinSeq(9)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e.ID))
	}
	if want := []string{"e0", "e1", "e2", "e3", "e4", "e5"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, r := range s.got() {
		if q := mustQuery(t, r.uri); q.Get("limit") != "2" || q.Get("min_seq") != "9" {
			t.Errorf("a page was asked for by %s", r.uri)
		}
	}
}

func TestAll_stopsWhenTheCallerDoes(t *testing.T) {
	s := threePages(t)
	for range connect(t, s.URL).AllEnterprises(t.Context(), ListQuery{}) {
		break
	}
	if n := len(s.got()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestAll_endsWithTheFirstError(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			answerJSON(w, http.StatusOK, `{"items":[{"id":"p0"}],"next_cursor":"one"}`)
			return
		}
		answerProblem(w, http.StatusUnprocessableEntity, `{"code":"invalid","field":"cursor","detail":"old"}`)
	})
	rows, errs := 0, 0
	for p, err := range connect(t, s.URL).AllPeers(t.Context(), "acme", PeerQuery{}) {
		if err != nil {
			errs++
			if Code(err) != CodeInvalid {
				t.Error(err)
			}
			continue
		}
		if p.ID == "p0" {
			rows++
		}
	}
	if rows != 1 || errs != 1 {
		t.Errorf("%d rows and %d errors, want one each", rows, errs)
	}
}

func TestAll_aListThatDoesNotAdvanceIsAnError(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, `{"items":[],"next_cursor":"same"}`)
	})
	var last error
	for _, err := range connect(t, s.URL).AllTrustedServers(t.Context(), "", TrustedServerQuery{}) {
		last = err
	}
	if Code(last) != CodeUnexpected {
		t.Errorf("got %v", last)
	}
	if n := len(s.got()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestAllTrustedServers_ofOneEnterpriseOrOfAll(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, `{"items":[{"id":"t1"}],"next_cursor":null}`)
	})
	c := connect(t, s.URL)
	for _, ent := range []EnterpriseID{"", "acme"} {
		for row, err := range c.AllTrustedServers(t.Context(), ent, TrustedServerQuery{}) {
			if err != nil || row.ID != "t1" {
				t.Errorf("got %+v, %v", row, err)
			}
		}
	}
	got := s.got()
	if got[0].uri != "/api/v1/trusted-servers" || got[1].uri != "/api/v1/enterprises/acme/trusted-servers" {
		t.Errorf("got %s and %s", got[0].uri, got[1].uri)
	}
}
