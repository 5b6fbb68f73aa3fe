package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// errReleased says that this process stops or stands aside, and leaves the message to another.
var errReleased = errors.New("bus: left to another process")

// progress tells the queue that the message is being worked on, so that it is not
// handed to somebody else for another eventstore.AckWait.
func (r *running) progress(d delivery) {
	if err := r.tellProgress(d.reply); err != nil {
		r.c.log.Debug("progress not told", slog.Uint64("stream_seq", uint64(d.seq)), slog.Any("err", err))
	}
}

// works returns nil when commands can be carried out in general.
func (r *running) works(d delivery) error {
	r.progress(d)
	ctx, cancel := context.WithTimeout(r.ctx, worksLimit)
	defer cancel()
	err := r.c.queue.Works(ctx)
	if errors.Is(err, eventstore.ErrNoStream) {
		r.c.look()
	}
	return err
}

// look has Tend look at the queue at once.
func (c *Commands) look() {
	select {
	case c.noted <- struct{}{}:
	default:
	}
}

// hold keeps a message while ready says that it cannot be handled, because of
// the deployment and not because of the message. It returns nil as soon as it
// can be, or errReleased when this process stops or stands aside.
func (r *running) hold(d delivery, because error, ready func() error) error {
	r.c.metrics.held.Inc()
	defer r.c.metrics.held.Dec()
	start := time.Now()
	r.c.often.error("commands of the bus are held", slog.Any("err", because))
	for {
		r.progress(d)
		if !r.wait(r.c.pause) {
			return errReleased
		}
		if because = ready(); because == nil {
			r.c.log.Info("commands of the bus go on", slog.Uint64("stream_seq", uint64(d.seq)), slog.Duration("took", time.Since(start)))
			return nil
		}
		if isIll(because) {
			r.illSince(start)
		}
	}
}

// wait waits for d; false: this process stops.
func (r *running) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.stopping:
		return false
	}
}

// turn waits until no earlier command of the enterprise waits in another
// partition, where those stand that were published while the queue had another
// number of partitions. An error is errReleased.
func (r *running) turn(d delivery, in incoming) error {
	if _, err := events.ParseEnterpriseID(in.origin.enterprise); err != nil {
		return nil //nolint:nilerr // what is of no enterprise has no order
	}
	ready := func() error {
		r.progress(d)
		ctx, cancel := context.WithTimeout(r.ctx, worksLimit)
		defer cancel()
		ahead, err := r.c.queue.Ahead(ctx, d.subject, d.seq)
		switch {
		case ahead:
			r.c.look() // there may be no partition any more that takes what is ahead
			return errNotItsTurn
		case errors.Is(err, eventstore.ErrNoStream):
			r.c.look()
		}
		return err
	}
	if err := ready(); err != nil {
		return r.hold(d, err, ready)
	}
	return nil
}

// errNotItsTurn says why a command waits that nothing is wrong with.
var errNotItsTurn = errors.New("an earlier command of the enterprise waits in another partition: the queue had another number of them")
