package domain

import (
	"time"

	"github.com/peering/peering/internal/events"
)

// RememberedCommand is an accepted command whose id was chosen by the client,
// as its events tell of it.
type RememberedCommand struct {
	ID       events.CommandID
	Hash     string     // of the command's body: another hash is another command
	Seq      events.Seq // of its last event
	Events   []events.EventID
	Resource string // the id of what it acted on or added
	Time     time.Time
}

// memory keeps the commands of the last events.CommandMemory. Age is measured
// from one running maximum of event times to another, so that a fold never needs
// a clock, and a clock that went back does not make it forget early. One that
// jumps ahead does, by as much as it jumped: that is the newest time there is.
type memory struct {
	byID  map[events.CommandID]*remembered
	order queue[*remembered]
	last  lastEvent
}

// lastEvent is what a Mark tells of the event that was folded last.
type lastEvent struct {
	id   events.EventID
	time time.Time
}

// remembered is a RememberedCommand at rest; the event ids follow from the
// command id, so only their number is kept.
type remembered struct {
	id       events.CommandID
	hash     string
	seq      events.Seq
	count    int
	resource string
	time     time.Time
	seen     time.Time // running maximum of event times when it was folded
}

func newMemory() memory { return memory{byID: map[events.CommandID]*remembered{}} }

func (m *memory) len() int { return len(m.byID) }

// note learns from the event r; latest is the running maximum of event times.
func (m *memory) note(r events.Recorded, latest time.Time) {
	m.last = lastEvent{r.ID, eventTime(r)}
	for m.order.len() > 0 && latest.Sub(m.order.front().seen) > events.CommandMemory {
		m.drop(m.order.pop())
	}
	if r.CommandHash == "" {
		return
	}
	if c := m.byID[r.CommandID]; c != nil && c.hash == r.CommandHash {
		c.seq, c.count, c.resource = r.Seq, r.Count, resourceOf(r)
		return
	}
	m.put(&remembered{
		id: r.CommandID, hash: r.CommandHash, seq: r.Seq, count: r.Count,
		resource: resourceOf(r), time: eventTime(r), seen: latest,
	})
}

func (m *memory) put(c *remembered) {
	m.byID[c.id] = c
	m.order.push(c)
}

func (m *memory) drop(c *remembered) {
	if m.byID[c.id] == c {
		delete(m.byID, c.id)
	}
}

// Remembered returns what the events of the last events.CommandMemory tell of
// the command id. It closes the gap between the append of a command's events
// and the keeping of its outcome (ADR 0005): whoever finds a command here must
// not run it again. Only commands with an id chosen by a client are remembered.
// Commands that changed nothing leave no trace.
func (e *Enterprise) Remembered(id events.CommandID) (RememberedCommand, bool) {
	c := e.memory.byID[id]
	if c == nil {
		return RememberedCommand{}, false
	}
	out := RememberedCommand{ID: c.id, Hash: c.hash, Seq: c.seq, Resource: c.resource, Time: c.time}
	for i := range c.count {
		out.Events = append(out.Events, events.NewEventID(e.id, c.id, i))
	}
	return out, true
}

// resourceOf is the id of what r is about: the resource of the decision behind
// it, when r is the last event of its command.
func resourceOf(r events.Recorded) string {
	switch ev := r.Event.(type) {
	case events.PeerEvent:
		return string(ev.PeerID())
	case events.TrustedServerEvent:
		return string(ev.TrustedServerID())
	}
	return string(r.Enterprise)
}
