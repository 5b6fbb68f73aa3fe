package domain_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// clock is a time on the day of the tests.
func clock(hour, minute int) time.Time {
	return time.Date(2026, 1, 5, hour, minute, 0, 0, time.UTC)
}

// spanOf is the window between two times of day, given as hours.
func spanOf(from, to int) domain.Window { return domain.Window{From: clock(from, 0), To: clock(to, 0)} }

func period(from, to int, s events.Status) domain.StatusPeriod {
	return domain.StatusPeriod{From: clock(from, 0), To: clock(to, 0), Status: s}
}

func TestMeasure_rules(t *testing.T) {
	const h = time.Hour
	day := []domain.StatusPeriod{
		period(2, 4, events.StatusUnknown), period(4, 10, events.StatusUp), period(10, 12, events.StatusDown),
		period(12, 13, events.StatusDegraded), period(14, 16, events.StatusDisabled), period(16, 20, events.StatusUp),
	}
	for rule, test := range map[string]struct {
		periods     []domain.StatusPeriod
		maintenance []domain.Window
		within      domain.Window
		want        domain.Uptime
	}{
		"every status has its own":    {day, nil, spanOf(0, 24), domain.Uptime{Up: 10 * h, Degraded: h, Down: 2 * h, Unknown: 2 * h, Disabled: 2 * h}},
		"cut at the window":           {day, nil, spanOf(9, 11), domain.Uptime{Up: h, Down: h}},
		"a gap counts as nothing":     {day, nil, spanOf(13, 14), domain.Uptime{}},
		"an empty window":             {day, nil, spanOf(9, 9), domain.Uptime{}},
		"a window that ends at first": {day, nil, spanOf(11, 9), domain.Uptime{}},
		"no periods":                  {nil, []domain.Window{spanOf(1, 2)}, spanOf(0, 24), domain.Uptime{}},
		"maintenance takes its time from what it was": {
			day,
			[]domain.Window{spanOf(9, 11)},
			spanOf(0, 24),
			domain.Uptime{Up: 9 * h, Degraded: h, Down: h, Unknown: 2 * h, Disabled: 2 * h, Maintenance: 2 * h},
		},
		"maintenance that overlaps counts once": {
			day,
			[]domain.Window{spanOf(10, 12), spanOf(9, 11), spanOf(11, 12), spanOf(5, 5), spanOf(8, 6)},
			spanOf(0, 24),
			domain.Uptime{Up: 9 * h, Degraded: h, Unknown: 2 * h, Disabled: 2 * h, Maintenance: 3 * h},
		},
		"maintenance of a disabled peer is disabled": {
			day,
			[]domain.Window{spanOf(13, 17)},
			spanOf(0, 24),
			domain.Uptime{Up: 9 * h, Degraded: h, Down: 2 * h, Unknown: 2 * h, Disabled: 2 * h, Maintenance: h},
		},
		"maintenance outside the window is nothing": {day, []domain.Window{spanOf(0, 9), spanOf(11, 24)}, spanOf(9, 11), domain.Uptime{Up: h, Down: h}},
		"maintenance before there was a peer":       {day, []domain.Window{spanOf(0, 2), spanOf(13, 14)}, spanOf(0, 4), domain.Uptime{Unknown: 2 * h}},
		"an external peer is not probed":            {[]domain.StatusPeriod{period(1, 5, events.StatusNA)}, []domain.Window{spanOf(1, 2)}, spanOf(0, 24), domain.Uptime{Disabled: 4 * h}},
		"a status of a later version is unknown":    {[]domain.StatusPeriod{period(1, 5, "dozing")}, nil, spanOf(0, 24), domain.Uptime{Unknown: 4 * h}},
	} {
		if diff := cmp.Diff(test.want, domain.Measure(test.periods, test.maintenance, test.within)); diff != "" {
			t.Errorf("%s: %s", rule, diff)
		}
	}
}

