package domain

import (
	"slices"

	"github.com/peering/peering/internal/events"
)

// raiseNotice merges what the other side has to be told into what it was not
// told yet. The event carries the whole notice as it is then. What is to be told
// is the server as it is now: the command may come late, when it has changed
// again (ADR 0026).
func raiseNotice(e *Enterprise, c RaisePeerNotice, in Input) (Decision, *Error) {
	p, err := e.livePeer(c.Peer, in)
	if err != nil {
		return Decision{}, err
	}
	if err := checkNotice(c.Changes); err != nil {
		return Decision{}, err
	}
	d := Decision{ID: string(p.ID)}
	if merged := mergeNotice(p.Notice, c.Changes, e.server); !slices.Equal(merged, p.Notice) {
		d.Events = []events.Event{events.PeerNoticeRaised{Peer: p.ID, Changes: merged}}
	}
	return d, nil
}

func acknowledgeNotice(e *Enterprise, c AcknowledgePeerNotice, in Input) (Decision, *Error) {
	p, err := e.livePeer(c.Peer, in)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{ID: string(p.ID)}
	if len(p.Notice) > 0 {
		d.Events = []events.Event{events.PeerNoticeAcknowledged{Peer: p.ID, Changes: p.Notice}}
	}
	return d, nil
}

func checkNotice(changes []events.NoticeChange) *Error {
	if len(changes) == 0 || len(changes) > MaxNoticeChanges {
		return invalid("changes", "a notice has 1 to %d changes", MaxNoticeChanges)
	}
	for _, c := range changes {
		if !slices.Contains([]string{events.NoticeHostname, events.NoticeAddress, events.NoticeVersion}, c.Field) {
			return invalid("changes", "a notice is about %s, %s or %s", events.NoticeHostname, events.NoticeAddress, events.NoticeVersion)
		}
		for _, value := range []string{c.From, c.To} {
			if err := breaks("changes", "a value in the changes", checkText(value, MaxHostname)); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeNotice keeps one change for each field, from what the other side was
// told last to what the server has now.
func mergeNotice(told, changes []events.NoticeChange, server events.Server) []events.NoticeChange {
	merged := slices.Clone(told)
	for _, c := range changes {
		i := slices.IndexFunc(merged, func(m events.NoticeChange) bool { return m.Field == c.Field })
		now := noticed(server, c.Field)
		switch {
		case i >= 0:
			merged[i] = mergeChange(merged[i], c, now)
		case c.From != now:
			c.To = now
			merged = append(merged, c)
		}
	}
	return merged
}

// mergeChange merges a change into what is to be told of its field. One that
// comes late happened before what is told already. A value that came back to
// where it started keeps its last step: nobody knows whether the other side was
// told of the detour.
func mergeChange(told, c events.NoticeChange, now string) events.NoticeChange {
	from := told.From
	if c.To == told.From && c.From != told.To {
		from = c.From
	}
	for _, known := range []string{from, c.From, told.To} {
		if known != now {
			return events.NoticeChange{Field: c.Field, From: known, To: now}
		}
	}
	return told
}

// noticed is what the server has in a field of a notice.
func noticed(s events.Server, field string) string {
	switch field {
	case events.NoticeHostname:
		return s.Hostname
	case events.NoticeAddress:
		return s.Address
	}
	return s.Version
}
