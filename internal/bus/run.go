package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/peering/peering/internal/eventstore"
)

const (
	// drainTimeout is how long a process that stops waits for what it was
	// delivered: the attempts at a command, and parking it.
	drainTimeout = handlerLimit + secondTry + 2*worksLimit + parkLimit
	// closeTimeout is what the libraries get for closing after that.
	closeTimeout = 2 * time.Second
	// unlimited stands where a library must be given a time and none is wanted.
	unlimited = 365 * 24 * time.Hour
)

// errEnded says that the router or its connection ended and nobody asked for it.
var errEnded = errors.New("bus: not followed any more")

// errRefused says that the server refused a subscription. The connection stays as
// it is then, and the subscription is dead, also when the right is given back.
var errRefused = errors.New("the server refused a subscription: see the permissions of this user")

// Run carries out commands until ctx ends. Then it takes no more of them at once,
// finishes what it was delivered, and returns nil; what is held goes to another
// process. partitions is how many the queue has; when Tend finds or has found
// more, they are followed too. When this process reaches nothing for a while, as
// after a partial loss of the network, it gives back what it was delivered and
// takes no more until it can carry it out.
//
// An error means that the connection could not be made, that it or the router
// ended by itself, or that the server refuses a partition. Trying again may help.
func (c *Commands) Run(ctx context.Context, partitions int) error {
	for {
		err := c.run(ctx, partitions)
		if !errors.Is(err, errUnfit) {
			return err
		}
		if !c.standAside(ctx) {
			return nil
		}
	}
}

// errUnfit says that this process reaches nothing.
var errUnfit = errors.New("bus: this process reaches nothing")

// run is Run until this process is found unfit, which is errUnfit.
func (c *Commands) run(ctx context.Context, partitions int) error {
	partitions = max(partitions, int(c.found.Load()))
	r, err := c.start(partitions)
	if err != nil {
		return err
	}
	c.log.Info("commands of the bus are followed", slog.Int("partitions", partitions))
	for {
		select {
		case <-ctx.Done():
			r.stop()
			return nil
		case more := <-c.wanted:
			if err := r.follow(more); err != nil {
				r.stop()
				return err
			}
		case <-r.unfit:
			r.stop()
			return errUnfit
		case <-r.closed:
			r.stop()
			return fmt.Errorf("%w: the connection is closed", errEnded)
		case err := <-r.ended:
			r.stop()
			return fmt.Errorf("%w: the router ended: %w", errEnded, err)
		case <-r.refused:
			r.stop()
			return fmt.Errorf("%w: %w", errEnded, errRefused)
		}
	}
}

// running follows the partitions.
type running struct {
	*route
	c          *Commands
	partitions int           // that are followed
	unfit      chan struct{} // holds one element when this process is to stand aside
}

func (c *Commands) start(partitions int) (*running, error) {
	via, err := newRoute(c.connect, routing{
		name: "bus commands", group: eventstore.CommandGroup, unmarshaler: unmarshaler{}, log: c.log, often: c.often,
	})
	if err != nil {
		return nil, err
	}
	r := &running{route: via, c: c, unfit: make(chan struct{}, 1)}
	r.router.AddMiddleware(c.middleware(r)...)
	r.add(partitions)
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// add makes the handlers of the partitions that have none yet.
func (r *running) add(partitions int) {
	for p := r.partitions; p < partitions; p++ {
		topic := eventstore.CommandDelivery(p)
		r.on(topic, r.handle)
	}
	r.partitions = max(r.partitions, partitions)
}

// follow follows further partitions.
func (r *running) follow(partitions int) error {
	if partitions <= r.partitions {
		return nil
	}
	r.c.log.Info("the queue has more partitions", slog.Int("partitions", partitions), slog.Int("before", r.partitions))
	r.add(partitions)
	if err := r.router.RunHandlers(r.ctx); err != nil {
		return fmt.Errorf("bus: further partitions: %w", err)
	}
	return nil
}
