package domain_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// every is the time between two probes of a script.
const every = 30 * time.Second

// probeAt is when the nth probe of a script begins, counted from 1.
func probeAt(n int) time.Time { return domaintest.Start().Add(time.Duration(n) * every) }

// causes are what the letters of a script stand for: failures, and what needs
// attention. In capitals the probe was made by hand; "u" answers without fault.
func causes() map[rune]events.Cause {
	return map[rune]events.Cause{
		'r': {Layer: events.LayerConnect, Code: "refused", Message: "connection refused."},
		't': {Layer: events.LayerConnect, Code: "timeout", Message: "no answer"},
		'x': {Layer: events.LayerTLS, Code: "timeout", Message: "no answer"},
		'c': {Layer: events.LayerTLS, Code: domain.CauseCertificateExpiring, Message: "the certificate ends on 2026-01-20"},
		'd': {Layer: events.LayerTLS, Code: domain.CauseCertificateExpiring, Message: "in other words"},
		'v': {Layer: events.LayerHTTP, Code: domain.CauseVersionUnreadable, Message: "no version"},
	}
}

// finding is what the letter of a script stands for, begun at that time.
func finding(letter rune, at time.Time) domain.Finding {
	lower := []rune(strings.ToLower(string(letter)))[0]
	f := domain.Finding{Started: at, ByHand: letter != lower}
	switch cause := causes()[lower]; {
	case strings.ContainsRune("rtx", lower):
		f.Failure = cause
	case cause != events.Cause{}:
		f.Attention = []events.Cause{cause, {Layer: events.LayerHTTP, Code: "less"}}
	}
	return f
}

// play observes a script, a probe every half minute: "." leaves one out, and
// "!" isolates the prober at its time. It returns each change as
// "probe: status code since probe".
func play(j domain.Judgement, r domain.JudgeRules, script string) (domain.Judgement, []string) {
	var said []string
	for i, letter := range script {
		var c *domain.Change
		switch letter {
		case '.':
			continue
		case '!':
			j, c = j.Isolate(domain.DefaultJudgeRules(), probeAt(i+1))
		default:
			j, c = j.Observe(r, finding(letter, probeAt(i+1)))
		}
		if c != nil {
			since := int(c.Since.Sub(domaintest.Start()) / every)
			said = append(said, strings.ReplaceAll(fmt.Sprintf("%d: %s %s since %d", i+1, c.To, c.Cause.Code, since), "  ", " "))
		}
	}
	return j, said
}

// conn is a connection with a status and the cause of a letter.
func conn(s events.Status, letter rune) events.Connection {
	return events.Connection{Enabled: true, Status: s, Cause: causes()[letter], Since: domaintest.Start()}
}

func isolated() events.Connection {
	c := conn(events.StatusUnknown, 0)
	c.Cause = events.Cause{Layer: events.LayerPolicy, Code: domain.CauseProberIsolated}
	return c
}

func flappingSince(at time.Time) events.Connection {
	return events.Connection{Enabled: true, Status: events.StatusDegraded, Since: at, Cause: events.Cause{
		Layer: events.LayerPolicy, Code: domain.CauseFlapping, Message: "went to and fro",
	}}
}

