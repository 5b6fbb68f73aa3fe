package readmodel

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// chronicle is the timeline, written and read by one process.
type chronicle struct {
	*DB
	t     testing.TB
	lease *Lease
	last  events.Seq
}

func newChronicle(t testing.TB, d testkit.Database) *chronicle {
	t.Helper()
	db := open(t, d)
	return &chronicle{DB: db, t: t, lease: acquireOf(t, db, timeline{})}
}

// happens appends evs to the log of ent and applies them in one transaction.
func (c *chronicle) happens(ent events.EnterpriseID, evs ...events.Event) events.Seq {
	c.t.Helper()
	list := record(ent, c.last+1, evs...)
	c.last += events.Seq(len(list))
	if err := write(c.t, c.lease, c.last, list...); err != nil {
		c.t.Fatal(err)
	}
	return c.last
}

// fails fails the test unless the event cannot follow on what was before it.
func (c *chronicle) fails(ent events.EnterpriseID, e events.Event) {
	c.t.Helper()
	var misfit *MisfitError
	if err := write(c.t, c.lease, c.last+1, record(ent, c.last+1, e)...); !errors.As(err, &misfit) {
		c.t.Errorf("%T of %s: got %v, want a *MisfitError", e, ent, err)
	}
}

// periods are those of p1 of acme, oldest first, without when they were reported.
func (c *chronicle) periods() []Period {
	c.t.Helper()
	list := reversed(must(c.Timeline().periodsOf(acme, "p1", 3))(c.t))
	for i := range list {
		list[i].Reported = time.Time{}
	}
	return list
}

// TestTimeline_tellsEachStatusWithItsCauseAndTimes of a peer, from its first to
// its last.
func TestTimeline_tellsEachStatusWithItsCauseAndTimes(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		c.happens(acme, registered(acme), added("p1", "Lyon")) // 2
		down := status("p1", events.StatusDown, 2)
		down.Since, down.ProbeStarted = at(2).Add(500*time.Millisecond), at(3)
		c.happens(acme, down)
		early := status("p1", events.StatusUp, 2)
		early.Since, early.Cause = at(1), events.Cause{} // by another clock
		c.happens(acme, early)
		c.happens(acme, events.PeerRenamed{Peer: "p1", To: "Turin"}, events.PeerHostnameChanged{Peer: "p1", To: "pbx.example"})
		c.happens(acme, status("p1", events.StatusDown, 5)) // what was probed was the old host
		c.happens(acme, events.PeerDisabled{Peer: "p1"}, status("p1", events.StatusUp, 99), events.PeerEnabled{Peer: "p1"})
		c.happens(acme, events.PeerDeleted{Peer: "p1"}, status("p1", events.StatusUp, 99))
		want := []Period{
			{Seq: 2, Status: events.StatusUnknown, Since: at(2), Until: down.Since},
			{Seq: 3, Status: events.StatusDown, Cause: down.Cause, Since: down.Since, Until: down.Since, ProbeStarted: at(3)},
			{Seq: 4, Status: events.StatusUp, Since: down.Since, Until: at(6)},
			{Seq: 6, Status: events.StatusUnknown, Since: at(6), Until: at(8)},
			{Seq: 8, Status: events.StatusDisabled, Since: at(8), Until: at(10)},
			{Seq: 10, Status: events.StatusUnknown, Since: at(10), Until: at(11)},
			{Seq: 11, Since: at(11), Ended: true},
		}
		if diff := cmp.Diff(want, c.periods()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		c.happens(acme, domaintest.ExternalAdded("p1", "Again"), status("p1", events.StatusUp, 99))
		want[len(want)-1].Until = at(13)
		want = append(want, Period{Seq: 13, Status: events.StatusNA, Since: at(13)})
		if diff := cmp.Diff(want, c.periods()); diff != "" {
			t.Errorf("added again (-want +got):\n%s", diff)
		}
		for _, p := range must(c.Timeline().periodsOf(acme, "p1", 9))(t) {
			if p.Reported != at(p.Seq) {
				t.Errorf("%d was reported at %s", p.Seq, p.Reported)
			}
		}
	})
}

