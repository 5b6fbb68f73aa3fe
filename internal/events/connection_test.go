package events

import (
	"testing"
	"time"
)

// fold applies events a minute apart and returns what they come to.
func fold(list ...Event) Connection {
	var c Connection
	for i, e := range list {
		c.Apply(Recorded{Seq: Seq(i + 1), Envelope: Envelope{Event: e, Time: minute(i + 1)}})
	}
	return c
}

func minute(n int) time.Time { return time.Date(2026, 3, 1, 12, n, 0, 0, time.UTC) }

// TestConnection_statusOfTheConfigurationLastsThroughOtherChanges: a peer that
// stays disabled, or is external, was so before as well; verdicts about what it
// was before do not count all the same.
func TestConnection_statusOfTheConfigurationLastsThroughOtherChanges(t *testing.T) {
	added, external := PeerAdded{PeerType: PeerMiCollab}, PeerAdded{PeerType: PeerExternal}
	for rule, c := range map[string]struct {
		events []Event
		want   Connection
	}{
		"disabled, then another hostname":   {[]Event{added, PeerDisabled{}, PeerHostnameChanged{}}, Connection{Status: StatusDisabled, Since: minute(2), From: 3}},
		"disabled, then another enterprise": {[]Event{added, PeerDisabled{}, PeerEnterpriseChanged{}}, Connection{Status: StatusDisabled, Since: minute(2), From: 3}},
		"disabled, then enabled":            {[]Event{added, PeerDisabled{}, PeerEnabled{}}, Connection{Enabled: true, Status: StatusUnknown, Since: minute(3), From: 3}},
		"unknown, then another hostname":    {[]Event{added, PeerHostnameChanged{}}, Connection{Enabled: true, Status: StatusUnknown, Since: minute(2), From: 2}},
		"external, then another hostname":   {[]Event{external, PeerHostnameChanged{}}, Connection{External: true, Enabled: true, Status: StatusNA, Since: minute(1), From: 2}},
		"external, then disabled":           {[]Event{external, PeerDisabled{}}, Connection{External: true, Status: StatusNA, Since: minute(1), From: 2}},
		"external, then added anew":         {[]Event{external, external}, Connection{External: true, Enabled: true, Status: StatusNA, Since: minute(2), From: 2}},
	} {
		if got := fold(c.events...); got != c.want {
			t.Errorf("%s: got %+v, want %+v", rule, got, c.want)
		}
	}
}
