package prober

import (
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/probe"
)

// unwatchedAfter is how many intervals nobody may have probed before that has to
// be in the log: a status of which nobody knew whether it held is no uptime.
const unwatchedAfter = 4

// nobodyProbed notes since when no prober was there before this one got its
// lease, when that is long ago. It is called when the peers are shared out, and
// others that are there have probed.
func (p *Prober) nobodyProbed(live []string, leased time.Time) {
	p.unwatchedSince = time.Time{}
	last := p.roster.lastHeard()
	if len(live) == 1 && !last.IsZero() && leased.Sub(last) > unwatchedAfter*p.o.Interval {
		p.unwatchedSince = micro(last)
		p.log.Warn("nobody probed for a time; the status of peers was unknown since", "since", p.unwatchedSince)
	}
}

// unwatched is the event that nobody knew how a peer was, when that was so and
// the log does not say it. The peer is judged anew then.
func (p *Prober) unwatched(known *peer, t *Target, res *probe.Result) []events.Event {
	since := known.unwatched
	before := t.Connection
	if since.IsZero() || before.Status == events.StatusUnknown || since.Before(before.Since) {
		return nil
	}
	cause := events.Cause{Layer: events.LayerPolicy, Code: domain.CauseNotProbed, Message: "No prober was running."}
	nobody := &domain.Change{To: events.StatusUnknown, Cause: cause, Since: since}
	t.Connection.Status, t.Connection.Cause, t.Connection.Since = nobody.To, nobody.Cause, nobody.Since
	judgement := domain.NewJudgement(t.Connection, t.Flips)
	known.judging = &judgement // the log does not say so yet
	return []events.Event{changeOf(t, before.Status, res, nobody)}
}
