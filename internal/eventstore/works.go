package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peering/peering/internal/events"
)

const (
	// worksTimeout is how long the leaders may take to say that they are there.
	worksTimeout = 1500 * time.Millisecond
	// fullPercent is how much of its limit a stream uses that has no room for the
	// next event.
	fullPercent = 99
)

// Works asks the leaders of the log, the outcomes, the queue and the parked
// commands, and writes beside them. It returns nil when commands can be carried
// out: when they fail all the same, it is because of the command or its
// enterprise. The error names the stream and wraps ErrFull when the log or the
// outcomes have no room, ErrNoStream when one is gone, else ErrUnavailable. It
// ends within two seconds.
func (c *Commands) Works(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, worksTimeout, ErrUnavailable)
	defer cancel()
	asks := []func() error{
		func() error { return c.works(ctx, events.Stream, true) },
		func() error { return c.works(ctx, OutcomesStream, true) },
		func() error { return c.works(ctx, CommandsStream, false) },
		func() error { return c.works(ctx, ParkedStream, false) },
		func() error { return c.health.Canary(ctx) },
	}
	answers := make(chan error, len(asks))
	for _, ask := range asks {
		go func() { answers <- ask() }()
	}
	var all []error
	for range asks {
		all = append(all, <-answers)
	}
	return errors.Join(all...)
}

// works reports what keeps a stream from its work.
func (c *Commands) works(ctx context.Context, stream string, needsRoom bool) error {
	st, err := wire{nc: c.nc, stream: stream}.state(ctx)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	if most := st.Config.MaxBytes; needsRoom && most > 0 && int64(st.State.Bytes) >= most/100*fullPercent {
		return fmt.Errorf("stream %s: %w: %d of %d bytes are used", stream, ErrFull, st.State.Bytes, most)
	}
	return nil
}
