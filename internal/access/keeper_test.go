package access

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

func TestCreate_theFirstMustBeAnAdminForAll(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		k := keeperOf(t, d.URL, newClock())
		for _, g := range []Grant{{Role: Viewer}, {Role: Operator}, {Role: Security}, {Role: Auditor}, {Role: Admin, Enterprise: "acme"}} {
			_, secret, err := k.Create(t.Context(), Loopback(), g)
			wantCode(t, err, domain.Invalid, "role")
			if secret != "" {
				t.Errorf("%+v is refused and made", g)
			}
		}
		if open, err := k.Open(t.Context()); !open || err != nil {
			t.Errorf("open: %t, %v", open, err)
		}
		first, secret := root(t, k)
		if open, err := k.Open(t.Context()); open || err != nil {
			t.Errorf("still open: %t, %v", open, err)
		}
		made(t, k, Grant{Role: Admin, Enterprise: "acme"})
		p := holder(t, k, secret)
		if p.Role != Admin || p.Token != first.ID || !p.SeesAll() {
			t.Errorf("got %+v", p)
		}
		if first.CreatedBy != loopbackActor || first.Note != "root" || !first.Live() || !first.LastUsed.IsZero() {
			t.Errorf("got %+v", first)
		}
	})
}

// TestCreate_firstOnesAtOnceLeaveAnAdmin: whatever comes first, nobody is made
// unless there is one who may make the next.
func TestCreate_firstOnesAtOnceLeaveAnAdmin(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newClock()
		keepers := []*Keeper{keeperOf(t, d.URL, c), keeperOf(t, d.URL, c), keeperOf(t, d.URL, c)}
		_, failed := together(24, func(i int) error {
			g := Grant{Role: Viewer, Note: fmt.Sprint(i)}
			if i%8 == 0 {
				g.Role = Admin
			}
			_, _, err := keepers[i%3].Create(t.Context(), Loopback(), g)
			return err
		})
		for _, err := range failed {
			wantCode(t, err, domain.Invalid, "role")
		}
		admins := 0
		for _, token := range list(t, keepers[0], Loopback(), readmodel.TokenQuery{}) {
			if isRoot(token) {
				admins++
			}
		}
		if admins != 3 {
			t.Errorf("%d admins, want 3", admins)
		}
	})
}

func TestCreate_nobodyGivesAwayWhatItIsNot(t *testing.T) {
	k := keeperOf(t, testkit.SQLite(t).URL, newClock())
	root(t, k)
	for _, c := range []struct {
		role Role
		own  events.EnterpriseID
		want events.EnterpriseID
	}{
		{Viewer, "", ""},
		{Operator, "", "acme"},
		{Security, "", ""},
		{Auditor, "acme", "acme"},
		{Admin, "acme", ""},
		{Admin, "acme", "other"},
		{"", "", ""},
	} {
		_, _, err := k.Create(t.Context(), Principal{Role: c.role, Enterprise: c.own}, Grant{Role: Viewer, Enterprise: c.want})
		wantCode(t, err, domain.Forbidden, "enterprise")
	}
	if _, _, err := k.Create(t.Context(), Principal{Role: Admin, Enterprise: "acme"}, Grant{Role: Admin, Enterprise: "acme"}); err != nil {
		t.Error(err)
	}
}

func TestRevoke_theLastAdminForAllStays(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		k := keeperOf(t, d.URL, newClock())
		first, secret := root(t, k)
		made(t, k, Grant{Role: Admin, Enterprise: "acme"})
		by := holder(t, k, secret)
		_, err := k.Revoke(t.Context(), by, first.ID)
		wantCode(t, err, domain.Invalid, "token")
		holder(t, k, secret)

		second, _ := made(t, k, Grant{Role: Admin})
		gone, err := k.Revoke(t.Context(), by, first.ID)
		if err != nil || gone.Live() || gone.RevokedBy != by.Actor {
			t.Errorf("got %+v, %v", gone, err)
		}
		wantUnknown(t, k, secret)
		_, err = k.Revoke(t.Context(), Loopback(), second.ID)
		wantCode(t, err, domain.Invalid, "token")
		again, err := k.Revoke(t.Context(), Loopback(), first.ID)
		if err != nil || again.RevokedBy != by.Actor || !again.RevokedAt.Equal(gone.RevokedAt) {
			t.Errorf("revoked again it is %+v, %v", again, err)
		}
		_, err = k.Revoke(t.Context(), Loopback(), "nobody")
		wantCode(t, err, domain.NotFound, "")
	})
}

