package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/testkit"
)

// describe gives n commands that each make an event.
func describe(t testing.TB, h *Handler, n int) {
	t.Helper()
	for i := range n {
		must(t, h, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: fmt.Sprint("Text ", i)}})
	}
}

// withSnapshot returns a backend with a snapshot of acme and ten events after it.
func withSnapshot(t testing.TB, b backend) events.Seq {
	t.Helper()
	h := b.handler()
	must(t, h, register(acme))
	must(t, h, withID("c1", addPeer("Berlin")))
	describe(t, h, snapshotEvery)
	saveDue(t, h)
	describe(t, h, 10)
	s, ok, err := b.snapshots.Load(t.Context(), acme)
	if err != nil || !ok || s.Seq < snapshotEvery || s.Format != domain.SnapshotFormat {
		t.Fatalf("got a snapshot at %d, %t, %v", s.Seq, ok, err)
	}
	return s.Seq
}

// saveDue writes the snapshots of h that are due.
func saveDue(t testing.TB, h *Handler) {
	t.Helper()
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Run(stopped); err != nil {
		t.Fatal(err)
	}
}

// counting returns b with a store that counts what is loaded.
func counting(b backend) (backend, *hookedStore) {
	store := &hookedStore{Store: b.store}
	b.store = store
	return b, store
}

func TestSnapshot_isLoadedWithWhatFollows(t *testing.T) {
	b := inMemory()
	withSnapshot(t, b)
	counted, store := counting(b)
	h := counted.handler()
	r := must(t, h, withID("c1", addPeer("Berlin")))
	if n := store.folded.Load(); n > 20 || !r.Repeated {
		t.Errorf("%d events were read, repeated %t; want the few after the snapshot, and the memory of ids in it", n, r.Repeated)
	}
	mustBeTheFold(t, b, h)
}

// mustBeTheFold fails unless what h has in memory is what the whole log says.
func mustBeTheFold(t testing.TB, b backend, h *Handler) {
	t.Helper()
	want, err1 := fold(t, b).MarshalSnapshot()
	e, err2 := h.cache.acquire(context.Background(), acme)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	defer h.cache.release(e)
	if e.state == nil {
		t.Fatal("nothing is in memory")
	}
	got, err := e.state.MarshalSnapshot()
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the state in memory is not the fold of the log (%v)", err)
	}
}

// brokenSnapshots returns a snapshot changed by spoil.
type brokenSnapshots struct {
	eventstore.Snapshots
	spoil func(*eventstore.Snapshot) error
}

func (s brokenSnapshots) Load(ctx context.Context, ent events.EnterpriseID) (eventstore.Snapshot, bool, error) {
	snap, ok, err := s.Snapshots.Load(ctx, ent)
	if err != nil || !ok {
		return snap, ok, err
	}
	return snap, true, s.spoil(&snap)
}

func TestSnapshot_thatIsBrokenIsIgnored(t *testing.T) {
	b := inMemory()
	withSnapshot(t, b)
	foreign, err := domain.NewEnterprise("other").MarshalSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	// What is not of this format would load all the same, and it would show.
	lie := bent(t, b, nameless)
	spoils := map[string]func(*eventstore.Snapshot) error{
		"newer format":       func(s *eventstore.Snapshot) error { s.Format++; return lie(s) },
		"older format":       func(s *eventstore.Snapshot) error { s.Format--; return lie(s) },
		"no format":          func(s *eventstore.Snapshot) error { s.Format = 0; return lie(s) },
		"empty":              func(s *eventstore.Snapshot) error { s.Data = nil; return nil },
		"garbage":            func(s *eventstore.Snapshot) error { s.Data = []byte("garbage"); return nil },
		"truncated":          func(s *eventstore.Snapshot) error { s.Data = s.Data[:len(s.Data)-1]; return nil },
		"longer":             func(s *eventstore.Snapshot) error { s.Data = append(s.Data, 0); return nil },
		"another sequence":   func(s *eventstore.Snapshot) error { s.Seq++; return nil },
		"another enterprise": func(s *eventstore.Snapshot) error { s.Data = foreign; return nil },
		"cannot be read":     func(s *eventstore.Snapshot) error { return errors.Join(lie(s), errCut) },
	}
	for i := range 8 {
		spoils[fmt.Sprint("flipped bit ", i)] = func(s *eventstore.Snapshot) error {
			s.Data = slices.Clone(s.Data)
			s.Data[len(s.Data)*i/8] ^= 4
			return nil
		}
	}
	for name, spoil := range spoils {
		t.Run(name, func(t *testing.T) {
			spoilt := b
			spoilt.snapshots = brokenSnapshots{b.snapshots, spoil}
			h := spoilt.handler()
			mustRefuse(t, h, addPeer("Berlin"), domain.Exists)
			mustBeTheFold(t, b, h)
		})
	}
}

// bent returns what puts into a snapshot of b the fold of another history: bend
// changes an event, or leaves it out.
func bent(t *testing.T, b backend, bend func(*events.Recorded) (keep bool)) func(*eventstore.Snapshot) error {
	t.Helper()
	all := history(t, b)
	return func(s *eventstore.Snapshot) error {
		state := domain.NewEnterprise(acme)
		for _, r := range all {
			if r.Seq > s.Seq || !bend(&r) {
				continue
			}
			if err := state.Evolve(r); err != nil {
				return err
			}
		}
		data, err := state.MarshalSnapshot()
		s.Data = data
		return err
	}
}

// nameless gives the peer another name and another place.
func nameless(r *events.Recorded) bool {
	if added, ok := r.Event.(events.PeerAdded); ok {
		added.Description, added.Hostname = "Nameless", "nameless.example"
		r.Event = added
	}
	return true
}

