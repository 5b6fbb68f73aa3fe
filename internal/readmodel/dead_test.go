package readmodel

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// buries writes dead events of ent at the sequences.
func (s *stage) buries(ent events.EnterpriseID, seqs ...events.Seq) {
	s.t.Helper()
	for _, n := range seqs {
		s.last = max(s.last, n)
		err := s.lease.Write(s.t.Context(), mark(s.last), func(tx *Tx) error {
			tx.Bury(DeadEvent{
				Seq: n, Enterprise: ent, Subject: fmt.Sprintf("peering.events.%s.config", ent), Type: "PeerAdded", Error: "It does not fit", Stored: at(n),
			})
			return nil
		}, nil)
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

var decision = Discard{By: "alice", At: at(100), Reason: "made by a script"}

func (s *stage) deadSeqs(q DeadQuery) (list []events.Seq, next string) {
	s.t.Helper()
	page := must(s.DeadEvents(s.t.Context(), q))(s.t)
	for _, e := range page.Items {
		list = append(list, e.Seq)
	}
	return list, page.NextCursor
}

func TestDeadEvents_listed(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		if list, _ := s.deadSeqs(DeadQuery{}); len(list) != 0 {
			t.Errorf("of an empty log: %v", list)
		}
		s.buries("", 1, 2, 3)
		s.buries(acme, 10)
		s.buries(beta, 11)
		got := must(s.DeadEvent(t.Context(), "directory", 10))(t)
		want := BuriedEvent{Projection: "directory", Version: directoryVersion, HeldAt: 10, DeadEvent: DeadEvent{
			Seq: 10, Enterprise: acme, Subject: "peering.events.acme.config", Type: "PeerAdded", Error: "It does not fit", Stored: at(10),
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a dead event (-want +got):\n%s", diff)
		}
		for name, c := range map[string]struct {
			query DeadQuery
			want  []events.Seq
		}{
			"all":        {DeadQuery{}, []events.Seq{1, 2, 3, 10, 11}},
			"descending": {DeadQuery{ListQuery: ListQuery{Sort: "-sequence"}}, []events.Seq{11, 10, 3, 2, 1}},
			"enterprise": {DeadQuery{Projection: "directory", Enterprise: beta}, []events.Seq{11}},
			"search":     {DeadQuery{ListQuery: ListQuery{Q: "ACME.config"}}, []events.Seq{10}},
			"error":      {DeadQuery{ListQuery: ListQuery{Q: "it does not FIT"}}, []events.Seq{1, 2, 3, 10, 11}},
		} {
			if list, _ := s.deadSeqs(c.query); !cmp.Equal(list, c.want) {
				t.Errorf("%s: %v, want %v", name, list, c.want)
			}
		}
		for _, sort := range []string{"sequence", "-sequence"} {
			var all []events.Seq
			q := DeadQuery{ListQuery: ListQuery{Limit: 2, Sort: sort}}
			for more := true; more; more = q.Cursor != "" {
				var list []events.Seq
				list, q.Cursor = s.deadSeqs(q)
				all = append(all, list...)
			}
			if len(all) != 5 {
				t.Errorf("in pages by %s: %v", sort, all)
			}
		}
		_, err := s.DeadEvents(t.Context(), DeadQuery{Projection: "no-such"})
		refused(t, err, "projection")
		_, err = s.DeadEvents(t.Context(), DeadQuery{ListQuery: ListQuery{Sort: "error"}})
		refused(t, err, "sort")
		if page := must(s.DeadEvents(t.Context(), DeadQuery{}))(t); page.Sequence != 11 {
			t.Errorf("the list is at %d", page.Sequence)
		}
	})
}

// TestDeadEvents_ofTheTablesThatAreRead: what a build has buried is not listed.
func TestDeadEvents_ofTheTablesThatAreRead(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.buries(acme, 5)
		live := s.lease
		s.lease = build(t, s.DB, "builder")
		s.buries(acme, 5)
		s.buries(beta, 6)
		if list, _ := s.deadSeqs(DeadQuery{}); !cmp.Equal(list, []events.Seq{5}) {
			t.Errorf("got %v", list)
		}
		if b := s.state().Building; b == nil || b.Position != 6 || b.Owner != "builder" || b.Shadow {
			t.Errorf("building: %+v", b)
		}
		s.lease = live
	})
}

func TestDiscard_whatIsNotDeadIsRefused(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		s.buries(acme, 5)
		for _, n := range []events.Seq{0, 1, 4, 6, 1 << 63} {
			if err := s.DiscardDead(t.Context(), "directory", n, decision); !errors.Is(err, ErrNotFound) {
				t.Errorf("%d: %v", n, err)
			}
			if _, err := s.RetryDead(t.Context(), "directory", max(n, 1)); !errors.Is(err, ErrNotFound) {
				t.Errorf("retry of %d: %v", n, err)
			}
		}
		if err := s.DiscardDead(t.Context(), "no-such", 5, decision); !errors.Is(err, ErrNotFound) {
			t.Errorf("an unknown projection: %v", err)
		}
		s.happens(beta, registered(beta)) // nobody was disturbed
		if page := must(s.DiscardedEvents(t.Context(), DeadQuery{}))(t); len(page.Items) != 0 {
			t.Errorf("discarded: %+v", page.Items)
		}
	})
}

