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

// TestTimeline_maintenancesAreKept with who scheduled them, and what became of
// them.
func TestTimeline_maintenancesAreKept(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		plan := func(start, end events.Seq, note string) events.PeerMaintenanceScheduled {
			return events.PeerMaintenanceScheduled{Peer: "p1", Start: at(start), End: at(end), Note: note}
		}
		c.happens(acme, added("p1", "Lyon"), plan(10, 20, "disks")) // 1, 2
		c.happens(acme, plan(12, 22, "fans"))                       // 3
		for range 20 {                                              // 4 to 23
			c.happens(acme, events.PeerRenamed{Peer: "p1", To: "x"})
		}
		c.happens(acme, plan(30, 60, "move"))                             // 24
		c.happens(acme, added("p2", "Other"))                             // 25
		c.lease = acquireOf(t, c.DB, timeline{})                          // who knows nothing of them yet
		c.happens(acme, events.PeerMaintenanceCancelled{Peer: "p1"})      // 26
		c.happens(acme, events.PeerMaintenanceCancelled{Peer: "p1"})      // 27: there is none
		c.happens(acme, plan(40, 50, ""), events.PeerDeleted{Peer: "p1"}) // 28, 29
		by := domaintest.Actor
		want := []MaintenanceWindow{
			{Seq: 28, Start: at(40), End: at(50), By: by, CancelledAt: at(29)},
			{Seq: 24, Start: at(30), End: at(60), Note: "move", By: by, CancelledAt: at(26)},
			{Seq: 3, Start: at(12), End: at(22), Note: "fans", By: by}, // it was over when it was replaced
			{Seq: 2, Start: at(10), End: at(20), Note: "disks", By: by, CancelledAt: at(3)},
		}
		if diff := cmp.Diff(want, must(c.Timeline().windowsOf(acme, "p1", 3))(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		_, windows, err := c.Timeline().Between(t.Context(), acme, "p1", at(0), at(99))
		if diff := cmp.Diff(want[2:3], windows); err != nil || diff != "" {
			t.Errorf("what held: %v (-want +got):\n%s", err, diff)
		}
	})
}

// TestTimeline_aMaintenanceThatWasOverTookPlace, whatever happened then: it was
// not cancelled.
func TestTimeline_aMaintenanceThatWasOverTookPlace(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		for ends, over := range map[events.Seq]bool{3: true, 4: true, 5: false} {
			for what, end := range map[string]events.Event{
				"cancelled": events.PeerMaintenanceCancelled{Peer: "p1"}, "deleted": events.PeerDeleted{Peer: "p1"}, "removed": events.EnterpriseRemoved{},
				"replaced": events.PeerMaintenanceScheduled{Peer: "p1", Start: at(1), End: at(99)},
			} {
				ent := events.EnterpriseID(fmt.Sprintf("%s-%d", what, ends))
				c := newChronicle(t, d)
				c.last = must(c.State(t.Context(), timeline{}))(t).Position
				begin := c.happens(ent, added("p1", "Lyon"))
				plan := events.PeerMaintenanceScheduled{Peer: "p1", Start: at(begin), End: at(begin + ends - 1)}
				last := c.happens(ent, plan, events.PeerRenamed{Peer: "p1", To: "x"}, end)
				want := at(last)
				if over {
					want = time.Time{}
				}
				list := must(c.Timeline().windowsOf(ent, "p1", 9))(t)
				if got := list[len(list)-1]; got.CancelledAt != want {
					t.Errorf("%s at %s, its end at %s: cancelled at %s", what, at(last), got.End, got.CancelledAt)
				}
			}
		}
	})
}

// TestTimeline_goesOnWithoutAMaintenanceThatIsMissing from tables that were
// damaged, however it would have ended.
func TestTimeline_goesOnWithoutAMaintenanceThatIsMissing(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		c := newChronicle(t, d)
		plan := func(peer events.PeerID) events.Event {
			return events.PeerMaintenanceScheduled{Peer: peer, Start: at(100), End: at(200)}
		}
		c.happens(acme, added("p1", "Lyon"), added("p2", "Oslo"), added("p3", "Rome"), added("p4", "Bern"),
			plan("p1"), plan("p2"), plan("p3"), plan("p4")) // 5 to 8
		d.Exec(t, "DELETE FROM timeline_v1_g1_maintenances")
		c.lease = acquireOf(t, c.DB, timeline{}) // who knows nothing of them yet
		last := c.happens(acme, plan("p1"), events.PeerMaintenanceCancelled{Peer: "p2"}, events.PeerDeleted{Peer: "p3"}, events.EnterpriseRemoved{})
		for peer, want := range map[events.PeerID][]MaintenanceWindow{
			"p1": {{Seq: 9, Start: at(100), End: at(200), By: domaintest.Actor, CancelledAt: at(last)}}, "p2": nil, "p3": nil, "p4": nil,
		} {
			if diff := cmp.Diff(want, must(c.Timeline().windowsOf(acme, peer, 9))(t)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", peer, diff)
			}
			if list := must(c.Timeline().periodsOf(acme, peer, 9))(t); len(list) != 2 || !list[0].Ended {
				t.Errorf("%s: %+v", peer, list)
			}
		}
	})
}

// TestEffective_isWhatWasLeftOfAMaintenance when it was cancelled.
func TestEffective_isWhatWasLeftOfAMaintenance(t *testing.T) {
	for _, c := range []struct {
		cancelled time.Time
		end       time.Time
		held      bool
	}{{time.Time{}, at(20), true}, {at(30), at(20), true}, {at(15), at(15), true}, {at(10), at(10), false}, {at(5), at(5), false}} {
		start, end, held := MaintenanceWindow{Start: at(10), End: at(20), CancelledAt: c.cancelled}.Effective()
		if start != at(10) || held != c.held || end != c.end {
			t.Errorf("cancelled at %s: from %s to %s, %t", c.cancelled, start, end, held)
		}
	}
}
