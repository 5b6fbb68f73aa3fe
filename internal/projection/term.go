package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// term is the time in which one lease is held: the log is followed from the
// lease's position until something fails.
type term struct {
	source     Source
	codec      events.Codec
	lease      *readmodel.Lease
	log        *slog.Logger
	stream     events.Identity
	batchLimit int
	partWait   time.Duration
	beatEvery  time.Duration
	upTo       events.Seq // nothing behind it is applied; zero: everything is
	hooks      hooks

	// resumed is called when the held events were tried again, committed after
	// each transaction, observed after each look at the log.
	resumed   func(ctx context.Context) error
	committed func(ctx context.Context) error
	observed  func(end events.Seq)
}

// hooks are where tests stop the loop. Their zero value does nothing.
type hooks struct {
	beforeCheckpoint func(context.Context) error // between rows and position
	beforeBatch      func(context.Context) error
}

// readSize is how many messages a read of the log returns at most.
const readSize = 4096

// readAhead is how many reads of the log wait for the writing: a batch should be
// complete when the one before is written, and no more than that takes memory.
func readAhead(batchLimit int) int { return (batchLimit + readSize - 1) / readSize }

// run works until ctx ends or something fails, and returns why. Everything that
// it started has stopped then.
func (t *term) run(ctx context.Context) error {
	var err error
	if t.stream, err = verify(ctx, t.source, t.lease.Mark()); err != nil {
		return err
	}
	if err := t.lease.Resume(ctx); err != nil {
		return err
	}
	t.observed(t.stream.Last)
	if err := t.resume(ctx); err != nil {
		return err
	}
	if err := t.resumed(ctx); err != nil {
		return err
	}
	decoded := make(chan []item, readAhead(t.batchLimit))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return t.follow(ctx, decoded, t.lease.Mark().Position) })
	group.Go(func() error { return t.write(ctx, decoded, t.lease.Mark().Position) })
	group.Go(func() error { return t.beat(ctx) })
	group.Go(func() error { return t.observe(ctx) })
	return group.Wait()
}

// follow reads and decodes on a goroutine of its own, ahead of the writing.
func (t *term) follow(ctx context.Context, out chan<- []item, after events.Seq) error {
	err := t.source.Follow(ctx, after, t.batchLimit, func(messages []events.Message) error {
		items := make([]item, 0, len(messages))
		for _, m := range messages {
			if t.upTo == 0 || m.Seq <= t.upTo {
				items = append(items, decode(t.codec, m))
			}
		}
		select {
		case out <- items:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err == nil {
		err = errors.New("the log ended")
	}
	return fmt.Errorf("projection: follow the log: %w", err)
}

// write applies what follow has read.
func (t *term) write(ctx context.Context, in <-chan []item, after events.Seq) error {
	q := queue{in: in, limit: t.batchLimit, partWait: t.partWait, last: after}
	for {
		items, err := q.next(ctx)
		if err != nil {
			return err
		}
		if t.hooks.beforeBatch != nil {
			if err := t.hooks.beforeBatch(ctx); err != nil {
				return err
			}
		}
		if err := t.commit(ctx, items); err != nil {
			return err
		}
	}
}

// beat shows others that this process is alive, and finds out when it has been
// taken for dead.
func (t *term) beat(ctx context.Context) error {
	return every(ctx, t.beatEvery, func() error { return t.lease.Beat(ctx) })
}

// observeEvery is how often the end of the log is looked at.
const observeEvery = time.Second

// observe looks at the log from outside, so that one that was replaced while it
// was followed is noticed.
func (t *term) observe(ctx context.Context) error {
	end := t.stream.Last
	return every(ctx, observeEvery, func() error {
		id, err := t.source.Identity(ctx)
		if err != nil {
			return fmt.Errorf("projection: look at the log: %w", err)
		}
		if !id.Created.Equal(t.stream.Created) || id.Last < end {
			return &StreamChangedError{end, "it was replaced by another while it was followed"}
		}
		end = id.Last
		t.observed(end)
		return nil
	})
}

// every calls fn again and again until it fails or ctx ends.
func every(ctx context.Context, pause time.Duration, fn func() error) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := fn(); err != nil {
			return err
		}
	}
}
