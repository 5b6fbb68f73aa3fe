package bus

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/readmodel"
)

// happening is an event of hq as the log has it.
func happening(t testing.TB, seq events.Seq, e events.Event) events.Message {
	t.Helper()
	subject := events.ConfigSubject(hq)
	header, data, err := events.NewCodec(events.Default()).Encode(subject, events.Envelope{
		ID: cause, Enterprise: hq, Time: domaintest.Start(), CommandID: "c1", Count: 1,
		CorrelationID: "corr", Actor: "alice", Event: e,
	})
	if err != nil {
		t.Fatal(err)
	}
	return events.Message{Seq: seq, Subject: string(subject), Header: header, Data: data}
}

func inside(ents ...events.EnterpriseID) (list []readmodel.Neighbour) {
	for _, ent := range ents {
		list = append(list, readmodel.Neighbour{Enterprise: ent, Peer: "p1", Type: events.PeerMiCollab})
	}
	return list
}

// TestReactions_ordersOfAServerChange: who is told what, and as what it is kept.
func TestReactions_ordersOfAServerChange(t *testing.T) {
	s := &stub{neighbours: readmodel.Neighbours{
		Inside: append(inside("beta-1"), readmodel.Neighbour{Enterprise: "beta-1", Peer: "p2", Type: events.PeerMiCollab, Detected: true}),
		Outside: []readmodel.Neighbour{
			{Enterprise: hq, Peer: "p3", Type: events.PeerMiCollab}, {Enterprise: hq, Peer: "p4", Type: events.PeerExternal},
		},
	}}
	r := s.reactions(t)
	if err := r.react(t.Context(), happening(t, 7, moved), 1); err != nil {
		t.Fatal(err)
	}
	from := domain.ServerIdentity{Hostname: "old.acme.example", Address: "192.0.2.1", Version: "9.4"}
	to := domain.ServerIdentity{Hostname: "new.acme.example", Address: "192.0.2.2", Version: "9.8"}
	fromSeen, toSeen := from, to
	fromSeen.Version, toSeen.Version = "", ""
	changes := []events.NoticeChange{
		{Field: "hostname", From: from.Hostname, To: to.Hostname},
		{Field: "address", From: from.Address, To: to.Address},
		{Field: "version", From: from.Version, To: to.Version},
	}
	want := map[events.PeerID]domain.Command{
		"p1": domain.FollowServer{Peer: "p1", PeerEnterpriseID: hq, From: from, To: to},
		"p2": domain.FollowServer{Peer: "p2", PeerEnterpriseID: hq, From: fromSeen, To: toSeen},
		"p3": domain.RaisePeerNotice{Peer: "p3", Changes: changes},
		"p4": domain.RaisePeerNotice{Peer: "p4", Changes: changes[:2]},
	}
	got := map[events.PeerID]domain.Command{}
	ids := map[events.CommandID]bool{}
	for _, req := range s.asked {
		ids[req.ID] = true
		switch cmd := req.Command.(type) {
		case domain.FollowServer:
			got[cmd.Peer] = cmd
		case domain.RaisePeerNotice:
			got[cmd.Peer] = cmd
		}
		if _, err := events.ParseCommandID(string(again(req.ID))); err != nil {
			t.Error(err)
		}
		req.ID, req.Command, req.Enterprise = "", nil, ""
		kept := command.Request{Actor: "reaction", Reason: "the server of acme changed", CorrelationID: "corr", CausationID: string(cause), Final: true}
		if diff := cmp.Diff(kept, req); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(ids) != len(want) {
		t.Errorf("%d ids (-want +got):\n%s", len(ids), diff)
	}
	again := len(s.asked)
	if err := r.react(t.Context(), happening(t, 7, moved), 2); err != nil {
		t.Fatal(err)
	}
	for _, req := range s.asked[again:] {
		if !ids[req.ID] {
			t.Errorf("%s has another id the second time", req.Enterprise)
		}
	}
}

// TestReactions_whatNothingFollowsFrom: a change that no peer knows of asks
// nobody, and what is no event keeps nothing up.
func TestReactions_whatNothingFollowsFrom(t *testing.T) {
	s := &stub{look: errors.New("nobody is to ask")}
	r := s.reactions(t)
	flex := moved
	flex.To = flex.From
	flex.To.Deployment = events.DeploymentMiCloudGCP
	unreadable := happening(t, 8, moved)
	unreadable.Data = []byte("{")
	for _, m := range []events.Message{happening(t, 7, flex), unreadable, {Seq: 9, Subject: "peering.events.a b.config"}, happening(t, 10, events.EnterpriseDescribed{To: "x"})} {
		if err := r.react(t.Context(), m, 1); err != nil {
			t.Errorf("%d: %v", m.Seq, err)
		}
	}
	if n := r.ended(reactionUndecodable); n != 2 || len(s.asked) > 0 {
		t.Errorf("%d were undecodable, %d orders", n, len(s.asked))
	}
}

// TestReactions_noneCausesAnother: of all events there are, two cause reactions,
// both about an enterprise; and whatever the commands of a reaction make, in
// whatever state, is about a peer.
func TestReactions_noneCausesAnother(t *testing.T) {
	registry := events.Default()
	var causing []events.Type
	for _, typ := range registry.Types() {
		e, err := registry.Decode(typ, registry.Version(typ), []byte(`{}`))
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		if !causes(e) {
			continue
		}
		causing = append(causing, typ)
		if _, ok := e.(events.PeerEvent); ok {
			t.Errorf("%s is about a peer and causes reactions", typ)
		}
	}
	slices.Sort(causing)
	if want := []events.Type{"EnterpriseRemoved", "EnterpriseServerChanged"}; !slices.Equal(causing, want) {
		t.Errorf("reactions follow from %v", causing)
	}
	made := map[domain.CommandName]int{}
	rapid.Check(t, func(t *rapid.T) {
		h := domaintest.NewHistory()
		for _, cmd := range rapid.SliceOfN(domaintest.Commands(), 1, 40).Draw(t, "commands") {
			h.Do(cmd)
		}
		for _, p := range h.State.Peers() {
			change := moved
			if p.Type == events.PeerMiCollab {
				change.From.Hostname, change.From.Address, change.From.Version = p.Hostname, p.Address, p.Version
			}
			rec := events.Recorded{Envelope: events.Envelope{Enterprise: p.PeerEnterpriseID, ID: cause}}
			this := []readmodel.Neighbour{{Enterprise: domaintest.Enterprise, Peer: p.ID, Type: p.Type}}
			for _, req := range ordersOf(rec, change, readmodel.Neighbours{Inside: this, Outside: this}) {
				step := h.Do(req.Command)
				made[req.Command.Name()] += len(step.Decision.Events)
				for _, e := range step.Decision.Events {
					if _, ok := e.(events.PeerEvent); !ok || causes(e) {
						t.Fatalf("%s makes %s", req.Command.Name(), e.Type())
					}
				}
			}
		}
	})
	for _, kind := range []domain.CommandName{"FollowServer", "RaisePeerNotice"} {
		if made[kind] == 0 {
			t.Errorf("%s never made an event here", kind)
		}
		delete(made, kind)
	}
	if len(made) > 0 {
		t.Errorf("reactions give other commands too: %v", made)
	}
}

// TestReactions_eachTargetHasAnEndOfItsOwn: whatever becomes of one, the others
// get theirs and the event is settled.
func TestReactions_eachTargetHasAnEndOfItsOwn(t *testing.T) {
	no := &domain.Error{Code: domain.Exists, Field: "hostname", Msg: "taken"}
	unavailable := func(why error) error { return errors.Join(command.ErrUnavailable, why) }
	for _, tc := range []struct {
		name  string
		fails func() (command.Receipt, error)
		end   string
		park  string // reason
		tries int
	}{
		{"nothing to change", func() (command.Receipt, error) { return command.Receipt{}, nil }, reactionUnchanged, "", 1},
		{"refused", func() (command.Receipt, error) { return command.Receipt{}, no }, reactionRefused, "reaction_refused", 1},
		{"peer gone", func() (command.Receipt, error) { return command.Receipt{}, &domain.Error{Code: domain.Gone} }, reactionGone, "", 1},
		{"enterprise unknown", func() (command.Receipt, error) { return command.Receipt{}, &domain.Error{Code: domain.NotFound} }, reactionGone, "", 1},
		{"told before", func() (command.Receipt, error) { return command.Receipt{}, &domain.Error{Code: domain.IDReused} }, reactionUnchanged, "", 1},
		{"unreadable", func() (command.Receipt, error) { return command.Receipt{}, unavailable(command.ErrUnreadable) }, reactionParked, "unreadable_history", 1},
		{"not handled", func() (command.Receipt, error) { return command.Receipt{}, unavailable(errors.New("slow")) }, reactionParked, "not_handled", 2},
		{"panics", func() (command.Receipt, error) { panic("a bug") }, reactionParked, "panicked", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &stub{neighbours: readmodel.Neighbours{Inside: inside("alpha", "beta-1", "gamma")}}
			tries := 0
			s.handle = func(req command.Request) (command.Receipt, error) {
				if req.Enterprise != "beta-1" {
					return command.Receipt{Events: []events.EventID{"e"}}, nil
				}
				tries++
				return tc.fails()
			}
			r := s.reactions(t)
			if err := r.react(t.Context(), happening(t, 7, moved), 1); err != nil {
				t.Fatal(err)
			}
			if r.ended(tc.end) != 1 || r.ended(reactionChanged) != 2 || tries != tc.tries {
				t.Errorf("%d %s, %d changed, %d tries", r.ended(tc.end), tc.end, r.ended(reactionChanged), tries)
			}
			if tc.park == "" {
				if len(s.parked) > 0 {
					t.Errorf("parked: %+v", s.parked)
				}
				return
			}
			if len(s.parked) != 1 {
				t.Fatalf("parked: %+v", s.parked)
			}
			checkParked(t, s.parked[0], tc.park, no)
		})
	}
}

