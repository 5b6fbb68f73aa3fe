package domain

import (
	"slices"
	"time"

	"github.com/peering/peering/internal/events"
)

// MaxWindows is into how many windows one report may be cut.
const MaxWindows = 400

// StatusPeriod is a time during which a peer had one status. To is exclusive.
// A gap between periods is time in which the peer did not exist.
type StatusPeriod struct {
	From, To time.Time
	Status   events.Status
}

// Window is a time from From to before To.
type Window struct{ From, To time.Time }

// cut is the part of w inside o. It may be empty, or end before it begins.
func (w Window) cut(o Window) Window {
	if w.From.Before(o.From) {
		w.From = o.From
	}
	if w.To.After(o.To) {
		w.To = o.To
	}
	return w
}

func (w Window) length() time.Duration { return max(0, w.To.Sub(w.From)) }

// Uptime is how long a peer was what. The sum is how long it existed.
type Uptime struct {
	Up, Degraded, Down time.Duration
	Unknown            time.Duration
	Disabled           time.Duration // or not probed by its nature: N/A
	Maintenance        time.Duration // of whatever status but Disabled
}

// Ratio is the part of the time in which the peer answered, of the time in
// which it is known whether it did and it mattered: maintenance, unknown and
// disabled are left out. known is false when nothing is left.
func (u Uptime) Ratio() (ratio float64, known bool) {
	answered := u.Up + u.Degraded
	if answered+u.Down == 0 {
		return 0, false
	}
	return float64(answered) / float64(answered+u.Down), true
}

// Measure adds up the periods within one window. They are in order and do not
// overlap. The times of maintenance may be in any order and may overlap.
func Measure(periods []StatusPeriod, maintenance []Window, within Window) Uptime {
	planned := merge(maintenance)
	var u Uptime
	for _, p := range periods {
		w := Window{p.From, p.To}.cut(within)
		if w.length() == 0 {
			continue
		}
		for len(planned) > 0 && !planned[0].To.After(w.From) {
			planned = planned[1:]
		}
		bucket := u.bucket(p.Status)
		*bucket += w.length()
		if bucket == &u.Disabled {
			continue
		}
		for _, m := range planned {
			if !m.From.Before(w.To) {
				break
			}
			d := m.cut(w).length()
			*bucket -= d
			u.Maintenance += d
		}
	}
	return u
}

func (u *Uptime) bucket(s events.Status) *time.Duration {
	switch s {
	case events.StatusUp:
		return &u.Up
	case events.StatusDegraded:
		return &u.Degraded
	case events.StatusDown:
		return &u.Down
	case events.StatusDisabled, events.StatusNA:
		return &u.Disabled
	default:
		return &u.Unknown
	}
}

// merge returns windows in order and without overlaps, empty ones left out.
func merge(windows []Window) []Window {
	sorted := slices.DeleteFunc(slices.Clone(windows), func(w Window) bool { return w.length() == 0 })
	slices.SortFunc(sorted, func(a, b Window) int { return a.From.Compare(b.From) })
	merged := sorted[:0]
	for _, w := range sorted {
		last := len(merged) - 1
		switch {
		case last < 0 || w.From.After(merged[last].To):
			merged = append(merged, w)
		case w.To.After(merged[last].To):
			merged[last].To = w.To
		}
	}
	return merged
}

// Windows cuts a time into its days, its weeks from Monday on, or its months,
// all in UTC; the first and the last are cut at its ends. The error is an
// *Error: another unit, an end before the start, or more than MaxWindows.
func Windows(by string, within Window) ([]Window, error) {
	start, next, known := calendar(by)
	switch {
	case !known:
		return nil, invalid("by", `must be "day", "week" or "month"`)
	case !within.To.After(within.From):
		return nil, invalid("to", "the end must be after the start")
	}
	var list []Window
	for from := start(within.From.UTC()); from.Before(within.To); {
		if len(list) == MaxWindows {
			return nil, invalid("from", "a report has at most %d spans: shorten the time or make the spans longer", MaxWindows)
		}
		to := next(from)
		list = append(list, Window{from, to}.cut(Window{within.From.UTC(), within.To.UTC()}))
		from = to
	}
	return list, nil
}

// calendar returns how to find the start of a unit from a time in it, and that
// of the next one from the start.
func calendar(by string) (start, next func(time.Time) time.Time, known bool) {
	switch by {
	case "day":
		return midnight, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }, true
	case "week":
		return func(t time.Time) time.Time {
			sinceMonday := (int(t.Weekday()) + 6) % 7
			return midnight(t).AddDate(0, 0, -sinceMonday)
		}, func(t time.Time) time.Time { return t.AddDate(0, 0, 7) }, true
	case "month":
		return func(t time.Time) time.Time {
			return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		}, func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }, true
	}
	return nil, nil, false
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}
