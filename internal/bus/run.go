package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	watermillnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"

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
var errEnded = errors.New("bus: the commands are not followed any more")

// Run carries out commands until ctx ends. Then it takes no more of them at once,
// finishes what it was delivered, and returns nil; what is held goes to another
// process. partitions is how many the queue has; when Tend finds more, they are
// followed too.
//
// An error means that the connection could not be made, or that it or the router
// ended by itself. Trying again may help.
func (c *Commands) Run(ctx context.Context, partitions int) error {
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
		case <-r.closed:
			r.stop()
			return fmt.Errorf("%w: the connection is closed", errEnded)
		case err := <-r.ended:
			r.stop()
			return fmt.Errorf("%w: the router ended: %w", errEnded, err)
		}
	}
}

// running is a router that follows the partitions on a connection of its own.
type running struct {
	c          *Commands
	nc         *nats.Conn
	subscriber *watermillnats.Subscriber
	router     *message.Router
	partitions int           // that are followed
	stopping   chan struct{} // closed when no more is taken
	closed     chan struct{} // closed when the connection is
	ended      chan error    // the end of the router
	work       group         // what is handled
	cancel     context.CancelFunc
	//nolint:containedctx // the router's, which outlives the start of further handlers
	ctx context.Context
}

func (c *Commands) start(partitions int) (*running, error) {
	r := &running{c: c, stopping: make(chan struct{}), closed: make(chan struct{}), ended: make(chan error, 1)}
	var once sync.Once
	nc, err := c.connect("bus commands",
		nats.DrainTimeout(drainTimeout),
		nats.ClosedHandler(func(*nats.Conn) { once.Do(func() { close(r.closed) }) }),
		nats.ErrorHandler(c.trouble),
	)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	r.nc = nc
	if err := r.open(partitions); err != nil {
		nc.Close()
		return nil, err
	}
	return r, nil
}

func (r *running) open(partitions int) error {
	logger := routerLogger{r.c.log, r.stopping}
	var err error
	r.subscriber, err = watermillnats.NewSubscriberWithNatsConn(r.nc, watermillnats.SubscriberSubscriptionConfig{
		Unmarshaler:       unmarshaler{},
		SubscribersCount:  1,
		AckWaitTimeout:    unlimited, // the server counts it
		CloseTimeout:      closeTimeout,
		SubjectCalculator: deliverySubject,
		// Plain subscriptions on the deliver subjects: ADR 0024.
		JetStream: watermillnats.JetStreamConfig{Disabled: true},
	}, logger)
	if err != nil {
		return fmt.Errorf("bus: subscriber: %w", err)
	}
	r.router, err = message.NewRouter(message.RouterConfig{CloseTimeout: closeTimeout}, logger)
	if err != nil {
		return fmt.Errorf("bus: router: %w", err)
	}
	r.router.AddMiddleware(r.c.middleware(r)...)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.add(partitions)
	go func() { r.ended <- r.router.Run(r.ctx) }()
	select {
	case <-r.router.Running():
	case err := <-r.ended:
		r.cancel()
		return fmt.Errorf("bus: router: %w", err)
	}
	return nil
}

// deliverySubject is where the messages of a topic come from: a topic is a
// deliver subject.
func deliverySubject(_, topic string) *watermillnats.SubjectDetail {
	return &watermillnats.SubjectDetail{Primary: topic, QueueGroup: eventstore.CommandGroup}
}

// add makes the handlers of the partitions that have none yet.
func (r *running) add(partitions int) {
	for p := r.partitions; p < partitions; p++ {
		topic := eventstore.CommandDelivery(p)
		r.router.AddConsumerHandler(topic, topic, r.subscriber, r.handle)
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

// stop ends the subscriptions, waits for what was delivered, and then ends the
// router. So a command that takes long holds no other partition of this process.
func (r *running) stop() {
	close(r.stopping)
	if err := r.nc.Drain(); err != nil {
		r.nc.Close()
	}
	<-r.closed
	// Draining waits for what is handled, unless the connection is lost just now.
	if !r.work.within(drainTimeout) {
		r.c.log.Warn("commands of the bus did not end in time")
	}
	r.cancel()
	if err := r.router.Close(); err != nil {
		r.c.log.Debug("router of the bus", slog.Any("err", err))
	}
}

// group counts what is under way.
type group struct{ sync.WaitGroup }

// within waits until nothing is under way, at most d; false: something still is.
func (g *group) within(d time.Duration) bool {
	done := make(chan struct{})
	go func() {
		g.Wait()
		close(done)
	}()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// trouble logs what goes wrong on the connection. Headers that cannot be read
// are not: whoever sends a command makes them, and the command is parked.
func (c *Commands) trouble(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrBadHeaderMsg) {
		return
	}
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	c.often.warn("trouble on the connection of the bus", slog.String("subject", subject), slog.Any("err", err))
}

var _ watermillnats.Unmarshaler = unmarshaler{}