// checkParked holds what is parked of an order to beta-1 against what it must be.
func checkParked(t *testing.T, c eventstore.ParkedCommand, reason string, refusal *domain.Error) {
	t.Helper()
	cmd, err := command.DecodeOwn(domain.CommandName(c.Command), c.Body)
	if follow, ok := cmd.(domain.FollowServer); err != nil || !ok || follow.To.Address != moved.To.Address || c.BodySize != len(c.Body) || !c.KeepWhole {
		t.Errorf("it cannot be given again: %+v, %v", cmd, err)
	}
	id := reactionID(cause, "p1")
	if reason == "reaction_refused" {
		id = again(id) // the refusal is the answer to the first
		if c.Detail != refusal.Error() {
			t.Errorf("the detail is %q", c.Detail)
		}
	}
	c.Body, c.BodySize, c.At, c.Detail = nil, 0, time.Time{}, ""
	want := eventstore.ParkedCommand{
		Tail: "beta-1.FollowServer", Enterprise: "beta-1", Command: "FollowServer", CommandID: id, Reason: reason,
		Actor: "reaction", Why: "the server of acme changed", CorrelationID: "corr", CausationID: string(cause), KeepWhole: true,
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReactions_waitForWhatDoesNotWork: the deployment's fault is nobody's end.
func TestReactions_waitForWhatDoesNotWork(t *testing.T) {
	down := errors.New("down")
	fails := func(times int) func() error {
		var mu sync.Mutex
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			if times--; times >= 0 {
				return down
			}
			return nil
		}
	}
	for name, break_ := range map[string]func(*stub){
		"the log": func(s *stub) {
			log := fails(2)
			s.handle = func(command.Request) (command.Receipt, error) {
				if log() != nil {
					return command.Receipt{}, errors.Join(command.ErrUnavailable, down)
				}
				return command.Receipt{Events: []events.EventID{"e"}}, nil
			}
			s.ill = fails(5)
		},
		"the log is full": func(s *stub) {
			log := fails(3)
			s.handle = func(command.Request) (command.Receipt, error) {
				if log() != nil {
					return command.Receipt{}, eventstore.ErrFull
				}
				return command.Receipt{Events: []events.EventID{"e"}}, nil
			}
		},
		"parking": func(s *stub) {
			s.park = fails(3)
			s.handle = func(command.Request) (command.Receipt, error) {
				return command.Receipt{}, errors.Join(command.ErrUnavailable, command.ErrUnreadable)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{neighbours: readmodel.Neighbours{Inside: inside("beta-1")}}
				break_(s)
				r := s.reactions(t)
				if err := r.react(t.Context(), happening(t, 7, moved), 1); err != nil {
					t.Fatal(err)
				}
				if got := r.ended(reactionChanged) + len(s.parked); got != 1 || name == "parking" != (len(s.parked) == 1) {
					t.Errorf("changed %d, parked %+v", r.ended(reactionChanged), s.parked)
				}
			})
		})
	}
}