func TestJudgement_rules(t *testing.T) {
	unknown, up := conn(events.StatusUnknown, 0), conn(events.StatusUp, 0)
	down, degraded := conn(events.StatusDown, 'r'), conn(events.StatusDegraded, 'c')
	for rule, test := range map[string]struct {
		from   events.Connection
		script string
		want   []string
	}{
		"a new peer is up after two successes":            {unknown, "uuuu", []string{"2: up since 1"}},
		"one success is no verdict":                       {unknown, "uru", nil},
		"a new peer is degraded after two successes":      {unknown, "cc", []string{"2: degraded certificate_expiring since 1"}},
		"a new peer answers whatever its two need":        {unknown, "cu", []string{"2: up since 1"}},
		"a new peer is down after three failures":         {unknown, "rrrr", []string{"3: down refused since 1"}},
		"the latest of three failures is the cause":       {unknown, "rtx", []string{"3: down timeout since 1"}},
		"three failures are down":                         {up, "urrr", []string{"4: down refused since 2"}},
		"three failures of a degraded peer are down":      {degraded, "rrr", []string{"3: down refused since 1"}},
		"a success begins the failures anew":              {up, "rrurru", nil},
		"two successes end down":                          {down, "uu", []string{"2: up since 1"}},
		"two successes end down with what needs care":     {down, "uc", []string{"2: degraded certificate_expiring since 1"}},
		"a failure begins the successes anew":             {down, "ururuu", []string{"6: up since 5"}},
		"up becomes degraded by two that agree":           {up, "cc", []string{"2: degraded certificate_expiring since 1"}},
		"up stays when two do not agree":                  {up, "cvcv", nil},
		"degraded becomes up":                             {degraded, "cuu", []string{"3: up since 2"}},
		"degraded for another cause":                      {degraded, "vv", []string{"2: degraded version_unreadable since 1"}},
		"degraded in other words is the same":             {degraded, "dddd", nil},
		"a failure parts those that agree":                {degraded, "vrvrv", nil},
		"down for another cause by three that agree":      {down, "ttt", []string{"3: down timeout since 1"}},
		"the same code on another layer is another cause": {conn(events.StatusDown, 't'), "xxx", []string{"3: down timeout since 1"}},
		"down for causes that change stays as it is":      {down, "ttxxtt", nil},
		"down for the same cause is the same":             {down, "rrrrrr", nil},
		"by hand, a success clears at once":               {down, "rU", []string{"2: up since 2"}},
		"by hand, since the first success":                {down, "uU", []string{"2: up since 1"}},
		"by hand, a success may find what needs care":     {down, "C", []string{"1: degraded certificate_expiring since 1"}},
		"by hand, what needs care is over":                {degraded, "U", []string{"1: up since 1"}},
		"by hand, a new peer is up at once":               {unknown, "U", []string{"1: up since 1"}},
		"by hand, nothing new is no change":               {up, "UU", nil},
		"by hand, a failure counts as one":                {up, "RRuRrr", []string{"6: down refused since 4"}},
		"isolation makes unknown":                         {up, "r!", []string{"2: unknown prober_isolated since 2"}},
		"isolation is said of a new peer too":             {unknown, "!", []string{"1: unknown prober_isolated since 1"}},
		"isolation is said once":                          {down, "!!!", []string{"1: unknown prober_isolated since 1"}},
		"isolation was known":                             {isolated(), "!", nil},
		"what failed before isolation does not count":     {up, "rr!rr", []string{"3: unknown prober_isolated since 3"}},
		"while isolation is renewed nothing is down":      {isolated(), "rr!rr!rr!", nil},
		"while isolation is renewed a peer may answer":    {isolated(), "u!u", []string{"3: up since 1"}},
		"two successes end isolation":                     {isolated(), "ruu", []string{"3: up since 2"}},
		"three failures end isolation":                    {isolated(), "rrr", []string{"3: down refused since 1"}},
		"by hand, isolation ends at once":                 {isolated(), "V", []string{"1: degraded version_unreadable since 1"}},
		"a disabled peer has no other status":             {events.Connection{Status: events.StatusDisabled}, "rrruuU!", nil},
		"an external peer has no other status":            {events.Connection{External: true, Status: events.StatusNA}, "rrruuU!", nil},
		"a connection of nothing is unknown":              {events.Connection{}, "uu", []string{"2: up since 1"}},
	} {
		t.Run(rule, func(t *testing.T) {
			j, got := play(domain.NewJudgement(test.from, nil), domain.DefaultJudgeRules(), test.script)
			if !slices.Equal(got, test.want) {
				t.Errorf("%q from %s: got %q, want %q", test.script, test.from.Status, got, test.want)
			}
			if len(got) == 0 && (j.Cause() != test.from.Cause || !j.Since().Equal(test.from.Since)) {
				t.Errorf("without a change it says %v since %v, not %+v", j.Cause(), j.Since(), test.from)
			}
		})
	}
}

