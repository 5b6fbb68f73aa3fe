package access

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/peering/peering/internal/readmodel"
)

const (
	// freshFor is how long what is known of a token counts without asking the
	// database again: what another process has revoked is good for as long.
	freshFor = time.Second
	// staleFor is how long it counts while the database does not answer. Nothing
	// can be revoked meanwhile, and commands need the log alone.
	staleFor = time.Minute
	// flushEvery is how often the uses of tokens are written down.
	flushEvery = 5 * time.Second
)

// ErrUnknown says that a token is none of this deployment, or was revoked.
var ErrUnknown = errors.New("access: the token is unknown or was revoked")

// Authenticate returns who holds the token. ErrUnknown: nobody. An error that
// wraps readmodel.ErrUnavailable: it cannot be told now; try again.
func (k *Keeper) Authenticate(ctx context.Context, secret string) (Principal, error) {
	if !wellFormed(secret) {
		return Principal{}, ErrUnknown
	}
	hash, now := hashOf(secret), k.now()
	id, age, ok := k.known.identity(hash, now)
	if !ok || age > freshFor {
		fresh, err := k.ask(ctx, hash)
		switch {
		case err == nil:
			id = fresh
			k.known.learn(hash, id, now)
		case !ok || id.nobody() || age > staleFor || !errors.Is(err, readmodel.ErrUnavailable):
			return Principal{}, err
		}
	}
	if id.nobody() {
		return Principal{}, ErrUnknown
	}
	k.used.note(id.principal.Token, now)
	return id.principal, nil
}

// Knows reports whether a token was good when it was last asked for, as far as
// this process remembers. It does not wait.
func (k *Keeper) Knows(secret string) bool {
	if !wellFormed(secret) {
		return false
	}
	id, _, ok := k.known.identity(hashOf(secret), k.now())
	return ok && !id.nobody()
}

// ask asks the database for the holder of a token; nobody is no error.
func (k *Keeper) ask(ctx context.Context, hash string) (identity, error) {
	t, err := k.tokens.ByHash(ctx, hash)
	if errors.Is(err, readmodel.ErrNotFound) || err == nil && !t.Live() {
		return identity{}, nil
	}
	if err != nil {
		return identity{}, err
	}
	return identity{Principal{Actor: actorOf(t.ID, t.Note), Token: t.ID, Role: Role(t.Role), Enterprise: t.Enterprise}}, nil
}

// Open reports whether there is no token at all, so that callers on loopback
// may do everything. Once there was one it never is true again. An error that
// wraps readmodel.ErrUnavailable: it cannot be told now.
func (k *Keeper) Open(ctx context.Context) (bool, error) {
	now := k.now()
	closed, age, ok := k.known.mode(now)
	if closed || ok && age <= freshFor {
		return !closed, nil
	}
	any, err := k.tokens.Any(ctx)
	if err != nil {
		if ok && age <= staleFor && errors.Is(err, readmodel.ErrUnavailable) {
			return true, nil
		}
		return false, fmt.Errorf("access: %w", err)
	}
	if any {
		k.known.closed()
	} else {
		k.known.open(now)
	}
	return !any, nil
}

// Run writes down when tokens were used, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), freshFor)
			defer cancel()
			k.flush(last)
			return ctx.Err()
		case <-tick.C:
			k.flush(ctx)
		}
	}
}

// flush writes down the uses since the last time; when it fails, they are kept.
func (k *Keeper) flush(ctx context.Context) {
	list := k.used.take()
	if len(list) == 0 {
		return
	}
	if err := k.tokens.Touch(ctx, list); err != nil {
		for id, at := range list {
			k.used.note(id, at)
		}
	}
}

// used collects when tokens were used.
type used struct {
	mu   sync.Mutex
	list map[string]time.Time
}

func newUsed() *used { return &used{list: map[string]time.Time{}} }

func (u *used) note(id string, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at.After(u.list[id]) {
		u.list[id] = at
	}
}

func (u *used) take() map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.list
	u.list = map[string]time.Time{}
	return list
}
