package access

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

func TestAuthenticate_aRevocationHoldsElsewhereWithinASecond(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newClock()
		here, there := keeperOf(t, d.URL, c), keeperOf(t, d.URL, c)
		root(t, here)
		token, secret := made(t, here, Grant{Role: Viewer})
		holder(t, here, secret)
		holder(t, there, secret)
		if _, err := here.Revoke(t.Context(), Loopback(), token.ID); err != nil {
			t.Fatal(err)
		}
		wantUnknown(t, here, secret)
		c.pass(time.Second + time.Nanosecond)
		wantUnknown(t, there, secret)
		if there.Knows(secret) {
			t.Error("it is still known")
		}
	})
}

func TestAuthenticate_aTokenThatIsNewElsewhereIsGoodWithinASecond(t *testing.T) {
	d, c := testkit.SQLite(t), newClock()
	here, there := keeperOf(t, d.URL, c), keeperOf(t, d.URL, c)
	if open, err := there.Open(t.Context()); !open || err != nil {
		t.Fatal(open, err)
	}
	secret := newSecret()
	wantUnknown(t, there, secret)
	if _, err := here.EnsureFirst(t.Context(), secret, "file"); err != nil {
		t.Fatal(err)
	}
	wantUnknown(t, there, secret) // the answer of a moment ago
	c.pass(freshFor + 1)
	holder(t, there, secret)
	if open, err := there.Open(t.Context()); open || err != nil {
		t.Error("elsewhere it is still open", err)
	}
}

// away is a keeper whose database can be cut off.
func away(t *testing.T, c *clock) (k *Keeper, line *testkit.Line) {
	t.Helper()
	u, err := url.Parse(testkit.Postgres(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	line = testkit.Proxy(t, u.Host)
	u.Host = strings.TrimPrefix(line.URL(), "nats://")
	return keeperOf(t, u.String(), c), line
}

// TestAuthenticate_whileTheDatabaseIsAway: what is known counts for a minute,
// what is not is refused with the reason, and nobody is told to be unknown who
// may be good by now.
func TestAuthenticate_whileTheDatabaseIsAway(t *testing.T) {
	c := newClock()
	k, line := away(t, c)
	_, secret := root(t, k)
	stranger := newSecret()
	holder(t, k, secret)
	wantUnknown(t, k, stranger)
	line.LoseAnswers()
	ask := func(secret string) (Principal, error) { // no deadline but the keeper's own
		return k.Authenticate(t.Context(), secret)
	}
	wantAway := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, readmodel.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", what, err)
		}
	}
	if _, err := ask(secret); err != nil {
		t.Errorf("fresh: %v", err)
	}
	wantUnknown(t, k, stranger)
	c.pass(freshFor + 1)
	if p, err := ask(secret); err != nil || p.Role != Admin {
		t.Errorf("after a second: %+v, %v", p, err)
	}
	_, err := ask(stranger)
	wantAway("a stranger of a while ago", err)
	_, err = ask(newSecret())
	wantAway("one that was never seen", err)
	if open, err := k.Open(t.Context()); open || err != nil {
		t.Errorf("it is open: %t, %v", open, err)
	}
	c.pass(staleFor - freshFor - 1)
	if _, err := ask(secret); err != nil {
		t.Errorf("after a minute: %v", err)
	}
	c.pass(time.Second)
	_, err = ask(secret)
	wantAway("after more than a minute", err)

	line.Cut()
	testkit.Eventually(t, "the database to be back", func() bool {
		_, err := ask(secret)
		return err == nil
	})
}

func TestOpen_whileTheDatabaseIsAway(t *testing.T) {
	c := newClock()
	k, line := away(t, c)
	line.LoseAnswers()
	open := func() (bool, error) { return k.Open(t.Context()) }
	if yes, err := open(); yes || !errors.Is(err, readmodel.ErrUnavailable) {
		t.Errorf("nobody knows yet: %t, %v", yes, err)
	}
	line.Cut()
	testkit.Eventually(t, "the database to be back", func() bool {
		yes, err := open()
		return yes && err == nil
	})
	line.LoseAnswers()
	c.pass(staleFor)
	if yes, err := open(); !yes || err != nil {
		t.Errorf("a minute later: %t, %v", yes, err)
	}
	c.pass(time.Second)
	if yes, err := open(); yes || !errors.Is(err, readmodel.ErrUnavailable) {
		t.Errorf("later: %t, %v", yes, err)
	}
}

