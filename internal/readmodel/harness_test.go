package readmodel

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

func TestMain(m *testing.M) {
	// Every check of a property fills tables in two databases.
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
	os.Exit(testkit.Main(m))
}

const (
	acme = events.EnterpriseID("acme")
	beta = events.EnterpriseID("beta-1")
)

// connect opens the database until the test ends.
func connect(t testing.TB, url string) *DB {
	t.Helper()
	db, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// open opens and migrates the database until the test ends. A test may open one
// database several times, as several processes do.
func open(t testing.TB, d testkit.Database) *DB {
	t.Helper()
	db := connect(t, d.URL)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// prepare makes the tables of the directory, unless they are there.
func prepare(t testing.TB, db *DB) State {
	t.Helper()
	s, err := db.Prepare(t.Context(), directory{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// acquire takes the lease from whoever has it.
func acquire(t testing.TB, db *DB, owner string) *Lease {
	t.Helper()
	l, ok, err := db.Acquire(t.Context(), directory{}, owner, prepare(t, db))
	if err != nil || !ok {
		t.Fatalf("acquire: %t, %v", ok, err)
	}
	return l
}

// build begins a new generation.
func build(t testing.TB, db *DB, owner string) *Lease {
	t.Helper()
	l, err := db.Build(t.Context(), directory{}, owner)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// at is when the event with this sequence happened.
func at(seq events.Seq) time.Time { return domaintest.Start().Add(time.Duration(seq) * time.Second) }

// mark is a position in the log of the tests.
func mark(seq events.Seq) Mark { return Mark{Position: seq, StreamCreated: 7, Fingerprint: "f"} }

// record places evs in the log of ent, from a sequence on.
func record(ent events.EnterpriseID, first events.Seq, evs ...events.Event) []events.Recorded {
	var list []events.Recorded
	for _, e := range evs {
		seq := first + events.Seq(len(list))
		list = append(list, domaintest.Record(ent, seq, at(seq), "c", e)...)
	}
	return list
}

// write applies list in one transaction that ends at to.
func write(t testing.TB, l *Lease, to events.Seq, list ...events.Recorded) error {
	return l.Write(t.Context(), mark(to), func(tx *Tx) error {
		if err := tx.Prefetch(list); err != nil {
			return err
		}
		for _, r := range list {
			if err := tx.Apply(r); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

// stage is a directory that is written and read by one process.
type stage struct {
	*DB
	t        testing.TB
	database testkit.Database
	lease    *Lease
	last     events.Seq // of the log
}

func newStage(t testing.TB, d testkit.Database) *stage {
	t.Helper()
	db := open(t, d)
	return &stage{DB: db, t: t, database: d, lease: acquire(t, db, "stage")}
}

// happens appends evs to the log of ent, applies them in one transaction and
// returns the last sequence.
func (s *stage) happens(ent events.EnterpriseID, evs ...events.Event) events.Seq {
	s.t.Helper()
	list := record(ent, s.last+1, evs...)
	s.last += events.Seq(len(list))
	if err := write(s.t, s.lease, s.last, list...); err != nil {
		s.t.Fatal(err)
	}
	return s.last
}

// registers registers ent, and applies evs to it.
func (s *stage) registers(ent events.EnterpriseID, evs ...events.Event) events.Seq {
	s.t.Helper()
	return s.happens(ent, append([]events.Event{registered(ent)}, evs...)...)
}

func (s *stage) dump() string {
	s.t.Helper()
	return s.database.Dump(s.t, "directory_")
}

func (s *stage) state() State {
	s.t.Helper()
	return must(s.State(s.t.Context(), directory{}))(s.t)
}

func (s *stage) peer(ent events.EnterpriseID, id events.PeerID) Peer {
	s.t.Helper()
	return must(s.Directory().Peer(s.t.Context(), ent, id))(s.t)
}

// entry returns the trusted-server entry of a peer; nil: there is none to be seen.
func (s *stage) entry(ent events.EnterpriseID, id events.PeerID) *TrustedServer {
	s.t.Helper()
	e, err := s.Directory().TrustedServer(s.t.Context(), ent, events.TrustedServerOfPeer(id))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return new(must(e, err)(s.t))
}

func (s *stage) enterprise(ent events.EnterpriseID) Enterprise {
	s.t.Helper()
	return must(s.Directory().Enterprise(s.t.Context(), ent))(s.t)
}

// must ends the test on an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func registered(ent events.EnterpriseID) events.EnterpriseRegistered {
	e := domaintest.Registered()
	e.Enterprise, e.Domain, e.Server.Hostname = ent, string(ent)+".example", "uc."+string(ent)+".example"
	return e
}

// added is a MiCollab peer; its hostname and its enterprise derive from its id.
func added(id events.PeerID, description string) events.PeerAdded {
	return domaintest.PeerAdded(id, description, string(id)+".example")
}

// status is a verdict about the configuration as of seq.
func status(id events.PeerID, to events.Status, config events.Seq) events.PeerStatusChanged {
	return events.PeerStatusChanged{
		Peer: id, To: to, Cause: events.Cause{Layer: "tls", Code: "expired", Message: "The certificate has expired."},
		Since: at(config).Add(time.Hour), ConfigSeq: config,
	}
}

// refused fails the test unless err is about that parameter.
func refused(t testing.TB, err error, field string) {
	t.Helper()
	var q *QueryError
	if !errors.As(err, &q) || q.Field != field || q.Msg == "" {
		t.Errorf("got %v, want a *QueryError about %s", err, field)
	}
}

// fenced fails the test unless err says that the lease was taken over.
func fenced(t testing.TB, err error) {
	t.Helper()
	var f *FencedError
	if !errors.As(err, &f) {
		t.Errorf("got %v, want a *FencedError", err)
	}
}

// crowd is n peers, p0 and on.
func crowd(n int) []events.Event {
	list := make([]events.Event, n)
	for i := range list {
		id := events.PeerID(fmt.Sprintf("p%d", i))
		list[i] = added(id, fmt.Sprintf("Peer %d", i))
	}
	return list
}

func renames(n int) []events.Event {
	list := make([]events.Event, n)
	for i := range list {
		list[i] = events.PeerRenamed{Peer: events.PeerID(fmt.Sprintf("p%d", i)), To: fmt.Sprintf("Renamed %d", i)}
	}
	return list
}

func ids(list []Peer) []events.PeerID {
	out := make([]events.PeerID, len(list))
	for i, p := range list {
		out[i] = p.ID
	}
	return out
}
