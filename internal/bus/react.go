package bus

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	// reactor is the actor of what follows from an event.
	reactor = "reaction"
	// reactorsAtOnce is how many enterprises are told of one change at a time.
	reactorsAtOnce = 8
	// lookLimit is how long one attempt to find out whom a change concerns, or to
	// revoke tokens, may take.
	lookLimit = 5 * time.Second
	// newerPause is how long a process keeps an event of a newer version of the
	// program before it gives it back, perhaps to a process of that version.
	newerPause = 2 * time.Minute
	// noteEvery is after how many events from which nothing follows the position is
	// kept.
	noteEvery = 1000
)

// Neighbours knows whom a change of a server concerns. It is
// readmodel.Directory.
type Neighbours interface {
	Neighbours(ctx context.Context, ent events.EnterpriseID, min events.Seq) (readmodel.Neighbours, error)
}

// Revoker ends tokens. It is access.Keeper.
type Revoker interface {
	RevokeAll(ctx context.Context, by access.Principal, ent events.EnterpriseID, until time.Time) (int, error)
}

// Orders carries out what follows from an event. It is command.Handler.
type Orders interface {
	Handle(ctx context.Context, req command.Request) (command.Receipt, error)
}

// Position keeps how far the log has been reacted to. It is
// eventstore.ReactionPosition.
type Position interface {
	Keep(ctx context.Context, seq events.Seq) error
}

// ReactionParts are what Reactions work on.
type ReactionParts struct {
	Orders     Orders
	Neighbours Neighbours
	Tokens     Revoker
	Lot        Lot
	Position   Position
	// Works returns nil when commands can be carried out in general. It is
	// eventstore.Commands.Works.
	Works func(context.Context) error
}

// Reactions are what follows from events (ADR 0026):
//
//   - When the server of an enterprise changes its hostname, address or version,
//     the peers of other enterprises that name it follow, and those of its own
//     peers whose other side is not of this deployment get a notice.
//   - When an enterprise was removed, the tokens that were issued for it until
//     then are revoked.
//
// Any number of processes may run them: the log hands one event after the other
// to one of them. An event is acknowledged when all that follows from it is
// settled: carried out, found to be done, or parked for somebody to decide about.
// What fails for one enterprise keeps no other from its own, nor the events
// behind; when nothing works, the event is held until it does, and so is one of
// a newer version of the program: what follows from it is not known here.
type Reactions struct {
	ReactionParts
	connect func(name string, opts ...nats.Option) (*nats.Conn, error)
	log     *slog.Logger
	often   *limited
	metrics reactionMetrics
	failing *failing
	codec   events.Codec
	now     func() time.Time
	pause   time.Duration // holdPause; tests have less
	newer   time.Duration // newerPause; tests have less
	passed  atomic.Uint64 // events from which nothing follows
}

// NewReactions returns what reacts to events. Run does so.
func NewReactions(parts ReactionParts, o Options) *Reactions {
	o = o.withDefaults()
	return &Reactions{
		ReactionParts: parts, connect: o.Connect,
		log: o.Logger, often: newLimited(o.Logger),
		metrics: newReactionMetrics(o.Metrics),
		failing: newFailing(time.Now),
		codec:   events.NewCodec(events.Default()),
		now:     time.Now,
		pause:   holdPause,
		newer:   newerPause,
	}
}

// react does what follows from the event in m; deliveries is how often it was
// delivered, this time included. nil: all is settled. Otherwise ctx has ended,
// and the event is to be delivered again: what was done is not done twice.
func (r *Reactions) react(ctx context.Context, m events.Message, deliveries uint64) error {
	rec, err := r.codec.Decode(m)
	switch {
	case err != nil:
		return r.unreadable(ctx, m, err)
	case !causes(rec.Event):
		if r.passed.Add(1)%noteEvery == 0 {
			r.note(ctx, m.Seq)
		}
		return nil
	}
	if e, ok := rec.Event.(events.EnterpriseServerChanged); ok {
		err = r.follow(ctx, rec, e, deliveries)
	} else {
		err = r.revoke(ctx, rec)
	}
	if err == nil {
		r.note(ctx, m.Seq)
	}
	return err
}

// note keeps the position. Without it, a consumer that is made in the place of a
// lost one begins earlier, and what was done is found to be done.
func (r *Reactions) note(ctx context.Context, seq events.Seq) {
	if err := r.Position.Keep(ctx, seq); err != nil && ctx.Err() == nil {
		r.often.warn("how far events have been reacted to could not be noted", slog.Uint64("stream_seq", uint64(seq)), slog.Any("err", err))
	}
}

