package access

import (
	"context"
	"errors"

	"github.com/peering/peering/internal/readmodel"
)

// openKey stands for the question whether there is any token, among those for
// the holders of hashes.
const openKey = "open"

// ask asks the database for the holder of a token, and remembers the answer;
// nobody is no error. Of those who ask for the same one at the same time, one
// does so for all, and therefore not within the ctx of its own.
func (k *Keeper) ask(ctx context.Context, hash string) (identity, error) {
	answer, err, _ := k.asks.Do(hash, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
		defer cancel()
		turn, now := k.known.turn(), k.now()
		id, err := k.lookUp(ctx, hash)
		if err == nil {
			k.known.learn(hash, id, now, turn)
		}
		return id, err
	})
	id, _ := answer.(identity)
	return id, err
}

func (k *Keeper) lookUp(ctx context.Context, hash string) (identity, error) {
	t, err := k.tokens.ByHash(ctx, hash)
	if errors.Is(err, readmodel.ErrNotFound) || err == nil && !t.Live() {
		return identity{}, nil
	}
	if err != nil {
		return identity{}, err
	}
	return identity{Principal{Actor: actorOf(t.ID, t.Note), Token: t.ID, Role: Role(t.Role), Enterprise: t.Enterprise}}, nil
}

// askOpen asks the database whether there is no token, as ask does.
func (k *Keeper) askOpen(ctx context.Context) (bool, error) {
	answer, err, _ := k.asks.Do(openKey, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
		defer cancel()
		now := k.now()
		any, err := k.tokens.Any(ctx)
		switch {
		case err != nil:
		case any:
			k.known.closed()
		default:
			k.known.open(now)
		}
		return !any, err
	})
	open, _ := answer.(bool)
	return open, err
}

// forget has the database asked for these tokens again. An answer to a question
// of before is not remembered, and who asks from now on does not get it.
func (k *Keeper) forget(hashes ...string) {
	for _, hash := range hashes {
		k.asks.Forget(hash)
	}
	k.known.forget(hashes...)
}
