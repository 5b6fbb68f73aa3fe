package command

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/embednats"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// copied returns a log in memory that has the first n events of b's: what a
// backup of that time holds.
func copied(t *testing.T, b backend, n int) *eventstore.Memory {
	t.Helper()
	log := eventstore.NewMemory(events.NewCodec(events.Default()))
	for _, r := range history(t, b)[:n] {
		if _, err := log.Append(t.Context(), r.Subject, r.Seq-1, r.Envelope); err != nil {
			t.Fatal(err)
		}
	}
	return log
}

// mustWorkOnTheLog fails unless a new process decides on what the log of b
// says, whatever the snapshot says, and another one finds no such snapshot.
func mustWorkOnTheLog(t *testing.T, b backend) {
	t.Helper()
	h := b.handler()
	must(t, h, addPeer("Berlin"))
	must(t, h, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: "Text 7"}})
	mustBeTheFold(t, b, h)
	if s, ok, err := b.snapshots.Load(t.Context(), acme); ok || err != nil {
		t.Errorf("a snapshot that the log does not bear out is still there, at %d (%v)", s.Seq, err)
	}
}

func TestRestored_snapshotAheadOfTheLogIsIgnored(t *testing.T) {
	b := inMemory()
	withSnapshot(t, b)
	b.store = copied(t, b, 1)
	mustWorkOnTheLog(t, b)
}

// The log has grown past the snapshot again, on another way.
func TestRestored_snapshotOfALogThatGrewAgainIsIgnored(t *testing.T) {
	for name, more := range map[string]int{"up to the snapshot": 0, "beyond it": 5} {
		t.Run(name, func(t *testing.T) {
			b := inMemory()
			at := withSnapshot(t, b)
			b.store = copied(t, b, 1)
			other := b
			other.snapshots = eventstore.NewMemorySnapshots()
			h := other.handler()
			must(t, h, addPeer("Paris"))
			describe(t, h, int(at)-2+more)
			mustWorkOnTheLog(t, b)
		})
	}
}

// A client that repeats on the restored log what was lost makes events with the
// same ids at the same places, and yet another history: peers get other ids.
func TestRestored_snapshotOfTheSameCommandsIsIgnored(t *testing.T) {
	b := inMemory()
	replay := func(b backend) *Handler {
		h := b.handler()
		must(t, h, withID("c1", addPeer("Berlin")))
		for i := range snapshotEvery {
			must(t, h, withID(events.CommandID(fmt.Sprint("d", i)), Request{
				Enterprise: acme, Command: domain.DescribeEnterprise{Description: fmt.Sprint("Text ", i)},
			}))
		}
		return h
	}
	must(t, b.handler(), register(acme))
	backup := copied(t, b, 1)
	saveDue(t, replay(b))
	if _, ok, err := b.snapshots.Load(t.Context(), acme); !ok || err != nil {
		t.Fatalf("no snapshot: %v", err)
	}
	b.store, b.outcomes = backup, eventstore.NewMemoryOutcomes()
	other := b
	other.snapshots = eventstore.NewMemorySnapshots()
	replay(other)
	h := b.handler()
	must(t, h, addPeer("Paris"))
	mustBeTheFold(t, b, h)
}

// A process that runs on while its log is exchanged reads it anew as well.
func TestRestored_runningProcessReadsTheOtherLog(t *testing.T) {
	b := inMemory()
	log := &hookedStore{Store: b.store}
	b.store = log
	h := b.handler()
	must(t, h, register(acme))
	backup := copied(t, b, 1)
	must(t, h, addPeer("Berlin"))
	log.Store = backup
	other := b.handler()
	must(t, other, addPeer("Paris"))
	must(t, other, addPeer("Rome"))
	must(t, h, addPeer("Berlin"))
	mustBeTheFold(t, b, h)
}

// A log that does not answer says nothing about the snapshot.
func TestRestored_silenceOfTheLogProvesNothing(t *testing.T) {
	b := inMemory()
	at := withSnapshot(t, b)
	b.store = copied(t, b, int(at)-1)
	silent := &hookedStore{Store: b.store, beforeLoad: fail}
	b.store = silent
	h := b.handler()
	if r, err := h.Handle(t.Context(), addPeer("Paris")); err == nil {
		t.Fatalf("got %+v from a log that does not answer", r)
	}
	if _, ok, err := b.snapshots.Load(t.Context(), acme); !ok || err != nil {
		t.Errorf("the snapshot was dropped (%v)", err)
	}
	silent.beforeLoad = nil
	must(t, h, addPeer("Paris"))
	mustBeTheFold(t, b, h)
}

func TestRestored_snapshotThatCannotBeDroppedIsIgnoredAllTheSame(t *testing.T) {
	b := inMemory()
	withSnapshot(t, b)
	b.store = copied(t, b, 1)
	b.snapshots = undroppable{b.snapshots}
	h := b.handler()
	must(t, h, addPeer("Berlin"))
	mustBeTheFold(t, b, h)
}

type undroppable struct{ eventstore.Snapshots }

func (undroppable) Drop(context.Context, events.EnterpriseID, events.Seq) error { return errCut }

// restart starts a server on dir and returns what stops it and a backend on it.
func restart(t *testing.T, dir string) (stop func(), b backend) {
	t.Helper()
	s, err := embednats.Start(embednats.Options{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s.Shutdown, onStreams(t, testkit.Topology{Replicas: 1, URL: "nats://" + s.Addr()})
}

// logDir is where the server keeps the log below dir.
func logDir(t *testing.T, dir string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == events.Stream {
			found = path
		}
		return err
	})
	if err != nil || found == "" {
		t.Fatalf("no directory of the log: %v", err)
	}
	return found
}

// Somebody stops the server and puts an older directory of the log back, and
// nothing else: the stream has the same creation time as before.
func TestRestored_olderDirectoryOfTheLog(t *testing.T) {
	dir, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	stop, b := restart(t, dir)
	h := b.handler()
	must(t, h, register(acme))
	stop()
	log := logDir(t, dir)
	if err := os.CopyFS(backup, os.DirFS(log)); err != nil {
		t.Fatal(err)
	}

	stop, b = restart(t, dir)
	h = b.handler()
	must(t, h, addPeer("Berlin"))
	describe(t, h, snapshotEvery)
	saveDue(t, h)
	if s, ok, err := b.snapshots.Load(t.Context(), acme); !ok || err != nil || s.Seq < snapshotEvery {
		t.Fatalf("snapshot at %d, %t, %v", s.Seq, ok, err)
	}
	stop()
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(log, os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}

	_, b = restart(t, dir)
	if n := len(history(t, b)); n != 1 {
		t.Fatalf("the log that was put back has %d events", n)
	}
	start := time.Now()
	mustWorkOnTheLog(t, b)
	if took := time.Since(start); took > budget {
		t.Errorf("took %s", took)
	}
	h = b.handler()
	describe(t, h, snapshotEvery)
	saveDue(t, h)
	if s, ok, err := b.snapshots.Load(t.Context(), acme); !ok || err != nil {
		t.Errorf("snapshot at %d, %t, %v; want one of the log as it is now", s.Seq, ok, err)
	}
}
