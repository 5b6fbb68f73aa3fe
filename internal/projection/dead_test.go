package projection

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// peersOf are the descriptions of the living peers of ent.
func peersOf(t *testing.T, db *readmodel.DB, ent events.EnterpriseID) string {
	t.Helper()
	page, err := db.Directory().Peers(t.Context(), ent, readmodel.PeerQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range page.Items {
		names = append(names, p.Description)
	}
	return strings.Join(names, ", ")
}

// TestDead_hostileMessages: each message that is no event is buried with its
// sequence and the reason, holds its enterprise, and no other.
func TestDead_hostileMessages(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		w.command(beta, registered(beta))
		dead := map[events.EnterpriseID]events.Seq{}
		for i, h := range storetest.Hostile() {
			ent := victim(i)
			w.command(ent, registered(ent))
			w.command(ent, added(1))
			dead[ent] = log.Put(string(events.StatusSubject(ent, peerID(1))), h.Header, h.Data)
			w.command(ent, added(2))
			w.command(beta, added(i))
		}
		last := end(t, log)
		db := open(t, d)
		x := start(t, New(log, db, quick(func(o *Options) { o.BatchLimit = 10 })))
		x.reaches(last)
		if got := strings.Count(peersOf(t, db, beta), "Peer"); got != len(dead) {
			t.Errorf("beta has %d peers, want %d", got, len(dead))
		}
		if err := db.Directory().Await(t.Context(), beta, last); err != nil {
			t.Errorf("a read of beta: %v", err)
		}
		dump := d.Dump(t, "dead_events")
		for ent, bad := range dead {
			if got := peersOf(t, db, ent); got != "Peer 1" {
				t.Errorf("%s has %q", ent, got)
			}
			var held *readmodel.HeldError
			if err := db.Directory().Await(t.Context(), ent, bad); !errors.As(err, &held) || held.HeldAt != bad {
				t.Errorf("a read of %s at its dead event: %v", ent, err)
			}
			if err := db.Directory().Await(t.Context(), ent, bad-1); err != nil {
				t.Errorf("a read of %s before its dead event: %v", ent, err)
			}
			if !strings.Contains(dump, fmt.Sprintf(`sequence="%d" enterprise=%q`, bad, ent)) {
				t.Errorf("the dead event of %s is not in %s", ent, dump)
			}
		}
		testkit.Eventually(t, "the status to tell", func() bool {
			s := x.Status()
			return s.Dead == len(dead) && len(s.Held) == len(dead)
		})
	})
}

func victim(i int) events.EnterpriseID { return events.EnterpriseID(fmt.Sprintf("victim-%02d", i)) }

// TestDead_onStreams: the same through a real server, whose words some of the
// messages imitate, on one replica and on three.
func TestDead_onStreams(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		source, w := onJetStream(t, top.Conn, top.Replicas)
		w.command(beta, registered(beta))
		for i, h := range storetest.Hostile() {
			ent := victim(i)
			w.command(ent, registered(ent), added(1))
			putOn(t, top, events.StatusSubject(ent, peerID(1)), h)
			w.command(beta, added(i))
		}
		last := w.command(beta, added(1000))
		d := testkit.SQLite(t)
		db := open(t, d)
		start(t, New(source, db, quick(func(o *Options) { o.BatchLimit = 10 }))).reaches(last)
		s, err := db.State(t.Context(), readmodel.DirectoryProjection())
		n := len(storetest.Hostile())
		if err != nil || s.Dead != n || len(s.Held) != n {
			t.Errorf("the state is %+v, %v; want %d dead events", s, err, n)
		}
		if got := strings.Count(peersOf(t, db, beta), "Peer"); got != n+1 {
			t.Errorf("beta has %d peers, want %d", got, n+1)
		}
		for _, held := range s.Held {
			if got := peersOf(t, db, held.Enterprise); got != "Peer 1" {
				t.Errorf("%s has %q", held.Enterprise, got)
			}
		}
		shows(t, source, d)
	})
}

// TestDead_nobodysMessage: a message whose subject names no enterprise is
// recorded, and nobody waits behind it.
func TestDead_nobodysMessage(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		w.command(acme, registered(acme))
		for _, subject := range []string{"peering.events.ACME.config", "peering.events.x.config", "peering.events." + strings.Repeat("long-", 100) + ".config"} {
			log.Put(subject, nil, []byte("{}"))
		}
		last := w.command(acme, added(1))
		db := open(t, d)
		start(t, New(log, db, quick())).reaches(last)
		s, err := db.State(t.Context(), readmodel.DirectoryProjection())
		if err != nil || s.Dead != 3 || len(s.Held) != 0 || peersOf(t, db, acme) != "Peer 1" {
			t.Errorf("the state is %+v, %v; acme has %q", s, err, peersOf(t, db, acme))
		}
	})
}

