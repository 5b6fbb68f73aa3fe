package domain_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// oracle judges as the rules are written, from the list of all that was found
// since it began or the prober was isolated.
type oracle struct {
	r             domain.JudgeRules
	found         []domain.Finding
	last          time.Time
	raw           domain.Change
	reported      []domain.Change // the first is what it began with
	flapping      bool
	quiet         time.Time // since when raw is on its side
	flips, minors []time.Time
}

func newOracle(r domain.JudgeRules, began events.Connection) *oracle {
	c := domain.Change{To: began.Status, Cause: began.Cause, Since: began.Since}
	return &oracle{r: r, raw: c, reported: []domain.Change{c}}
}

// report notes a change, which begins no earlier than what was reported before.
func (o *oracle) report(c domain.Change) *domain.Change {
	if before := o.reported[len(o.reported)-1].Since; c.Since.Before(before) {
		c.Since = before
	}
	o.reported = append(o.reported, c)
	return &c
}

// streak finds the latest findings that are all like the last one.
func (o *oracle) streak(like func(a, b domain.Change) bool) (n int, since time.Time) {
	last := meaning(o.found[len(o.found)-1])
	for _, f := range slices.Backward(o.found) {
		if !like(meaning(f), last) {
			break
		}
		n, since = n+1, f.Started
	}
	return n, since
}

func meaning(f domain.Finding) domain.Change {
	switch {
	case f.Failure != events.Cause{}:
		return domain.Change{To: events.StatusDown, Cause: f.Failure}
	case len(f.Attention) > 0:
		return domain.Change{To: events.StatusDegraded, Cause: f.Attention[0]}
	}
	return domain.Change{To: events.StatusUp}
}

func isDown(c domain.Change) bool      { return c.To == events.StatusDown }
func sameSide(a, b domain.Change) bool { return isDown(a) == isDown(b) }
func alike(a, b domain.Change) bool {
	return a.To == b.To && a.Cause.Layer == b.Cause.Layer && a.Cause.Code == b.Cause.Code
}

// within counts the times in a FlapWindow that ends at the time.
func (o *oracle) within(times []time.Time, end time.Time) (n int) {
	for _, t := range times {
		if end.Sub(t) <= o.r.FlapWindow {
			n++
		}
	}
	return n
}

func (o *oracle) observe(f domain.Finding) *domain.Change {
	if !f.Started.After(o.last) {
		return nil
	}
	o.last, o.found = f.Started, append(o.found, f)
	hand := f.ByHand && f.Failure == events.Cause{}
	need := map[bool]int{true: o.r.Fall, false: o.r.Rise}[f.Failure != events.Cause{}]
	next, was := meaning(f), o.raw
	undecided := was.To == events.StatusUnknown
	var n int
	switch {
	case undecided || !sameSide(was, next):
		n, next.Since = o.streak(sameSide)
	case !alike(was, next):
		n, next.Since = o.streak(alike)
		if !o.flapping && !hand && o.within(o.minors, f.Started) >= o.r.FlapChanges {
			n = 0
		}
	}
	var said *domain.Change
	if n > 0 && (hand || n >= need) {
		said = o.turn(f.Started, hand, was, next)
	}
	calm := o.raw.To != events.StatusUnknown && isDown(meaning(f)) == isDown(o.raw) && f.Started.Sub(o.quiet) >= o.r.FlapQuiet
	if o.flapping && (hand || calm) {
		o.flapping = false
		return o.report(o.raw)
	}
	return said
}

func (o *oracle) turn(at time.Time, hand bool, was, next domain.Change) *domain.Change {
	o.raw = next
	decided := was.To != events.StatusUnknown
	if !decided || !sameSide(was, next) {
		o.quiet = at
	}
	if decided && !sameSide(was, next) {
		o.flips = append(o.flips, at)
		if !o.flapping && !hand && o.within(o.flips, at) >= o.r.FlapChanges {
			o.flapping = true
			return o.report(domain.Change{To: events.StatusDegraded, Since: next.Since, Cause: events.Cause{Layer: "policy", Code: "flapping"}})
		}
	}
	if o.flapping {
		return nil
	}
	if decided && sameSide(was, next) {
		o.minors = append(o.minors, at)
	}
	return o.report(next)
}

