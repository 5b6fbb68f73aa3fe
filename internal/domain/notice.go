package domain

import (
	"slices"

	"github.com/peering/peering/internal/events"
)

// raiseNotice merges what the other side has to be told into what it was not
// told yet. The event carries the whole notice as it is then.
func raiseNotice(e *Enterprise, c RaisePeerNotice, in Input) (Decision, *Error) {
	p, err := e.livePeer(c.Peer, in)
	if err != nil {
		return Decision{}, err
	}
	if err := checkNotice(c.Changes); err != nil {
		return Decision{}, err
	}
	d := Decision{ID: string(p.ID)}
	if merged := mergeNotice(p.Notice, c.Changes); !slices.Equal(merged, p.Notice) {
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
// told last to what holds now. A value that came back to where it started keeps
// its last step: nobody knows whether the other side was told of the detour.
func mergeNotice(told, changes []events.NoticeChange) []events.NoticeChange {
	merged := slices.Clone(told)
	for _, c := range changes {
		i := slices.IndexFunc(merged, func(m events.NoticeChange) bool { return m.Field == c.Field })
		switch {
		case i < 0:
			merged = append(merged, c)
		case merged[i].From == c.To:
			merged[i] = c
		default:
			merged[i].To = c.To
		}
	}
	return merged
}
