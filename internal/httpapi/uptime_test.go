package httpapi

import (
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

func uptimeFor(t *testing.T, p *probing, query string) UptimeReport {
	t.Helper()
	a := ask(p.api(t), "GET", uptimeURL+query, "")
	if a.Code != 200 {
		t.Fatalf("%s: status %d: %s", query, a.Code, a.Body)
	}
	return into[UptimeReport](t, a)
}

func TestUptime_isOfTheLastThirtyDaysByDay(t *testing.T) {
	p := newProbing()
	p.timeline.periods = []readmodel.Period{
		{Status: events.StatusUp, Since: noon().AddDate(0, -2, 0), Until: noon().Add(-time.Hour)},
		{Status: events.StatusDown, Since: noon().Add(-time.Hour)}, // it lasts
	}
	r := uptimeFor(t, p, "")
	if want := [2]time.Time{noon().AddDate(0, 0, -30), noon()}; p.timeline.asked[0] != want {
		t.Errorf("asked for %v, want %v", p.timeline.asked[0], want)
	}
	if len(r.Items) != 31 || !r.Items[0].From.Equal(noon().AddDate(0, 0, -30)) || !r.Items[30].To.Equal(noon()) {
		t.Fatalf("%d spans: %+v", len(r.Items), r.Items)
	}
	if got := r.Items[1]; got.Up != 86400 || got.Ratio == nil || *got.Ratio != 1 || got.To.Sub(got.From) != 24*time.Hour {
		t.Errorf("a whole day up reads %+v", got)
	}
	if got := r.Items[30]; got.Up != 11*3600 || got.Down != 3600 || got.Ratio == nil {
		t.Errorf("today reads %+v", got)
	}
	if r.Total.Down != 3600 || r.Total.Up != 30*86400-3600 || !r.Total.From.Equal(r.Items[0].From) {
		t.Errorf("the total is %+v", r.Total)
	}
}

func TestUptime_sumsOfTheSpansAreTheTotal(t *testing.T) {
	p := newProbing()
	at := noon().AddDate(0, -3, 0)
	for i, status := range []events.Status{events.StatusUnknown, events.StatusUp, events.StatusDegraded, events.StatusDown, events.StatusDisabled, events.StatusUp} {
		next := at.Add(time.Duration(i+1) * 77 * time.Hour)
		p.timeline.periods = append(p.timeline.periods, readmodel.Period{Status: status, Since: at, Until: next})
		at = next
	}
	for _, by := range []string{"day", "week", "month"} {
		r := uptimeFor(t, p, "?by="+by+"&from=2025-11-15T03:00:00Z")
		sum := Uptime{}
		for _, w := range r.Items {
			sum.Up += w.Up
			sum.Degraded += w.Degraded
			sum.Down += w.Down
			sum.Unknown += w.Unknown
			sum.Disabled += w.Disabled
		}
		if sum.Up != r.Total.Up || sum.Degraded != r.Total.Degraded || sum.Down != r.Total.Down || sum.Unknown != r.Total.Unknown || sum.Disabled != r.Total.Disabled || sum.Up == 0 {
			t.Errorf("by %s: the spans come to %+v, the total is %+v", by, sum, r.Total)
		}
	}
}

func TestUptime_ofNothingKnownHasNoRatio(t *testing.T) {
	if r := uptimeFor(t, newProbing(), ""); r.Total.Ratio != nil {
		t.Errorf("the ratio of nothing is %v", *r.Total.Ratio)
	}
}

// TestUptime_maintenanceCountsAsItTookPlace: what was taken back ends then, or
// was never.
func TestUptime_maintenanceCountsAsItTookPlace(t *testing.T) {
	p := newProbing()
	p.timeline.periods = []readmodel.Period{{Status: events.StatusDown, Since: noon().AddDate(0, 0, -1)}}
	at := func(hours int) time.Time { return noon().Add(time.Duration(hours) * time.Hour) }
	p.timeline.windows = []readmodel.MaintenanceWindow{
		{Start: at(-20), End: at(-18)},
		{Start: at(-10), End: at(-8), CancelledAt: at(-9)},
		{Start: at(-6), End: at(-4), CancelledAt: at(-7)},
	}
	if r := uptimeFor(t, p, "?from=2026-02-28T12:00:00Z"); r.Total.Maintenance != 3*3600 || r.Total.Down != 21*3600 {
		t.Errorf("the total is %+v", r.Total)
	}
}

// TestUptime_withoutAPeerNothingCounts: neither before it was added nor after it
// was deleted.
func TestUptime_withoutAPeerNothingCounts(t *testing.T) {
	p := newProbing()
	p.timeline.periods = []readmodel.Period{
		{Status: events.StatusUp, Since: noon().Add(-4 * time.Hour), Until: noon().Add(-3 * time.Hour)},
		{Ended: true, Since: noon().Add(-3 * time.Hour)},
	}
	if r := uptimeFor(t, p, ""); r.Total.Up != 3600 || r.Total.Unknown != 0 || r.Total.Ratio == nil || *r.Total.Ratio != 1 {
		t.Errorf("the total is %+v", r.Total)
	}
}

func TestUptime_theSpanIsChecked(t *testing.T) {
	p := newProbing()
	h := p.api(t)
	for query, field := range map[string]string{
		"?by=year":                   "by",
		"?from=yesterday":            "from",
		"?to=2026-02-01":             "to",
		"?from=12":                   "from",
		"?from=2026-03-02T00:00:00Z": "from", // yet to come
		"?from=2026-02-01T00:00:00Z&to=2026-02-01T00:00:00Z": "from",
		"?from=2026-02-02T00:00:00Z&to=2026-02-01T00:00:00Z": "from",
		"?from=0001-01-01T00:00:00Z":                         "from",
		"?from=2026-02-01T00:00:00":                          "from",
		"?to=1700-01-01T00:00:00Z&from=1600-01-01T00:00:00Z": "from",
	} {
		wantProblem(t, ask(h, "GET", uptimeURL+query, ""), 422, domain.Invalid, field)
	}
	if len(p.timeline.asked) != 0 {
		t.Errorf("asked for %v", p.timeline.asked)
	}
}

func TestUptime_thereIsNoneOfAnExternalPeer(t *testing.T) {
	p := newProbing()
	p.directory.peer.Type, p.directory.peer.Description = events.PeerExternal, "Partner"
	a := ask(p.api(t), "GET", uptimeURL, "")
	wantProblem(t, a, 422, domain.Invalid, "")
	if !strings.Contains(a.Body, "is external: it is not probed") || len(p.timeline.asked) != 0 {
		t.Errorf("got %s, asked for %v", a.Body, p.timeline.asked)
	}
}

// TestUptime_whatIsYetToComeIsNotMeasured: until the end of the month means
// until now.
func TestUptime_whatIsYetToComeIsNotMeasured(t *testing.T) {
	p := newProbing()
	p.timeline.periods = []readmodel.Period{{Status: events.StatusUp, Since: noon().AddDate(0, -2, 0)}}
	r := uptimeFor(t, p, "?by=month&from=2026-02-01T01:00:00%2B01:00&to=2026-04-01T00:00:00Z")
	if !r.Total.To.Equal(noon()) || len(r.Items) != 2 || r.Items[1].Up != 12*3600 || r.Items[0].Up != 28*86400 {
		t.Errorf("got %+v", r)
	}
}

func TestTouching_leavesOutWhatHasNoPart(t *testing.T) {
	var periods []domain.StatusPeriod
	for i := range 10 {
		periods = append(periods, domain.StatusPeriod{From: noon().Add(time.Duration(i) * time.Hour), To: noon().Add(time.Duration(i+1) * time.Hour)})
	}
	for _, c := range []struct{ from, to, want int }{{0, 10, 10}, {2, 4, 2}, {-5, 0, 0}, {10, 20, 0}, {-5, 20, 10}, {3, 3, 0}} {
		w := domain.Window{From: noon().Add(time.Duration(c.from) * time.Hour), To: noon().Add(time.Duration(c.to) * time.Hour)}
		if got := touching(periods, w); len(got) != c.want {
			t.Errorf("%d to %d touch %d periods, want %d", c.from, c.to, len(got), c.want)
		}
	}
	w := domain.Window{From: noon().Add(150 * time.Minute), To: noon().Add(151 * time.Minute)}
	if got := touching(periods, w); len(got) != 1 || got[0] != periods[2] {
		t.Errorf("inside one: %v", got)
	}
}
