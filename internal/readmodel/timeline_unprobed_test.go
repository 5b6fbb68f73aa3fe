package readmodel

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// TestTimeline_whileNobodyProbesNothingLasts: what was known ends, and what follows
// is unknown, but of a peer that nobody would probe.
func TestTimeline_whileNobodyProbesNothingLasts(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		u := nobody(50)(acme)
		up, late, noted := status("up", events.StatusUp, 1), status("late", events.StatusUp, 2), status("noted", events.StatusUnknown, 3)
		up.Since, late.Since, noted.Since = at(20), at(60), at(40)
		noted.Cause = u.Cause
		noted.Cause.Message = "in other words"
		c.happens(acme, added("up", "A"), added("late", "B"), added("noted", "C"), added("new", "D"), added("off", "E"), added("gone", "F"),
			domaintest.ExternalAdded("x1", "G"), up, late, noted, events.PeerDisabled{Peer: "off"}, events.PeerDeleted{Peer: "gone"})
		c.happens(beta, added("up", "A"))
		unknown := func(since time.Time) Period {
			return Period{Status: events.StatusUnknown, Cause: u.Cause, Since: since}
		}
		tl := c.Timeline().Probing(nobody(50))
		for peer, want := range map[events.PeerID][]Period{
			"up":    {unknown(at(50)), {Seq: 8, Status: events.StatusUp, Cause: up.Cause, Since: at(20), Until: at(50)}},
			"late":  {unknown(at(60)), {Seq: 9, Status: events.StatusUp, Cause: late.Cause, Since: at(60), Until: at(60)}},
			"noted": {{Seq: 10, Status: events.StatusUnknown, Cause: noted.Cause, Since: at(40)}},
			"new":   {unknown(at(50)), {Seq: 4, Status: events.StatusUnknown, Since: at(4), Until: at(50)}},
			"off":   {{Seq: 11, Status: events.StatusDisabled, Since: at(11)}},
			"gone":  {{Seq: 12, Ended: true, Since: at(12)}},
			"x1":    {{Seq: 7, Status: events.StatusNA, Since: at(7)}},
		} {
			got := must(tl.periodsOf(acme, peer, 9))(t)
			for i := range got {
				got[i].Reported = time.Time{}
			}
			if diff := cmp.Diff(want, got[:min(len(got), len(want))]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", peer, diff)
			}
		}
		for _, other := range []*Timeline{c.Timeline(), tl} {
			if list := must(other.periodsOf(beta, "up", 9))(t); len(list) != 1 || !list[0].Until.IsZero() {
				t.Errorf("of an enterprise that is probed: %+v", list)
			}
		}
	})
}

// TestBetween_whileNobodyProbesNothingCounts after that began.
func TestBetween_whileNobodyProbesNothingCounts(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		up := status("p1", events.StatusUp, 1)
		up.Since = at(20)
		c.happens(acme, added("p1", "Lyon"), up)
		tl := c.Timeline().Probing(nobody(50))
		for span, want := range map[[2]events.Seq]string{
			{0, 20}: "[unknown 1-20]", {0, 50}: "[unknown 1-20 up 20-50]", {30, 51}: "[up 20-50 unknown 50-0]", {50, 60}: "[unknown 50-0]", {60, 70}: "[unknown 50-0]", {0, 1}: "[]",
		} {
			list, _, err := tl.Between(t.Context(), acme, "p1", at(span[0]), at(span[1]))
			var got []string
			for _, p := range list {
				until := 0
				if !p.Until.IsZero() {
					until = int(p.Until.Sub(at(0)) / time.Second)
				}
				got = append(got, fmt.Sprintf("%s %d-%d", p.Status, p.Since.Sub(at(0))/time.Second, until))
			}
			if fmt.Sprint(got) != want || err != nil {
				t.Errorf("from %d to %d: %v, %v, want %s", span[0], span[1], got, err, want)
			}
		}
	})
}

// TestTimeline_untilTheLastProbe somebody probed, when it is not known since when
// nobody does.
func TestTimeline_untilTheLastProbe(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		c.happens(acme, added("p1", "Lyon"), added("p2", "Oslo"), added("p3", "Rome")) // 1, 2, 3
		if err := c.KeepSamples(t.Context(), []events.Sample{sample("p1", 30, 1), sample("p3", 2, 1)}, at(99)); err != nil {
			t.Fatal(err)
		}
		tl := c.Timeline().Probing(func(events.EnterpriseID) *Unprobed { return &Unprobed{Cause: events.Cause{Code: "not_probed"}} })
		for peer, want := range map[events.PeerID]time.Time{"p1": at(30), "p2": at(2), "p3": at(3)} {
			list := must(tl.periodsOf(acme, peer, 9))(t)
			if len(list) != 2 || list[0].Since != want || list[1].Until != want {
				t.Errorf("%s: %+v, want it unknown since %s", peer, list, want)
			}
		}
	})
}

// TestPeriods_noPageIsLongerThanAskedFor, whether nobody probes from the first page
// to the last, or only for some of them.
func TestPeriods_noPageIsLongerThanAskedFor(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		c.happens(acme, added("p1", "Lyon"))
		for range 3 {
			c.happens(acme, events.PeerDisabled{Peer: "p1"}, events.PeerEnabled{Peer: "p1"})
		}
		for limit := 1; limit <= 9; limit++ {
			for pages := range 4 { // for so many nobody probes
				var seqs []events.Seq
				for i, q := 0, (TimelineQuery{Limit: limit}); i == 0 || q.Cursor != ""; i++ {
					tl := c.Timeline()
					if i < pages {
						tl = tl.Probing(nobody(50))
					}
					page := must(tl.Periods(t.Context(), acme, "p1", q))(t)
					if len(page.Items) > limit || len(page.Items) == 0 {
						t.Errorf("%d of %d", len(page.Items), limit)
					}
					for _, p := range page.Items {
						seqs = append(seqs, p.Seq)
					}
					q.Cursor = page.NextCursor
				}
				want := "[7 6 5 4 3 2 1]"
				if pages > 0 {
					want = "[0 7 6 5 4 3 2 1]"
				}
				if fmt.Sprint(seqs) != want {
					t.Errorf("%d a page, nobody for %d: %v, want %s", limit, pages, seqs, want)
				}
			}
		}
	})
}