// TestReactions_stopLeavesTheEvent: whoever stops does not settle by giving up.
func TestReactions_stopLeavesTheEvent(t *testing.T) {
	for name, s := range map[string]*stub{
		"directory": {look: readmodel.ErrUnavailable},
		"log": {
			neighbours: readmodel.Neighbours{Inside: inside("beta-1")},
			handle:     func(command.Request) (command.Receipt, error) { return command.Receipt{}, command.ErrUnavailable },
			ill:        func() error { return errors.New("no leader") },
		},
		"parking": {
			neighbours: readmodel.Neighbours{Inside: inside("beta-1")},
			handle:     func(command.Request) (command.Receipt, error) { return command.Receipt{}, command.ErrUnreadable },
			park:       func() error { return eventstore.ErrFull }, // what was not decided is not given up
		},
		"tokens": {revoke: func() error { return readmodel.ErrUnavailable }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var e events.Event = moved
				if name == "tokens" {
					e = events.EnterpriseRemoved{}
				}
				r := s.reactions(t)
				if err := r.react(ctx, happening(t, 7, e), 1); !errors.Is(err, errReleased) || ctx.Err() == nil {
					t.Errorf("got %v", err)
				}
				if len(s.parked)+len(s.revoked) > 0 {
					t.Errorf("parked %+v, revoked %v", s.parked, s.revoked)
				}
			})
		})
	}
}

