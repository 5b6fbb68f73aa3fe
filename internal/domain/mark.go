package domain

import (
	"time"

	"github.com/peering/peering/internal/events"
)

// Mark names one event of a log. A state carries the mark of the event it ends
// with, so that whoever kept it can see whether a log is still the one it was
// folded from. The id alone would not tell: a command that is repeated on a log
// that was restored makes events with the same ids.
type Mark struct {
	Seq  events.Seq
	ID   events.EventID
	Time time.Time
}

// MarkOf is the mark of r.
func MarkOf(r events.Recorded) Mark { return Mark{Seq: r.Seq, ID: r.ID, Time: eventTime(r)} }

// Mark is that of the event with which the state ends; the zero Mark when
// nothing has happened.
func (e *Enterprise) Mark() Mark {
	if e.seq == 0 {
		return Mark{}
	}
	return Mark{Seq: e.seq, ID: e.memory.last.id, Time: e.memory.last.time}
}