// TestTimeline_endsWithItsEnterprise, whose peers were written long before.
func TestTimeline_endsWithItsEnterprise(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		plan := events.PeerMaintenanceScheduled{Peer: "p1", Start: at(100), End: at(200)}
		c.happens(acme, registered(acme), added("p1", "Lyon"), added("p2", "Gone"), plan, events.PeerDeleted{Peer: "p2"})
		c.happens(beta, registered(beta), added("p1", "Lyon"))
		c.lease = acquireOf(t, c.DB, timeline{}) // who knows nothing of them yet
		end := c.happens(acme, events.EnterpriseRemoved{})
		want := []Period{
			{Seq: 2, Status: events.StatusUnknown, Since: at(2), Until: at(end)},
			{Seq: end, Since: at(end), Ended: true},
		}
		if diff := cmp.Diff(want, c.periods()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if list := must(c.Timeline().periodsOf(acme, "p2", 9))(t); len(list) != 2 || list[0].Seq != 5 {
			t.Errorf("who had gone before: %+v", list)
		}
		if list := must(c.Timeline().periodsOf(beta, "p1", 9))(t); len(list) != 1 || list[0].Ended {
			t.Errorf("of another enterprise: %+v", list)
		}
		if w := must(c.Timeline().windowsOf(acme, "p1", 9))(t); len(w) != 1 || w[0].CancelledAt != at(end) {
			t.Errorf("the maintenance: %+v", w)
		}
	})
}

func TestTimeline_eventsThatCannotFollowAreRefused(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		c.happens(acme, registered(acme), added("p1", "Lyon"), added("p2", "Oslo"), events.PeerDeleted{Peer: "p2"})
		c.fails(acme, added("p1", "Again"))
		for _, e := range []events.Event{
			events.PeerDisabled{Peer: "p3"},
			events.PeerEnabled{Peer: "p2"},
			events.PeerDeleted{Peer: "p2"},
			events.PeerHostnameChanged{Peer: "p3"},
			events.PeerEnterpriseChanged{Peer: "p2"},
			status("p3", events.StatusUp, 9),
			events.PeerMaintenanceScheduled{Peer: "p2"},
			events.PeerMaintenanceCancelled{Peer: "p3"},
		} {
			c.fails(acme, e)
			c.fails(beta, e)
		}
		c.happens(acme, events.PeerRenamed{Peer: "p9"}, events.PeerNoticeRaised{Peer: "p9"}, status("p2", events.StatusUp, 99))
		if list := c.periods(); len(list) != 1 {
			t.Errorf("got %+v", list)
		}
	})
}

// TestTimeline_aProbeFitsWhereItFitsTheDirectory: what one of them passes over the
// other does not hold the enterprise for.
func TestTimeline_aProbeFitsWhereItFitsTheDirectory(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := open(t, d)
		for _, p := range []Projection{directory{}, timeline{}} {
			must(db.Prepare(t.Context(), p))(t)
		}
		for name, c := range map[string]struct {
			given []events.Event
			fits  bool
		}{
			"a peer that is there":                      {[]events.Event{registered(acme), added("p1", "Lyon")}, true},
			"one that was deleted":                      {[]events.Event{registered(acme), added("p1", "Lyon"), events.PeerDeleted{Peer: "p1"}}, true},
			"one that went with its enterprise":         {[]events.Event{registered(acme), added("p1", "Lyon"), events.EnterpriseRemoved{}}, true},
			"one that went before its enterprise":       {[]events.Event{registered(acme), added("p1", "Lyon"), events.PeerDeleted{Peer: "p1"}, events.EnterpriseRemoved{}}, true},
			"one of before, the enterprise there again": {[]events.Event{registered(acme), added("p1", "Lyon"), events.EnterpriseRemoved{}, registered(acme)}, true},
			"one that never was":                        {[]events.Event{registered(acme), added("p2", "Oslo")}, false},
			"one that never was in a removed one":       {[]events.Event{registered(acme), added("p2", "Oslo"), events.EnterpriseRemoved{}}, false},
			"one of no enterprise":                      {nil, false},
		} {
			log := record(acme, 1, append(c.given, status("p1", events.StatusUp, 99))...)
			for _, p := range []Projection{directory{}, timeline{}} {
				l := must(db.Build(t.Context(), p, "builder"))(t)
				err := write(t, l, events.Seq(len(log)), log...)
				var misfit *MisfitError
				if fits := err == nil; fits != c.fits || !fits && !errors.As(err, &misfit) {
					t.Errorf("%s, %s: %v", name, p.Name(), err)
				}
			}
		}
	})
}

