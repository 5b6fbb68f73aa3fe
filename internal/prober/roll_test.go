package prober

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

func TestRoll_whenPeersAreNotProbed(t *testing.T) {
	held := func(seconds int) map[events.EnterpriseID]time.Time {
		return map[events.EnterpriseID]time.Time{acme: at(seconds)}
	}
	const (
		cannot = "An event of the enterprise cannot be read, so that its peers are not probed."
		full   = "The log is nearly full, so that changes of status are not written any more."
	)
	for name, tt := range map[string]struct {
		members []Member
		message string // "": they are probed
		since   time.Time
	}{
		"one is there":                   {[]Member{{ID: "a"}}, "", time.Time{}},
		"one of them left":               {[]Member{{ID: "a", Left: true}, {ID: "b"}}, "", time.Time{}},
		"all left":                       {[]Member{{ID: "a", Left: true, At: at(3)}, {ID: "b", Left: true, At: at(9)}}, "No prober is running any more.", at(9)},
		"nobody was ever heard":          {nil, "No prober is running.", time.Time{}},
		"the only one holds it":          {[]Member{{ID: "a", Held: held(5)}}, cannot, at(5)},
		"all hold it":                    {[]Member{{ID: "a", Held: held(5)}, {ID: "b", Held: held(7)}}, cannot, at(7)},
		"one holds it and one does not":  {[]Member{{ID: "a", Held: held(5)}, {ID: "b"}}, "", time.Time{}},
		"another is held":                {[]Member{{ID: "a", Held: map[events.EnterpriseID]time.Time{"other": at(5)}}}, "", time.Time{}},
		"all are muted":                  {[]Member{{ID: "a", Muted: true, MutedSince: at(4)}, {ID: "b", Muted: true, MutedSince: at(6)}}, full, at(6)},
		"the only one is starting":       {[]Member{{ID: "a", Starting: true, At: at(9)}, {ID: "b", Left: true, At: at(3)}}, "The probers are starting: they read the log.", at(3)},
		"one is starting":                {[]Member{{ID: "a", Starting: true}, {ID: "b"}}, "", time.Time{}},
		"one is muted and one is not":    {[]Member{{ID: "a", Muted: true}, {ID: "b"}}, "", time.Time{}},
		"one is muted, one holds it":     {[]Member{{ID: "a", Muted: true}, {ID: "b", Held: held(5)}}, cannot, at(5)},
		"the one that holds it has left": {[]Member{{ID: "a", Left: true, Held: held(5)}, {ID: "b"}}, "", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := NewRoll()
				time.Sleep(grace)
				r.reach()
				for _, m := range tt.members {
					r.hear(m, 0)
				}
				got, absent := r.Absence(acme)
				if absent != (tt.message != "") {
					t.Fatalf("absent: %t", absent)
				}
				if absent && (got.Cause != events.Cause{Layer: events.LayerPolicy, Code: domain.CauseNotProbed, Message: tt.message} || !got.Since.Equal(tt.since)) {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

func TestRoll_givesProbersTimeToStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoll()
		time.Sleep(grace - time.Millisecond)
		if _, absent := r.Absence(acme); absent {
			t.Error("absent before there was time to start")
		}
		time.Sleep(time.Millisecond)
		if _, absent := r.Absence(acme); !absent {
			t.Error("not absent after the time to start")
		}
	})
}

func TestRoll_whoIsSilentIsGoneAfterSixSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoll()
		time.Sleep(time.Minute)
		r.hear(Member{ID: "a", At: at(1)}, 0)
		r.hear(Member{ID: "long ago", At: at(0)}, time.Hour)
		time.Sleep(silentAfter - time.Millisecond)
		if m := r.Members(); len(m) != 1 || m[0].ID != "a" {
			t.Errorf("%+v", m)
		}
		if _, absent := r.Absence(acme); absent {
			t.Error("absent too early")
		}
		time.Sleep(time.Millisecond)
		if got, absent := r.Absence(acme); !absent || got.Cause.Message != deafMessage {
			t.Errorf("while nothing at all is heard: %+v %t", got, absent)
		}
		r.reach()
		if got, absent := r.Absence(acme); !absent || !got.Since.Equal(at(1)) || len(r.Members()) != 0 {
			t.Errorf("%+v %t, there: %v", got, absent, r.Members())
		}
	})
}

// TestRoll_opensTheRegistryAgainAfterTrouble: a roll outlives the registry.
func TestRoll_opensTheRegistryAgainAfterTrouble(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var opened atomic.Int32
		broken, breaks := make(chan struct{}), errors.New("the bucket is gone")
		r := NewRoll()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			ended <- r.Run(ctx, func(context.Context) (Registry, error) {
				if opened.Add(1) <= 3 {
					return nil, breaks
				}
				return breaking{w.registry, broken, breaks}, nil
			})
		}()
		w.add(1)
		p := w.start("a")
		time.Sleep(15 * time.Second)
		if _, absent := r.Absence(acme); absent || len(r.Members()) != 1 || r.Members()[0].Owned != 1 {
			t.Errorf("absent: %t, there: %+v", absent, r.Members())
		}
		close(broken)
		time.Sleep(time.Minute)
		p.stop()
		time.Sleep(10 * time.Second)
		if opened.Load() < 5 {
			t.Errorf("opened %d times", opened.Load())
		}
		if got, absent := r.Absence(acme); !absent || time.Since(got.Since) > 11*time.Second {
			t.Errorf("%+v %t", got, absent)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

// breaking is a registry whose watch ends with an error.
type breaking struct {
	Registry
	broken <-chan struct{}
	err    error
}

func (b breaking) Watch(ctx context.Context, fn func(Member, time.Duration)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Second, b.err)
	defer cancel()
	go func() {
		select {
		case <-b.broken:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := b.Registry.Watch(ctx, fn); ctx.Err() == nil {
		return err
	}
	return b.err
}
