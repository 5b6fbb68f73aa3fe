package app

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peering/peering/internal/httpapi"
)

func TestHealth_aCheckIsRedUntilItHasRun(t *testing.T) {
	h := newHealth()
	h.add("log", true, func(context.Context) finding { return green("fine") })
	if r := h.Report(t.Context()); r.Level() != httpapi.Red || len(r.NotReady()) != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestHealth_followsWhatTheCheckFindsAndSaysSinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var broken atomic.Bool
		h := newHealth()
		h.add("log", true, func(context.Context) finding {
			if broken.Load() {
				return red("gone")
			}
			return green("fine")
		})
		go h.run(ctx)
		synctest.Wait()
		if r := h.Report(ctx); r.Level() != httpapi.Green {
			t.Fatalf("got %+v", r)
		}
		broken.Store(true)
		time.Sleep(checkEvery + time.Second)
		first := h.Report(ctx).Checks[0]
		time.Sleep(checkEvery)
		later := h.Report(ctx).Checks[0]
		if first.Level != httpapi.Red || later != first {
			t.Errorf("got %+v, then %+v", first, later)
		}
		broken.Store(false)
		time.Sleep(time.Second)
		if c := h.Report(ctx).Checks[0]; c.Level != httpapi.Green || !c.Since.After(first.Since) {
			t.Errorf("after it recovered: %+v", c)
		}
	})
}

// TestHealth_whatHangsIsRedWithinTenSeconds is target S4.
func TestHealth_whatHangsIsRedWithinTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var hang, running atomic.Bool
		release := make(chan struct{})
		h := newHealth()
		h.add("log", true, func(context.Context) finding {
			if running.Swap(true) {
				t.Error("the check runs twice at once")
			}
			defer running.Store(false)
			if hang.Load() {
				<-release
			}
			return green("fine")
		})
		stopped := make(chan struct{})
		go func() { h.run(ctx); close(stopped) }()
		synctest.Wait()
		hang.Store(true)
		time.Sleep(10 * time.Second)
		if r := h.Report(ctx); r.Level() != httpapi.Red {
			t.Errorf("after ten seconds: %+v", r)
		}
		close(release)
		hang.Store(false)
		time.Sleep(checkEvery)
		if r := h.Report(ctx); r.Level() != httpapi.Green {
			t.Errorf("after it answers again: %+v", r)
		}
		cancel()
		<-stopped
	})
}
