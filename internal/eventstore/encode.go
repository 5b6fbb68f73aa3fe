package eventstore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/peering/peering/internal/events"
)

// MaxAppend is the largest number of events that one Append takes: the limit of
// an atomic batch of the server (its error 10199).
const MaxAppend = 1000

// entry is an event as it is stored.
type entry struct {
	header map[string][]string
	data   []byte
}

// encode turns the events of one Append into messages. Its errors are bugs of
// the caller; nothing was written.
func encode(c events.Codec, subject events.Subject, evs []events.Envelope) ([]entry, error) {
	switch {
	case len(evs) == 0:
		return nil, errors.New("eventstore: append without events")
	case len(evs) > MaxAppend:
		return nil, fmt.Errorf("eventstore: %d events in one append to %s, at most %d can be stored together", len(evs), subject, MaxAppend)
	}
	entries := make([]entry, len(evs))
	for i, e := range evs {
		h, data, err := c.Encode(subject, e)
		if err != nil {
			return nil, fmt.Errorf("eventstore: append to %s: %w", subject, err)
		}
		entries[i] = entry{h, data}
	}
	return entries, nil
}

// same reports whether m is the stored form of e. The id alone would not do:
// the same command id with another body, or decided anew in another process,
// makes the same event id, and must come out as a conflict. What the server and
// the publishing add to the headers does not count.
func (e entry) same(m events.Message) bool {
	if string(e.data) != string(m.Data) {
		return false
	}
	for name, values := range e.header {
		if !slices.Equal(values, m.Header[name]) {
			return false
		}
	}
	return true
}
