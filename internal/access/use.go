package access

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// flushEvery is how often the uses of tokens are written down.
	flushEvery = 5 * time.Second
	// lastFlush is how long writing down the last ones may take.
	lastFlush = time.Second
)

// Run writes down when tokens were used, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			k.flush(last)
			return ctx.Err()
		case <-tick.C:
			k.flush(ctx)
		}
	}
}

// flush writes down the uses since the last time; when it fails, they are kept.
// That is logged once, until it works again.
func (k *Keeper) flush(ctx context.Context) {
	list := k.used.take()
	if len(list) == 0 {
		return
	}
	within, cancel := context.WithTimeout(ctx, flushEvery)
	defer cancel()
	err := k.tokens.Touch(within, list)
	if err == nil {
		if k.mute.Swap(false) {
			k.log.Info("the uses of tokens are written down again")
		}
		return
	}
	for id, at := range list {
		k.used.note(id, at)
	}
	// Who gave up waiting says nothing about the database.
	if !errors.Is(ctx.Err(), context.Canceled) && !k.mute.Swap(true) {
		k.log.Warn("the uses of tokens cannot be written down; they are kept until it works again", "err", err)
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
