package domain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

const day = 24 * time.Hour

func TestScheduleMaintenance_rules(t *testing.T) {
	now := given(lyon()).Now()
	schedule := func(start, end time.Duration) domain.ScheduleMaintenance {
		return domain.ScheduleMaintenance{Peer: "p1", Start: now.Add(start), End: now.Add(end), Note: "move"}
	}
	noted := func(note string) domain.ScheduleMaintenance {
		c := schedule(0, time.Hour)
		c.Note = note
		return c
	}
	for _, tc := range []struct {
		rule  string
		cmd   domain.ScheduleMaintenance
		field string
		words string
	}{
		{"the start is required", domain.ScheduleMaintenance{Peer: "p1", End: now.Add(time.Hour)}, "start", "required"},
		{"the end is required", domain.ScheduleMaintenance{Peer: "p1", Start: now}, "end", "required"},
		{"the end is after the start", schedule(time.Hour, time.Hour), "end", "after the start"},
		{"the end is in the future", schedule(-2*time.Hour, 0), "end", "future"},
		{"it lasts at most 366 days", schedule(0, 366*day+time.Microsecond), "end", "366 days"},
		{"it starts within 366 days", schedule(366*day+time.Microsecond, 367*day), "start", "366 days"},
		{"the note has at most 256 characters", noted(strings.Repeat("ü", 257)), "note", "256"},
		{"the note has no control characters", noted("a\tb"), "note", "control"},
		{"the note is valid UTF-8", noted("\xff"), "note", "UTF-8"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			given(lyon()).When(tc.cmd).ThenRefused(t, domain.Invalid, tc.field, tc.words)
		})
	}
	for rule, cmd := range map[string]domain.ScheduleMaintenance{
		"it may have begun":            schedule(-time.Hour, time.Hour),
		"it may last 366 days":         schedule(0, 366*day),
		"it may start in 366 days":     schedule(366*day, 367*day),
		"the note may be left out":     noted(""),
		"a note of 256 characters":     noted(strings.Repeat("ü", 256)),
		"times are kept in UTC":        {Peer: "p1", Start: now.In(time.FixedZone("", 3600)), End: now.Add(time.Hour).In(time.FixedZone("", -3600))},
		"times are kept to the micros": {Peer: "p1", Start: now.Add(999), End: now.Add(time.Hour + 1)},
	} {
		t.Run(rule, func(t *testing.T) {
			given(lyon()).When(cmd).Then(t, events.PeerMaintenanceScheduled{
				Peer: "p1", Start: cmd.Start.UTC().Truncate(time.Microsecond), End: cmd.End.UTC().Truncate(time.Microsecond), Note: cmd.Note,
			})
		})
	}
}

func TestMaintenance_oneAtATime(t *testing.T) {
	now := given(lyon()).Now()
	first := events.PeerMaintenanceScheduled{Peer: "p1", Start: now, End: now.Add(time.Hour), Note: "move"}
	cancelled := events.PeerMaintenanceCancelled{Peer: "p1", Start: first.Start, End: first.End}
	repeat := domain.ScheduleMaintenance{Peer: "p1", Start: first.Start, End: first.End, Note: "move"}
	given(lyon(), first).When(repeat).Then(t)
	longer := repeat
	longer.End = now.Add(2 * time.Hour)
	given(lyon(), first).When(longer).Then(t, events.PeerMaintenanceScheduled{Peer: "p1", Start: longer.Start, End: longer.End, Note: "move"})
	given(lyon(), first).When(domain.CancelMaintenance{Peer: "p1"}).Then(t, cancelled)
	given(lyon(), first, cancelled).When(domain.CancelMaintenance{Peer: "p1"}).Then(t)
	over := events.PeerMaintenanceScheduled{Peer: "p1", Start: now.Add(-2 * time.Hour), End: now.Add(-time.Hour)}
	given(lyon(), over).When(domain.CancelMaintenance{Peer: "p1"}).Then(t) // it took place
	given(lyon(), over).When(repeat).Then(t, first)
	given().When(repeat).ThenRefused(t, domain.NotFound, "peer")
	given().When(domain.CancelMaintenance{Peer: "p1"}).ThenRefused(t, domain.NotFound, "peer")
	if p, _ := given(lyon(), first).State(t).Peer("p1"); p.Maintenance != (domain.Maintenance{Start: first.Start, End: first.End, Note: "move"}) {
		t.Errorf("the peer's maintenance is %+v", p.Maintenance)
	}
}

// TestMaintenance_ofAnExternalPeerIsRefused: nothing that it would hold back is
// ever said of one. One that was announced before that can be taken back.
func TestMaintenance_ofAnExternalPeerIsRefused(t *testing.T) {
	partner := domaintest.ExternalAdded("p1", "Partner")
	now := given(partner).Now()
	given(partner).When(domain.ScheduleMaintenance{Peer: "p1", Start: now, End: now.Add(time.Hour)}).
		ThenRefused(t, domain.Invalid, "peer", "external")
	old := events.PeerMaintenanceScheduled{Peer: "p1", Start: now, End: now.Add(time.Hour)}
	given(partner, old).When(domain.CancelMaintenance{Peer: "p1"}).
		Then(t, events.PeerMaintenanceCancelled{Peer: "p1", Start: old.Start, End: old.End})
}
