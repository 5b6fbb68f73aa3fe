package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

const (
	// budget is how long a command may take until its append; with what comes
	// after it, it ends clearly within five seconds.
	budget = 4500 * time.Millisecond
	// settleBudget is what keeping the outcome gets on top, so that an append at
	// the last moment does not end without one.
	settleBudget = 500 * time.Millisecond
	// defaultCache holds about 60,000 peers.
	defaultCache = 64 << 20
)

// Options are what a Handler may be given. The zero value works.
type Options struct {
	Now     func() time.Time      // the clock of accepted commands; time.Now
	NewID   func() string         // a fresh id; UUIDs of version 7
	Logger  *slog.Logger          // nothing is logged without one
	Metrics prometheus.Registerer // nothing is measured without one
	// CacheBytes bounds the states that are kept in memory; 0: 64 MiB.
	CacheBytes int
}

// Handler runs the write loop. It is safe for concurrent use, and any number of
// processes may run one on the same log: the log's expectation is what keeps
// them apart (ADR 0004).
//
// The promise about command ids (ADR 0005) rests on this order of steps:
//
//  1. What the log says of an id wins. An id in the fold's memory is answered
//     from there, and its outcome kept if a crash prevented that.
//  2. Whoever accepts looks for an outcome after loading the state and before
//     the append, in every attempt anew. So a rejection that was kept before
//     the state was loaded keeps a later state from accepting the same id.
//  3. Whoever refuses has compared the state with the end of the log before,
//     keeps the refusal, and compares again: an acceptance that got there in
//     between is answered instead.
//  4. After the append the outcome is kept before anybody is answered. If it
//     cannot be, the caller gets ErrUnavailable and repeats: step 1.
//
// One window is left: two processes work on one id at once, they judge
// differently, and the append of one is under way while the other keeps its
// refusal and looks at the log for the second time. The log then wins in every
// later answer, and the contradiction is logged as an error.
type Handler struct {
	store     eventstore.Store
	outcomes  eventstore.Outcomes
	snapshots eventstore.Snapshots
	now       func() time.Time
	newID     func() string
	log       *slog.Logger
	metrics   *metrics
	cache     *cache
	due       chan events.EnterpriseID // snapshots to write
}

// New returns a Handler. Run should run beside it: it writes the snapshots.
func New(store eventstore.Store, outcomes eventstore.Outcomes, snapshots eventstore.Snapshots, opts Options) *Handler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.NewID == nil {
		opts.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.CacheBytes <= 0 {
		opts.CacheBytes = defaultCache
	}
	return &Handler{
		store: store, outcomes: outcomes, snapshots: snapshots,
		now: opts.Now, newID: opts.NewID, log: opts.Logger,
		metrics: newMetrics(opts.Metrics),
		cache:   newCache(opts.CacheBytes),
		due:     make(chan events.EnterpriseID, snapshotQueue),
	}
}

// Handle runs a command and returns its receipt once its events are durable; or
// says what it would come to, if it is a dry run. It ends within five seconds.
// The error is one of these:
//
//   - *domain.Error: refused, nothing was changed. With an id, the refusal is
//     remembered and every repeat gets it; unless it is because of what travels
//     with the command (IfRevision, Reason and the like), which a repeat may
//     put right.
//   - wrapping eventstore.ErrFull: nothing was written.
//   - wrapping ErrUnavailable: perhaps in effect. With an id, repeat the call
//     to learn what became of it.
//   - wrapping ctx's error: the caller gave up; perhaps in effect.
func (h *Handler) Handle(ctx context.Context, req Request) (Receipt, error) {
	start := time.Now()
	r, err := h.handle(ctx, req)
	h.metrics.handled(req, err, time.Since(start))
	return r, err
}