func TestRatio_leavesOutWhatSaysNothing(t *testing.T) {
	for _, test := range []struct {
		u     domain.Uptime
		ratio float64
		known bool
	}{
		{domain.Uptime{}, 0, false},
		{domain.Uptime{Unknown: 1, Disabled: 1, Maintenance: 1}, 0, false},
		{domain.Uptime{Up: 3 * time.Hour, Unknown: time.Hour, Disabled: time.Hour, Maintenance: time.Hour}, 1, true},
		{domain.Uptime{Down: time.Second}, 0, true},
		{domain.Uptime{Up: 2 * time.Hour, Degraded: time.Hour, Down: time.Hour, Unknown: 5 * time.Hour}, 0.75, true},
	} {
		if ratio, known := test.u.Ratio(); ratio != test.ratio || known != test.known {
			t.Errorf("%+v: got %v, %v; want %v, %v", test.u, ratio, known, test.ratio, test.known)
		}
	}
}

// stretch draws windows within two days, in any order, empty and reversed ones
// among them.
func stretch() *rapid.Generator[domain.Window] {
	return rapid.Custom(func(t *rapid.T) domain.Window {
		at := func(name string) time.Time {
			return domaintest.Start().Add(time.Duration(rapid.IntRange(0, 60).Draw(t, name)) * 48 * time.Minute)
		}
		return domain.Window{From: at("from"), To: at("to")}
	})
}

// life draws the periods of a peer, in order, with gaps.
func life(t *rapid.T) (list []domain.StatusPeriod) {
	statuses := rapid.SampledFrom([]events.Status{
		events.StatusUnknown, events.StatusUp, events.StatusDegraded, events.StatusDown, events.StatusDisabled, events.StatusNA,
	})
	at := domaintest.Start()
	for range rapid.IntRange(0, 12).Draw(t, "periods") {
		from := at.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 90}).Draw(t, "gap")) * time.Minute)
		at = from.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "lasts")) * time.Minute)
		list = append(list, domain.StatusPeriod{From: from, To: at, Status: statuses.Draw(t, "status")})
	}
	return list
}

// minutes counts minute by minute.
func minutes(periods []domain.StatusPeriod, maintenance []domain.Window, within domain.Window) (u domain.Uptime) {
	covers := func(w domain.Window, at time.Time) bool { return !at.Before(w.From) && at.Before(w.To) }
	for _, p := range periods {
		for at := p.From; at.Before(p.To); at = at.Add(time.Minute) {
			planned := slices.ContainsFunc(maintenance, func(w domain.Window) bool { return covers(w, at) })
			switch idle := p.Status == events.StatusDisabled || p.Status == events.StatusNA; {
			case !covers(within, at):
			case idle:
				u.Disabled += time.Minute
			case planned:
				u.Maintenance += time.Minute
			case p.Status == events.StatusUp:
				u.Up += time.Minute
			case p.Status == events.StatusDegraded:
				u.Degraded += time.Minute
			case p.Status == events.StatusDown:
				u.Down += time.Minute
			default:
				u.Unknown += time.Minute
			}
		}
	}
	return u
}

func TestMeasure_countsLikeOneWhoCountsMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		periods, within := life(t), stretch().Draw(t, "within")
		maintenance := rapid.SliceOfN(stretch(), 0, 6).Draw(t, "maintenance")
		before := slices.Clone(maintenance)
		if diff := cmp.Diff(minutes(periods, maintenance, within), domain.Measure(periods, maintenance, within)); diff != "" {
			t.Fatal(diff)
		}
		if !slices.Equal(before, maintenance) {
			t.Fatal("the caller's maintenance was put in order")
		}
	})
}

func plus(a, b domain.Uptime) domain.Uptime {
	return domain.Uptime{
		Up: a.Up + b.Up, Degraded: a.Degraded + b.Degraded, Down: a.Down + b.Down,
		Unknown: a.Unknown + b.Unknown, Disabled: a.Disabled + b.Disabled, Maintenance: a.Maintenance + b.Maintenance,
	}
}

