package domain

import (
	"fmt"
	"slices"
	"time"

	"github.com/peering/peering/internal/events"
)

// tombstones remember the newest maxTombstones things that were deleted.
type tombstones[K comparable] struct {
	stories *table[K, Removal]
	order   queue[K]
}

func newTombstones[K comparable]() tombstones[K] {
	return tombstones[K]{stories: newTable[K, Removal]()}
}

func (t *tombstones[K]) len() int { return t.stories.len() }

func (t *tombstones[K]) draft() tombstones[K] {
	return tombstones[K]{stories: t.stories.draft(), order: queue[K]{items: slices.Clone(t.order.all())}}
}

func (t *tombstones[K]) add(id K, story Removal) {
	t.stories.put(id, story)
	t.order.push(id)
	if t.order.len() > maxTombstones {
		t.stories.remove(t.order.pop())
	}
}

// removal tells the story of what the event r took away.
func removal(r events.Recorded) Removal {
	return Removal{Seq: r.Seq, By: r.Actor, At: eventTime(r), Reason: r.Reason}
}

// goneError refuses a command to something that is no longer there.
func goneError(field, what string, story Removal) *Error {
	msg := fmt.Sprintf("%s was removed", what)
	if story.By != "" {
		msg += " by " + story.By
	}
	msg += " on " + story.At.Format(time.RFC3339)
	if story.Reason != "" {
		msg += ": " + story.Reason
	}
	return &Error{Code: Gone, Field: field, Msg: msg, Gone: &story}
}

// queue is first in, first out. The zero value is empty.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

func (q *queue[T]) push(item T) { q.items = append(q.items, item) }

// front returns the oldest item of a queue that is not empty.
func (q *queue[T]) front() T { return q.items[q.head] }

// pop takes the oldest item off a queue that is not empty. Room is given back
// when half of it is unused, so that a long life costs nothing.
func (q *queue[T]) pop() T {
	item := q.items[q.head]
	var zero T
	q.items[q.head] = zero
	q.head++
	if q.head*2 >= len(q.items) {
		q.items = append(make([]T, 0, q.len()+q.len()/2), q.items[q.head:]...)
		q.head = 0
	}
	return item
}

func (q *queue[T]) all() []T { return q.items[q.head:] }