// TestDead_whatCannotFollow: an event that is well made and cannot follow on
// those before it, such as one about a peer that never was, is dead too.
func TestDead_whatCannotFollow(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		w.command(acme, registered(acme))
		w.command(acme, moved(1, "10.0.0.1"))
		last := w.command(acme, added(1))
		db := open(t, d)
		start(t, New(log, db, quick())).reaches(last)
		dump := d.Dump(t, "dead_events")
		if !strings.Contains(dump, "PeerAddressChanged does not fit") || peersOf(t, db, acme) != "" {
			t.Errorf("dead events: %s; acme has %q", dump, peersOf(t, db, acme))
		}
	})
}

// young knows all events but one, as the program before an upgrade did.
func young() *events.Registry {
	r := events.NewRegistry()
	events.Register[events.EnterpriseRegistered](r, 1)
	events.Register[events.PeerAdded](r, 1)
	return r
}

// TestDead_aNewerProgramGoesOn: what the old program could not read is applied
// in its place by the one that can, in batches of any size, with what waited.
func TestDead_aNewerProgramGoesOn(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		for _, batch := range []int{1, 3, 5000} {
			d := d
			if !d.Postgres() {
				d = testkit.SQLite(t)
			} else if batch > 1 {
				d = testkit.Postgres(t)
			}
			log, w := memory(t, 0)
			w.command(acme, registered(acme))
			w.command(beta, registered(beta))
			w.command(acme, added(1))
			w.command(acme, moved(1, "10.0.0.1")) // which the young one does not know
			for i := range 10 {
				w.command(acme, added(2+i), moved(2+i, fmt.Sprint("10.0.0.", 2+i)))
				w.command(beta, added(2+i))
			}
			db := open(t, d)
			old := start(t, New(log, db, quick(func(o *Options) { o.Registry = young() })))
			old.reaches(end(t, log))
			if got := peersOf(t, db, acme); got != "Peer 1" {
				t.Errorf("the old program shows %q", got)
			}
			_ = old.end() // stopped on purpose
			x := start(t, New(log, db, quick(func(o *Options) { o.BatchLimit = batch })))
			testkit.Eventually(t, "nothing to be held", func() bool {
				s, err := db.State(t.Context(), readmodel.DirectoryProjection())
				return err == nil && len(s.Held) == 0 && s.Dead == 0
			})
			x.reaches(w.work(1))
			shows(t, log, d)
			_ = x.end() // the next round has a log of its own
		}
	})
}

// TestDead_stillHeldBehindTheNext: what waited is applied up to the next event
// that cannot be.
func TestDead_stillHeldBehindTheNext(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		for _, batch := range []int{1, 5000} {
			if !d.Postgres() {
				d = testkit.SQLite(t)
			} else if batch > 1 {
				d = testkit.Postgres(t)
			}
			log, w := memory(t, 0)
			w.command(acme, registered(acme))
			w.command(acme, added(1))
			w.command(acme, moved(1, "10.0.0.1"))
			w.command(acme, added(2))
			bad := w.command(acme, moved(77, "10.0.0.1")) // there is no such peer
			w.command(acme, added(3))
			db := open(t, d)
			old := start(t, New(log, db, quick(func(o *Options) { o.Registry = young() })))
			old.reaches(end(t, log))
			_ = old.end() // stopped on purpose
			x := start(t, New(log, db, quick(func(o *Options) { o.BatchLimit = batch })))
			testkit.Eventually(t, "it to be held behind the next", func() bool {
				s, err := db.State(t.Context(), readmodel.DirectoryProjection())
				return err == nil && len(s.Held) == 1 && s.Held[0].HeldAt == bad && s.Dead == 1
			})
			if got := peersOf(t, db, acme); got != "Peer 1, Peer 2" {
				t.Errorf("acme has %q", got)
			}
			shows(t, log, d)
			_ = x.end() // the next round has a log of its own
		}
	})
}

// TestDead_whatTheDatabaseDoesNotTake: PostgreSQL takes no null characters. The
// one event in a batch that has one is found and buried, the others are written.
func TestDead_whatTheDatabaseDoesNotTake(t *testing.T) {
	d := testkit.Postgres(t)
	log, w := memory(t, 0)
	w.command(acme, registered(acme))
	w.command(beta, registered(beta))
	for i := range 20 {
		w.command(beta, added(i))
	}
	e := added(100).(events.PeerAdded)
	e.Description = "null \x00 character"
	bad := w.command(acme, e)
	for i := range 20 {
		w.command(beta, added(20+i))
		w.command(acme, added(200+i))
	}
	db := open(t, d)
	x := start(t, New(log, db, quick()))
	x.reaches(end(t, log))
	s, err := db.State(t.Context(), readmodel.DirectoryProjection())
	if err != nil || s.Dead != 1 || len(s.Held) != 1 || s.Held[0].HeldAt != bad {
		t.Errorf("the state is %+v, %v", s, err)
	}
	if n := strings.Count(peersOf(t, db, beta), "Peer"); n != 40 {
		t.Errorf("beta has %d peers, want 40", n)
	}
}

// putOn stores h on a subject of the stream.
func putOn(t *testing.T, top testkit.Topology, subject events.Subject, h storetest.HostileMessage) {
	t.Helper()
	m := &nats.Msg{Subject: string(subject), Header: maps.Clone(h.Header), Data: h.Data}
	if _, err := testkit.JetStream(t, top.Conn).PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}
