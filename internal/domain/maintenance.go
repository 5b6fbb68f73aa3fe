package domain

import (
	"time"

	"github.com/peering/peering/internal/events"
)

// scheduleMaintenance announces one. A peer has one at a time: another that was
// announced gives way to it.
func scheduleMaintenance(e *Enterprise, c ScheduleMaintenance, in Input) (Decision, *Error) {
	p, err := e.livePeer(c.Peer, in)
	if err != nil {
		return Decision{}, err
	}
	if p.Type == events.PeerExternal {
		return Decision{}, invalid("peer", "an external peer is not probed: a maintenance of it would mean nothing")
	}
	m := Maintenance{
		Start: c.Start.UTC().Truncate(time.Microsecond),
		End:   c.End.UTC().Truncate(time.Microsecond),
		Note:  c.Note,
	}
	if err := m.check(in.Now); err != nil {
		return Decision{}, err
	}
	d := Decision{ID: string(p.ID)}
	if p.Maintenance != m {
		d.Events = []events.Event{events.PeerMaintenanceScheduled{Peer: p.ID, Start: m.Start, End: m.End, Note: m.Note}}
	}
	return d, nil
}

// cancelMaintenance takes back what has not ended yet. One that is over took
// place, and stays.
func cancelMaintenance(e *Enterprise, c CancelMaintenance, in Input) (Decision, *Error) {
	p, err := e.livePeer(c.Peer, in)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{ID: string(p.ID)}
	if p.Maintenance.End.After(in.Now) {
		d.Events = []events.Event{events.PeerMaintenanceCancelled{Peer: p.ID, Start: p.Maintenance.Start, End: p.Maintenance.End}}
	}
	return d, nil
}

// check holds the rules of a maintenance that is announced at now.
func (m Maintenance) check(now time.Time) *Error {
	const days = int(MaxMaintenance / (24 * time.Hour))
	switch {
	case m.Start.IsZero():
		return invalid("start", "the start is required")
	case m.End.IsZero():
		return invalid("end", "the end is required")
	case !m.End.After(m.Start):
		return invalid("end", "the end must be after the start")
	case !m.End.After(now):
		return invalid("end", "the end must be in the future")
	case m.End.Sub(m.Start) > MaxMaintenance:
		return invalid("end", "a maintenance lasts at most %d days", days)
	case m.Start.Sub(now) > MaxMaintenance:
		return invalid("start", "a maintenance starts at most %d days from now", days)
	}
	return breaks("note", "the note", checkText(m.Note, MaxMaintenanceNote))
}
