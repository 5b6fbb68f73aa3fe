package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peering/peering/internal/readmodel"
)

const (
	// freshFor is how long what is known of a token counts without asking the
	// database again: what another process has revoked is good for as long.
	freshFor = time.Second
	// staleFor is how long it counts while the database does not answer: commands
	// need the log alone, and while it is away for everybody nothing can be revoked.
	staleFor = time.Minute
	// askWithin is how long the database has for an answer.
	askWithin = time.Second
)

// ErrUnknown says that a token is none of this deployment, or was revoked.
var ErrUnknown = errors.New("access: the token is unknown or was revoked")

// Authenticate returns who holds the token. ErrUnknown: nobody. An error that
// wraps readmodel.ErrUnavailable: it cannot be told now; try again. It takes no
// longer than askWithin, whatever becomes of the database.
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

// Open reports whether there is no token at all, so that callers on loopback
// may do everything. Once there was one it never is true again. An error that
// wraps readmodel.ErrUnavailable: it cannot be told now. It takes no longer than
// askWithin.
func (k *Keeper) Open(ctx context.Context) (bool, error) {
	closed, age, ok := k.known.mode(k.now())
	if closed || ok && age <= freshFor {
		return !closed, nil
	}
	open, err := k.askOpen(ctx)
	switch {
	case err == nil:
		return open, nil
	case ok && age <= staleFor && errors.Is(err, readmodel.ErrUnavailable):
		return true, nil
	}
	return false, fmt.Errorf("access: %w", err)
}