// peerless leaves the peer out.
func peerless(r *events.Recorded) bool {
	_, added := r.Event.(events.PeerAdded)
	return !added
}

// unmarked is nameless, and gives every event another id.
func unmarked(r *events.Recorded) bool {
	r.ID = events.NewEventID(acme, "another", int(r.Seq))
	return nameless(r)
}

// late is nameless, and makes every event a little later.
func late(r *events.Recorded) bool {
	r.Time = r.Time.Add(time.Millisecond)
	return nameless(r)
}

// What the tests with a bent snapshot rest on: a snapshot that is right but for
// its content is believed.
func TestSnapshot_thatLiesWouldShow(t *testing.T) {
	b := inMemory()
	withSnapshot(t, b)
	spoilt := b
	spoilt.snapshots = brokenSnapshots{b.snapshots, bent(t, b, nameless)}
	must(t, spoilt.handler(), addPeer("Berlin"))
}

func TestSnapshot_thatTheLogDoesNotBearOutIsDropped(t *testing.T) {
	for name, c := range map[string]struct {
		bend  func(*events.Recorded) bool
		words string
	}{
		"its tail does not fold":      {peerless, "does not fit"},
		"it ends with another event":  {unmarked, "does not have the event"},
		"its event has another time":  {late, "does not have the event"},
		"it lies and its tail is off": {func(r *events.Recorded) bool { return peerless(r) && unmarked(r) }, "does not have the event"},
	} {
		t.Run(name, func(t *testing.T) {
			b := inMemory()
			withSnapshot(t, b)
			peer := fold(t, b).Peers()[0].ID
			must(t, b.handler(), Request{Enterprise: acme, Command: domain.DisablePeer{Peer: peer}})
			var log strings.Builder
			spoilt := brokenSnapshots{b.snapshots, bent(t, b, c.bend)}
			h := New(b.store, b.outcomes, spoilt, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			mustRefuse(t, h, addPeer("Berlin"), domain.Exists)
			mustBeTheFold(t, b, h)
			if !strings.Contains(log.String(), "snapshot ignored") || !strings.Contains(log.String(), c.words) {
				t.Errorf("the log does not say why: %q", log.String())
			}
			if s, ok, err := b.snapshots.Load(t.Context(), acme); ok || err != nil {
				t.Errorf("it is still there, at %d (%v)", s.Seq, err)
			}
		})
	}
}

func TestSnapshot_isWrittenWhenDueAndNotSooner(t *testing.T) {
	b := inMemory()
	var saved atomic.Int64
	b.snapshots = savingSnapshots{b.snapshots, func() error { saved.Add(1); return nil }}
	h := b.handler()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	must(t, h, register(acme))
	describe(t, h, snapshotEvery-2)
	if n := saved.Load() + int64(len(h.due)); n != 0 {
		t.Errorf("%d snapshots after %d events", n, snapshotEvery-1)
	}
	must(t, h, addPeer("Berlin"))
	testkit.Eventually(t, "the snapshot", func() bool { return saved.Load() == 1 })
	describe(t, h, snapshotEvery)
	testkit.Eventually(t, "the next snapshot", func() bool { return saved.Load() == 2 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// savingSnapshots asks before it saves.
type savingSnapshots struct {
	eventstore.Snapshots
	ask func() error
}

func (s savingSnapshots) Save(ctx context.Context, ent events.EnterpriseID, snap eventstore.Snapshot) error {
	if err := s.ask(); err != nil {
		return err
	}
	return s.Snapshots.Save(ctx, ent, snap)
}

func TestSnapshot_thatCannotBeSavedDisturbsNobody(t *testing.T) {
	b := inMemory()
	var tries atomic.Int64
	b.snapshots = savingSnapshots{b.snapshots, func() error { tries.Add(1); return errCut }}
	h := b.handler()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	must(t, h, register(acme))
	describe(t, h, snapshotEvery)
	testkit.Eventually(t, "the first try", func() bool { return tries.Load() == 1 })
	describe(t, h, snapshotEvery)
	testkit.Eventually(t, "the second try", func() bool { return tries.Load() == 2 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	mustBeTheFold(t, b, h)
}

func TestSnapshot_withoutRunEverythingElseWorks(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	describe(t, h, 3*snapshotEvery)
	for len(h.due) < cap(h.due) {
		h.due <- acme
	}
	describe(t, h, 2*snapshotEvery)
	mustBeTheFold(t, b, h)
}

func TestSnapshot_largeEnterpriseIsWrittenLessOften(t *testing.T) {
	h := inMemory().handler()
	must(t, h, register(acme))
	const peers = 4 * snapshotEvery
	for i := range peers {
		must(t, h, addPeer(fmt.Sprint("Peer ", i)))
	}
	untilDue := func() (n int) {
		for len(h.due) > 0 {
			<-h.due
		}
		for ; len(h.due) == 0; n++ {
			must(t, h, Request{Enterprise: acme, Command: domain.DescribeEnterprise{Description: fmt.Sprint("Text ", n)}})
		}
		return n
	}
	untilDue()
	if n := untilDue(); n != peers/2 {
		t.Errorf("a snapshot of %d peers is due every %d events; want %d", peers, n, peers/2)
	}
}

func TestSnapshot_onStreams(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, p testkit.Topology) {
		b := onStreams(t, p)
		withSnapshot(t, b)
		counted, store := counting(onStreams(t, p))
		h := counted.handler()
		mustRefuse(t, h, addPeer("Berlin"), domain.Exists)
		if n := store.folded.Load(); n > 20 {
			t.Errorf("%d events were read; want the few after the snapshot", n)
		}
		mustBeTheFold(t, b, h)
	})
}
