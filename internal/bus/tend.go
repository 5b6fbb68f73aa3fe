package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/peering/peering/internal/eventstore"
)

const (
	// tendEvery is how often the queue is looked after.
	tendEvery = time.Minute
	// tendPause is the least time between two such looks.
	tendPause = time.Second
	// maxStrays is how many strays are put aside in one go.
	maxStrays = 1000
)

// Settler finishes what was decided about parked commands and not carried out,
// because the process that did it ended in between.
type Settler interface {
	Finish(ctx context.Context) error
}

// Tend looks after the queue until ctx ends: each minute, and at once when a
// stream turns out to be gone or a command waits for one of another partition. It
// calls ensure, which makes the streams and consumers that are missing; parks
// messages that no partition takes; and has settlers finish what others left. What
// fails is logged and tried again.
func (c *Commands) Tend(ctx context.Context, ensure func(context.Context) (eventstore.Bus, error), settlers ...Settler) error {
	t := time.NewTicker(tendEvery)
	defer t.Stop()
	for {
		c.tend(ctx, ensure, settlers)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-c.noted:
			if !sleep(ctx, tendPause) {
				return nil
			}
		}
	}
}

func (c *Commands) tend(ctx context.Context, ensure func(context.Context) (eventstore.Bus, error), settlers []Settler) {
	failed := func(what string, err error) {
		if err != nil && ctx.Err() == nil {
			c.log.Warn("tending the bus did not succeed, it is tried again", slog.String("what", what), slog.Any("err", err))
		}
	}
	found, err := ensure(ctx)
	failed("streams", err)
	var settings *eventstore.SettingsError
	if err != nil && !errors.As(err, &settings) {
		return
	}
	// A setting that somebody has changed keeps nobody from the rest.
	if found.Partitions > 0 {
		c.found.Store(int64(found.Partitions))
		c.want(found.Partitions)
		failed("strays", c.parkStrays(ctx, found.Partitions))
	}
	for _, s := range settlers {
		failed("decisions about parked commands", s.Finish(ctx))
	}
}

// want has Run follow so many partitions.
func (c *Commands) want(partitions int) {
	select {
	case <-c.wanted: // an older number
	default:
	}
	select {
	case c.wanted <- partitions:
	default:
	}
}

// parkStrays parks the messages that no partition takes, and removes them.
func (c *Commands) parkStrays(ctx context.Context, partitions int) error {
	for range maxStrays {
		s, ok, err := c.queue.Stray(ctx, partitions)
		if err != nil || !ok {
			return err
		}
		// A stray that is parked and not removed is parked again the next time:
		// Park knows it by its place in the queue.
		if err := c.putAside(ctx, strayDelivery(s), undecided(parkStray, "the queue has no partition for it any more")); err != nil {
			return err
		}
		if err := c.queue.Remove(ctx, s.Seq); err != nil {
			return err
		}
	}
	return nil
}

func strayDelivery(s eventstore.Stray) delivery {
	h := selectHeader(s.Header)
	return delivery{subject: "peering.commands.-." + s.Tail, seq: s.Seq, header: h, body: s.Data}
}

// sleep waits for d; false: ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
