package access

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// open opens a migrated database until the test ends, as each process does.
func open(t testing.TB, url string) *readmodel.DB {
	t.Helper()
	db, err := readmodel.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func keeperOf(t testing.TB, url string, c *clock) *Keeper {
	t.Helper()
	return NewKeeper(open(t, url).Tokens(), Options{Now: c.Now})
}

// made makes a token on behalf of whoever may do everything.
func made(t testing.TB, k *Keeper, g Grant) (readmodel.Token, string) {
	t.Helper()
	token, secret, err := k.Create(t.Context(), Loopback(), g)
	if err != nil {
		t.Fatal(err)
	}
	return token, secret
}

// root makes the first token.
func root(t testing.TB, k *Keeper) (readmodel.Token, string) {
	t.Helper()
	return made(t, k, Grant{Role: Admin, Note: "root"})
}

// holder is who holds the token.
func holder(t testing.TB, k *Keeper, secret string) Principal {
	t.Helper()
	p, err := k.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantUnknown(t testing.TB, k *Keeper, secret string) {
	t.Helper()
	if p, err := k.Authenticate(t.Context(), secret); !errors.Is(err, ErrUnknown) || p != (Principal{}) {
		t.Errorf("got %+v, %v, want ErrUnknown", p, err)
	}
}

func wantCode(t testing.TB, err error, code domain.Code, field string) {
	t.Helper()
	var e *domain.Error
	if !errors.As(err, &e) || e.Code != code || e.Field != field || e.Msg == "" {
		t.Errorf("got %v, want %s about %q", err, code, field)
	}
}

// list is what by sees.
func list(t testing.TB, k *Keeper, by Principal, q readmodel.TokenQuery) []readmodel.Token {
	t.Helper()
	page, err := k.List(t.Context(), by, q)
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

// together calls fn n times at once and returns how often it succeeded.
func together(n int, fn func(i int) error) (succeeded int, failed []error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			err := fn(i)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				succeeded++
			} else {
				failed = append(failed, err)
			}
		})
	}
	close(start)
	all.Wait()
	return succeeded, failed
}

func ended(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