func TestMeasure_theWindowsMakeTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		periods := life(t)
		maintenance := rapid.SliceOfN(stretch(), 0, 4).Draw(t, "maintenance")
		within := stretch().Filter(func(w domain.Window) bool { return w.To.After(w.From) }).Draw(t, "within")
		windows, err := domain.Windows(rapid.SampledFrom([]string{"day", "week", "month"}).Draw(t, "by"), within)
		if err != nil {
			t.Fatal(err)
		}
		var sum domain.Uptime
		for _, w := range windows {
			sum = plus(sum, domain.Measure(periods, maintenance, w))
		}
		whole := domain.Measure(periods, maintenance, within)
		if diff := cmp.Diff(whole, sum); diff != "" {
			t.Fatal(diff)
		}
		var lived time.Duration
		for _, p := range periods {
			end := p.To
			if end.After(within.To) {
				end = within.To
			}
			lived += max(0, end.Sub(later(p.From, within.From)))
		}
		if total := whole.Up + whole.Degraded + whole.Down + whole.Unknown + whole.Disabled + whole.Maintenance; total != lived {
			t.Fatalf("the sum is %s, it lived %s", total, lived)
		}
	})
}

func TestWindows_areThoseOfTheCalendar(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, test := range []struct {
		by, from, to string
		want         []string // the ends between
	}{
		{"day", "2026-02-27 13:00:00", "2026-03-02 00:00:00", []string{"2026-02-28 00:00:00", "2026-03-01 00:00:00"}},
		{"day", "2026-02-27 13:00:00", "2026-02-27 14:00:00", nil},
		{"day", "2026-02-27 00:00:00", "2026-02-28 00:00:01", []string{"2026-02-28 00:00:00"}},
		{"week", "2025-12-31 10:00:00", "2026-01-13 00:00:00", []string{"2026-01-05 00:00:00", "2026-01-12 00:00:00"}},
		{"week", "2026-01-04 23:59:59", "2026-01-05 00:00:01", []string{"2026-01-05 00:00:00"}},
		{"week", "2026-01-05 00:00:00", "2026-01-12 00:00:00", nil},
		{"month", "2026-01-31 10:00:00", "2026-03-31 00:00:00", []string{"2026-02-01 00:00:00", "2026-03-01 00:00:00"}},
		{"month", "2025-12-01 00:00:00", "2026-01-01 00:00:00", nil},
	} {
		var want []domain.Window
		from := at(test.from)
		for _, end := range append(test.want, test.to) {
			want = append(want, domain.Window{From: from, To: at(end)})
			from = at(end)
		}
		got, err := domain.Windows(test.by, domain.Window{From: at(test.from), To: at(test.to)})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", test.by, err, diff)
		}
	}
	east := time.FixedZone("", 14*3600) // Tuesday there, Monday in UTC
	got, err := domain.Windows("day", domain.Window{From: at("2026-01-05 23:00:00").In(east), To: at("2026-01-06 01:00:00").In(east)})
	if err != nil || len(got) != 2 || got[0].To != at("2026-01-06 00:00:00") || got[1].To.Location() != time.UTC {
		t.Errorf("from another zone: %v, %v", got, err)
	}
}

func TestWindows_refuses(t *testing.T) {
	start := domaintest.Start()
	for _, test := range []struct {
		by    string
		lasts time.Duration
		field string // "": is fine
	}{
		{"day", 399 * 24 * time.Hour, ""}, // the first and the last are half days
		{"day", 400 * 24 * time.Hour, "from"},
		{"week", 400 * 24 * time.Hour, ""},
		{"day", 290 * 365 * 24 * time.Hour, "from"},
		{"month", 290 * 365 * 24 * time.Hour, "from"},
		{"hour", time.Hour, "by"},
		{"", time.Hour, "by"},
		{"Day", time.Hour, "by"},
		{"day", 0, "to"},
		{"day", -time.Hour, "to"},
	} {
		got, err := domain.Windows(test.by, domain.Window{From: start, To: start.Add(test.lasts)})
		if test.field == "" {
			if err != nil || len(got) > domain.MaxWindows {
				t.Errorf("%q for %s: %d windows, %v", test.by, test.lasts, len(got), err)
			}
			continue
		}
		var refusal *domain.Error
		if !errors.As(err, &refusal) || refusal.Code != domain.Invalid || refusal.Field != test.field || got != nil {
			t.Errorf("%q for %s: got %d windows, %v; want field %q", test.by, test.lasts, len(got), err, test.field)
		}
	}
}
