package readmodel

import (
	"time"

	"github.com/peering/peering/internal/events"
)

// Period is how long a peer had one status.
type Period struct {
	Seq          events.Seq
	Status       events.Status
	Cause        events.Cause
	Since        time.Time
	Until        time.Time
	Reported     time.Time
	ProbeStarted time.Time
	Ended        bool
}

// MaintenanceWindow is an announced absence.
type MaintenanceWindow struct {
	Seq         events.Seq
	Start, End  time.Time
	Note, By    string
	CancelledAt time.Time
}

// Effective is the time in which the maintenance held.
func (m MaintenanceWindow) Effective() (start, end time.Time, ok bool) {
	start, end = m.Start, m.End
	if !m.CancelledAt.IsZero() && m.CancelledAt.Before(end) {
		end = m.CancelledAt
	}
	return start, end, start.Before(end)
}

// TimelineQuery asks for a page, the newest first.
type TimelineQuery struct {
	Limit  int
	Cursor string
}