// TestDiscard_isKept: with who, when and why of the first decision; the writer
// is fenced once, and the next lease skips the event.
func TestDiscard_isKept(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.buries(acme, 5)
		s.buries("", 6)
		if err := s.DiscardDead(t.Context(), "directory", 5, decision); err != nil {
			t.Fatal(err)
		}
		fenced(t, s.lease.Beat(t.Context()))
		s.lease = acquire(t, s.DB, "next")
		again := Discard{By: "bob", At: at(200), Reason: "another\x00 reason"}
		if err := s.DiscardDead(t.Context(), "directory", 5, again); err != nil {
			t.Errorf("again: %v", err)
		}
		if err := s.lease.Beat(t.Context()); err != nil {
			t.Errorf("discarding again disturbs: %v", err)
		}
		got := must(s.DiscardedEvent(t.Context(), "directory", 5))(t)
		want := DiscardedEvent{Projection: "directory", By: "alice", At: at(100), Reason: "made by a script", DeadEvent: DeadEvent{
			Seq: 5, Enterprise: acme, Subject: "peering.events.acme.config", Type: "PeerAdded", Error: "It does not fit", Stored: at(5),
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a discarded event (-want +got):\n%s", diff)
		}
		err := s.lease.Write(t.Context(), mark(s.last), func(tx *Tx) error {
			if !tx.Discarded(5) || tx.Discarded(6) {
				t.Error("the next lease does not know what is discarded")
			}
			return tx.Release(acme)
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.DiscardDead(t.Context(), "directory", 6, again); err != nil { // it belongs to nobody
			t.Fatal(err)
		}
		if st := s.state(); st.Dead != 0 || len(st.Held) != 0 {
			t.Errorf("the state is %+v", st)
		}
		page := must(s.DiscardedEvents(t.Context(), DeadQuery{ListQuery: ListQuery{Q: "acme"}}))(t)
		if len(page.Items) != 1 || !cmp.Equal(page.Items[0], want) {
			t.Errorf("listed: %+v", page.Items)
		}
		if got := must(s.DiscardedEvent(t.Context(), "directory", 6))(t); strings.Contains(got.Reason, "\x00") || got.By != "bob" {
			t.Errorf("got %+v", got)
		}
		if _, err := s.DiscardedEvent(t.Context(), "directory", 7); !errors.Is(err, ErrNotFound) {
			t.Errorf("one that was not discarded: %v", err)
		}
	})
}

// TestShadow_isNeverActivated: and Prune drops it when it is let go.
func TestShadow_isNeverActivated(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		l := must(s.BuildShadow(t.Context(), directory{}, "verifier"))(t)
		if err := write(t, l, 1, record(acme, 1, registered(acme))...); err != nil {
			t.Fatal(err)
		}
		done, err := l.Activate(t.Context())
		if fenced(t, err); done || s.state().Generation != 1 {
			t.Error("the shadow was activated")
		}
		if b := s.state().Building; b == nil || !b.Shadow {
			t.Errorf("building: %+v", b)
		}
		if err := errors.Join(l.Release(t.Context()), s.Prune(t.Context(), directory{})); err != nil || s.state().Building != nil {
			t.Errorf("%v, %+v", err, s.state().Building)
		}
		s.happens(beta, registered(beta)) // the live lease is as it was
	})
}

// TestDiscard_whatPeopleSaidIsKeptWhole: errors are clipped, reasons are not.
func TestDiscard_whatPeopleSaidIsKeptWhole(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.buries("", 5)
		want := Discard{By: strings.Repeat("Ä", maxNote), At: at(100), Reason: strings.Repeat("😀", 500)}
		if err := s.DiscardDead(t.Context(), "directory", 5, want); err != nil {
			t.Fatal(err)
		}
		if got := must(s.DiscardedEvent(t.Context(), "directory", 5))(t); got.By != want.By || got.Reason != want.Reason {
			t.Errorf("got %d bytes of %d, and %d of %d", len(got.By), len(want.By), len(got.Reason), len(want.Reason))
		}
	})
}

func TestDeadEvent_ofANameThatNobodyCanHaveIsNotFound(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for _, name := range []string{"", "no-such", "directory\x00", "\xff"} {
			if _, err := s.DeadEvent(t.Context(), name, 1); !errors.Is(err, ErrNotFound) {
				t.Errorf("dead in %q: %v", name, err)
			}
			if _, err := s.DiscardedEvent(t.Context(), name, 1); !errors.Is(err, ErrNotFound) {
				t.Errorf("discarded in %q: %v", name, err)
			}
		}
	})
}
