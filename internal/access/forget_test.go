package access

import (
	"errors"
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// TestRevoke_whoAsksMeanwhileDoesNotBringItBack: whatever comes first, after a
// revocation the token is unknown here at once. The clock stands still, so that
// what was learnt too late would count for ever.
func TestRevoke_whoAsksMeanwhileDoesNotBringItBack(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		k := keeperOf(t, d.URL, newClock())
		root(t, k)
		for range 20 {
			token, secret := made(t, k, Grant{Role: Viewer})
			var after Principal
			_, failed := together(8, func(i int) error {
				if i > 0 {
					_, err := k.Authenticate(t.Context(), secret)
					return err
				}
				if _, err := k.Revoke(t.Context(), Loopback(), token.ID); err != nil {
					t.Error(err)
				}
				var err error
				after, err = k.Authenticate(t.Context(), secret)
				return err
			})
			for _, err := range failed {
				if !errors.Is(err, ErrUnknown) {
					t.Error(err)
				}
			}
			if after != (Principal{}) {
				t.Errorf("revoked, it is good for %+v", after)
			}
			wantUnknown(t, k, secret)
		}
	})
}

func TestLearn_notWhatWasAskedForBeforeAForget(t *testing.T) {
	n, id, now := newKnown(), identity{Principal{Token: "t"}}, newClock().Now()
	turn := n.turn()
	n.forget("a")
	n.learn("a", id, now, turn)
	if _, _, ok := n.identity("a", now); ok {
		t.Error("an answer of before is learnt")
	}
	n.learn("a", id, now, n.turn())
	if got, _, ok := n.identity("a", now); !ok || got != id {
		t.Error("an answer of after is not learnt")
	}
}

// TestRevoke_whatIsPerhapsRevokedIsForgotten: a refusal is no such thing.
func TestRevoke_whatIsPerhapsRevokedIsForgotten(t *testing.T) {
	d := testkit.SQLite(t)
	k := keeperOf(t, d.URL, newClock())
	first, secret := root(t, k)
	holder(t, k, secret)
	_, err := k.Revoke(t.Context(), Loopback(), first.ID)
	wantCode(t, err, domain.Invalid, "token")
	if !k.Knows(secret) {
		t.Error("refused, it is forgotten")
	}
	own, secret := made(t, k, Grant{Role: Viewer, Enterprise: "acme"})
	d.Exec(t, "CREATE TRIGGER no BEFORE UPDATE OF revoked_at ON tokens BEGIN SELECT RAISE(ABORT, 'no'); END")
	for what, revoke := range map[string]func() error{
		"one": func() error { _, err := k.Revoke(t.Context(), Loopback(), own.ID); return err },
		"all": func() error { _, err := k.RevokeAll(t.Context(), Loopback(), "acme", time.Time{}); return err },
	} {
		holder(t, k, secret)
		if !k.Knows(secret) {
			t.Fatal("it is not known before")
		}
		if err := revoke(); err == nil {
			t.Errorf("%s: there is no error", what)
		}
		if k.Knows(secret) {
			t.Errorf("%s: perhaps revoked, it is good", what)
		}
	}
}

func TestRevokeAll_endsTheTokensOfOneEnterprise(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newClock()
		k, there := keeperOf(t, d.URL, c), keeperOf(t, d.URL, c)
		_, all := root(t, k)
		admin, own := made(t, k, Grant{Role: Admin, Enterprise: "acme"})
		_, mate := made(t, k, Grant{Role: Viewer, Enterprise: "acme"})
		_, other := made(t, k, Grant{Role: Viewer, Enterprise: "other"})
		for _, secret := range []string{all, own, mate, other} {
			holder(t, k, secret)
			holder(t, there, secret)
		}
		for _, none := range []events.EnterpriseID{"", "nobody", "ac"} {
			if n, err := k.RevokeAll(t.Context(), Loopback(), none, time.Time{}); n != 0 || err != nil {
				t.Errorf("of %q: %d, %v", none, n, err)
			}
		}
		by := holder(t, k, all)
		if n, err := k.RevokeAll(t.Context(), by, "acme", time.Time{}); n != 2 || err != nil {
			t.Errorf("%d were revoked, %v, want 2", n, err)
		}
		if n, err := k.RevokeAll(t.Context(), by, "acme", time.Time{}); n != 0 || err != nil {
			t.Errorf("again: %d, %v", n, err)
		}
		wantUnknown(t, k, own)
		wantUnknown(t, k, mate)
		c.pass(freshFor + 1)
		wantUnknown(t, there, own)
		wantUnknown(t, there, mate)
		holder(t, k, all)
		holder(t, k, other)
		if got, err := k.Token(t.Context(), Loopback(), admin.ID); err != nil || got.Live() || got.RevokedBy != by.Actor {
			t.Errorf("got %+v, %v", got, err)
		}
		// The next one of that id begins with tokens of its own.
		_, next := made(t, k, Grant{Role: Viewer, Enterprise: "acme"})
		holder(t, k, next)
		wantUnknown(t, k, mate)
	})
}

// TestAsk_onceAtATimeForAll: while the database hangs, many requests with one
// token are one question, and so are those for the mode. Each request looks at
// the clock once, and so does each question.
func TestAsk_onceAtATimeForAll(t *testing.T) {
	c := newClock()
	k, line := away(t, c)
	_, secret := root(t, k)
	holder(t, k, secret)
	fresh, other := away(t, c)
	c.pass(freshFor + 1)
	line.LoseAnswers()
	other.LoseAnswers()
	const n = 50
	looks := make(chan struct{}, 10*n)
	look := func() time.Time { looks <- struct{}{}; return c.Now() }
	k.now, fresh.now = look, look
	if good, failed := together(n, func(int) error { _, err := k.Authenticate(t.Context(), secret); return err }); good != n {
		t.Errorf("refused: %v", failed)
	}
	if asked := len(looks) - n; asked != 1 {
		t.Errorf("the database was asked %d times for a token", asked)
	}
	_, failed := together(n, func(int) error { _, err := fresh.Open(t.Context()); return err })
	for _, err := range failed {
		if !errors.Is(err, readmodel.ErrUnavailable) {
			t.Error(err)
		}
	}
	if asked := len(looks) - 2*n - 1; asked != 1 || len(failed) != n {
		t.Errorf("the database was asked %d times for the mode, and %d know nothing", asked, len(failed))
	}
}
