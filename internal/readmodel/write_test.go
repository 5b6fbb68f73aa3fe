package readmodel

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

func TestWrite_rowsAndPositionTogetherOrNothing(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		rows, state := s.dump(), s.state()
		broken := errors.New("broken")
		list := record(acme, 2, added("p1", "Lyon"))
		fill := func(tx *Tx) error {
			tx.Bury(DeadEvent{Seq: 2, Enterprise: beta})
			return errors.Join(tx.Prefetch(list), tx.Apply(list[0]))
		}
		breaks := func(context.Context) error { return broken }
		if err := s.lease.Write(t.Context(), mark(2), fill, breaks); !errors.Is(err, broken) {
			t.Errorf("failed before the position: %v", err)
		}
		err := s.lease.Write(t.Context(), mark(2), func(tx *Tx) error { return errors.Join(fill(tx), broken) }, nil)
		if !errors.Is(err, broken) {
			t.Errorf("failed in the rows: %v", err)
		}
		if s.dump() != rows || !cmp.Equal(state, s.state()) || s.lease.Mark() != mark(1) || len(s.lease.Held()) != 0 {
			t.Fatalf("something was left: %+v, %+v, %v\n%s", s.state(), s.lease.Mark(), s.lease.Held(), s.dump())
		}
		// The same lease goes on, from the rows of the tables.
		s.happens(acme, added("p1", "Turin"))
		if got := s.peer(acme, "p1").Description; got != "Turin" || s.lease.Mark() != mark(2) {
			t.Errorf("the peer is called %q at %+v", got, s.lease.Mark())
		}
	})
}

func TestWrite_refusesToGoBack(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Lyon"), events.PeerRenamed{Peer: "p1", To: "Turin"})
		before := s.dump()
		if err := write(t, s.lease, 2); err == nil {
			t.Error("the position went back")
		}
		p := peerTable()
		for name, c := range map[string]change[peerRow]{
			"as new":     {&peerRow{Enterprise: acme, ID: "p1", LastSeq: 3}, &peerRow{Enterprise: acme, ID: "p1", LastSeq: 2}},
			"older":      {&peerRow{Enterprise: acme, ID: "p1", LastSeq: 2}, &peerRow{Enterprise: acme, ID: "p1", LastSeq: 1}},
			"not new":    {&peerRow{Enterprise: acme, ID: "p1", LastSeq: 4}, nil},
			"not there":  {&peerRow{Enterprise: acme, ID: "p2", LastSeq: 4}, &peerRow{Enterprise: acme, ID: "p2", LastSeq: 1}},
			"no changes": {&peerRow{Enterprise: acme, ID: "p1", LastSeq: 3}, &peerRow{Enterprise: acme, ID: "p1", LastSeq: 3}},
		} {
			err := s.writing(t.Context(), "test", func(tx *sqlx.Tx) error {
				return p.write(t.Context(), s.dialect, tx, s.lease.generation, []change[peerRow]{c})
			})
			if err == nil || !strings.Contains(err.Error(), "back in time") {
				t.Errorf("a row that is %s: %v", name, err)
			}
		}
		if got := s.dump(); got != before {
			t.Errorf("before: %s\nafter: %s", before, got)
		}
		s.happens(acme, events.PeerRenamed{Peer: "p1", To: "Oslo"})
	})
}

func TestWrite_otherOneMovedThePosition(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		twin := *s.lease // the same epoch, which must not be
		s.happens(acme, added("p1", "Lyon"))
		fenced(t, write(t, &twin, 3))
	})
}

