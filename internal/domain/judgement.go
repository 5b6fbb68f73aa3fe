package domain

import (
	"cmp"
	"slices"
	"time"

	"github.com/peering/peering/internal/events"
)

// JudgeRules are the numbers of the judgement. Fall and Rise below 1 count as
// 1; FlapChanges below 1 switches off all damping.
type JudgeRules struct {
	Fall, Rise      int           // failures in a row until down, successes until up
	CertificateDays int           // so many days left, or fewer: degraded
	FlapChanges     int           // changes between answering and not within FlapWindow: flapping
	FlapWindow      time.Duration // see FlapChanges
	FlapQuiet       time.Duration // without a change: not flapping any more
}

// DefaultJudgeRules returns the numbers that are used where nothing else is
// configured.
func DefaultJudgeRules() JudgeRules {
	return JudgeRules{
		Fall: 3, Rise: 2, CertificateDays: 21,
		FlapChanges: 5, FlapWindow: 15 * time.Minute, FlapQuiet: 10 * time.Minute,
	}
}

// The codes of the causes in the layer policy that are decided here.
const (
	CauseFlapping       = "flapping"
	CauseProberIsolated = "prober_isolated"
)

// quickProbes is how many probes in quick succession a peer without a verdict
// is worth: one that keeps changing would be probed without end.
const quickProbes = 6

// Finding is what one probe found, in the terms of the rules.
type Finding struct {
	Started   time.Time      // when the probe began
	Failure   events.Cause   // zero: the peer answered on every layer
	Attention []events.Cause // of a peer that answered, worst first; see JudgeRules.Attention
	ByHand    bool           // somebody asked for it
}

// clears reports whether somebody asked and the peer answered: that settles it.
func (f Finding) clears() bool { return f.ByHand && f.Failure == events.Cause{} }

func (f Finding) verdict() verdict {
	switch {
	case f.Failure != events.Cause{}:
		return verdict{status: events.StatusDown, cause: f.Failure}
	case len(f.Attention) > 0 && f.Attention[0] != events.Cause{}:
		return verdict{status: events.StatusDegraded, cause: f.Attention[0]}
	}
	return verdict{status: events.StatusUp}
}

// Change is a transition worth an event. Since is when the first of the probes
// that led to it began.
type Change struct {
	To    events.Status
	Cause events.Cause
	Since time.Time
}

// Judgement is what is thought of one peer: what stands in the log and what has
// been seen since. It is a small value, never changed in place: whoever cannot
// append the event of a change goes on with the judgement from before it, and
// the next probe leads to the change again. Make one with NewJudgement.
//
// Three things hold the number of changes down, whatever is observed. A status
// needs several probes in a row. A peer that keeps going between answering and
// not is flapping, one status for all of that. And of changes that leave it
// answering, or leave it down, and only say why anew, no more than FlapChanges
// are reported in a FlapWindow; what is held back is reported later, if it is
// still so.
type Judgement struct {
	raw    verdict   // what the probes say
	flap   *flapping // what is said instead while the peer is flapping
	streak streak
	last   time.Time   // when the last probe that counted began
	flips  []time.Time // of raw, between answering and not; the latest FlapChanges
	minor  []time.Time // reported changes of why; the latest FlapChanges
	quick  uint8       // probes seen while settling
}

// verdict is a status and what it is about.
type verdict struct {
	status events.Status
	cause  events.Cause
	since  time.Time
}

// NewJudgement returns the judgement of a peer of which the log says c, before
// anything else is seen of it. changes are when the latest changes between
// answering and not were found (ProbeStarted of the events that are Flips),
// oldest first; FlapChanges of them are enough.
func NewJudgement(c events.Connection, changes []time.Time) Judgement {
	j := Judgement{
		raw:   verdict{cmp.Or(c.Status, events.StatusUnknown), c.Cause, c.Since},
		flips: slices.Clone(changes),
	}
	if j.raw.is(events.StatusDegraded, CauseFlapping) {
		j.flap = &flapping{said: j.raw}
		j.raw = verdict{status: events.StatusUnknown, since: c.Since} // the log does not say which side it was on
	}
	return j
}

// Status is the status as reported.
func (j Judgement) Status() events.Status { return j.said().status }

// Cause is the cause as reported.
func (j Judgement) Cause() events.Cause { return j.said().cause }

// Since is when the reported status began.
func (j Judgement) Since() time.Time { return j.said().since }

// Settling reports whether there is no verdict yet, so that the peer is worth
// probing again at once; a few times only. While the prober suspects itself,
// that holds only of a peer that has answered again.
func (j Judgement) Settling() bool {
	if j.Status() != events.StatusUnknown || j.quick >= quickProbes {
		return false
	}
	return !j.isolated() || j.streak.length > 0 && !j.streak.failing
}

