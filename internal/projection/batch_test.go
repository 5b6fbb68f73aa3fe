package projection

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peering/peering/internal/events"
)

// part is the event number index of count of a command.
func part(seq events.Seq, command string, index, count int) item {
	return item{
		message:  events.Message{Seq: seq},
		recorded: events.Recorded{Seq: seq, Envelope: events.Envelope{Enterprise: acme, CommandID: events.CommandID(command), Index: index, Count: count}},
	}
}

func TestWhole_cutsBetweenCommands(t *testing.T) {
	broken := item{message: events.Message{Seq: 9}, err: errors.New("broken")}
	for _, c := range []struct {
		name  string
		items []item
		want  int
	}{
		{"nothing", nil, 0},
		{"one event", []item{part(1, "a", 0, 1)}, 1},
		{"a whole command", []item{part(1, "a", 0, 2), part(2, "a", 1, 2)}, 2},
		{"the beginning of one", []item{part(1, "a", 0, 3), part(2, "a", 1, 3)}, 0},
		{"the beginning of one behind another", []item{part(1, "a", 0, 1), part(2, "b", 0, 2)}, 1},
		{"the middle of one, whose beginning was applied", []item{part(2, "a", 1, 3)}, 0},
		{"the end of one, whose beginning was applied", []item{part(3, "a", 2, 3)}, 1},
		{"what is broken is no part", []item{part(1, "a", 0, 2), broken}, 2},
		{"behind what is broken", []item{broken, part(10, "a", 0, 2)}, 1},
		{"two commands that are both begun", []item{part(1, "a", 0, 2), part(2, "b", 0, 2)}, 1},
	} {
		if got := whole(c.items); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestQueue_waitsForTheRestOfACommandAndGivesItUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan []item, 4)
		q := queue{in: in, limit: 10, partWait: time.Second}
		in <- []item{part(1, "a", 0, 2)}
		go func() {
			time.Sleep(500 * time.Millisecond)
			in <- []item{part(1, "a", 0, 2), part(2, "a", 1, 2)} // the first once more
		}()
		began := time.Now()
		if got, err := q.next(t.Context()); err != nil || len(got) != 2 {
			t.Errorf("got %d items, %v", len(got), err)
		}
		in <- []item{part(3, "b", 0, 2)}
		if got, err := q.next(t.Context()); err != nil || len(got) != 1 || time.Since(began) != 1500*time.Millisecond {
			t.Errorf("got %d items, %v, after %s", len(got), err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := q.next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// TestQueue_commandLongerThanTheLimit: a limit does not cut a command that is
// longer than it.
func TestQueue_commandLongerThanTheLimit(t *testing.T) {
	in := make(chan []item, 8)
	for i := range 6 {
		in <- []item{part(events.Seq(i+1), "a", i, 6)}
	}
	q := queue{in: in, limit: 2, partWait: time.Minute}
	if got, err := q.next(t.Context()); err != nil || len(got) != 6 {
		t.Errorf("got %d items, %v", len(got), err)
	}
}
