package domain

import (
	"time"

	"github.com/peering/peering/internal/events"
)

// StatusPeriod is how long a peer had one status.
type StatusPeriod struct {
	From, To time.Time
	Status   events.Status
}

// Window is a span of time.
type Window struct{ From, To time.Time }

// Uptime is how long a peer was in each status.
type Uptime struct{ Up, Degraded, Down, Unknown, Disabled, Maintenance time.Duration }

// Ratio is the part of the known time in which the peer was reachable.
func (u Uptime) Ratio() (float64, bool) {
	known := u.Up + u.Degraded + u.Down
	if known == 0 {
		return 0, false
	}
	return float64(u.Up+u.Degraded) / float64(known), true
}

// Measure sums the periods up.
func Measure(periods []StatusPeriod, maintenance []Window, within Window) Uptime {
	var u Uptime
	for _, p := range periods {
		from, to := p.From, p.To
		if from.Before(within.From) {
			from = within.From
		}
		if to.After(within.To) {
			to = within.To
		}
		if d := to.Sub(from); d > 0 {
			switch p.Status {
			case events.StatusUp:
				u.Up += d
			case events.StatusDegraded:
				u.Degraded += d
			case events.StatusDown:
				u.Down += d
			case events.StatusDisabled:
				u.Disabled += d
			default:
				u.Unknown += d
			}
		}
	}
	return u
}

// Windows cuts a span into days, weeks or months.
func Windows(by string, within Window) ([]Window, error) {
	var out []Window
	for from := within.From; from.Before(within.To); {
		to := time.Date(from.Year(), from.Month(), from.Day()+1, 0, 0, 0, 0, time.UTC)
		switch by {
		case "week":
			to = from.AddDate(0, 0, 7)
		case "month":
			to = time.Date(from.Year(), from.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		}
		if to.After(within.To) {
			to = within.To
		}
		out = append(out, Window{from, to})
		from = to
	}
	return out, nil
}