// TestTimeline_whatComesAgainChangesNothing, alone or together with what is new.
func TestTimeline_whatComesAgainChangesNothing(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		log := record(acme, 1, registered(acme), added("p1", "Lyon"), status("p1", events.StatusUp, 2),
			events.PeerMaintenanceScheduled{Peer: "p1", Start: at(5), End: at(9)}, events.PeerDisabled{Peer: "p1"}, events.PeerDeleted{Peer: "p1"}, events.EnterpriseRemoved{})
		var want string
		for range 3 {
			if err := write(t, c.lease, 7, append(log[1:5:5], log[1:]...)...); err != nil {
				t.Fatal(err)
			}
			if got := d.Dump(t, "timeline_"); want == "" {
				want = got
			} else if got != want {
				t.Errorf("(-once +again):\n%s", difference(want, got))
			}
		}
		if n := len(c.periods()); n != 4 {
			t.Errorf("%d periods", n)
		}
	})
}

// TestTimeline_skipsWhatDoesNotConcernIt before it reads anything.
func TestTimeline_skipsWhatDoesNotConcernIt(t *testing.T) {
	f, ok := timeline{}.fold(sqlite{}, generation{}).(*timelineFold)
	if !ok {
		t.Fatal("another fold")
	}
	list := record(acme, 1, registered(acme), events.EnterpriseDescribed{To: "x"}, events.PeerRenamed{Peer: "p1"}, events.PeerAddressChanged{Peer: "p1"},
		events.PeerVersionDetected{Peer: "p1"}, events.PeerCertificateSeen{Peer: "p1"}, events.PeerNoticeRaised{Peer: "p1"}, domaintest.TrustedAdded("t1", "Hub", "hub.example", events.TrustIM))
	if err := f.prefetch(t.Context(), nil, list); err != nil { // without a transaction it could read nothing
		t.Fatal(err)
	}
	for _, r := range list {
		if err := f.apply(r); err != nil {
			t.Errorf("%s: %v", r.Event.Type(), err)
		}
	}
	if err := f.flush(t.Context(), nil); err != nil || len(f.connections.slots) > 0 {
		t.Errorf("%v, %d rows", err, len(f.connections.slots))
	}
}

func TestTimeline_unknownPeersAreNotFound(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		if _, err := open(t, d).Timeline().Periods(t.Context(), acme, "p1", TimelineQuery{}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("without tables: %v", err)
		}
		c := newChronicle(t, d)
		c.happens(acme, added("p1", "Lyon"))
		tl := c.Timeline()
		for _, k := range []peerKey{{acme, "p2"}, {acme, "P1"}, {beta, "p1"}, {acme, ""}, {"", ""}, {acme, "\xff"}, {"a\x00", "p1"}} {
			_, err := tl.Periods(t.Context(), k.Enterprise, k.ID, TimelineQuery{})
			_, err2 := tl.Maintenances(t.Context(), k.Enterprise, k.ID, TimelineQuery{})
			_, _, err3 := tl.Between(t.Context(), k.Enterprise, k.ID, at(0), at(9))
			if !errors.Is(err, ErrNotFound) || !errors.Is(err2, ErrNotFound) || !errors.Is(err3, ErrNotFound) {
				t.Errorf("%v: %v, %v, %v", k, err, err2, err3)
			}
		}
		if page, err := tl.Maintenances(t.Context(), acme, "p1", TimelineQuery{}); err != nil || len(page.Items) > 0 || page.Sequence != c.last {
			t.Errorf("got %+v, %v", page, err)
		}
		if err := tl.Await(t.Context(), acme, c.last); err != nil {
			t.Errorf("await: %v", err)
		}
	})
}

