package projection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// feed is a source that gives out what is put in, and fails when it is told to.
type feed struct {
	batches chan []events.Sample
	broken  chan error

	mu      sync.Mutex
	follows int
}

func newFeed() *feed {
	return &feed{batches: make(chan []events.Sample), broken: make(chan error)}
}

func (f *feed) FollowSamples(ctx context.Context, sink func([]events.Sample) error) error {
	f.mu.Lock()
	f.follows++
	f.mu.Unlock()
	for {
		select {
		case list := <-f.batches:
			if err := sink(list); err != nil {
				return err
			}
		case err := <-f.broken:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *feed) followed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.follows
}

// recorder is a table that notes what is written to it and when, and fails when
// it is told to.
type recorder struct {
	SampleTable

	mu     sync.Mutex
	writes []time.Time
	pruned []time.Time
	fails  bool
}

func (r *recorder) KeepSamples(ctx context.Context, list []events.Sample, now time.Time) error {
	r.mu.Lock()
	r.writes = append(r.writes, time.Now())
	fails := r.fails
	r.mu.Unlock()
	if fails {
		return fmt.Errorf("%w: as told", readmodel.ErrUnavailable)
	}
	return r.SampleTable.KeepSamples(ctx, list, now)
}

func (r *recorder) PruneProbes(ctx context.Context, olderThan time.Time) error {
	r.mu.Lock()
	r.pruned = append(r.pruned, olderThan)
	r.mu.Unlock()
	return r.SampleTable.PruneProbes(ctx, olderThan)
}

func (r *recorder) failing(fails bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = fails
}

func (r *recorder) written() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]time.Time(nil), r.writes...)
}

// sampling is a follower at work in a bubble, between a feed and SQLite.
type sampling struct {
	*feed
	*recorder
	t  *testing.T
	d  testkit.Database
	db *readmodel.DB
}

// sampled runs fn in a bubble with a follower, which ends after it.
func sampled(t *testing.T, fn func(*testing.T, *sampling)) {
	t.Helper()
	d := testkit.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		db := open(t, d)
		s := &sampling{feed: newFeed(), recorder: &recorder{SampleTable: db}, t: t, d: d, db: db}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- NewSamples(s.feed, s.recorder, nil).Run(ctx) }()
		fn(t, s)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

func (s *sampling) puts(list ...events.Sample) {
	s.batches <- list
	synctest.Wait()
}

// shows fails the test unless the last probe of each peer began so many seconds
// after the start; 0: none is kept.
func (s *sampling) shows(want ...int) {
	s.t.Helper()
	kept := s.d.Dump(s.t, "probes")
	lines := 0
	for i, n := range want {
		if n == 0 {
			continue
		}
		lines++
		row := fmt.Sprintf("peer=%q started=\"%d\"", peerID(i), probed(i, n).Started.UnixMicro())
		if !strings.Contains(kept, row) {
			s.t.Errorf("%s is not in\n%s", row, kept)
		}
	}
	if got := strings.Count(kept, "probes enterprise="); got != lines {
		s.t.Errorf("%d rows, want %d:\n%s", got, lines, kept)
	}
}

// probed is what a probe found that began some seconds into the day before a
// bubble's clock begins.
func probed(n, started int) events.Sample {
	before := time.Date(1999, 12, 31, 0, 0, started, 0, time.UTC)
	return events.Sample{Enterprise: acme, Peer: peerID(n), ConfigSeq: 2, Started: before, OK: true, LatencyMS: 12}
}

// TestSamples_newestOfEachPeerIsWritten, whatever came in between and in whatever
// order.
func TestSamples_newestOfEachPeerIsWritten(t *testing.T) {
	sampled(t, func(t *testing.T, s *sampling) {
		s.puts(probed(1, 10), probed(2, 11), probed(1, 12))
		s.shows(0, 12, 11)
		s.puts(probed(1, 14))
		s.puts(probed(1, 13), probed(3, 5))
		s.puts(probed(3, 4))
		s.puts()
		s.shows(0, 12, 11) // a second has not passed
		time.Sleep(samplesEvery)
		synctest.Wait()
		s.shows(0, 14, 11, 5)
		if n := len(s.written()); n != 2 {
			t.Errorf("%d transactions", n)
		}
	})
}

