package app

import (
	"context"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// reactionPatience is how long an event may be worked on before somebody should
// look: a thousand enterprises follow a server in a few seconds.
const reactionPatience = 30 * time.Second

// follower says how the reactions get on. It is eventstore.ReactionPosition.
type follower interface {
	Following(ctx context.Context) (f eventstore.Following, ok bool, err error)
}

// reacted remembers since when the reactions have not got on, for the one check
// that asks.
type reacted struct {
	settled events.Seq
	since   time.Time // zero: nothing waits
}

// checkReactions says whether what happens in one enterprise reaches the others.
func (p *process) checkReactions(ctx context.Context) finding {
	b, ok := p.bus.now()
	if !ok {
		return red("the streams of the bus are not there yet")
	}
	return p.reacted.find(ctx, b.position, time.Now())
}

func (s *reacted) find(ctx context.Context, of follower, now time.Time) finding {
	f, ok, err := of.Following(ctx)
	switch {
	case err != nil:
		return red("%v", err)
	case !ok:
		return red("the consumer %s of %s is gone: nothing is reacted to until an api has made it again, within a minute",
			eventstore.ReactionsConsumer, events.Stream)
	case !f.Followed:
		return red("nobody follows: %d events wait since event %d", f.Waiting, f.Settled)
	case f.Waiting == 0:
		*s = reacted{}
		return green("all events have been reacted to")
	case s.since.IsZero(), s.settled != f.Settled:
		*s = reacted{f.Settled, now}
	}
	text := "%d events wait; settled up to event %d"
	if now.Sub(s.since) > reactionPatience {
		return red(text+" and no further since %s: the log of the projectors tells more", f.Waiting, f.Settled, s.since.UTC().Format(time.RFC3339))
	}
	return green(text, f.Waiting, f.Settled)
}
