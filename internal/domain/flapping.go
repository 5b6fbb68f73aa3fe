package domain

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/peering/peering/internal/events"
)

// flapping is what was said when the peer began to flap, and since when the
// raw verdict has stayed on one side.
type flapping struct {
	said  verdict
	quiet time.Time
}

// flaps is what is said of a peer that changed so often in so short a time,
// last to the verdict v.
func flaps(v verdict, times int, within time.Duration) verdict {
	last := "it answered"
	if v.side() == failing {
		last = "it did not answer: " + strings.TrimSuffix(cmp.Or(v.cause.Message, v.cause.Code), ".")
	}
	return verdict{events.StatusDegraded, events.Cause{
		Layer: events.LayerPolicy, Code: CauseFlapping,
		Message: fmt.Sprintf("The peer went between answering and not answering %d times within %s; last, %s.", times, spell(within), last),
	}, v.since}
}

// calm reports whether a flapping peer has stayed on one side for long enough,
// and the latest probe found it there: another one may be about to change that.
func (j Judgement) calm(r JudgeRules, at time.Time) bool {
	side := j.raw.side()
	return side != undecided && j.streak.failing == (side == failing) && at.Sub(j.flap.quiet) >= r.FlapQuiet
}

// Flips reports whether an event about a peer of which the log said c before is
// a change between answering and not. That it is flapping now was one; that it
// is not any more is none, whatever it is instead.
func Flips(c events.Connection, e events.PeerStatusChanged) bool {
	before, after := verdict{status: c.Status, cause: c.Cause}, verdict{status: e.To, cause: e.Cause}
	switch {
	case before.is(events.StatusDegraded, CauseFlapping):
		return false
	case after.is(events.StatusDegraded, CauseFlapping):
		return true
	}
	return before.side() != after.side() && before.side() != undecided && after.side() != undecided
}

// crowded reports whether the last FlapChanges of times lie within a FlapWindow
// before at.
func (r JudgeRules) crowded(times []time.Time, at time.Time) bool {
	n := len(times) - r.FlapChanges
	return r.FlapChanges > 0 && n >= 0 && at.Sub(times[n]) <= r.FlapWindow
}

// remember returns times with at behind the latest of them. It never writes to
// times: an earlier judgement may hold them.
func (r JudgeRules) remember(times []time.Time, at time.Time) []time.Time {
	if r.FlapChanges < 1 {
		return nil
	}
	rest := times[max(0, len(times)-r.FlapChanges+1):]
	return append(append(make([]time.Time, 0, len(rest)+1), rest...), at)
}