func TestJudgement_lateFindingsChangeNothing(t *testing.T) {
	r := domain.DefaultJudgeRules()
	j, _ := play(domain.NewJudgement(conn(events.StatusUp, 0), nil), r, "urr")
	for _, late := range []domain.Finding{finding('r', probeAt(3)), finding('r', probeAt(1)), finding('U', probeAt(2)), finding('u', time.Time{})} {
		if after, c := j.Observe(r, late); c != nil || !reflect.DeepEqual(after, j) {
			t.Errorf("%+v gave %+v", late, c)
		}
	}
	if _, c := j.Observe(r, finding('r', probeAt(3).Add(1))); c == nil || c.To != events.StatusDown {
		t.Errorf("a third failure right behind gave %+v", c)
	}
}

func TestIsolate_passesOverProbesThatBeganBefore(t *testing.T) {
	r := domain.DefaultJudgeRules()
	j, _ := domain.NewJudgement(conn(events.StatusUp, 0), nil).Isolate(domain.DefaultJudgeRules(), probeAt(5))
	if after, c := j.Observe(r, finding('U', probeAt(5))); c != nil || after.Status() != events.StatusUnknown {
		t.Errorf("got %+v", c)
	}
}

// toAndFro makes four changes, down first, in ten probes.
const toAndFro = "rrruurrruu"

func TestJudgement_flapping(t *testing.T) {
	up := conn(events.StatusUp, 0)
	quiet := strings.Repeat("u", 19)
	four := []string{"3: down refused since 1", "5: up since 4", "8: down refused since 6", "10: up since 9"}
	with := func(more ...string) []string { return append(slices.Clone(four), more...) }
	const entered = "13: degraded flapping since 11"
	for rule, test := range map[string]struct {
		script string
		want   []string
	}{
		"four changes are not yet":                        {toAndFro, four},
		"the fifth is":                                    {toAndFro + "rrr", with(entered)},
		"the fifth after the window is not":               {toAndFro + strings.Repeat("u", 21) + "rrr", with("34: down refused since 32")},
		"the fifth at the end of the window is":           {toAndFro + strings.Repeat("u", 20) + "rrr", with("33: degraded flapping since 31")},
		"nothing is reported meanwhile":                   {toAndFro + "rrruurrruucccvvtttxxxuu", with(entered)},
		"quiet ends it with what it was last":             {toAndFro + "rrruu" + quiet + "u", with(entered, "35: up since 14")},
		"not before":                                      {toAndFro + "rrruu" + quiet, with(entered)},
		"quiet may be down":                               {toAndFro + strings.Repeat("r", 23), with(entered, "33: down refused since 11")},
		"quiet may be degraded":                           {toAndFro + "rrruu" + strings.Repeat("c", 20), with(entered, "35: degraded certificate_expiring since 16")},
		"the end needs one more finding like it":          {toAndFro + "rrruu" + strings.Repeat(".", 40) + "ru", with(entered, "57: up since 14")},
		"a change makes it loud again":                    {toAndFro + "rrruu" + quiet[1:] + "rrr" + strings.Repeat("r", 19), with(entered)},
		"by hand, a success clears at once":               {toAndFro + "rrrR" + "U", with(entered, "15: up since 15")},
		"by hand, of a peer that answers too":             {toAndFro + "rrruu" + "C", with(entered, "16: degraded certificate_expiring since 16")},
		"by hand, the fifth change is not flapping":       {"rrruurrruurr" + "u" + "rrr" + "U", with("16: degraded flapping since 14", "17: up since 17")},
		"cleared by hand, it is flapping at the next":     {toAndFro + "rrr" + "U" + "rrr", with(entered, "14: up since 14", "17: degraded flapping since 15")},
		"isolation ends it":                               {toAndFro + "rrr" + "!" + "uu", with(entered, "14: unknown prober_isolated since 14", "16: up since 15")},
		"isolated, the way back is no flapping by itself": {"rrruurrruu!uu!uu", with("11: unknown prober_isolated since 11", "13: up since 12", "14: unknown prober_isolated since 14", "16: up since 15")},
	} {
		t.Run(rule, func(t *testing.T) {
			_, got := play(domain.NewJudgement(up, nil), domain.DefaultJudgeRules(), test.script)
			if !slices.Equal(got, test.want) {
				t.Errorf("%q:\n got %q\nwant %q", test.script, got, test.want)
			}
		})
	}
}