// TestAuthenticate_madeUpTokensTakeNoMemoryAndDriveNobodyOut.
func TestAuthenticate_madeUpTokensTakeNoMemoryAndDriveNobodyOut(t *testing.T) {
	c := newClock()
	k := keeperOf(t, testkit.SQLite(t).URL, c)
	_, secret := root(t, k)
	holder(t, k, secret)
	for i := range 1_000_000 { // as the database answers, without asking it a million times
		k.known.learn(hashOf(fmt.Sprint("made up ", i)), identity{}, c.Now(), k.known.turn())
	}
	if n := len(k.known.strangers); n > maxKnown {
		t.Errorf("%d are remembered, at most %d may be", n, maxKnown)
	}
	if !k.Knows(secret) {
		t.Error("the one who is good was forgotten")
	}
	for i := range 2 * maxKnown {
		k.known.learn(hashOf(fmt.Sprint("good ", i)), identity{Principal{Token: "t"}}, c.Now(), k.known.turn())
	}
	if n := len(k.known.holders); n > maxKnown {
		t.Errorf("%d holders are remembered, at most %d may be", n, maxKnown)
	}
	for range 100 {
		wantUnknown(t, k, newSecret())
	}
	if len(k.used.list) > 1 {
		t.Errorf("the use of %d tokens is noted", len(k.used.list))
	}
}

func TestAuthenticate_whatCannotBeATokenIsNotAskedFor(t *testing.T) {
	k := keeperOf(t, testkit.SQLite(t).URL, newClock())
	for _, secret := range []string{"", "x", "' OR 1=1 --                                "} {
		if _, err := k.Authenticate(ended(t), secret); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", secret, err)
		}
		if k.Knows(secret) {
			t.Errorf("%q is known", secret)
		}
	}
}

func TestUse_isWrittenDownAndNeverGoesBack(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newClock()
		k := keeperOf(t, d.URL, c)
		token, secret := root(t, k)
		used := func() time.Time {
			t.Helper()
			got, err := k.Token(t.Context(), Loopback(), token.ID)
			if err != nil {
				t.Fatal(err)
			}
			return got.LastUsed
		}
		if at := used(); !at.IsZero() {
			t.Errorf("used before it was: %s", at)
		}
		holder(t, k, secret)
		if at := used(); !at.Equal(c.Now()) {
			t.Errorf("used %s, want %s", at, c.Now())
		}
		latest := c.Now().Add(time.Hour)
		c.pass(time.Hour)
		holder(t, k, secret)
		c.pass(-30 * time.Minute) // the clock of another process
		holder(t, keeperOf(t, d.URL, c), secret)
		other := keeperOf(t, d.URL, c)
		holder(t, other, secret)
		if at := used(); !at.Equal(latest) {
			t.Errorf("used %s, want %s", at, latest)
		}
		other.flush(t.Context())
		if at := used(); !at.Equal(latest) {
			t.Errorf("it went back to %s", at)
		}
	})
}

// TestRun_writesDownTheLastUsesWhenItEnds: and what could not be written is kept.
func TestRun_writesDownTheLastUsesWhenItEnds(t *testing.T) {
	c := newClock()
	k := keeperOf(t, testkit.SQLite(t).URL, c)
	token, secret := root(t, k)
	holder(t, k, secret)
	k.flush(ended(t)) // fails
	if err := k.Run(ended(t)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(k.used.list) > 0 {
		t.Error("a use was not written down")
	}
	if got, err := k.tokens.ByID(t.Context(), token.ID); err != nil || !got.LastUsed.Equal(c.Now()) {
		t.Errorf("got %+v, %v", got, err)
	}
}