func (o *oracle) isolate(at time.Time) *domain.Change {
	if at.After(o.last) {
		o.last = at
	}
	if now := o.reported[len(o.reported)-1]; now.Cause.Code == "prober_isolated" || o.within(o.minors, o.last) >= o.r.FlapChanges {
		if n := len(o.found); n > 0 && isDown(meaning(o.found[n-1])) {
			o.found = nil
		}
		return nil
	}
	o.found, o.flapping, o.minors = nil, false, append(o.minors, o.last)
	o.raw = domain.Change{To: events.StatusUnknown, Cause: events.Cause{Layer: "policy", Code: "prober_isolated"}, Since: at}
	return o.report(o.raw)
}

// moment is one thing that happens to a judgement.
type moment struct {
	letter rune
	at     time.Time
}

// moments draws what happens to a peer: the same some times over, then another
// thing, mostly a probe's interval apart.
func moments(t *rapid.T, letters string) []moment {
	at, list := domaintest.Start(), []moment(nil)
	gaps := rapid.SampledFrom([]time.Duration{every, every, every, time.Second, 4 * time.Minute, 0, -time.Minute})
	for range rapid.IntRange(1, 60).Draw(t, "bursts") {
		letter := rapid.SampledFrom([]rune(letters)).Draw(t, "letter")
		gap := gaps.Draw(t, "gap")
		for range rapid.SampledFrom([]int{1, 2, 2, 3, 3, 5, 30}).Draw(t, "times") {
			at = at.Add(gap)
			list = append(list, moment{letter, at})
		}
	}
	return list
}

func rules(t *rapid.T) domain.JudgeRules {
	return domain.JudgeRules{
		Fall: rapid.IntRange(1, 4).Draw(t, "fall"), Rise: rapid.IntRange(1, 3).Draw(t, "rise"),
		FlapChanges: rapid.IntRange(1, 6).Draw(t, "flap"), FlapWindow: 15 * time.Minute,
		FlapQuiet: rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Minute}).Draw(t, "quiet"),
	}
}

func happen(j domain.Judgement, r domain.JudgeRules, m moment) (domain.Judgement, *domain.Change) {
	if m.letter == '!' {
		return j.Isolate(r, m.at)
	}
	return j.Observe(r, finding(m.letter, m.at))
}

// wordless is a change without its message, and told apart from none.
func wordless(c *domain.Change) string {
	if c == nil {
		return "none"
	}
	return fmt.Sprintf("%s %s/%s since %s", c.To, c.Cause.Layer, c.Cause.Code, c.Since.Format(time.TimeOnly))
}

const anything = "uuuuurrrrrtxcdvvURC!"

func TestJudgement_agreesWithTheRulesAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, began := rules(t), conn(events.StatusUnknown, 0)
		j, o := domain.NewJudgement(began, nil), newOracle(r, began)
		for i, m := range moments(t, anything) {
			var got, want *domain.Change
			if j, got = happen(j, r, m); m.letter == '!' {
				want = o.isolate(m.at)
			} else {
				want = o.observe(finding(m.letter, m.at))
			}
			if wordless(got) != wordless(want) {
				t.Fatalf("moment %d, %c at %s: got %s, want %s", i, m.letter, m.at.Format(time.TimeOnly), wordless(got), wordless(want))
			}
		}
	})
}

func TestJudgement_isWhatItsEventsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, seq := rules(t), events.Seq(8)
		log := events.Connection{Enabled: true, Status: events.StatusUnknown, Since: domaintest.Start(), From: seq}
		j := domain.NewJudgement(log, nil)
		for _, m := range moments(t, anything) {
			from, before := j.Status(), j.Cause()
			var c *domain.Change
			if j, c = happen(j, r, m); c == nil {
				if j.Status() != from || j.Cause() != before {
					t.Fatalf("it became %s unsaid", j.Status())
				}
				continue
			}
			if alike(*c, domain.Change{To: from, Cause: before}) {
				t.Fatalf("%s was said again", wordless(c))
			}
			if (c.Cause == events.Cause{}) != (c.To == events.StatusUp) || c.Cause.Message == "" && c.To != events.StatusUp {
				t.Fatalf("%s has the cause %+v", c.To, c.Cause)
			}
			seq++
			if !log.Apply(domaintest.Record("acme", seq, m.at, "c1", events.PeerStatusChanged{
				Peer: "p1", From: from, To: c.To, Cause: c.Cause, Since: c.Since, ConfigSeq: 8, ProbeStarted: m.at,
			})[0]) {
				t.Fatalf("%s does not count", wordless(c))
			}
			for name, now := range map[string]domain.Judgement{"as it is": j, "from the log": domain.NewJudgement(log, nil)} {
				if now.Status() != log.Status || now.Cause() != log.Cause || !now.Since().Equal(log.Since) {
					t.Fatalf("%s it is %s %+v since %s, in the log %+v", name, now.Status(), now.Cause(), now.Since(), log)
				}
			}
		}
	})
}

