package httpapi

import (
	"context"
	"errors"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	uptimePath = peerPath + "/uptime"
	// uptimeSpan is what is measured when nobody says since when.
	uptimeSpan = 30 * 24 * time.Hour
	// maxUptimeSpan bounds how much is read and added up for one answer.
	maxUptimeDays = 5 * 366
	maxUptimeSpan = maxUptimeDays * 24 * time.Hour
)

// Uptime is how long a peer was in each status. The time of an announced
// maintenance counts as that alone.
type Uptime struct {
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	Up          float64   `json:"up_seconds"`
	Degraded    float64   `json:"degraded_seconds" doc:"It answered, and something needed attention."`
	Down        float64   `json:"down_seconds"`
	Unknown     float64   `json:"unknown_seconds" doc:"Nobody looked. When the peer was not there, nothing counts."`
	Disabled    float64   `json:"disabled_seconds"`
	Maintenance float64   `json:"maintenance_seconds"`
	Ratio       *float64  `json:"ratio" doc:"Part of the time that counts in which it answered, 0 to 1; null: no time counts."`
}

// UptimeReport is how long a peer was in each status, span by span.
type UptimeReport struct {
	Items []Uptime `json:"items" nullable:"false" doc:"The spans in their order; the first and the last may be parts of one."`
	Total Uptime   `json:"total"`
}

func (a *api) uptimeRoutes() {
	register(a, operation{
		id: "show-uptime", tag: peerTag, method: http.MethodGet, path: uptimePath, needs: []need{theDirectory, theTimeline},
		summary: "Show the uptime of a peer",
		about: "How long the peer was in each status per day, week or month in UTC, and in all. What nobody knew counts neither for it nor against it. " +
			"It stays when the peer is gone. At most " +
			strconv.Itoa(maxUptimeDays) + " days, in at most " + strconv.Itoa(domain.MaxWindows) + " spans. 422: it is more, or the peer is external, which is not probed.",
		params: readParams(enterpriseParam(), peerParam(),
			textParam("by", "The spans; day when not given.", "day", "week", "month"),
			textParam("from", "Since when: a time (RFC 3339 with offset); 30 days before to when not given."),
			textParam("to", "Until when: a time (RFC 3339 with offset); now when not given, or when it is yet to come.")),
		codes: []domain.Code{domain.NotFound},
	}, a.showUptime)
}

func (a *api) showUptime(ctx context.Context, c *call) (*reply[UptimeReport], error) {
	within, err := c.span(a.now())
	if err != nil {
		return nil, err
	}
	by := c.query.Get("by")
	if by == "" {
		by = "day"
	}
	windows, err := domain.Windows(by, within)
	if err != nil {
		return nil, err
	}
	row, err := c.timelinePeer(ctx)
	switch {
	case err != nil:
		return nil, err
	case row.Type == events.PeerExternal:
		return nil, problem(domain.Invalid, "", "The peer %q is external: it is not probed, and there is no uptime of it.", row.Description)
	}
	periods, away, err := c.between(ctx, row.Enterprise, row.ID, within)
	if err != nil {
		return nil, err
	}
	return &reply[UptimeReport]{Body: uptimeReport(periods, away, windows, within)}, nil
}

func uptimeReport(periods []domain.StatusPeriod, away, windows []domain.Window, within domain.Window) UptimeReport {
	out := UptimeReport{Items: make([]Uptime, 0, len(windows)), Total: uptimeOf(within, domain.Measure(periods, away, within))}
	for _, w := range windows {
		out.Items = append(out.Items, uptimeOf(w, domain.Measure(touching(periods, w), away, w)))
	}
	return out
}

// touching are the periods, which are in their order, that have a part in w.
func touching(periods []domain.StatusPeriod, w domain.Window) []domain.StatusPeriod {
	first := sort.Search(len(periods), func(i int) bool { return periods[i].To.After(w.From) })
	after := sort.Search(len(periods), func(i int) bool { return !periods[i].From.Before(w.To) })
	return periods[first:max(first, after)]
}

func uptimeOf(w domain.Window, u domain.Uptime) Uptime {
	out := Uptime{
		From: w.From.UTC(), To: w.To.UTC(), Up: u.Up.Seconds(), Degraded: u.Degraded.Seconds(), Down: u.Down.Seconds(),
		Unknown: u.Unknown.Seconds(), Disabled: u.Disabled.Seconds(), Maintenance: u.Maintenance.Seconds(),
	}
	if ratio, known := u.Ratio(); known {
		out.Ratio = &ratio
	}
	return out
}

// between reads what a peer was in a span of time.
func (c *call) between(ctx context.Context, ent events.EnterpriseID, id events.PeerID, w domain.Window) ([]domain.StatusPeriod, []domain.Window, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, announced, err := c.Timeline.Between(ctx, ent, id, w.From, w.To)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, nil, nil // the directory knows the peer, and the timeline not yet
	}
	if err != nil {
		return nil, nil, err
	}
	periods := make([]domain.StatusPeriod, 0, len(rows))
	for _, r := range rows {
		if r.Ended { // there was no peer
			continue
		}
		p := domain.StatusPeriod{From: r.Since, To: r.Until, Status: r.Status}
		if p.To.IsZero() { // it lasts
			p.To = w.To
		}
		periods = append(periods, p)
	}
	var away []domain.Window
	for _, m := range announced {
		if start, end, held := m.Effective(); held {
			away = append(away, domain.Window{From: start, To: end})
		}
	}
	return periods, away, nil
}

// span is the time that a request asks about; what is yet to come is not in it.
func (c *call) span(now time.Time) (domain.Window, error) {
	to, err := c.moment("to", now)
	if err != nil {
		return domain.Window{}, err
	}
	if to.After(now) {
		to = now
	}
	from, err := c.moment("from", to.Add(-uptimeSpan))
	switch {
	case err != nil:
		return domain.Window{}, err
	case !from.Before(to):
		return domain.Window{}, problem(domain.Invalid, "from", "must be before %s, the end of the time asked about", to.UTC().Format(time.RFC3339))
	case to.Sub(from) > maxUptimeSpan:
		return domain.Window{}, problem(domain.Invalid, "from", "must be at most %d days before the end of the time asked about", maxUptimeDays)
	}
	return domain.Window{From: from.UTC(), To: to.UTC()}, nil
}

// moment reads a time with its offset; without one it is the other.
func (c *call) moment(name string, other time.Time) (time.Time, error) {
	text := c.query.Get(name)
	if text == "" {
		return other, nil
	}
	at, err := parseTime(text)
	if err != nil {
		return time.Time{}, problem(domain.Invalid, name, "must be a time with its offset such as 2026-01-31T12:00:00Z")
	}
	return at, nil
}

// parseTime reads a time of a query string, in which + stands for a space.
func parseTime(text string) (time.Time, error) {
	return time.Parse(time.RFC3339Nano, strings.Replace(text, " ", "+", 1))
}