// TestPeriods_pagesWhileEventsAreAppended: what was there when the first page was
// read comes exactly once, each period with its own end.
func TestPeriods_pagesWhileEventsAreAppended(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		c.happens(acme, added("p1", "Lyon"), added("p10", "Oslo"))
		flip := func() {
			c.happens(acme, events.PeerDisabled{Peer: "p1"}, events.PeerDisabled{Peer: "p10"}, events.PeerEnabled{Peer: "p1"}, events.PeerEnabled{Peer: "p10"})
		}
		for range 10 {
			flip()
		}
		want := must(c.Timeline().periodsOf(acme, "p1", 1000))(t)
		var got []Period
		for q := (TimelineQuery{Limit: 4}); len(got) == 0 || q.Cursor != ""; flip() {
			page := must(c.Timeline().Periods(t.Context(), acme, "p1", q))(t)
			got, q.Cursor = append(got, page.Items...), page.NextCursor
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got) != 21 {
			t.Errorf("(-want +got):\n%s", diff)
		}
		first := must(c.Timeline().Periods(t.Context(), acme, "p1", TimelineQuery{Limit: 1}))(t)
		for _, q := range []struct {
			peer  events.PeerID
			q     TimelineQuery
			field string
		}{
			{"p10", TimelineQuery{Cursor: first.NextCursor}, "cursor"},
			{"p1", TimelineQuery{Cursor: "x"}, "cursor"},
			{"p1", TimelineQuery{Limit: -1}, "limit"},
			{"p1", TimelineQuery{Limit: maxLimit + 1}, "limit"},
		} {
			_, err := c.Timeline().Periods(t.Context(), acme, q.peer, q.q)
			refused(t, err, q.field)
			_, err = c.Timeline().Maintenances(t.Context(), acme, q.peer, q.q)
			refused(t, err, q.field)
		}
		_, err := c.Timeline().Maintenances(t.Context(), acme, "p1", TimelineQuery{Cursor: first.NextCursor})
		refused(t, err, "cursor")
	})
}

// explained is how the database answers a query.
func explained(t testing.TB, db *DB, tx *sqlx.Tx, query string, args ...any) string {
	t.Helper()
	if _, ok := db.dialect.(postgres); ok {
		var lines []string
		if err := tx.SelectContext(t.Context(), &lines, tx.Rebind("EXPLAIN "+query), args...); err != nil {
			t.Fatal(err)
		}
		return strings.Join(lines, "\n")
	}
	var steps []struct {
		ID, Parent, NotUsed int
		Detail              string
	}
	if err := tx.SelectContext(t.Context(), &steps, "EXPLAIN QUERY PLAN "+query, args...); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range steps {
		out = append(out, s.Detail)
	}
	return strings.Join(out, "\n")
}

