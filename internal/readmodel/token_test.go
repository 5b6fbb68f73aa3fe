package readmodel

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

var anybody = func([]Token) error { return nil }

// tokenOf is the i-th of tokens that differ in every column, and are alike in
// some.
func tokenOf(i int) Token {
	return Token{
		ID: fmt.Sprintf("%02x-%02x", 7*i%256, i), Hash: fmt.Sprintf("hash %d", i), Role: []string{"viewer", "admin", "operator"}[i%3],
		Enterprise: []events.EnterpriseID{"", acme, beta}[i%3], Note: []string{"", "Ätna", "zebra", "Zebra", "50%", "a_b"}[i%6],
		CreatedAt: at(events.Seq(i / 4)), CreatedBy: []string{"root", "Émile"}[i%2],
	}
}

// manyTokens keeps n of them; every fourth was revoked, and every third was used.
func manyTokens(t *testing.T, tokens *Tokens, n int) {
	t.Helper()
	used := map[string]time.Time{}
	for i := range n {
		token := tokenOf(i)
		if err := tokens.Add(t.Context(), token, anybody); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			used[token.ID] = at(events.Seq(100 + i%2))
		}
		if i%4 == 0 {
			if err := tokens.Revoke(t.Context(), token.ID, "root", at(events.Seq(200+i%3)), func(Token, []Token) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tokens.Touch(t.Context(), used); err != nil {
		t.Fatal(err)
	}
}

// TestTokens_pagesAreTheListCut: with every sort and both lists, small pages are
// the large one, backwards is forwards turned, and both databases agree.
func TestTokens_pagesAreTheListCut(t *testing.T) {
	orders := map[string][]string{}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		tokens := open(t, d).Tokens()
		manyTokens(t, tokens, 40)
		for _, revoked := range []bool{false, true} {
			l := lister{name: fmt.Sprintf("tokens, revoked %t", revoked), page: func(q ListQuery) (Page[string], error) {
				page, err := tokens.List(t.Context(), TokenQuery{ListQuery: q, Revoked: revoked})
				return named(page, func(t Token) string { return t.ID }), err
			}}
			want := 30
			if revoked {
				want = 10
			}
			for _, sort := range []string{"", "id", "role", "enterprise", "note", "created_at", "created_by", "last_used", "revoked_at", "revoked_by"} {
				for _, sort := range slices.Compact([]string{sort, "-" + sort}) {
					if sort == "-" {
						continue
					}
					all := whole(t, l, ListQuery{Sort: sort, Limit: maxLimit}, func() {})
					if len(all) != want || len(slices.Compact(slices.Sorted(slices.Values(all)))) != want {
						t.Errorf("%s by %q: %q", l.name, sort, all)
					}
					if cut := whole(t, l, ListQuery{Sort: sort, Limit: 3}, func() {}); !slices.Equal(cut, all) {
						t.Errorf("%s by %q: pages %q, whole %q", l.name, sort, cut, all)
					}
					name := l.name + " " + sort
					if before, ok := orders[name]; ok && !slices.Equal(before, all) {
						t.Errorf("%s: %s has %q, the other %q", name, d.Name, all, before)
					}
					orders[name] = all
				}
			}
		}
	})
}

func TestTokens_areFiltered(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		tokens := open(t, d).Tokens()
		manyTokens(t, tokens, 24)
		for _, c := range []struct {
			q    TokenQuery
			want func(Token) bool
		}{
			{TokenQuery{}, func(t Token) bool { return t.Live() }},
			{TokenQuery{Revoked: true}, func(t Token) bool { return !t.Live() }},
			{TokenQuery{Enterprise: acme}, func(t Token) bool { return t.Live() && t.Enterprise == acme }},
			{TokenQuery{Enterprise: acme, Revoked: true}, func(t Token) bool { return !t.Live() && t.Enterprise == acme }},
			{TokenQuery{ListQuery: ListQuery{Q: "ZEBRA"}}, func(t Token) bool { return t.Live() && (t.Note == "zebra" || t.Note == "Zebra") }},
			{TokenQuery{ListQuery: ListQuery{Q: "%"}}, func(t Token) bool { return t.Live() && t.Note == "50%" }},
			{TokenQuery{ListQuery: ListQuery{Q: "_"}}, func(t Token) bool { return t.Live() && t.Note == "a_b" }},
			{TokenQuery{ListQuery: ListQuery{Q: "hash 1"}}, func(Token) bool { return false }}, // nobody searches hashes
			{TokenQuery{ListQuery: ListQuery{Q: "' OR 1=1 --"}}, func(Token) bool { return false }},
		} {
			var want []string
			for i := range 24 {
				token, err := tokens.ByID(t.Context(), tokenOf(i).ID)
				if err != nil {
					t.Fatal(err)
				}
				if c.want(token) {
					want = append(want, token.ID)
				}
			}
			page, err := tokens.List(t.Context(), c.q)
			if err != nil {
				t.Fatal(err)
			}
			got := named(page, func(t Token) string { return t.ID }).Items
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%+v: got %q, want %q", c.q, got, want)
			}
		}
		for field, q := range map[string]ListQuery{"sort": {Sort: "hash"}, "limit": {Limit: 1001}, "cursor": {Cursor: "x"}} {
			_, err := tokens.List(t.Context(), TokenQuery{ListQuery: q})
			refused(t, err, field)
		}
	})
}

