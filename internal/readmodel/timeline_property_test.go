package readmodel

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// history is what the log says of one peer, told as simply as can be.
type history struct {
	connection events.Connection
	live       bool
	periods    []Period // oldest first
	windows    []MaintenanceWindow
	planned    bool // the last window is at hand, or was over
}

func (s *history) begin(r events.Recorded, p Period) {
	p.Seq, p.Reported = r.Seq, r.Time
	if n := len(s.periods); n > 0 {
		if last := &s.periods[n-1]; p.Since.Before(last.Since) {
			p.Since = last.Since
		}
		s.periods[n-1].Until = p.Since
	}
	s.periods = append(s.periods, p)
}

func (s *history) endWindow(at time.Time) {
	if n := len(s.windows); s.planned && at.Before(s.windows[n-1].End) {
		s.windows[n-1].CancelledAt = at
	}
	s.planned = false
}

func (s *history) end(r events.Recorded) {
	s.endWindow(r.Time)
	s.live = false
	s.begin(r, Period{Since: r.Time, Ended: true})
}

func (s *history) tell(r events.Recorded) {
	switch e := r.Event.(type) {
	case events.PeerAdded:
		s.live, s.connection = true, events.Connection{}
	case events.PeerDeleted:
		s.end(r)
		return
	case events.PeerMaintenanceScheduled:
		s.endWindow(r.Time)
		s.windows = append(s.windows, MaintenanceWindow{Seq: r.Seq, Start: e.Start, End: e.End, Note: e.Note, By: r.Actor})
		s.planned = true
	case events.PeerMaintenanceCancelled:
		s.endWindow(r.Time)
	}
	before := s.connection
	if s.connection.Apply(r) {
		if s.connection.Since.Before(before.Since) {
			s.connection.Since = before.Since
		}
		if !s.connection.Counts(s.connection.From) && s.connection.Status == before.Status && s.connection.Since.Equal(before.Since) {
			return
		}
		p := Period{Status: s.connection.Status, Cause: s.connection.Cause, Since: s.connection.Since}
		if e, ok := r.Event.(events.PeerStatusChanged); ok {
			p.ProbeStarted = e.ProbeStarted
		}
		s.begin(r, p)
	}
}

// histories are those of all peers that ever were.
func histories(log []events.Recorded) map[peerKey]*history {
	all := map[peerKey]*history{}
	for _, r := range log {
		switch e := r.Event.(type) {
		case events.EnterpriseRemoved:
			for k, s := range all {
				if k.Enterprise == r.Enterprise && s.live {
					s.end(r)
				}
			}
		case events.PeerEvent:
			k := peerKey{r.Enterprise, e.PeerID()}
			_, adds := e.(events.PeerAdded)
			if adds && all[k] == nil {
				all[k] = &history{}
			}
			if s := all[k]; s != nil && (adds || s.live) {
				s.tell(r)
			}
		}
	}
	return all
}

// between is what Timeline.Between promises.
func (s *history) between(from, to time.Time) (list []Period, windows []MaintenanceWindow) {
	for _, p := range s.periods {
		lasts := p.Until.IsZero()
		if p.Since.Before(to) && (lasts || p.Until.After(from)) && (lasts || p.Since.Before(p.Until)) {
			list = append(list, p)
		}
	}
	for _, w := range s.windows {
		if start, end, ok := w.Effective(); ok && start.Before(to) && end.After(from) {
			windows = append(windows, w)
		}
	}
	return list, windows
}

// unwatched is the same history while nobody probes.
func (s *history) unwatched(u Unprobed) *history {
	out := *s
	n := len(s.periods)
	last := s.periods[n-1]
	noted := last.Status == events.StatusUnknown && last.Cause.Layer == u.Cause.Layer && last.Cause.Code == u.Cause.Code
	if !s.live || !s.connection.Counts(s.connection.From) || noted {
		return &out
	}
	if last.Until = u.Since; u.Since.Before(last.Since) {
		last.Until = last.Since
	}
	out.periods = append(slices.Clone(s.periods[:n-1]), last, Period{Status: events.StatusUnknown, Cause: u.Cause, Since: last.Until})
	return &out
}

// periodsOf follows the cursors to the end.
func (t *Timeline) periodsOf(ent events.EnterpriseID, peer events.PeerID, limit int) (list []Period, err error) {
	q := TimelineQuery{Limit: limit}
	for {
		page, err := t.Periods(context.Background(), ent, peer, q)
		if err != nil {
			return nil, err
		}
		list = append(list, page.Items...)
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return list, nil
		}
	}
}

// windowsOf follows the cursors to the end.
func (t *Timeline) windowsOf(ent events.EnterpriseID, peer events.PeerID, limit int) (list []MaintenanceWindow, err error) {
	q := TimelineQuery{Limit: limit}
	for {
		page, err := t.Maintenances(context.Background(), ent, peer, q)
		if err != nil {
			return nil, err
		}
		list = append(list, page.Items...)
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return list, nil
		}
	}
}

