package app

import (
	"errors"
	"testing"
	"time"
)

// TestHealing: soon when the storage says that it has stopped, late when it does
// not, never because of one moment, and not again at once.
func TestHealing(t *testing.T) {
	var h healing
	start := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	silent := errors.New("no answer")
	for _, step := range []struct {
		at      time.Duration
		stopped bool
		err     error
		due     bool
	}{
		{0, true, silent, false}, // a stream that is just being made
		{200 * time.Millisecond, false, nil, false},
		{300 * time.Millisecond, true, silent, false},
		{1200 * time.Millisecond, true, silent, false},
		{1300 * time.Millisecond, true, silent, true},
		{1500 * time.Millisecond, true, silent, false}, // tried a moment ago
		{3300 * time.Millisecond, true, silent, true},
		{4 * time.Second, false, nil, false},
		{5 * time.Second, false, silent, false}, // a busy disk
		{14 * time.Second, false, silent, false},
		{15 * time.Second, false, silent, true},
	} {
		if got := h.due(step.stopped, step.err, start.Add(step.at)); got != step.due {
			t.Errorf("after %s: due %t", step.at, got)
		}
	}
}
