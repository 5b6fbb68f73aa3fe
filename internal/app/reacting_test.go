package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/httpapi"
)

// followed answers as the log does.
type followed struct {
	f   eventstore.Following
	ok  bool
	err error
}

func (f followed) Following(context.Context) (eventstore.Following, bool, error) {
	return f.f, f.ok, f.err
}

// TestReacted: it is red when nobody reacts, and when the reactions do not get
// on, but not because there are many.
func TestReacted(t *testing.T) {
	var s reacted
	start := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	with := func(settled events.Seq, waiting uint64) followed {
		return followed{f: eventstore.Following{Settled: settled, Waiting: waiting, Followed: true}, ok: true}
	}
	for _, step := range []struct {
		after time.Duration
		f     followed
		level httpapi.Level
		text  string
	}{
		{0, with(7, 0), httpapi.Green, "all events"},
		{time.Second, with(7, 3), httpapi.Green, "3 events wait; settled up to event 7"},
		{31 * time.Second, with(7, 4), httpapi.Green, "4 events wait"},
		{32 * time.Second, with(7, 4), httpapi.Red, "4 events wait; settled up to event 7 and no further since 2026-01-05T12:00:01Z"},
		{33 * time.Second, with(8, 3), httpapi.Green, "settled up to event 8"},
		{63 * time.Second, with(8, 3), httpapi.Green, "settled up to event 8"},
		{64 * time.Second, with(8, 3), httpapi.Red, "no further"},
		{65 * time.Second, with(11, 0), httpapi.Green, "all events"},
		{200 * time.Second, with(11, 1), httpapi.Green, "1 events wait"},
		{201 * time.Second, followed{ok: true}, httpapi.Red, "nobody follows"},
		{202 * time.Second, followed{}, httpapi.Red, "the consumer reactions of PEERING_EVENTS is gone"},
		{203 * time.Second, followed{err: errors.New("no answer")}, httpapi.Red, "no answer"},
	} {
		if f := s.find(t.Context(), step.f, start.Add(step.after)); f.level != step.level || !strings.Contains(f.message, step.text) {
			t.Errorf("after %s: got %s, %q; want %s, %q", step.after, f.level, f.message, step.level, step.text)
		}
	}
}
