package projection

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// ofTimeline are options of the timeline instead of the directory.
func ofTimeline(o *Options) { o.Projection = readmodel.TimelineProjection() }

// TestTimeline_followsTheLogAsTheDirectoryDoes: its tables are sound, a rebuild
// changes nothing, and an event that cannot follow holds its enterprise until
// somebody has decided.
func TestTimeline_followsTheLogAsTheDirectoryDoes(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 10)
		db := open(t, d)
		x := start(t, New(log, db, quick(ofTimeline, func(o *Options) { o.BatchLimit = 20 })))
		x.reaches(w.work(3))
		sound(t, x)
		before := d.Dump(t, "timeline_")
		if err := x.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, d.Dump(t, "timeline_")); diff != "" || before == "" {
			t.Errorf("rebuilt (-before +after):\n%s", diff)
		}
		dead := w.command(acme, events.PeerDisabled{Peer: peerID(77_777)})
		held := w.command(acme, added(88_888))
		other := w.command(beta, added(88_888))
		x.reaches(other)
		if _, err := db.Timeline().Periods(t.Context(), acme, peerID(88_888), readmodel.TimelineQuery{}); err == nil {
			t.Error("the event behind it was applied")
		}
		if page, err := db.Timeline().Periods(t.Context(), beta, peerID(88_888), readmodel.TimelineQuery{}); err != nil || len(page.Items) != 1 {
			t.Errorf("another enterprise waits: %+v, %v", page, err)
		}
		if err := db.DiscardDead(t.Context(), "timeline", dead, discard); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the event behind it to be applied", func() bool {
			page, err := db.Timeline().Periods(t.Context(), acme, peerID(88_888), readmodel.TimelineQuery{})
			return err == nil && len(page.Items) == 1
		})
		if err := db.Timeline().Await(patient(t), acme, held); err != nil {
			t.Error(err)
		}
		sound(t, x)
	})
}

// sound fails the test unless the tables are what follows from the log.
func sound(t *testing.T, x *running) {
	t.Helper()
	r, err := x.Verify(t.Context())
	if err != nil || !r.Sound {
		t.Errorf("the tables: %+v, %v", r, err)
	}
}
