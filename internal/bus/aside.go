package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/peering/peering/internal/eventstore"
)

const (
	// patience is how long a process holds what it was delivered because it
	// reaches nothing, before it leaves all of that to others: they may reach what
	// this one does not.
	patience = 20 * time.Second
	// illLately is how long after this process reached nothing it knows why a
	// command was delivered often.
	illLately = time.Minute
)

// isIll reports whether because, for which a command is held, may be true of this
// process alone. What a leader said of its stream is true of all.
func isIll(because error) bool {
	if errors.Is(because, eventstore.ErrUnavailable) {
		return true
	}
	for _, told := range []error{eventstore.ErrFull, eventstore.ErrNoStream, errNotItsTurn} {
		if errors.Is(because, told) {
			return false
		}
	}
	return true
}

// illSince notes that this process reaches nothing, and has not since start; when
// that is too long, it will stand aside.
func (r *running) illSince(start time.Time) {
	r.c.ill.Store(time.Now().UnixNano())
	if time.Since(start) < r.c.patience {
		return
	}
	select {
	case r.unfit <- struct{}{}:
	default:
	}
}

// wasIll reports whether this process reached nothing a short time ago.
func (c *Commands) wasIll() bool { return time.Since(time.Unix(0, c.ill.Load())) < illLately }

// standAside waits until commands can be carried out here; false: ctx has ended.
func (c *Commands) standAside(ctx context.Context) bool {
	c.metrics.held.Inc()
	defer c.metrics.held.Dec()
	c.often.error("this process takes no commands of the bus until it can carry them out; others may")
	start := time.Now()
	for sleep(ctx, c.pause) {
		looking, cancel := context.WithTimeout(ctx, worksLimit)
		err := c.queue.Works(looking)
		cancel()
		if err == nil {
			c.log.Info("this process takes commands of the bus again", slog.Duration("took", time.Since(start)))
			return true
		}
		if !isIll(err) {
			return true // whoever takes them holds them, and has Tend look
		}
	}
	return false
}
