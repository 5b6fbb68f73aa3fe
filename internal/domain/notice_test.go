package domain_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

func change(field, from, to string) events.NoticeChange {
	return events.NoticeChange{Field: field, From: from, To: to}
}

func raised(changes ...events.NoticeChange) events.PeerNoticeRaised {
	return events.PeerNoticeRaised{Peer: "p1", Changes: changes}
}

// moved is the server of the scenario's enterprise as it is now.
func moved(hostname, address string) events.EnterpriseServerChanged {
	return events.EnterpriseServerChanged{
		From: domaintest.Registered().Server,
		To:   events.Server{Hostname: hostname, Address: address, Deployment: events.DeploymentStandard},
	}
}

func TestRaisePeerNotice_mergesUntilAcknowledged(t *testing.T) {
	type changes = []events.NoticeChange
	for _, tc := range []struct {
		rule       string
		now        string // the hostname; the address is "2"
		told, more changes
		want       changes // nil: no event
	}{
		{"the first notice", "b", nil, changes{change("hostname", "a", "b")}, changes{change("hostname", "a", "b")}},
		{
			"from what the other side knows to what holds now", "c",
			changes{change("hostname", "a", "b")},
			changes{change("hostname", "b", "c")},
			changes{change("hostname", "a", "c")},
		},
		{
			"the event carries the whole notice", "b",
			changes{change("hostname", "a", "b")},
			changes{change("address", "1", "2")},
			changes{change("hostname", "a", "b"), change("address", "1", "2")},
		},
		{"the same once more changes nothing", "b", changes{change("hostname", "a", "b")}, changes{change("hostname", "a", "b")}, nil},
		{
			"what came back to its start is still to be told", "a",
			changes{change("hostname", "a", "b")},
			changes{change("hostname", "b", "a")},
			changes{change("hostname", "b", "a")},
		},
		{
			"several changes of one command are merged too", "c", nil,
			changes{change("hostname", "a", "b"), change("hostname", "b", "c")},
			changes{change("hostname", "a", "c")},
		},
		{"one that comes late tells what holds now", "c", nil, changes{change("hostname", "a", "b")}, changes{change("hostname", "a", "c")}},
		{"and the one behind it adds nothing", "c", changes{change("hostname", "a", "c")}, changes{change("hostname", "b", "c")}, nil},
		{
			"one that comes after a later one tells from where it began", "c",
			changes{change("hostname", "b", "c")},
			changes{change("hostname", "a", "b")},
			changes{change("hostname", "a", "c")},
		},
		{"one that was taken back meanwhile tells nothing", "a", nil, changes{change("hostname", "a", "b")}, nil},
		{
			"one that comes late when the server is back tells the last step", "a",
			changes{change("hostname", "b", "a")},
			changes{change("hostname", "a", "b")},
			nil,
		},
		{
			"one that the server has left for where it began", "a",
			changes{change("hostname", "a", "b")},
			changes{change("hostname", "a", "x")},
			changes{change("hostname", "b", "a")},
		},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			history := []events.Event{lyon(), moved(tc.now, "2")}
			if tc.told != nil {
				history = append(history, raised(tc.told...))
			}
			told := slices.Clone(tc.told)
			var want []events.Event
			if tc.want != nil {
				want = []events.Event{raised(tc.want...)}
			}
			given(history...).When(domain.RaisePeerNotice{Peer: "p1", Changes: tc.more}).Then(t, want...)
			if !slices.Equal(told, tc.told) {
				t.Errorf("the stored event was changed to %v", tc.told)
			}
		})
	}
}

// TestRaisePeerNotice_tellsWhatHoldsNow: the changes of a server arrive in any
// order, some twice, while it goes on moving.
func TestRaisePeerNotice_tellsWhatHoldsNow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 2, 6).Draw(t, "hosts")
		h := domaintest.NewHistory()
		peer := events.PeerID(h.Do(domain.AddPeer{Type: events.PeerExternal, Description: "Jabber"}).Decision.ID)
		var steps []events.NoticeChange
		for i, host := range hosts {
			if i > 0 && host != hosts[i-1] {
				steps = append(steps, change("hostname", hosts[i-1]+".example", host+".example"))
			}
		}
		late := rapid.Permutation(slices.Concat(steps, steps)).Draw(t, "late")
		for len(late) > 0 {
			if len(steps) > 0 && rapid.Bool().Draw(t, "moves") {
				h.Do(domain.ChangeEnterpriseServer{Hostname: domain.Give(steps[0].To)})
				steps = steps[1:]
			}
			step := h.Do(domain.RaisePeerNotice{Peer: peer, Changes: late[:1]})
			late = late[1:]
			for _, r := range step.Recorded {
				told := r.Event.(events.PeerNoticeRaised).Changes[0]
				if now := h.State.Server().Hostname; told.To != now || told.From == now {
					t.Fatalf("the server is at %s, told is %+v", now, told)
				}
			}
		}
	})
}

func TestAcknowledgePeerNotice_clearsItOnce(t *testing.T) {
	notice := raised(change("hostname", "a", "b"))
	acknowledged := events.PeerNoticeAcknowledged{Peer: "p1", Changes: notice.Changes}
	given(lyon(), notice).When(domain.AcknowledgePeerNotice{Peer: "p1"}).Then(t, acknowledged)
	given(lyon(), notice, acknowledged).When(domain.AcknowledgePeerNotice{Peer: "p1"}).Then(t)
	given(lyon(), notice, acknowledged, moved("c", "")).When(domain.RaisePeerNotice{Peer: "p1", Changes: []events.NoticeChange{change("hostname", "b", "c")}}).
		Then(t, raised(change("hostname", "b", "c")))
	p, _ := given(lyon(), notice).State(t).Peer("p1")
	if !slices.Equal(p.Notice, notice.Changes) {
		t.Errorf("the peer's notice is %v", p.Notice)
	}
}

func TestRaisePeerNotice_rules(t *testing.T) {
	for _, tc := range []struct {
		rule    string
		changes []events.NoticeChange
		words   string
	}{
		{"it has a change", nil, "1 to 16"},
		{"it has few changes", slices.Repeat([]events.NoticeChange{change("hostname", "a", "b")}, 17), "1 to 16"},
		{"it is about what a server is known by", []events.NoticeChange{change("port", "1", "2")}, "hostname, address or version"},
		{"its values are short", []events.NoticeChange{change("hostname", "a", strings.Repeat("x", 254))}, "253"},
		{"its values have no control characters", []events.NoticeChange{change("hostname", "a\x00", "b")}, "control"},
		{"its values are valid UTF-8", []events.NoticeChange{change("hostname", "a", "\xff")}, "UTF-8"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			given(lyon()).When(domain.RaisePeerNotice{Peer: "p1", Changes: tc.changes}).ThenRefused(t, domain.Invalid, "changes", tc.words)
		})
	}
	given().When(domain.RaisePeerNotice{Peer: "p1"}).ThenRefused(t, domain.NotFound, "peer")
	given(domaintest.ExternalAdded("p1", "Jabber"), moved("a", "192.0.2.1")).
		When(domain.RaisePeerNotice{Peer: "p1", Changes: []events.NoticeChange{change("address", "", "192.0.2.1")}}).
		Then(t, raised(change("address", "", "192.0.2.1")))
}
