package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(child())
	}
	os.Exit(testkit.Main(m))
}

const (
	acme = events.EnterpriseID("acme")
	beta = events.EnterpriseID("beta-1")
)

func codec() events.Codec { return events.NewCodec(events.Default()) }

// tables are what a projection keeps: its own tables and what it could not apply.
var tables = []string{"directory_", "dead_events", "held"}

// open opens a migrated database until the test ends. A test may open one
// database several times, as several processes do.
func open(t testing.TB, d testkit.Database) *readmodel.DB {
	t.Helper()
	db, err := readmodel.Open(t.Context(), d.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// running is a runner at work.
type running struct {
	*Runner
	t    testing.TB
	stop context.CancelFunc
	done chan error
}

// start runs r until the test ends.
func start(t testing.TB, r *Runner) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	x := &running{Runner: r, t: t, stop: cancel, done: make(chan error, 1)}
	go func() { x.done <- r.Run(ctx) }()
	t.Cleanup(func() { _ = x.end() }) // a test that cares about the error asks for it
	return x
}

// end stops the runner and returns what it ended with.
func (x *running) end() error {
	x.stop()
	return x.wait()
}

// wait returns what the runner ends with by itself.
func (x *running) wait() error {
	x.t.Helper()
	select {
	case err := <-x.done:
		x.done <- err
		return err
	case <-time.After(testkit.Patience):
		x.t.Fatal("the runner does not end")
		return nil
	}
}

// reaches waits until the tables show everything up to seq.
func (x *running) reaches(seq events.Seq) {
	x.t.Helper()
	testkit.Eventually(x.t, fmt.Sprintf("position %d", seq), func() bool { return x.Status().Position >= seq })
}

// quick are options with which a test does not wait long for a lease to expire.
func quick(more ...func(*Options)) Options {
	o := Options{Logger: slog.New(slog.DiscardHandler), Lease: 200 * time.Millisecond, PartWait: 20 * time.Millisecond}
	for _, set := range more {
		set(&o)
	}
	return o
}

// settle projects source from nothing into db, up to seq.
func settle(t testing.TB, source Source, db *readmodel.DB, seq events.Seq) {
	t.Helper()
	x := start(t, New(source, db, quick()))
	x.reaches(seq)
	if err := x.end(); !errors.Is(err, context.Canceled) {
		t.Fatalf("ended with %v", err)
	}
}

// shows fails the test unless d holds what projecting source from nothing in
// one go gives: the tables are the fold of the log.
func shows(t testing.TB, source Source, d testkit.Database) {
	t.Helper()
	id, err := source.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reference := testkit.SQLite(t)
	settle(t, source, open(t, reference), id.Last)
	want, got := reference.Dump(t, tables...), d.Dump(t, tables...)
	if want == "" {
		t.Fatal("the reference has no rows: nothing is compared")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tables are not the fold of the log (-want +got):\n%s", diff)
	}
}

// writer appends to a log as the write loop does.
type writer struct {
	t     testing.TB
	store eventstore.Store
	last  map[events.Subject]events.Seq
	n     int
}

func newWriter(t testing.TB, s eventstore.Store) *writer {
	return &writer{t: t, store: s, last: map[events.Subject]events.Seq{}}
}

// command appends the events of one command of ent and returns where they end.
func (w *writer) command(ent events.EnterpriseID, evs ...events.Event) events.Seq {
	w.t.Helper()
	w.n++
	subject := events.ConfigSubject(ent)
	if e, ok := evs[0].(events.PeerStatusChanged); ok {
		subject = events.StatusSubject(ent, e.Peer)
	}
	id := events.CommandID(fmt.Sprintf("c-%d", w.n))
	list := make([]events.Envelope, len(evs))
	for i, e := range evs {
		list[i] = events.Envelope{
			ID: events.NewEventID(ent, id, i), Enterprise: ent, Time: day.Add(time.Duration(w.n) * time.Second),
			CommandID: id, Index: i, Count: len(evs), CorrelationID: string(id), Actor: "alice", Reason: "because", Event: e,
		}
	}
	seq, err := w.store.Append(w.t.Context(), subject, w.last[subject], list...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.last[subject] = seq
	return seq
}

var day = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

func registered(ent events.EnterpriseID) events.Event {
	return events.EnterpriseRegistered{
		Enterprise: ent, Description: "Enterprise " + string(ent), Domain: "acme.example",
		Server: events.Server{Hostname: "uc." + string(ent) + ".example", Version: "9.8", Deployment: events.DeploymentStandard},
	}
}

func added(n int) events.Event {
	return events.PeerAdded{
		Peer: peerID(n), PeerType: events.PeerMiCollab, Description: fmt.Sprintf("Peer %d", n),
		Hostname: fmt.Sprintf("uc%d.partner.example", n), Port: 443, PeerEnterpriseID: "partner", Version: "9.7.1.105",
	}
}

func moved(n int, to string) events.Event {
	return events.PeerAddressChanged{Peer: peerID(n), To: to, ToHost: to}
}

func peerID(n int) events.PeerID { return events.PeerID(fmt.Sprintf("peer-%d", n)) }

// work fills the log with the working days of two enterprises: peers that are
// added, moved, probed, disabled and deleted, some of it in commands of several
// events. It can go on where it stopped.
func (w *writer) work(rounds int) events.Seq {
	w.t.Helper()
	var last events.Seq
	for range rounds {
		for _, ent := range []events.EnterpriseID{acme, beta} {
			if w.last[events.ConfigSubject(ent)] == 0 {
				w.command(ent, registered(ent))
			}
			n := w.n
			w.command(ent, added(n), moved(n, fmt.Sprintf("10.0.%d.%d", n/250, n%250+1)))
			w.command(ent, events.PeerStatusChanged{
				Peer: peerID(n), From: events.StatusUnknown, To: events.StatusDown, Since: day,
				Cause:     events.Cause{Layer: "tls", Code: "name_mismatch", Message: "the certificate names another server"},
				ConfigSeq: w.last[events.ConfigSubject(ent)],
			})
			w.command(ent, added(n+1000), events.PeerDisabled{Peer: peerID(n + 1000)}, moved(n+1000, "uc.moved.example"))
			last = w.command(ent, events.PeerDeleted{Peer: peerID(n), Description: fmt.Sprintf("Peer %d", n)})
		}
	}
	return last
}

// memory is a log in memory with some work in it.
func memory(t testing.TB, rounds int) (*eventstore.Memory, *writer) {
	t.Helper()
	m := eventstore.NewMemory(codec())
	w := newWriter(t, m)
	w.work(rounds)
	return m, w
}

// end is the last sequence of source.
func end(t testing.TB, source Source) events.Seq {
	t.Helper()
	id, err := source.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id.Last
}