// Rests reports whether everything that matters of the judgement follows from what
// the log says, as NewJudgement takes it: it may be forgotten, and made from that
// again for the next probe. Nearly all peers are so nearly all the time.
func (j Judgement) Rests(c events.Connection, changes []time.Time) bool {
	same := func(a, b time.Time) bool { return a.Truncate(time.Microsecond).Equal(b.Truncate(time.Microsecond)) }
	said := verdict{status: c.Status, cause: c.Cause}
	return j.flap == nil && len(j.minor) == 0 && !j.Settling() &&
		j.raw.status == said.status && j.raw.cause == said.cause && same(j.raw.since, c.Since) &&
		slices.EqualFunc(j.flips, changes, same) && j.streak.confirms(j.raw)
}

// Observe returns the judgement after one more probe, and the change when it
// led to one. A probe that did not begin after the last one changes nothing,
// and nothing is ever reported of a peer that is not probed.
func (j Judgement) Observe(r JudgeRules, f Finding) (Judgement, *Change) {
	if !j.probed() || !f.Started.After(j.last) {
		return j, nil
	}
	if j.Settling() {
		j.quick++
	}
	found, before := f.verdict(), j.Since()
	j.last, j.streak = f.Started, j.streak.and(found, f.Started)

	var change *Change
	if since, turned := j.turned(r, f, found); turned {
		found.since = since
		j, change = j.turn(r, f, found)
	}
	if j.flap != nil && (f.clears() || j.calm(r, f.Started)) {
		j.flap = nil
		change = j.change()
	}
	return j.sinceAtLeast(before, change)
}

// sinceAtLeast has a change, and the judgement after it, begin no earlier than what
// was said before, as events.Connection has it: clocks may differ.
func (j Judgement) sinceAtLeast(before time.Time, c *Change) (Judgement, *Change) {
	switch {
	case c == nil || !c.Since.Before(before):
		return j, c
	case j.flap != nil:
		flap := *j.flap
		flap.said.since = before
		j.flap = &flap
	default:
		j.raw.since = before
	}
	return j, &Change{To: c.To, Cause: c.Cause, Since: before}
}

// Isolate returns the judgement of a peer whose prober suspects itself from at
// on, and the change, nil when that was known. What failed before counts no
// more, at repeated calls too: while they come, failures never make it down.
// Probes that began before at are passed over.
//
// A prober that suspects itself again and again does not report it each time:
// that is bounded as changes of cause are.
func (j Judgement) Isolate(r JudgeRules, at time.Time) (Judgement, *Change) {
	if !j.probed() {
		return j, nil
	}
	if at.After(j.last) {
		j.last = at
	}
	if j.isolated() || r.crowded(j.minor, j.last) {
		if j.streak.failing {
			j.streak = streak{}
		}
		return j, nil
	}
	before := j.Since()
	j.minor = r.remember(j.minor, j.last)
	j.raw = verdict{events.StatusUnknown, events.Cause{
		Layer: events.LayerPolicy, Code: CauseProberIsolated,
		Message: "Most peers stopped answering the prober at the same time, so it may be the prober that is cut off.",
	}, at}
	j.flap, j.streak, j.quick = nil, streak{}, 0
	return j.sinceAtLeast(before, j.change())
}

// turned reports whether the raw verdict is another one after this finding, and
// since when.
func (j Judgement) turned(r JudgeRules, f Finding, found verdict) (since time.Time, turned bool) {
	need := r.Rise
	if found.status == events.StatusDown {
		need = r.Fall
	}
	length, since := j.streak.length, j.streak.since
	if found.side() == j.raw.side() {
		if found.same(j.raw) || j.flap == nil && !f.clears() && r.crowded(j.minor, f.Started) {
			return time.Time{}, false
		}
		length, since = j.streak.agreeing, j.streak.agreed
	}
	return since, f.clears() || int(length) >= need
}

// turn makes next the raw verdict and returns what is to be reported.
func (j Judgement) turn(r JudgeRules, f Finding, next verdict) (Judgement, *Change) {
	from, to := j.raw.side(), next.side()
	flip := from != to && from != undecided
	j.raw = next
	if flip {
		j.flips = r.remember(j.flips, f.Started)
	}
	switch {
	case j.flap != nil:
		if from != to {
			j.flap = &flapping{said: j.flap.said, quiet: f.Started}
		}
		return j, nil
	case flip && r.crowded(j.flips, f.Started):
		first := j.flips[len(j.flips)-r.FlapChanges]
		j.flap = &flapping{said: flaps(next, r.FlapChanges, f.Started.Sub(first)), quiet: f.Started}
	case from == to:
		j.minor = r.remember(j.minor, f.Started)
	}
	return j, j.change()
}

func (j Judgement) said() verdict {
	if j.flap != nil {
		return j.flap.said
	}
	return j.raw
}

func (j Judgement) change() *Change {
	v := j.said()
	return &Change{To: v.status, Cause: v.cause, Since: v.since}
}

func (j Judgement) probed() bool {
	return j.raw.status != events.StatusDisabled && j.raw.status != events.StatusNA
}

func (j Judgement) isolated() bool {
	return j.said().is(events.StatusUnknown, CauseProberIsolated)
}