// TestReactions_refusalWithoutRoomIsGivenUp, and said, rather than that the
// events behind it wait for somebody to clear up.
func TestReactions_refusalWithoutRoomIsGivenUp(t *testing.T) {
	s := &stub{
		neighbours: readmodel.Neighbours{Inside: inside("beta-1")},
		handle: func(command.Request) (command.Receipt, error) {
			return command.Receipt{}, &domain.Error{Code: domain.Exists}
		},
		park: func() error { return eventstore.ErrFull },
	}
	r := s.reactions(t)
	if err := r.react(t.Context(), happening(t, 7, moved), 1); err != nil || r.ended(reactionLost) != 1 {
		t.Errorf("%v, %d lost", err, r.ended(reactionLost))
	}
}

// TestReactions_suspectIsNotTried: an event that never came to an end is parked
// by all its orders, unless something else explains it.
func TestReactions_suspectIsNotTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{neighbours: readmodel.Neighbours{Inside: inside("alpha", "beta-1")}}
		r := s.reactions(t)
		if err := r.react(t.Context(), happening(t, 7, moved), maxDeliveries); err != nil {
			t.Fatal(err)
		}
		if len(s.asked) > 0 || len(s.parked) != 2 || s.parked[0].Reason != "too_many_deliveries" {
			t.Errorf("%d tried, parked %+v", len(s.asked), s.parked)
		}
		times := 2
		explained := &stub{neighbours: s.neighbours, ill: func() error {
			if times--; times >= 0 {
				return errors.New("down")
			}
			return nil
		}}
		r = explained.reactions(t)
		if err := r.react(t.Context(), happening(t, 7, moved), maxDeliveries); err != nil || len(explained.parked) > 0 || len(explained.asked) != 2 {
			t.Errorf("after an outage: %v, %d tried, parked %+v", err, len(explained.asked), explained.parked)
		}
	})
}
