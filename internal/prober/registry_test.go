package prober

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// audience is who watches a registry.
type audience struct {
	mu    sync.Mutex
	heard map[string]Member
	ages  map[string]time.Duration
	count map[string]int
	ended chan error
	end   context.CancelFunc
}

// attendTo watches a registry until the test ends.
func attendTo(t *testing.T, r Registry) *audience {
	t.Helper()
	a := &audience{heard: map[string]Member{}, ages: map[string]time.Duration{}, count: map[string]int{}, ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	a.end = cancel
	go func() {
		a.ended <- r.Watch(ctx, func(m Member, old time.Duration) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.heard[m.ID], a.ages[m.ID] = m, old
			a.count[m.ID]++
		})
	}()
	t.Cleanup(func() {
		cancel()
		err := <-a.ended
		a.ended <- err
	})
	return a
}

func (a *audience) of(id string) (m Member, old time.Duration, count int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.heard[id], a.ages[id], a.count[id]
}

func (a *audience) waitFor(t *testing.T, what string, cond func(m map[string]Member) bool) {
	t.Helper()
	testkit.Eventually(t, what, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return cond(a.heard)
	})
}

func beat(t *testing.T, r Registry, m Member) {
	t.Helper()
	if err := r.Beat(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// registrySuite is what every Registry does. open makes another one on the same
// entries.
func registrySuite(t *testing.T, open func(*testing.T) Registry) {
	full := Member{
		ID: "full", Started: epoch, Targets: 7, Owned: 3, Isolated: true, Muted: true, Left: true,
		Held: map[events.EnterpriseID]time.Time{acme: epoch},
	}
	t.Run("whoever watches hears what was said and what is", func(t *testing.T) {
		said, other := open(t), open(t)
		before := time.Now()
		beat(t, said, full)
		beat(t, said, Member{ID: "a", Owned: 1})
		a := attendTo(t, other)
		a.waitFor(t, "what was said before", func(m map[string]Member) bool { return len(m) >= 2 })
		got, old, _ := a.of("full")
		if got.At.Before(before.Add(-time.Second)) || got.At.After(time.Now().Add(time.Second)) || old < 0 || old > time.Since(before) {
			t.Errorf("said at %s, %s ago", got.At, old)
		}
		got.At = time.Time{}
		if d := cmp.Diff(full, got); d != "" {
			t.Error(d)
		}
		beat(t, said, Member{ID: "a", Owned: 2})
		a.waitFor(t, "the next of a", func(m map[string]Member) bool { return m["a"].Owned == 2 })
		if _, old, _ := a.of("a"); old != 0 {
			t.Errorf("what is said now is %s old", old)
		}
		a.end()
		if err := <-a.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
		a.ended <- nil
	})
	t.Run("what is forgotten is not heard by whoever comes", func(t *testing.T) {
		r := open(t)
		beat(t, r, Member{ID: "gone"})
		beat(t, r, Member{ID: "here", Owned: 1})
		for range 2 { // also of one that is forgotten
			if err := r.Forget(t.Context(), "gone"); err != nil {
				t.Fatal(err)
			}
		}
		a := attendTo(t, open(t))
		a.waitFor(t, "the other", func(m map[string]Member) bool { return m["here"].Owned == 1 })
		beat(t, r, Member{ID: "here", Owned: 2})
		a.waitFor(t, "the other again", func(m map[string]Member) bool { return m["here"].Owned == 2 })
		if _, _, n := a.of("gone"); n != 0 {
			t.Errorf("heard %d times", n)
		}
		beat(t, r, Member{ID: "gone"})
		a.waitFor(t, "one that comes back", func(m map[string]Member) bool { return m["gone"].ID != "" })
	})
	t.Run("a watch that hears nothing ends", func(t *testing.T) {
		r := open(t)
		beat(t, r, Member{ID: "a"})
		a := attendTo(t, open(t))
		a.waitFor(t, "what was said before", func(m map[string]Member) bool { return m["a"].ID != "" })
		if err := <-a.ended; !errors.Is(err, errSilent) {
			t.Errorf("the watch ended with %v", err)
		}
		a.ended <- nil
	})
	t.Run("nothing is done when there is no time", func(t *testing.T) {
		r := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for what, err := range map[string]error{
			"beat": r.Beat(ctx, Member{ID: "late"}), "forget": r.Forget(ctx, "late"), "watch": r.Watch(ctx, func(Member, time.Duration) {}),
		} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestRegistry_memory(t *testing.T) {
	shared := newMemoryRegistry()
	registrySuite(t, func(*testing.T) Registry { return shared })
}

func openKV(t *testing.T, nc *nats.Conn, replicas int) *KV {
	t.Helper()
	var kv *KV
	testkit.Eventually(t, "the bucket", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var err error
		kv, err = OpenKV(ctx, nc, replicas)
		return err == nil
	})
	return kv
}

func TestRegistry_keyValue(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		registrySuite(t, func(t *testing.T) Registry { return openKV(t, testkit.Connect(t, top.URL), top.Replicas) })
		info, err := testkit.JetStream(t, top.Conn).Stream(t.Context(), "KV_"+bucket)
		if err != nil {
			t.Fatal(err)
		}
		if c := info.CachedInfo().Config; c.Replicas != top.Replicas || c.MaxMsgsPerSubject != 1 {
			t.Errorf("the bucket is %+v", c)
		}
	})
}

func TestRegistry_openingAtTheSameTimeMakesOneBucket(t *testing.T) {
	nc := testkit.NATS(t)
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			_, err := OpenKV(t.Context(), nc, 1)
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestRegistry_whatIsNoneOfAProberIsPassedOver(t *testing.T) {
	nc := testkit.NATS(t)
	r := openKV(t, nc, 1)
	kv, err := testkit.JetStream(t, nc).KeyValue(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	hostile := map[string]string{
		"a": `{"id":"b"}`, "c": `{"id":`, "d": "", "e": `[]`, "f": `{}`, "g": `{"id":"g","owned":"many"}`,
	}
	put := func() {
		for key, value := range hostile {
			if _, err := kv.PutString(t.Context(), key, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	put()
	a := attendTo(t, r)
	beat(t, r, Member{ID: "good", Owned: 1})
	a.waitFor(t, "the good one", func(m map[string]Member) bool { return m["good"].Owned == 1 })
	put()
	beat(t, r, Member{ID: "good", Owned: 2})
	a.waitFor(t, "the good one again", func(m map[string]Member) bool { return m["good"].Owned == 2 })
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.heard) != 1 {
		t.Errorf("heard %v", a.heard)
	}
}

func TestRegistry_aWatchOfABucketThatIsGoneEndsAndTheNextMakesAnother(t *testing.T) {
	t.Parallel()
	nc := testkit.NATS(t)
	r := openKV(t, nc, 1)
	a := attendTo(t, r)
	beat(t, r, Member{ID: "a"})
	a.waitFor(t, "a", func(m map[string]Member) bool { return m["a"].ID != "" })
	if err := testkit.JetStream(t, nc).DeleteKeyValue(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*silentAfter)
	defer cancel()
	select {
	case err := <-a.ended:
		if !errors.Is(err, errSilent) {
			t.Errorf("the watch ended with %v", err)
		}
		a.ended <- err
	case <-ctx.Done():
		t.Fatal("the watch goes on")
	}
	b := attendTo(t, r) // makes the bucket again
	testkit.Eventually(t, "a beat that is acknowledged", func() bool { return r.Beat(t.Context(), Member{ID: "a"}) == nil })
	beat(t, openKV(t, nc, 1), Member{ID: "b"})
	b.waitFor(t, "both", func(m map[string]Member) bool { return m["a"].ID != "" && m["b"].ID != "" })
}
