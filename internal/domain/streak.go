package domain

import (
	"math"
	"time"

	"github.com/peering/peering/internal/events"
)

// side is on which side of the line between answering and not a verdict is.
type side uint8

const (
	undecided side = iota
	answering
	failing
)

func (v verdict) side() side {
	switch v.status {
	case events.StatusUp, events.StatusDegraded:
		return answering
	case events.StatusDown:
		return failing
	default:
		return undecided
	}
}

// same reports whether two verdicts say the same: another message or another
// time is no other verdict.
func (v verdict) same(o verdict) bool {
	return v.status == o.status && v.cause.Layer == o.cause.Layer && v.cause.Code == o.cause.Code
}

func (v verdict) is(s events.Status, policy string) bool {
	return v.status == s && v.cause.Layer == events.LayerPolicy && v.cause.Code == policy
}

// streak is what the latest probes have in common: all of them failed, or none,
// and of those the latest agree on why.
type streak struct {
	length, agreeing uint16 // probes, at the most that fits
	failing          bool
	layer, code      string
	since, agreed    time.Time // when the first of each began
}

// and returns the streak with one more probe, which found v.
func (s streak) and(v verdict, at time.Time) streak {
	fails := v.side() == failing
	if s.length == 0 || s.failing != fails {
		return streak{
			length: 1, agreeing: 1, failing: fails,
			layer: v.cause.Layer, code: v.cause.Code, since: at, agreed: at,
		}
	}
	s.length = more(s.length)
	if s.layer == v.cause.Layer && s.code == v.cause.Code {
		s.agreeing = more(s.agreeing)
		return s
	}
	s.agreeing, s.layer, s.code, s.agreed = 1, v.cause.Layer, v.cause.Code, at
	return s
}

func more(n uint16) uint16 {
	if n < math.MaxUint16 {
		n++
	}
	return n
}

// confirms reports whether the streak says what v says already, so that it is
// worth nothing: what matters is the next probe that says another thing.
func (s streak) confirms(v verdict) bool {
	return s.length == 0 ||
		v.side() != undecided && s.failing == (v.side() == failing) && s.layer == v.cause.Layer && s.code == v.cause.Code
}
