package command

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

func TestUnavailable_everyCallThatFailsSaysSo(t *testing.T) {
	refused := Request{Enterprise: acme, Command: domain.RenamePeer{Peer: "nobody", Description: "x"}}
	for name, c := range map[string]struct {
		prepare func(*hookedStore, *hookedOutcomes)
		req     Request
	}{
		"load":    {func(s *hookedStore, _ *hookedOutcomes) { s.beforeLoad = fail }, addPeer("Berlin")},
		"append":  {func(s *hookedStore, _ *hookedOutcomes) { s.beforeAppend = fail }, addPeer("Berlin")},
		"answer":  {func(s *hookedStore, _ *hookedOutcomes) { s.afterAppend = fail }, addPeer("Berlin")},
		"last":    {func(s *hookedStore, _ *hookedOutcomes) { s.beforeLast = fail }, withID("c1", refused)},
		"find":    {func(_ *hookedStore, o *hookedOutcomes) { o.beforeFind = fail }, withID("c1", addPeer("Berlin"))},
		"keep":    {func(_ *hookedStore, o *hookedOutcomes) { o.beforeKeep = fail }, withID("c1", addPeer("Berlin"))},
		"refused": {func(_ *hookedStore, o *hookedOutcomes) { o.beforeKeep = fail }, withID("c1", refused)},
	} {
		t.Run(name, func(t *testing.T) {
			b := inMemory()
			must(t, b.handler(), register(acme))
			store, outcomes := &hookedStore{Store: b.store}, &hookedOutcomes{Outcomes: b.outcomes}
			c.prepare(store, outcomes)
			b.store, b.outcomes = store, outcomes
			h := b.handler()
			r, err := h.Handle(t.Context(), c.req)
			if !errors.Is(err, ErrUnavailable) {
				t.Fatalf("got %+v, %v", r, err)
			}
			store.beforeLoad, store.beforeAppend, store.afterAppend, store.beforeLast = nil, nil, nil, nil
			outcomes.beforeFind, outcomes.beforeKeep = nil, nil
			var refusal *domain.Error
			if r, err := h.Handle(t.Context(), c.req); err != nil && !errors.As(err, &refusal) {
				t.Errorf("it did not recover: %+v, %v", r, err)
			}
		})
	}
}

func TestUnavailable_ambiguousAppendIsFoundByTheRepeat(t *testing.T) {
	b := inMemory()
	store := &hookedStore{Store: b.store, afterAppend: fail}
	b.store = store
	h := b.handler()
	if _, err := h.Handle(t.Context(), withID("c1", register(acme))); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	store.afterAppend = nil
	r := must(t, h, withID("c1", register(acme)))
	if !r.Repeated || len(history(t, b)) != 1 {
		t.Errorf("got %+v, %d events", r, len(history(t, b)))
	}
}

func TestUnavailable_historyThatCannotBeReadIsNotDecidedOn(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	b.store.(*eventstore.Memory).Put(string(events.ConfigSubject(acme)), nil, []byte("hello"))
	for _, process := range []*Handler{h, b.handler()} {
		for range 2 {
			r, err := process.Handle(t.Context(), addPeer("Berlin"))
			var unreadable *eventstore.UnreadableError
			if !errors.Is(err, ErrUnavailable) || !errors.As(err, &unreadable) || unreadable.Seq != 2 {
				t.Fatalf("got %+v, %v", r, err)
			}
		}
	}
	must(t, h, register("other"))
}

func TestUnavailable_fullLogIsToldApart(t *testing.T) {
	b := inMemory()
	h := b.handler()
	must(t, h, register(acme))
	log := b.store.(*eventstore.Memory)
	log.SetMaxBytes(1)
	if r, err := h.Handle(t.Context(), withID("c1", addPeer("Berlin"))); !errors.Is(err, eventstore.ErrFull) || !errors.Is(err, ErrFull) || errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %+v, %v", r, err)
	}
	log.SetMaxBytes(0)
	if r := must(t, h, withID("c1", addPeer("Berlin"))); r.Repeated {
		t.Error("a command that was not written is repeated")
	}
}

func TestUnavailable_fullOutcomesDoNotClaimThatNothingWasWritten(t *testing.T) {
	b := inMemory()
	b.outcomes = &hookedOutcomes{Outcomes: b.outcomes, beforeKeep: func(context.Context) error { return eventstore.ErrFull }}
	r, err := b.handler().Handle(t.Context(), withID("c1", register(acme)))
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, eventstore.ErrFull) {
		t.Errorf("got %+v, %v", r, err)
	}
}

// hang is a hook that waits until the call is given up.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestUnavailable_nothingTakesLongerThanFiveSeconds(t *testing.T) {
	for name, prepare := range map[string]func(*hookedStore, *hookedOutcomes){
		"append":   func(s *hookedStore, _ *hookedOutcomes) { s.beforeAppend = hang },
		"load":     func(s *hookedStore, _ *hookedOutcomes) { s.beforeLoad = hang },
		"find":     func(_ *hookedStore, o *hookedOutcomes) { o.beforeFind = hang },
		"keep":     func(_ *hookedStore, o *hookedOutcomes) { o.beforeKeep = hang },
		"conflict": func(s *hookedStore, _ *hookedOutcomes) { s.beforeAppend = alwaysConflict },
		"late append": func(s *hookedStore, o *hookedOutcomes) {
			s.afterAppend = func(context.Context) error { time.Sleep(budget - time.Millisecond); return nil }
			o.beforeKeep = hang
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := inMemory()
				store, outcomes := &hookedStore{Store: b.store}, &hookedOutcomes{Outcomes: b.outcomes}
				prepare(store, outcomes)
				b.store, b.outcomes = store, outcomes
				h := b.handler()
				start := time.Now()
				var wg sync.WaitGroup
				for range 5 { // those who wait for their turn are in time as well
					wg.Go(func() {
						r, err := h.Handle(t.Context(), withID("c1", register(acme)))
						if !errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("got %+v, %v", r, err)
						}
					})
				}
				wg.Wait()
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func alwaysConflict(context.Context) error { return &eventstore.ConflictError{} }

func TestHandle_callerThatGivesUpWhileWaitingIsLetGoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inMemory()
		b.store = &hookedStore{Store: b.store, beforeAppend: hang}
		h := b.handler()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := h.Handle(t.Context(), register(acme))
			if !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		})
		synctest.Wait()
		start := time.Now()
		wg.Go(func() {
			_, err := h.Handle(ctx, register(acme))
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) || time.Since(start) != 0 {
				t.Errorf("got %v after %s", err, time.Since(start))
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
	})
}

func TestHandle_callerThatGivesUpDuringTheAppendLeavesAnOutcome(t *testing.T) {
	b := inMemory()
	ctx, cancel := context.WithCancel(t.Context())
	healthy := b
	b.store = &hookedStore{Store: b.store, beforeAppend: func(context.Context) error { cancel(); return nil }}
	if r, err := b.handler().Handle(ctx, withID("c1", register(acme))); err != nil || r.Sequence != 1 {
		t.Fatalf("got %+v, %v", r, err)
	}
	mustKeep(t, healthy, "c1", Accepted)
}

func TestHandle_callerThatHasGivenUpWritesNothing(t *testing.T) {
	b := inMemory()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if r, err := b.handler().Handle(ctx, register(acme)); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %+v, %v", r, err)
		}
	}
	if n := len(history(t, b)); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestHandle_deadlineOfTheCallerHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inMemory()
		b.store = &hookedStore{Store: b.store, beforeAppend: hang}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := b.handler().Handle(ctx, register(acme))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}