// TestBury_laterEventsOfTheEnterpriseAreHeld: what is dead and held is described,
// survives a takeover, and is forgotten when it is released.
func TestBury_laterEventsOfTheEnterpriseAreHeld(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme)
		err := s.lease.Write(t.Context(), mark(9), func(tx *Tx) error {
			tx.Bury(DeadEvent{Seq: 5, Enterprise: beta, Subject: "peering.events.beta-1.config", Type: "PeerAdded", Error: "no"})
			tx.Bury(DeadEvent{Seq: 6, Subject: "peering.events.*.config", Error: "whose?"}) // holds nobody
			tx.Hold(acme, 4)
			if tx.HeldAt(beta) != 5 || tx.HeldAt(acme) != 4 || tx.HeldAt("gamma") != 0 || tx.HeldAt("") != 0 {
				t.Errorf("held: %d, %d", tx.HeldAt(beta), tx.HeldAt(acme))
			}
			return nil
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []Held{{acme, 4}, {beta, 5}}
		if got := s.state(); got.Dead != 2 || !cmp.Equal(got.Held, want) {
			t.Errorf("got %+v", got)
		}
		list, err := s.Positions(t.Context())
		if err != nil || len(list) != 1 || list[0].Dead != 2 || !cmp.Equal(list[0].Held, want) {
			t.Errorf("got %+v, %v", list, err)
		}
		l := acquire(t, s.DB, "other")
		err = l.Write(t.Context(), mark(9), func(tx *Tx) error {
			if err := tx.Release(beta); err != nil {
				return err
			}
			tx.Hold(acme, 8)
			return nil
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.state(); got.Dead != 1 || !cmp.Equal(got.Held, []Held{{acme, 8}}) || len(l.Held()) != 1 {
			t.Errorf("released: %+v, %v", got, l.Held())
		}
	})
}

func TestRelease_ofWhatWasBuriedInTheSameTransaction(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for _, again := range []bool{false, true} {
			err := s.lease.Write(t.Context(), mark(9), func(tx *Tx) error {
				tx.Bury(DeadEvent{Seq: 5, Enterprise: beta})
				err := tx.Release(beta)
				if again {
					tx.Bury(DeadEvent{Seq: 5, Enterprise: beta})
				}
				return err
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.state(); (got.Dead == 1) != again || (len(got.Held) == 1) != again {
				t.Errorf("buried again %t: %+v", again, got)
			}
		}
	})
}

func TestBury_takesAnyTextThatSomebodyMayHaveWritten(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for i, text := range []string{"", "a\x00b", "K\xf6ln", strings.Repeat("ü", maxNote), "x" + strings.Repeat("日", maxNote), random(100_000)} {
			err := s.lease.Write(t.Context(), mark(9), func(tx *Tx) error {
				tx.Bury(DeadEvent{Seq: events.Seq(i + 1), Subject: text, Type: events.Type(text), Error: text})
				return nil
			}, nil)
			if err != nil {
				t.Errorf("%.20q: %v", text, err)
			}
		}
		if got := s.state().Dead; got != 6 {
			t.Errorf("%d events are dead", got)
		}
	})
}

// random is a text that cannot be made shorter.
func random(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return string(b)
}

// TestUnstorable_valuesThatNoTryWillStore: the lease is as it was, and the rest
// of the log can be written with it.
func TestUnstorable_valuesThatNoTryWillStore(t *testing.T) {
	d := testkit.Postgres(t) // SQLite takes all of these
	s := newStage(t, d)
	s.registers(acme)
	for name, e := range map[string]events.PeerAdded{
		"a null character": {Peer: "p1", PeerType: events.PeerMiCollab, Description: "a\x00b"},
		"invalid UTF-8":    {Peer: "p1", PeerType: events.PeerMiCollab, Hostname: "K\xf6ln"},
		"too long a key":   {Peer: events.PeerID(random(100_000)), PeerType: events.PeerMiCollab},
	} {
		before := s.dump()
		err := write(t, s.lease, 2, record(acme, 2, e)...)
		if !Unstorable(err) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if s.dump() != before || s.lease.Mark() != mark(1) {
			t.Errorf("%s: something was left", name)
		}
	}
	s.happens(acme, added("p1", "Lyon"))
	if got := s.enterprise(acme).PeersTotal; got != 1 {
		t.Errorf("%d peers", got)
	}
}

func TestUnstorable_isNothingElse(t *testing.T) {
	for _, err := range []error{nil, errors.New("x"), ErrUnavailable, &FencedError{}, &HeldError{}, context.Canceled} {
		if Unstorable(err) {
			t.Errorf("%v", err)
		}
	}
}

// TestWrite_longTextsThatAreNoKeys: what the domain would never let through is
// shown as it is, and sorted and searched by its beginning.
func TestWrite_longTextsThatAreNoKeys(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		e := added("p1", strings.Repeat("Ü", 5000))
		e.Hostname, e.DialingPrefix = random(5000), random(5000)
		s.registers(acme, e, added("p2", "Lyon"))
		if p := s.peer(acme, "p1"); p.Description != e.Description || p.Host != e.Hostname || p.DialingPrefix != e.DialingPrefix {
			t.Error("a text was cut")
		}
		for _, sort := range []string{"description", "hostname", "-dialing_prefix"} {
			q := PeerQuery{ListQuery: ListQuery{Sort: sort, Limit: 1}}
			page := must(s.Directory().Peers(t.Context(), acme, q))(t)
			q.Cursor = page.NextCursor
			if rest := must(s.Directory().Peers(t.Context(), acme, q))(t); len(rest.Items) != 1 || rest.Items[0].ID == page.Items[0].ID {
				t.Errorf("by %s: then come %v", sort, ids(rest.Items))
			}
		}
	})
}

func TestWrite_manyRowsInOneTransaction(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, crowd(1234)...)
		s.happens(acme, renames(1234)...)
		got := s.enterprise(acme)
		if got.PeersTotal != 1234 || got.ByStatus[events.StatusUnknown] != 1234 {
			t.Errorf("%d peers, %v", got.PeersTotal, got.ByStatus)
		}
		if p := s.peer(acme, "p1233"); p.Description != "Renamed 1233" {
			t.Errorf("the last one is called %q", p.Description)
		}
		again := acquire(t, s.DB, "other") // which has nothing in memory
		s.lease = again
		s.happens(acme, events.EnterpriseRemoved{})
		if got := s.enterprise(acme); got.PeersTotal != 0 || got.Removed == nil {
			t.Errorf("removed: %+v", got)
		}
	})
}