// unreadable ends an event that cannot be read. Whoever may write to the log can
// write what is no event; it says nothing that could be followed, and what comes
// behind it must not wait. One that a newer version of the program can read is
// given back in a while.
func (r *Reactions) unreadable(ctx context.Context, m events.Message, because error) error {
	about := []slog.Attr{slog.String("enterprise", string(entOf(m))), slog.Uint64("stream_seq", uint64(m.Seq)), slog.Any("err", because)}
	var why *events.DecodeError
	if !errors.As(because, &why) || why.Kind == events.Malformed {
		r.metrics.ends.WithLabelValues(reactionUndecodable).Inc()
		r.often.error("nothing follows from an event that cannot be read", about...)
		return nil
	}
	r.metrics.held.Inc()
	defer r.metrics.held.Dec()
	r.often.error("an event of a newer version of the program is held, and all behind it wait: upgrade the projectors", about...)
	sleep(ctx, r.newer)
	return errReleased
}

// causes reports whether anything follows from events of this kind. Whatever a
// reaction leads to is about a peer and none of them, so that no reaction can
// cause another.
func causes(e events.Event) bool {
	switch e.(type) {
	case events.EnterpriseServerChanged, events.EnterpriseRemoved:
		return true
	}
	return false
}

func entOf(m events.Message) events.EnterpriseID {
	ent, _, _ := events.ParseSubject(m.Subject)
	return ent
}

// follow has everybody follow the server of an enterprise.
func (r *Reactions) follow(ctx context.Context, rec events.Recorded, e events.EnterpriseServerChanged, deliveries uint64) error {
	if identity(e.From) == identity(e.To) {
		return nil
	}
	// An event that was delivered again and again is suspected of bringing down
	// whoever reacts to it, unless something was in the way that explains it.
	suspect := deliveries >= maxDeliveries
	if suspect {
		waited, err := r.until(ctx, func() error { return r.works(ctx) })
		if err != nil {
			return err
		}
		suspect = !waited
	}
	var n readmodel.Neighbours
	waited, err := r.until(ctx, func() (err error) {
		inTime, cancel := context.WithTimeout(ctx, lookLimit)
		defer cancel()
		n, err = r.Neighbours.Neighbours(inTime, rec.Enterprise, rec.Seq)
		return err
	})
	if err != nil {
		return err
	}
	return r.settleAll(ctx, ordersOf(rec, e, n), suspect && !waited)
}

// revoke ends the tokens of an enterprise that was removed.
func (r *Reactions) revoke(ctx context.Context, rec events.Recorded) error {
	var revoked int
	_, err := r.until(ctx, func() (err error) {
		inTime, cancel := context.WithTimeout(ctx, lookLimit)
		defer cancel()
		by := access.Principal{Actor: reactor, Role: access.Admin}
		revoked, err = r.Tokens.RevokeAll(inTime, by, rec.Enterprise, rec.Time)
		return err
	})
	if err != nil {
		return err
	}
	end := reactionUnchanged
	if revoked > 0 {
		end = reactionRevoked
		r.log.Info("tokens of a removed enterprise revoked", slog.String("enterprise", string(rec.Enterprise)),
			slog.Uint64("stream_seq", uint64(rec.Seq)), slog.Int("tokens", revoked))
	}
	r.metrics.ends.WithLabelValues(end).Inc()
	return nil
}

// until does do again and again until it works. waited: it did not at first. The
// error is that of ctx.
func (r *Reactions) until(ctx context.Context, do func() error) (waited bool, err error) {
	because := do()
	if because == nil {
		return false, nil
	}
	r.metrics.held.Inc()
	defer r.metrics.held.Dec()
	for because != nil {
		if ctx.Err() != nil || !sleep(ctx, r.pause) {
			return true, errReleased
		}
		r.often.warn("a reaction is held: it cannot be settled now", slog.Any("err", because))
		because = do()
	}
	return true, nil
}

// works returns nil when commands can be carried out in general.
func (r *Reactions) works(ctx context.Context) error {
	inTime, cancel := context.WithTimeout(ctx, worksLimit)
	defer cancel()
	return r.Works(inTime)
}

// released reports whether err says that this process stops.
func released(err error) bool { return errors.Is(err, errReleased) }