func TestJudgement_flappingSaysHowOftenAndWhatItWasLast(t *testing.T) {
	for script, want := range map[string]string{
		toAndFro + "rrr": "The peer went between answering and not answering 5 times within 5 minutes; last, it did not answer: connection refused.",
	} {
		j, _ := play(domain.NewJudgement(conn(events.StatusUp, 0), nil), domain.DefaultJudgeRules(), script)
		if got := j.Cause().Message; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	j, _ := play(domain.NewJudgement(conn(events.StatusDown, 'r'), nil), domain.DefaultJudgeRules(), "uurrruurrruu")
	if got := j.Cause().Message; j.Cause().Code != domain.CauseFlapping || !strings.HasSuffix(got, "; last, it answered.") {
		t.Errorf("got %q", got)
	}
}

func TestJudgement_causesThatKeepChangingAreHeldBack(t *testing.T) {
	r := domain.DefaultJudgeRules()
	script := strings.Repeat("ccvv", 6) // a change every minute for twelve
	j, got := play(domain.NewJudgement(conn(events.StatusUp, 0), nil), r, script)
	if len(got) != r.FlapChanges {
		t.Errorf("%d changes were reported: %q", len(got), got)
	}
	if j.Cause().Code != domain.CauseCertificateExpiring {
		t.Fatalf("it says %+v", j.Cause())
	}
	_, got = play(j, r, strings.Repeat(".", len(script))+strings.Repeat("v", 10))
	if want := []string{"33: degraded version_unreadable since 23"}; !slices.Equal(got, want) {
		t.Errorf("what was held back came as %q, want %q", got, want)
	}
	if _, got := play(j, r, strings.Repeat(".", len(script))+"rrr"); len(got) != 1 {
		t.Errorf("held back was also that it is down: %q", got)
	}
}

func TestJudgement_goesOnAfterARestart(t *testing.T) {
	r := domain.DefaultJudgeRules()
	four := []time.Time{probeAt(-20), probeAt(-15), probeAt(-10), probeAt(-5)}
	for rule, test := range map[string]struct {
		from    events.Connection
		changes []time.Time
		script  string
		want    []string
	}{
		"the changes before count":          {conn(events.StatusUp, 0), four, "rrr", []string{"3: degraded flapping since 1"}},
		"but not for ever":                  {conn(events.StatusUp, 0), four, "......" + "......" + "rrr", []string{"15: down refused since 13"}},
		"more of them are no harm":          {conn(events.StatusUp, 0), append([]time.Time{probeAt(-99)}, four...), "rrr", []string{"3: degraded flapping since 1"}},
		"flapping goes on until it is calm": {flappingSince(probeAt(-1)), four, strings.Repeat("u", 22), []string{"22: up since 1"}},
		"calm counts from a verdict on":     {flappingSince(probeAt(-100)), four, strings.Repeat("ru", 25), nil},
		"it may turn out to be down":        {flappingSince(probeAt(-1)), nil, strings.Repeat("r", 23), []string{"23: down refused since 1"}},
		"by hand it is cleared":             {flappingSince(probeAt(-1)), four, "U", []string{"1: up since 1"}},
	} {
		t.Run(rule, func(t *testing.T) {
			_, got := play(domain.NewJudgement(test.from, test.changes), r, test.script)
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestJudgement_settling(t *testing.T) {
	for script, want := range map[string]bool{
		"": true, "u": true, "ru": true, "ruru": true, "rurur": true,
		"rururu": false, "uu": false, "rrr": false, "uu!": false, "uu!r": false, "uu!ru": true, "rururu!u": true,
	} {
		j, _ := play(domain.NewJudgement(conn(events.StatusUnknown, 0), nil), domain.DefaultJudgeRules(), script)
		if got := j.Settling(); got != want {
			t.Errorf("after %q: got %v, want %v", script, got, want)
		}
	}
	for _, c := range []events.Connection{{Status: events.StatusDisabled}, {Status: events.StatusNA}, conn(events.StatusUp, 0), flappingSince(probeAt(0)), isolated()} {
		if domain.NewJudgement(c, nil).Settling() {
			t.Errorf("%+v settles", c)
		}
	}
}

func TestJudgement_isAValue(t *testing.T) {
	r := domain.DefaultJudgeRules()
	before, _ := play(domain.NewJudgement(conn(events.StatusUp, 0), []time.Time{probeAt(-3)}), r, "rr")
	first, _ := before.Observe(r, finding('r', probeAt(3)))
	again, _ := before.Observe(r, finding('r', probeAt(3)))
	other, _ := play(before, r, "...uurrruurrr")
	if !reflect.DeepEqual(first, again) || first.Status() != events.StatusDown || before.Status() != events.StatusUp || other.Status() == "" {
		t.Errorf("one judgement went on as %+v and as %+v", first, again)
	}
	before, _ = play(domain.NewJudgement(conn(events.StatusUp, 0), nil), r, "rrruurrr") // three changes, and room for a fourth
	first, _ = play(before, r, "........uu")
	said := fmt.Sprintf("%+v", first)
	if _, got := play(before, r, "..................uu"); len(got) != 1 || fmt.Sprintf("%+v", first) != said {
		t.Errorf("what another one saw (%q) became part of it: %s, now %+v", got, said, first)
	}
	if size := reflect.TypeFor[domain.Judgement]().Size(); size > 320 {
		t.Errorf("a judgement takes %d bytes; there may be 100,000", size)
	}
}

func TestJudgement_withoutDamping(t *testing.T) {
	r := domain.JudgeRules{} // no number is set: one probe is enough, and nothing flaps
	_, got := play(domain.NewJudgement(conn(events.StatusUp, 0), nil), r, "rururucvrt")
	if len(got) != 10 {
		t.Errorf("%d changes: %q", len(got), got)
	}
}

func BenchmarkObserve_noChange(b *testing.B) {
	r := domain.DefaultJudgeRules()
	j, _ := play(domain.NewJudgement(conn(events.StatusUnknown, 0), nil), r, "uu")
	f := finding('u', probeAt(10))
	b.ReportAllocs()
	for b.Loop() {
		f.Started = f.Started.Add(every)
		j, _ = j.Observe(r, f)
	}
}

func TestObserve_withoutAChangeAllocatesNothing(t *testing.T) {
	r := domain.DefaultJudgeRules()
	j, _ := play(domain.NewJudgement(conn(events.StatusUnknown, 0), nil), r, "uu")
	script := []domain.Finding{finding('u', probeAt(10)), finding('r', probeAt(10)), finding('r', probeAt(10)), finding('c', probeAt(10))}
	at := probeAt(10)
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range script {
			at = at.Add(every)
			f.Started = at
			var c *domain.Change
			if j, c = j.Observe(r, f); c != nil {
				t.Fatalf("changed: %+v", c)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