// TestRevoke_atOnceLeavesOne: several administrators who end each other's tokens
// at the same time do not end all.
func TestRevoke_atOnceLeavesOne(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newClock()
		keepers := []*Keeper{keeperOf(t, d.URL, c), keeperOf(t, d.URL, c)}
		for round := range 5 {
			roots := list(t, keepers[0], Loopback(), readmodel.TokenQuery{})
			for len(roots) < 2 {
				token, _ := root(t, keepers[0])
				roots = append(roots, token)
			}
			done, failed := together(2, func(i int) error {
				_, err := keepers[i].Revoke(t.Context(), Loopback(), roots[i].ID)
				return err
			})
			if done != 1 || len(failed) != 1 {
				t.Fatalf("round %d: %d were revoked, %v", round, done, failed)
			}
			wantCode(t, failed[0], domain.Invalid, "token")
			if open, err := keeperOf(t, d.URL, c).Open(t.Context()); open || err != nil {
				t.Fatalf("the deployment is open again: %t, %v", open, err)
			}
		}
	})
}

func TestEnsureFirst_ofManyProcessesMakesOne(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newClock()
		const n = 8
		keepers, secrets := make([]*Keeper, n), make([]string, n)
		for i := range n {
			keepers[i], secrets[i] = keeperOf(t, d.URL, c), newSecret()
		}
		none := errors.New("there was one")
		makers, failed := together(n, func(i int) error {
			first, err := keepers[i].EnsureFirst(t.Context(), secrets[i], "file")
			if err == nil && !first {
				err = none
			}
			return err
		})
		for _, err := range failed {
			if !errors.Is(err, none) {
				t.Error(err)
			}
		}
		tokens := list(t, keepers[0], Loopback(), readmodel.TokenQuery{})
		if makers != 1 || len(tokens) != 1 || !isRoot(tokens[0]) || tokens[0].CreatedBy != "file" {
			t.Errorf("%d made one, and there are %+v", makers, tokens)
		}
		good := 0
		for _, secret := range secrets {
			if _, err := keepers[0].Authenticate(t.Context(), secret); err == nil {
				good++
			}
		}
		if good != 1 {
			t.Errorf("%d of the secrets are good, want 1", good)
		}
	})
}

// TestEnsureFirst_doesNotComeBack: the token of the file is not made again after
// it was revoked.
func TestEnsureFirst_doesNotComeBack(t *testing.T) {
	k := keeperOf(t, testkit.SQLite(t).URL, newClock())
	secret := newSecret()
	if first, err := k.EnsureFirst(t.Context(), secret, "file"); !first || err != nil {
		t.Fatal(first, err)
	}
	root(t, k)
	if _, err := k.Revoke(t.Context(), Loopback(), holder(t, k, secret).Token); err != nil {
		t.Fatal(err)
	}
	if first, err := k.EnsureFirst(t.Context(), secret, "file"); first || err != nil {
		t.Error(first, err)
	}
	wantUnknown(t, k, secret)
}

// TestKeeper_anAdminOfOneEnterpriseSeesItsOwn: no other token exists for it, and
// those for all are not there either.
func TestKeeper_anAdminOfOneEnterpriseSeesItsOwn(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		k := keeperOf(t, d.URL, newClock())
		all, _ := root(t, k)
		own, secret := made(t, k, Grant{Role: Admin, Enterprise: "acme"})
		mate, _ := made(t, k, Grant{Role: Viewer, Enterprise: "acme"})
		other, _ := made(t, k, Grant{Role: Viewer, Enterprise: "other"})
		by := holder(t, k, secret)
		for _, asked := range []events.EnterpriseID{"", "acme", "other"} {
			var ids []string
			for _, token := range list(t, k, by, readmodel.TokenQuery{Enterprise: asked}) {
				ids = append(ids, token.ID)
			}
			if !slices.Equal(ids, []string{own.ID, mate.ID}) {
				t.Errorf("asked for %q it sees %q", asked, ids)
			}
		}
		for _, id := range []string{all.ID, other.ID} {
			_, err := k.Token(t.Context(), by, id)
			wantCode(t, err, domain.NotFound, "")
			_, err = k.Revoke(t.Context(), by, id)
			wantCode(t, err, domain.NotFound, "")
			if token, err := k.Token(t.Context(), Loopback(), id); err != nil || !token.Live() {
				t.Errorf("it was revoked: %+v, %v", token, err)
			}
		}
		if token, err := k.Token(t.Context(), by, mate.ID); err != nil || token.ID != mate.ID {
			t.Error(token, err)
		}
		if token, err := k.Revoke(t.Context(), by, mate.ID); err != nil || token.Live() {
			t.Error(token, err)
		}
		for _, role := range []Role{Viewer, Operator, Security, Auditor} {
			_, err := k.Revoke(t.Context(), Principal{Role: role, Enterprise: "acme"}, own.ID)
			wantCode(t, err, domain.NotFound, "")
		}
	})
}