func TestJudgement_changesAreFewWhateverIsObserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rules(t)
		j := domain.NewJudgement(conn(events.StatusUnknown, 0), nil)
		var said, asked []time.Time
		list := moments(t, anything)
		for range rapid.IntRange(1, 4).Draw(t, "worst cases") { // as often as the rules let it, for an hour
			worst := []rune(rapid.SampledFrom([]string{"uuuurrrr", "ccccvvvv", "rrrrtttt", "ruuuuurrrr", "uuuurrrrttttccccvvvv"}).Draw(t, "worst"))
			at := list[len(list)-1].at
			for i := range 240 {
				list = append(list, moment{worst[i%len(worst)], at.Add(time.Duration(i) * 15 * time.Second)})
			}
		}
		for _, m := range list {
			var c *domain.Change
			if j, c = happen(j, r, m); c != nil {
				said = append(said, m.at)
			}
			if slices.Contains([]rune("URC!"), m.letter) {
				asked = append(asked, m.at)
			}
		}
		// Changes of side, changes of why, in and out of flapping, the first
		// verdict; and what a person or an isolation sets off.
		most := r.FlapChanges - 1 + r.FlapChanges + 2*int(r.FlapWindow/r.FlapQuiet+1) + 2
		for _, end := range said {
			in := func(times []time.Time) (n int) {
				for _, at := range times {
					if !at.After(end) && end.Sub(at) <= r.FlapWindow {
						n++
					}
				}
				return n
			}
			if n, allowed := in(said), most+3*in(asked); n > allowed {
				t.Fatalf("%d changes in %s before %s, with %+v: want at most %d", n, r.FlapWindow, end, r, allowed)
			}
		}
	})
}

func TestJudgement_comesToWhatIsTrueInTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rules(t)
		j := domain.NewJudgement(conn(events.StatusUnknown, 0), nil)
		list := moments(t, anything)
		at := list[0].at
		for _, m := range list {
			j, _ = happen(j, r, m)
			at = later(at, m.at)
		}
		if rapid.Bool().Draw(t, "restarted") {
			j = domain.NewJudgement(events.Connection{Enabled: true, Status: j.Status(), Cause: j.Cause(), Since: j.Since()}, nil)
		}
		letter := rapid.SampledFrom([]rune("urc")).Draw(t, "in the end")
		for end := at.Add(r.FlapWindow + r.FlapQuiet + 5*every); at.Before(end); {
			at = at.Add(every)
			j, _ = j.Observe(r, finding(letter, at))
		}
		if want := meaning(finding(letter, at)); !alike(domain.Change{To: j.Status(), Cause: j.Cause()}, want) {
			t.Fatalf("got %s %s, want %s", j.Status(), j.Cause().Code, wordless(&want))
		}
	})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// retold folds what a judgement says into a log, and makes another one of it.
type retold struct {
	log   events.Connection
	flips []time.Time
}

func (l *retold) hear(c *domain.Change, at time.Time) {
	if c == nil {
		return
	}
	e := events.PeerStatusChanged{Peer: "p1", From: l.log.Status, To: c.To, Cause: c.Cause, Since: c.Since, ProbeStarted: at}
	if domain.Flips(l.log, e) {
		l.flips = append(l.flips, at)
	}
	l.log.Apply(domaintest.Record("acme", 1, at, "c1", e)[0])
}

func TestJudgement_aRestartForgetsNoneOfTheFlips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := domain.DefaultJudgeRules()
		l := retold{log: conn(events.StatusUp, 0)}
		j, at := domain.NewJudgement(l.log, nil), domaintest.Start()
		sides := []string{"rrr", "uuu"}
		for i := range rapid.IntRange(0, 4).Draw(t, "changes") {
			for _, letter := range sides[i%2] {
				var c *domain.Change
				at = at.Add(every)
				j, c = j.Observe(r, finding(letter, at))
				l.hear(c, at)
			}
		}
		restarted := domain.NewJudgement(l.log, l.flips)
		for _, m := range moments(t, "uuuurrrrRU!") {
			if m.at = m.at.Add(at.Sub(domaintest.Start())); !m.at.After(at) {
				continue // a late one, which only who has seen more knows for that
			}
			var a, b *domain.Change
			j, a = happen(j, r, m)
			if restarted, b = happen(restarted, r, m); wordless(a) != wordless(b) {
				t.Fatalf("%c at %s: %s, restarted %s", m.letter, m.at, wordless(a), wordless(b))
			}
		}
	})
}