func TestTokens_areKeptAsTheyWereMade(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		tokens := open(t, d).Tokens()
		if yes, err := tokens.Any(t.Context()); yes || err != nil {
			t.Errorf("any: %t, %v", yes, err)
		}
		want := tokenOf(1)
		if err := tokens.Add(t.Context(), want, anybody); err != nil {
			t.Fatal(err)
		}
		for name, read := range map[string]func() (Token, error){
			"id":   func() (Token, error) { return tokens.ByID(t.Context(), want.ID) },
			"hash": func() (Token, error) { return tokens.ByHash(t.Context(), want.Hash) },
		} {
			if got, err := read(); err != nil || got.Hash != want.Hash || !got.CreatedAt.Equal(want.CreatedAt) || got.Enterprise != want.Enterprise || !got.Live() {
				t.Errorf("by %s: %+v, %v", name, got, err)
			}
		}
		for _, unknown := range []string{"", "nobody", want.Hash[:3] + "%"} {
			if _, err := tokens.ByHash(t.Context(), unknown); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: %v", unknown, err)
			}
		}
		no := errors.New("no")
		if err := tokens.Add(t.Context(), tokenOf(2), func(live []Token) error {
			if len(live) != 1 || live[0].ID != want.ID {
				t.Errorf("judged by %+v", live)
			}
			return no
		}); !errors.Is(err, no) {
			t.Error(err)
		}
		if _, err := tokens.ByID(t.Context(), tokenOf(2).ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("it is refused and kept: %v", err)
		}
		if err := tokens.Add(t.Context(), want, anybody); err == nil {
			t.Error("the same token is kept twice")
		}
	})
}

func TestTouch_neverGoesBack(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		tokens := open(t, d).Tokens()
		manyTokens(t, tokens, 3)
		id := tokenOf(1).ID
		for _, seq := range []events.Seq{50, 70, 60, 70, 10} {
			if err := tokens.Touch(t.Context(), map[string]time.Time{id: at(seq), "nobody": at(seq)}); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := tokens.ByID(t.Context(), id); err != nil || !got.LastUsed.Equal(at(70)) {
			t.Errorf("used %s, want %s; %v", got.LastUsed, at(70), err)
		}
		if err := tokens.Touch(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestTokens_anIDThatNobodyCanHaveIsNotFound(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		tokens := open(t, d).Tokens()
		manyTokens(t, tokens, 3)
		for _, id := range []string{"", "nobody", tokenOf(1).ID + "\x00", "\xff", "a\xc3"} {
			if _, err := tokens.ByID(t.Context(), id); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
			if _, err := tokens.ByHash(t.Context(), id); !errors.Is(err, ErrNotFound) {
				t.Errorf("hash %q: %v", id, err)
			}
			err := tokens.Revoke(t.Context(), id, "root", at(9), func(Token, []Token) error { return nil })
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("revoke %q: %v", id, err)
			}
		}
	})
}

// TestRevokeOf_endsThoseOfOneEnterprise: those that were revoked before, and
// those of all and of others, stay as they are.
func TestRevokeOf_endsThoseOfOneEnterprise(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		tokens := open(t, d).Tokens()
		const n = 24
		manyTokens(t, tokens, n)
		var before []Token
		var want []string
		for i := range n {
			token := must(tokens.ByID(t.Context(), tokenOf(i).ID))(t)
			before = append(before, token)
			if token.Live() && token.Enterprise == acme {
				want = append(want, token.Hash)
			}
		}
		for _, none := range []events.EnterpriseID{"", "nobody", "acme\x00", "\xff", "%"} {
			if got, err := tokens.RevokeOf(t.Context(), none, "alice", time.Time{}, at(900)); err != nil || len(got) > 0 {
				t.Errorf("of %q: %q, %v", none, got, err)
			}
		}
		if early, err := tokens.RevokeOf(t.Context(), acme, "alice", time.Unix(1, 0), at(900)); err != nil || len(early) > 0 {
			t.Errorf("made before all of them: %q, %v", early, err)
		}
		got, err := tokens.RevokeOf(t.Context(), acme, "alice", time.Time{}, at(900))
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		for _, token := range before {
			if slices.Contains(want, token.Hash) {
				token.RevokedBy, token.RevokedAt = "alice", at(900)
			}
			if now := must(tokens.ByID(t.Context(), token.ID))(t); !cmp.Equal(now, token) {
				t.Errorf("it is %+v, want %+v", now, token)
			}
		}
		if again, err := tokens.RevokeOf(t.Context(), acme, "bob", time.Time{}, at(901)); err != nil || len(again) > 0 {
			t.Errorf("again: %q, %v", again, err)
		}
	})
}