// TestSamples_areWrittenOnceASecondAtMost, and not at all when nothing comes.
func TestSamples_areWrittenOnceASecondAtMost(t *testing.T) {
	sampled(t, func(t *testing.T, s *sampling) {
		for i := range 50 {
			s.puts(probed(1, i+1))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		s.shows(0, 50)
		writes := s.written()
		for i := range len(writes) - 1 {
			if apart := writes[i+1].Sub(writes[i]); apart < samplesEvery {
				t.Errorf("two transactions within %s", apart)
			}
		}
		if n := len(writes); n < 5 || n > 6 {
			t.Errorf("%d transactions in five seconds", n)
		}
	})
}

// TestSamples_waitForTheDatabase: what came while it was away is written when it
// is there again, and nobody who brings samples waits for it.
func TestSamples_waitForTheDatabase(t *testing.T) {
	sampled(t, func(t *testing.T, s *sampling) {
		s.failing(true)
		for i := range 120 {
			s.puts(probed(i%4, i+1))
			time.Sleep(time.Second)
		}
		s.shows()
		if n := len(s.written()); n < 20 || n > 120 {
			t.Errorf("%d tries in two minutes", n)
		}
		s.failing(false)
		time.Sleep(2 * maxPause)
		synctest.Wait()
		s.shows(117, 118, 119, 120)
	})
}

// TestSamples_sourceIsFollowedAgain after it has failed, ever more slowly; what it
// gives again changes nothing.
func TestSamples_sourceIsFollowedAgain(t *testing.T) {
	sampled(t, func(t *testing.T, s *sampling) {
		s.puts(probed(1, 10), probed(2, 20))
		for range 5 {
			s.broken <- errors.New("the connection was lost")
		}
		began := time.Now()
		s.puts(probed(1, 9), probed(2, 21)) // who puts waits until somebody follows
		if waited := time.Since(began); s.followed() != 6 || waited > 2*maxPause {
			t.Errorf("followed %d times, after %s", s.followed(), waited)
		}
		time.Sleep(samplesEvery)
		synctest.Wait()
		s.shows(0, 10, 21)
	})
}

// TestSamples_whatHasComeIsWrittenAtTheEnd, though its second has not passed.
func TestSamples_whatHasComeIsWrittenAtTheEnd(t *testing.T) {
	var last *sampling
	sampled(t, func(_ *testing.T, s *sampling) {
		last = s
		s.puts(probed(1, 10))
		s.puts(probed(1, 11), probed(2, 12))
		s.shows(0, 10)
	})
	last.t = t
	last.shows(0, 11, 12)
}

// TestSamples_endThoughTheDatabaseIsAway.
func TestSamples_endThoughTheDatabaseIsAway(t *testing.T) {
	sampled(t, func(_ *testing.T, s *sampling) {
		s.failing(true)
		s.puts(probed(1, 10))
	})
}

// TestSamples_areDroppedWhenOld: once at the start and once an hour.
func TestSamples_areDroppedWhenOld(t *testing.T) {
	sampled(t, func(t *testing.T, s *sampling) {
		began := time.Now()
		old := probed(1, 0)
		old.Started = began.Add(-samplesKept).Add(90 * time.Minute)
		s.puts(old, probed(2, 5))
		time.Sleep(61 * time.Minute)
		if got := s.d.Dump(t, "probes"); strings.Count(got, "probes enterprise=") != 2 {
			t.Errorf("after an hour:\n%s", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		s.shows(0, 0, 5)
		s.recorder.mu.Lock()
		defer s.recorder.mu.Unlock()
		for i, olderThan := range s.pruned {
			if want := began.Add(time.Duration(i)*pruneEvery - samplesKept); !olderThan.Equal(want) {
				t.Errorf("the %d. time what is older than %s, want %s", i+1, olderThan, want)
			}
		}
		if len(s.pruned) != 3 {
			t.Errorf("%d times", len(s.pruned))
		}
	})
}

// TestSamples_areShownBesideTheStatus, on both databases: from the source to the
// row of a peer.
func TestSamples_areShownBesideTheStatus(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		log, w := memory(t, 0)
		w.command(acme, registered(acme))
		config := w.command(acme, added(1))
		db := open(t, d)
		start(t, New(log, db, quick())).reaches(config)
		source := newFeed()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- NewSamples(source, db, nil).Run(ctx) }()
		sample := probed(1, 7)
		sample.ConfigSeq, sample.Started = config, time.Now().Add(-time.Minute).Truncate(time.Microsecond)
		source.batches <- []events.Sample{sample}
		testkit.Eventually(t, "the probe to be shown", func() bool {
			p, err := db.Directory().Peer(t.Context(), acme, peerID(1))
			return err == nil && p.LastProbe.Equal(sample.Started) && p.Latency == 12*time.Millisecond
		})
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}