func TestFlips_areChangesBetweenAnsweringAndNot(t *testing.T) {
	flapping := flappingSince(probeAt(0))
	for _, test := range []struct {
		from, to events.Connection
		want     bool
	}{
		{conn(events.StatusUp, 0), conn(events.StatusDown, 'r'), true},
		{conn(events.StatusDown, 'r'), conn(events.StatusDegraded, 'c'), true},
		{conn(events.StatusUp, 0), conn(events.StatusDegraded, 'c'), false},
		{conn(events.StatusDown, 't'), conn(events.StatusDown, 'r'), false},
		{conn(events.StatusUnknown, 0), conn(events.StatusDown, 'r'), false},
		{conn(events.StatusUp, 0), isolated(), false},
		{isolated(), conn(events.StatusUp, 0), false},
		{conn(events.StatusUp, 0), flapping, true},
		{conn(events.StatusDown, 'r'), flapping, true},
		{flapping, conn(events.StatusDown, 'r'), false},
		{flapping, conn(events.StatusUp, 0), false},
	} {
		if got := domain.Flips(test.from, events.PeerStatusChanged{To: test.to.Status, Cause: test.to.Cause}); got != test.want {
			t.Errorf("%s %s to %s %s: got %v, want %v", test.from.Status, test.from.Cause.Code, test.to.Status, test.to.Cause.Code, got, test.want)
		}
	}
}

func TestJudgement_aRestartAtRestChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rules(t)
		r.FlapChanges = 0 // what is held back is not in the log
		j, _ := play(domain.NewJudgement(conn(events.StatusUnknown, 0), nil), r, rapid.SampledFrom([]string{"uuu", "rrrr", "ccc", "rrrruuu"}).Draw(t, "first"))
		restarted := domain.NewJudgement(events.Connection{Enabled: true, Status: j.Status(), Cause: j.Cause(), Since: j.Since()}, nil)
		for _, m := range moments(t, anything) {
			m.at = m.at.Add(time.Hour)
			var a, b *domain.Change
			j, a = happen(j, r, m)
			if restarted, b = happen(restarted, r, m); wordless(a) != wordless(b) {
				t.Fatalf("%c at %s: %s, restarted %s", m.letter, m.at, wordless(a), wordless(b))
			}
		}
	})
}

// TestJudgement_oneThatRestsMayBeForgotten: made from the log again, it says the
// same of whatever comes.
func TestJudgement_oneThatRestsMayBeForgotten(t *testing.T) {
	forgotten := 0
	rapid.Check(t, func(t *rapid.T) {
		r, seq := rules(t), events.Seq(8)
		log := events.Connection{Enabled: true, Status: events.StatusUnknown, Since: domaintest.Start(), From: seq}
		kept := domain.NewJudgement(log, nil)
		short, last := kept, log.Since
		var flips []time.Time
		for i, m := range moments(t, anything) {
			if !m.at.After(last) {
				continue // the prober of a peer has one probe at a time
			}
			last = m.at
			var want, got *domain.Change
			kept, want = happen(kept, r, m)
			short, got = happen(short, r, m)
			if wordless(got) != wordless(want) {
				t.Fatalf("moment %d, %c: got %s, want %s", i, m.letter, wordless(got), wordless(want))
			}
			if got != nil {
				seq++
				e := events.PeerStatusChanged{Peer: "p1", From: log.Status, To: got.To, Cause: got.Cause, Since: got.Since, ConfigSeq: 8, ProbeStarted: m.at}
				if domain.Flips(log, e) {
					flips = append(flips, m.at)
					flips = flips[max(0, len(flips)-r.FlapChanges):]
				}
				log.Apply(domaintest.Record("acme", seq, m.at, "c1", e)[0])
			}
			if short.Rests(log, flips) {
				forgotten++
				short = domain.NewJudgement(log, flips)
			}
		}
	})
	if forgotten == 0 {
		t.Error("none ever rested")
	}
}