func reversed[T any](list []T) []T {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// tells fails the test unless the timeline tells that story.
func tells(t *rapid.T, tl *Timeline, k peerKey, want *history) {
	limit := rapid.IntRange(1, 5).Draw(t, "limit")
	list, err := tl.periodsOf(k.Enterprise, k.ID, limit)
	if diff := cmp.Diff(reversed(want.periods), list, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Fatalf("%v, %v (-log +shown):\n%s", k, err, diff)
	}
	windows, err := tl.windowsOf(k.Enterprise, k.ID, limit)
	if diff := cmp.Diff(reversed(want.windows), windows, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Fatalf("maintenances of %v, %v (-log +shown):\n%s", k, err, diff)
	}
	draw := func(label string) time.Time {
		times := []time.Time{at(0), at(1 << 20), {}}
		for _, p := range want.periods {
			times = append(times, p.Since, p.Since.Add(time.Microsecond))
		}
		for _, w := range want.windows {
			times = append(times, w.Start, w.End, w.CancelledAt)
		}
		return rapid.SampledFrom(times).Draw(t, label)
	}
	from, to := draw("from"), draw("to")
	list, windows, err = tl.Between(context.Background(), k.Enterprise, k.ID, from, to)
	wantList, wantWindows := want.between(from, to)
	if !from.Before(to) {
		wantList, wantWindows = nil, nil
	}
	if diff := cmp.Diff(wantList, list, cmpopts.EquateEmpty()) + cmp.Diff(wantWindows, windows, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Fatalf("%v from %s to %s, %v (-log +shown):\n%s", k, from, to, err, diff)
	}
}

// TestTimeline_tablesAreAFunctionOfTheLog: however the log is cut into
// transactions, whoever writes them, on whichever database, the tables are the
// same, and every query tells what the log says.
func TestTimeline_tablesAreAFunctionOfTheLog(t *testing.T) {
	folders := []*folder{newFolder(t, testkit.SQLite(t), timeline{}), newFolder(t, testkit.Postgres(t), timeline{})}
	rapid.Check(t, func(r *rapid.T) {
		log := logs().Draw(r, "log")
		want := folders[0].fold(r, t, log)
		cuts := []int{rapid.IntRange(0, len(log)).Draw(r, "takeover")}
		for cuts[len(cuts)-1] < len(log) {
			cuts = append(cuts, min(len(log), cuts[len(cuts)-1]+rapid.IntRange(1, 20).Draw(r, "part")))
		}
		all := histories(log)
		for _, f := range folders {
			if got := f.fold(r, t, log, cuts...); got != want {
				r.Fatalf("%s, cut at %v (-in one go +cut):\n%s", f.database.Name, cuts, difference(want, got))
			}
			for _, k := range slices.SortedFunc(maps.Keys(all), peerKey.compare) {
				tells(r, f.Timeline(), k, all[k])
				u := Unprobed{Cause: rapid.SampledFrom([]events.Cause{{Layer: "policy", Code: "not_probed", Message: "x"}, {}}).Draw(r, "cause")}
				u.Since = rapid.SampledFrom([]time.Time{{}, at(0), at(30), at(3630), at(1 << 21), all[k].periods[len(all[k].periods)-1].Since}).Draw(r, "unprobed since")
				tells(r, f.Timeline().Probing(func(events.EnterpriseID) *Unprobed { return &u }), k, all[k].unwatched(u))
			}
			if _, err := f.Timeline().periodsOf(acme, "nobody", 1); !errors.Is(err, ErrNotFound) {
				r.Fatalf("of nobody: %v", err)
			}
		}
	})
}

// TestStatus_directoryAndTimelineAgree about what every peer is now and since when,
// whatever the clocks of the probers say.
func TestStatus_directoryAndTimelineAgree(t *testing.T) {
	d := testkit.SQLite(t)
	folders := []*folder{newFolder(t, d, directory{}), newFolder(t, d, timeline{})}
	rapid.Check(t, func(r *rapid.T) {
		log := logs().Draw(r, "log")
		for _, f := range folders {
			f.fold(r, t, log, rapid.IntRange(0, len(log)).Draw(r, "takeover"))
		}
		dir, tl := folders[0].Directory(), folders[1].Timeline()
		for _, ent := range []events.EnterpriseID{acme, beta} {
			page, err := dir.Peers(context.Background(), ent, PeerQuery{})
			if err != nil {
				r.Fatal(err)
			}
			for _, p := range page.Items {
				list, err := tl.periodsOf(ent, p.ID, 9)
				if err != nil {
					r.Fatal(err)
				}
				if now := list[0]; now.Status != p.Status || now.Cause != p.Cause || now.Since != p.StatusSince || !now.Until.IsZero() {
					r.Fatalf("%s of %s is %s (%s) since %s in the directory, and in the timeline %+v", p.ID, ent, p.Status, p.Cause, p.StatusSince, now)
				}
			}
		}
	})
}
