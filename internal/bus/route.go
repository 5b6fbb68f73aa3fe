package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	watermillnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/eventstore"
)

// routing is what a route is made of.
type routing struct {
	name        string // of the connection
	group       string // that shares what is delivered
	unmarshaler watermillnats.Unmarshaler
	log         *slog.Logger
	often       *limited
}

// route is a router that follows deliver subjects on a connection of its own. Its
// topics are deliver subjects.
type route struct {
	routing
	nc         *nats.Conn
	subscriber *watermillnats.Subscriber
	router     *message.Router
	stopping   chan struct{} // closed when no more is taken
	closed     chan struct{} // closed when the connection is
	ended      chan error    // the end of the router
	refused    chan struct{} // holds one element when the server refused a subscription
	work       group         // what is handled
	cancel     context.CancelFunc
	//nolint:containedctx // the router's, which outlives the start of further handlers
	ctx context.Context
}

// newRoute connects and makes the router. Middleware and handlers come next, and
// then open.
func newRoute(connect func(string, ...nats.Option) (*nats.Conn, error), w routing) (*route, error) {
	r := &route{routing: w, stopping: make(chan struct{}), closed: make(chan struct{}), ended: make(chan error, 1), refused: make(chan struct{}, 1)}
	var once sync.Once
	nc, err := connect(w.name,
		nats.DrainTimeout(drainTimeout),
		nats.ClosedHandler(func(*nats.Conn) { once.Do(func() { close(r.closed) }) }),
		nats.ErrorHandler(r.trouble),
	)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	r.nc = nc
	if err := r.prepare(); err != nil {
		nc.Close()
		return nil, err
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

func (r *route) prepare() error {
	logger := routerLogger{r.log, r.stopping}
	var err error
	r.subscriber, err = watermillnats.NewSubscriberWithNatsConn(r.nc, watermillnats.SubscriberSubscriptionConfig{
		Unmarshaler:      r.unmarshaler,
		SubscribersCount: 1,
		AckWaitTimeout:   unlimited, // the server counts it
		CloseTimeout:     closeTimeout,
		SubjectCalculator: func(_, topic string) *watermillnats.SubjectDetail {
			return &watermillnats.SubjectDetail{Primary: topic, QueueGroup: r.group}
		},
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
	return nil
}

// on has do handle what is delivered on a subject.
func (r *route) on(subject string, do message.NoPublishHandlerFunc) {
	r.router.AddConsumerHandler(subject, subject, r.subscriber, do)
}

// open begins to follow the subjects. After an error nothing is left of r.
func (r *route) open() error {
	go func() { r.ended <- r.router.Run(r.ctx) }()
	select {
	case <-r.router.Running():
		return nil
	case err := <-r.ended:
		r.cancel()
		r.nc.Close()
		return fmt.Errorf("bus: router: %w", err)
	}
}

// tellProgress tells the server that what it delivered is being worked on, so that
// it is not handed to somebody else for another eventstore.AckWait.
func (r *route) tellProgress(reply string) error { return r.nc.Publish(reply, []byte("+WPI")) }

// stop ends the subscriptions, waits for what was delivered, and then ends the
// router. So a message that takes long holds no other subject of this process.
func (r *route) stop() {
	close(r.stopping)
	if err := r.nc.Drain(); err != nil {
		r.nc.Close()
	}
	<-r.closed
	// Draining waits for what is handled, unless the connection is lost just now.
	if !r.work.within(drainTimeout) {
		r.log.Warn("messages of the bus did not end in time", slog.String("connection", r.name))
	}
	r.cancel()
	if err := r.router.Close(); err != nil {
		r.log.Debug("router of the bus", slog.Any("err", err))
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

// refusedPause is how long after the server refused a subscription everything is
// begun anew: nothing else brings back what was refused for a while.
const refusedPause = 5 * time.Second

// isRefused reports whether err says that the server refused a subscription, or
// took it away, on a subject that begins with root.
func isRefused(err error, root string) bool {
	return errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), "Subscription to \""+root)
}

// signal puts an element into ch unless there is one, after d.
func signal(ch chan<- struct{}, d time.Duration) {
	time.AfterFunc(d, func() {
		select {
		case ch <- struct{}{}:
		default:
		}
	})
}

// trouble logs what goes wrong on the connection. Headers that cannot be read
// are not: whoever sends a message makes them, and it is dealt with.
func (r *route) trouble(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrBadHeaderMsg) {
		return
	}
	if isRefused(err, eventstore.DeliverRoot) {
		signal(r.refused, refusedPause)
	}
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	r.often.warn("trouble on the connection of the bus", slog.String("subject", subject), slog.Any("err", err))
}