// TestPlan_aStoryIsReadByAnIndex: a page costs what it shows, and a time what is
// in it.
func TestPlan_aStoryIsReadByAnIndex(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		for i := range 5 {
			ent := events.EnterpriseID(fmt.Sprintf("ent-%d", i))
			c.happens(ent, crowd(200)...)
			for range 5 {
				list := make([]events.Event, 200)
				for k := range list {
					list[k] = status(events.PeerID(fmt.Sprintf("p%d", k)), events.StatusUp, 1<<30)
				}
				c.happens(ent, list...)
			}
		}
		if d.Postgres() {
			if _, err := c.writer.ExecContext(t.Context(), "ANALYSE"); err != nil {
				t.Fatal(err)
			}
		}
		err := c.view(t.Context(), "test", timeline{}, func(tx *sqlx.Tx, row stateRow) error {
			g := row.generation()
			plans := map[string]string{}
			cursor := must(c.Timeline().Periods(t.Context(), "ent-1", "p1", TimelineQuery{Limit: 1}))(t).NextCursor
			for name, q := range map[string]TimelineQuery{"first": {Limit: 2}, "next": {Limit: 2, Cursor: cursor}} {
				query, args := must(storyListing(periods, "ent-1", "p1", q))(t).statement(periodColumns(g), g.table(periods)+" p")
				plans[name] = explained(t, c.DB, tx, query, args...)
			}
			query, args := periodsBetween(g, "ent-1", "p1", at(5), at(5000))
			plans["between"] = explained(t, c.DB, tx, query, args...)
			for name, plan := range plans {
				for _, bad := range []string{"SCAN p", "SCAN n", "SCAN l", "TEMP B-TREE", "Seq Scan", "Sort"} {
					if strings.Contains(plan, bad) {
						t.Errorf("%s, %s:\n%s", d.Name, name, plan)
						break
					}
				}
			}
			if !strings.Contains(plans["between"], "_began") {
				t.Errorf("%s, between:\n%s", d.Name, plans["between"])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestTimeline_isBuiltAnewAsItWas: tables that are filled again are what they
// were, and a comparison finds what is not as the log says.
func TestTimeline_isBuiltAnewAsItWas(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		log := record(acme, 1, registered(acme), added("p1", "Lyon"), status("p1", events.StatusUp, 2),
			events.PeerMaintenanceScheduled{Peer: "p1", Start: at(5), End: at(9)}, events.PeerMaintenanceCancelled{Peer: "p1"}, added("p2", "Oslo"))
		if err := write(t, c.lease, 6, log...); err != nil {
			t.Fatal(err)
		}
		compare := func() (out []TableReport) {
			shadow := must(c.BuildShadow(t.Context(), timeline{}, "verifier"))(t)
			if err := write(t, shadow, 6, log...); err != nil {
				t.Fatal(err)
			}
			m := must(c.Freeze(t.Context(), timeline{}))(t)
			defer m.Close()
			out = must(m.Compare(t.Context(), shadow))(t)
			return out[:3]
		}
		want := []TableReport{{Name: periods, Rows: 3}, {Name: maintenances, Rows: 1}, {Name: connections, Rows: 2}}
		if diff := cmp.Diff(want, compare()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		d.Exec(t, "UPDATE timeline_v1_g1_periods SET began = began + 1 WHERE sequence = 3")
		d.Exec(t, "DELETE FROM timeline_v1_g1_maintenances")
		want[0].Different, want[1].Missing, want[1].Rows = 1, 1, 0
		if diff := cmp.Diff(want, compare(), cmpopts.IgnoreFields(TableReport{}, "Examples")); diff != "" {
			t.Errorf("damaged (-want +got):\n%s", diff)
		}
	})
}

// TestTimeline_periodsDoNotOverlap, not even when a peer that was deleted is added
// again and a prober's clock was ahead.
func TestTimeline_periodsDoNotOverlap(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		ahead := status("p1", events.StatusUp, 1)
		ahead.Since = at(1000)
		c.happens(acme, added("p1", "Lyon"), ahead, events.PeerDeleted{Peer: "p1"})
		c.lease = acquireOf(t, c.DB, timeline{})
		c.happens(acme, added("p1", "Again"), events.PeerDisabled{Peer: "p1"})
		for i, p := range c.periods() {
			if i > 0 && p.Since != at(1000) {
				t.Errorf("%d began at %s", p.Seq, p.Since)
			}
		}
		list, _, err := c.Timeline().Between(t.Context(), acme, "p1", at(0), at(2000))
		if err != nil || len(list) != 2 || list[1].Status != events.StatusDisabled {
			t.Errorf("got %+v, %v", list, err)
		}
	})
}

// TestTimeline_whatIsOfTheConfigurationLasts through a change that leaves it as it
// is; what is unknown begins anew, however the clocks of the probers are.
func TestTimeline_whatIsOfTheConfigurationLasts(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		ahead := status("p1", events.StatusUp, 1)
		ahead.Since = at(1000)
		c.happens(acme, added("p1", "Lyon"), ahead, events.PeerDisabled{Peer: "p1"}, events.PeerHostnameChanged{Peer: "p1", To: "a.example"},
			events.PeerEnterpriseChanged{Peer: "p1", To: "globex-at"}, events.PeerEnabled{Peer: "p1"}, events.PeerHostnameChanged{Peer: "p1", To: "b.example"})
		want := []Period{
			{Seq: 1, Status: events.StatusUnknown, Since: at(1), Until: at(1000)},
			{Seq: 2, Status: events.StatusUp, Cause: ahead.Cause, Since: at(1000), Until: at(1000)},
			{Seq: 3, Status: events.StatusDisabled, Since: at(1000), Until: at(1000)},
			{Seq: 6, Status: events.StatusUnknown, Since: at(1000), Until: at(1000)},
			{Seq: 7, Status: events.StatusUnknown, Since: at(1000)},
		}
		if diff := cmp.Diff(want, c.periods()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		c.happens(acme, status("p1", events.StatusUp, 6)) // about another hostname
		if diff := cmp.Diff(want, c.periods()); diff != "" {
			t.Errorf("a verdict about the hostname before (-want +got):\n%s", diff)
		}
	})
}
