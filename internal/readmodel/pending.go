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

// TimelineQuery asks for a page, the newest first.
type TimelineQuery struct {
	Limit  int
	Cursor string
}
