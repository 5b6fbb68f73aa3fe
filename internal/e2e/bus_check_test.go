package e2e_test

import (
	"slices"
	"strings"
	"testing"
)

// check compares what was published with what came of it.
func (k kept) check(t *testing.T, all []published) {
	t.Helper()
	faults := 0
	fault := func(format string, args ...any) {
		if faults++; faults <= 30 {
			t.Errorf(format, args...)
		}
	}
	known := map[string]published{}
	for _, p := range all {
		place := p.ent + "/" + p.id
		if p.id == "" || p.repeat {
			continue
		}
		known[place] = p
		if len(k.outcomes[place]) != 1 {
			fault("%s of %s has %d outcomes, published %d times, parked %+v", p.name, place, len(k.outcomes[place]), p.sent, k.parked[place])
			continue
		}
		k.one(fault, p, k.outcomes[place][0], k.effects[place])
	}
	for place, list := range k.outcomes {
		if _, ok := known[place]; !ok {
			fault("there is an outcome of %s, which nobody published: %+v", place, list)
		}
	}
	for place, list := range k.effects {
		if _, ok := known[place]; !ok {
			fault("there is an event of %s, which nobody published: %+v", place, list)
		}
	}
	k.checkOrder(fault, all)
	k.checkParked(fault, all)
	if faults > 30 {
		t.Errorf("and %d more", faults-30)
	}
}

// one compares a command with its outcome and its events.
func (k kept) one(fault func(string, ...any), p published, out outcome, evs []effect) {
	if out.CommandID != p.id || out.Command != p.name || out.Result != p.result {
		fault("%s of %s/%s should be %s, its outcome is %+v", p.name, p.ent, p.id, p.result, out)
	}
	if len(evs) != p.effects || len(out.Events) != p.effects {
		fault("%s of %s/%s should have %d effects, and has %+v; its outcome is %+v", p.name, p.ent, p.id, p.effects, evs, out)
		return
	}
	for i, e := range evs {
		if e.id != out.Events[i] || e.seq != out.Sequence {
			fault("the outcome of %s/%s tells of another event: %+v, %+v", p.ent, p.id, out, e)
		}
	}
}

// checkOrder compares the renames of every counter with the order in which the
// queue acknowledged them.
func (k kept) checkOrder(fault func(string, ...any), all []published) {
	want := map[string][]string{}
	for _, p := range all {
		if p.rename != "" {
			want[p.ent] = append(want[p.ent], p.rename)
		}
	}
	for ent, names := range want {
		var got []string
		for _, e := range k.log[ent] {
			if e.kind == "PeerRenamed" {
				got = append(got, e.to)
			}
		}
		if !slices.Equal(got, names) {
			i := 0
			for i < min(len(got), len(names)) && got[i] == names[i] {
				i++
			}
			fault("%s: %d renames were published and %d took effect; from number %d: published %q, log %q",
				ent, len(names), len(got), i, names[i:min(i+5, len(names))], got[i:min(i+5, len(got))])
		}
	}
}

// checkParked compares what is parked with what should be: at least once, and no
// more often than it was published.
func (k kept) checkParked(fault func(string, ...any), all []published) {
	type parked struct{ place, reason, body string }
	atMost, got := map[parked]int{}, map[parked]int{}
	for _, p := range all {
		if p.parked != "" {
			atMost[parked{p.ent + "/" + p.id, p.parked, p.body}] += p.sent
		}
	}
	for place, list := range k.parked {
		for _, l := range list {
			one := parked{place, l.reason, l.body}
			got[one]++
			if got[one] > atMost[one] {
				fault("%s is parked as %s (%s), %d times, and may be %d times: %.120s", place, l.reason, l.detail, got[one], atMost[one], l.body)
			}
		}
	}
	for one := range atMost {
		if got[one] == 0 {
			fault("%s is not parked as %s: %.120s", one.place, one.reason, one.body)
		}
	}
}

// kinds counts the orders by what should become of them.
func kinds(all []published) map[string]int {
	n := map[string]int{}
	for _, p := range all {
		what := strings.TrimPrefix(p.result+" "+p.parked, " ")
		if p.repeat {
			what = strings.TrimSuffix("repeat "+p.parked, " ")
		}
		n[strings.TrimSuffix(what, " ")]++
		if p.sent > 1 {
			n["published again, with no acknowledgement"] += p.sent - 1
		}
	}
	return n
}
