package projection

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// refuses fails the test unless x stops because the log is another, and leaves
// the tables as they were.
func refuses(t *testing.T, x *running, d testkit.Database, before, why string) {
	t.Helper()
	err := x.wait()
	var changed *StreamChangedError
	if !errors.As(err, &changed) || !strings.Contains(err.Error(), why) {
		t.Errorf("ended with %v, want that %q", err, why)
	}
	if s := x.Status(); s.Role != Stopped || !errors.As(s.Err, &changed) || s.ErrSince.IsZero() {
		t.Errorf("the status is %+v", s)
	}
	if d.Dump(t, tables...) != before {
		t.Error("the tables were changed")
	}
	// Whoever reads the tables learns of it, in whatever process.
	db := open(t, d)
	s, err := db.State(t.Context(), readmodel.DirectoryProjection())
	if err != nil || !strings.Contains(s.Stopped, why) || s.Owner != "" {
		t.Errorf("the state is %+v, %v", s, err)
	}
	if err := db.Directory().Await(t.Context(), acme, 1); !errors.Is(err, readmodel.ErrUnavailable) {
		t.Errorf("a read that waits for a sequence gets %v", err)
	}
	if _, err := db.Directory().Enterprise(t.Context(), acme); err != nil {
		t.Errorf("a read that does not wait gets %v", err)
	}
}

func TestStream_anotherOneAtTheStart(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, _ := memory(t, 2)
		db := open(t, d)
		settle(t, log, db, end(t, log))
		before := d.Dump(t, tables...)
		again, _ := memory(t, 3) // longer, so that it is not its length that gives it away
		refuses(t, start(t, New(again, db, quick())), d, before, "it was created at")
		empty := eventstore.NewMemory(codec())
		refuses(t, start(t, New(empty, db, quick())), d, before, "it was created at")

		// Who has decided that the new log is the one to go on with has the tables
		// made anew from it, though it is at a lower sequence.
		short, w := memory(t, 1)
		if err := New(short, db, quick()).Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		start(t, New(short, db, quick())).reaches(w.work(1))
		shows(t, short, d)
		if err := db.Directory().Await(t.Context(), acme, end(t, short)); err != nil {
			t.Errorf("after the tables were made anew: %v", err)
		}
	})
}

// restored is a log that says it is the old one and is not.
type restored struct {
	Source
	created events.Identity
	replace func(events.Message) (events.Message, bool)
	last    events.Seq
}

func (s restored) Identity(ctx context.Context) (events.Identity, error) {
	id, err := s.Source.Identity(ctx)
	id.Created = s.created.Created
	if s.last > 0 {
		id.Last = s.last
	}
	return id, err
}

func (s restored) At(ctx context.Context, seq events.Seq) (events.Message, bool, error) {
	m, ok, err := s.Source.At(ctx, seq)
	if s.replace != nil {
		m, ok = s.replace(m)
	}
	return m, ok, err
}

func TestStream_restoredFromAnOlderCopy(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, _ := memory(t, 2)
		id, err := log.Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		db := open(t, d)
		settle(t, log, db, id.Last)
		before := d.Dump(t, tables...)
		for why, source := range map[string]restored{
			"it ends at sequence":   {last: id.Last - 1},
			"is not there any more": {replace: func(m events.Message) (events.Message, bool) { return m, false }},
			"is another now": {replace: func(m events.Message) (events.Message, bool) {
				m.Data = append(append([]byte{}, m.Data...), ' ')
				return m, true
			}},
		} {
			source.Source, source.created = log, id
			refuses(t, start(t, New(source, db, quick())), d, before, why)
		}
		start(t, New(log, db, quick())) // the true one is still taken
		testkit.Eventually(t, "reads that wait to be answered", func() bool {
			return db.Directory().Await(t.Context(), acme, id.Last) == nil
		})
	})
}

// TestStream_exchangedWhileItIsFollowed deletes the stream of a server under a
// runner and makes it anew, on one replica and on three.
func TestStream_exchangedWhileItIsFollowed(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		source, w := onJetStream(t, top.Conn, top.Replicas)
		d := testkit.SQLite(t)
		x := start(t, New(source, open(t, d), quick()))
		x.reaches(w.work(2))
		before := d.Dump(t, tables...)
		if err := testkit.JetStream(t, top.Conn).DeleteStream(t.Context(), events.Stream); err != nil {
			t.Fatal(err)
		}
		_, again := onJetStream(t, top.Conn, top.Replicas)
		again.work(3)
		refuses(t, x, d, before, "")
	})
}

// TestStream_followsThroughALeaderThatDies: the log of a cluster goes on when
// the server that leads it is killed, and so does the projection.
func TestStream_followsThroughALeaderThatDies(t *testing.T) {
	c := testkit.Cluster(t)
	nc := testkit.Connect(t, c.URL())
	source, w := onJetStream(t, nc, 3)
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		x := start(t, New(source, open(t, d), quick()))
		x.reaches(w.work(2))
		leader := c.Leader(t, events.Stream)
		c.Kill(leader)
		x.reaches(w.work(2))
		c.Restart(t, leader)
		x.reaches(w.work(2))
		shows(t, source, d)
	})
}

// TestStream_awayForAWhile: a server that is stopped and started again costs
// time and nothing else; until it is back, the status says what is wrong.
func TestStream_awayForAWhile(t *testing.T) {
	log, w := memory(t, 2)
	away := &absent{Source: log}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		away.gone.Store(true)
		x := start(t, New(away, open(t, d), quick()))
		testkit.Eventually(t, "the error to be shown", func() bool {
			return errors.Is(x.Status().Err, errAway) && !x.Status().ErrSince.IsZero()
		})
		away.gone.Store(false)
		x.reaches(end(t, log))
		away.gone.Store(true)
		testkit.Eventually(t, "the error to be shown again", func() bool { return errors.Is(x.Status().Err, errAway) })
		last := w.work(1)
		away.gone.Store(false)
		x.reaches(last)
		testkit.Eventually(t, "the error to be gone", func() bool { return x.Status().Err == nil })
		shows(t, log, d)
	})
}

var errAway = errors.New("the log is away")

// absent is a log that cannot be asked while it is gone.
type absent struct {
	Source
	gone atomic.Bool
}

func (s *absent) Identity(ctx context.Context) (events.Identity, error) {
	if s.gone.Load() {
		return events.Identity{}, errAway
	}
	return s.Source.Identity(ctx)
}