func (h *Handler) handle(ctx context.Context, req Request) (Receipt, error) {
	o, err := newOrder(req, h.newID)
	if err != nil {
		return Receipt{}, err
	}
	inTime, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	e, err := h.cache.acquire(inTime, o.Enterprise)
	if err != nil {
		return Receipt{}, unavailable(ctx, o, fmt.Errorf("waiting for earlier commands: %w", err))
	}
	defer h.release(e)
	if o.DryRun {
		r, err := h.tryOut(inTime, e, o)
		return r, unavailable(ctx, o, err)
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = time.Millisecond, 100*time.Millisecond
	for {
		r, err := h.attempt(inTime, e, o)
		var conflict *eventstore.ConflictError
		if !errors.As(err, &conflict) {
			return r, unavailable(ctx, o, err)
		}
		h.metrics.conflicts.Inc()
		e.shared = sharing
		if err := sleep(inTime, pauses.NextBackOff()); err != nil {
			return Receipt{}, unavailable(ctx, o, fmt.Errorf("%w, and again until the end of the time: %w", conflict, err))
		}
	}
}

// attempt decides on what is known of the enterprise and appends. A
// *eventstore.ConflictError means: not done, somebody else was faster.
func (h *Handler) attempt(ctx context.Context, e *entry, o *order) (Receipt, error) {
	fresh, err := h.ensure(ctx, e)
	for err == nil {
		if c, ok := o.remembered(e.state); ok {
			return h.recall(ctx, o, c)
		}
		now := h.now().UTC().Truncate(time.Microsecond)
		d, refusal := o.decide(e.state, now)
		earlier, found, findErr := h.find(ctx, o)
		if findErr != nil {
			return Receipt{}, findErr
		}
		if !found && refusal == nil && len(d.Events) > 0 {
			return h.append(ctx, e, o, d, now)
		}
		if !fresh { // what is about to be said holds for the newest state only
			var moved bool
			moved, err = h.refresh(ctx, e)
			fresh = true
			if moved || err != nil {
				continue
			}
		}
		switch {
		case found:
			return o.replay(earlier)
		case refusal != nil:
			return h.conclude(ctx, e, o, o.rejected(refusal, now))
		}
		return h.conclude(ctx, e, o, o.accepted(d, e.state.Seq(), now))
	}
	return Receipt{}, err
}

// append stores the events of d and settles the order.
func (h *Handler) append(ctx context.Context, e *entry, o *order, d domain.Decision, now time.Time) (Receipt, error) {
	if err := ctx.Err(); err != nil {
		return Receipt{}, err
	}
	evs := o.envelopes(d, now)
	storing, cancel := finishing(ctx, 0)
	defer cancel()
	last, err := h.store.Append(storing, o.subject(), e.state.Seq(), evs...)
	if err != nil {
		e.behind = true
		return Receipt{}, err
	}
	h.advance(e, o.subject(), last, evs)
	return h.settle(ctx, o, o.accepted(d, last, now))
}

// finishing is ctx without its cancellation: a caller that goes away does not
// leave an append or an outcome in the air. Its deadline holds, and extra.
func finishing(ctx context.Context, extra time.Duration) (context.Context, context.CancelFunc) {
	deadline, _ := ctx.Deadline() // budget has set one
	return context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(extra))
}

// unavailable sorts the errors that are no answer: the caller's own context, the
// full log, and all others. caller is the context that Handle was given.
func unavailable(caller context.Context, o *order, err error) error {
	var refusal *domain.Error
	switch {
	case err == nil || errors.As(err, &refusal):
		return err
	case errors.Is(err, eventstore.ErrFull):
		return fmt.Errorf("command: %s of %s: %w", o.Command.Name(), o.Enterprise, err)
	case gaveUp(caller) != nil:
		return fmt.Errorf("command: %s of %s: %w", o.Command.Name(), o.Enterprise, gaveUp(caller))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		// The caller's context is well: ours has ended, and that is no news to it.
		return fmt.Errorf("%w: %s of %s: %v", ErrUnavailable, o.Command.Name(), o.Enterprise, err) //nolint:errorlint // see above
	}
	return fmt.Errorf("%w: %s of %s: %w", ErrUnavailable, o.Command.Name(), o.Enterprise, err)
}

// gaveUp is ctx.Err, also in the moment in which the deadline has passed and
// its timer has not yet fired.
func gaveUp(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
