package projection

import (
	"context"
	"time"

	"github.com/peering/peering/internal/events"
)

// item is a message of the log and what was made of it.
type item struct {
	message  events.Message
	recorded events.Recorded
	err      error // why it could not be decoded
	// charged is the enterprise that the message belongs to; empty when its
	// subject does not name one, so that nobody is held behind it.
	charged events.EnterpriseID
}

func decode(codec events.Codec, m events.Message) item {
	it := item{message: m}
	it.recorded, it.err = codec.Decode(m)
	if it.err == nil {
		it.charged = it.recorded.Enterprise
		return it
	}
	token, _, _ := events.ParseSubject(m.Subject)
	if id, err := events.ParseEnterpriseID(string(token)); err == nil && id == token {
		it.charged = id
	}
	return it
}

// whole is how many of items can be applied now, so that no command is cut in
// two: all, or all before the last command when its other events are missing.
func whole(items []item) int {
	n := len(items)
	if n == 0 || items[n-1].err != nil {
		return n
	}
	last := items[n-1].recorded
	if last.Index+1 == last.Count {
		return n
	}
	first := n - 1
	for index := last.Index - 1; first > 0 && index >= 0; index-- {
		before := items[first-1].recorded
		if items[first-1].err != nil || before.Enterprise != last.Enterprise || before.CommandID != last.CommandID || before.Index != index {
			break
		}
		first--
	}
	return first
}

// queue collects decoded messages until they are written.
type queue struct {
	in       <-chan []item
	limit    int
	partWait time.Duration

	items []item
	last  events.Seq // the last one that was taken in
}

// next waits until something can be applied and returns it: what is there, up
// to the limit. It is not kept.
func (q *queue) next(ctx context.Context) ([]item, error) {
	var late <-chan time.Time // when the rest of a command is given up
	for {
		q.drain()
		if n := whole(q.items); n > 0 {
			return q.take(n), nil
		}
		if len(q.items) > 0 && late == nil {
			timer := time.NewTimer(q.partWait)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case chunk := <-q.in:
			q.add(chunk)
		case <-late:
			return q.take(len(q.items)), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// drain takes in what is there already, up to the limit.
func (q *queue) drain() {
	for len(q.items) < q.limit {
		select {
		case chunk := <-q.in:
			q.add(chunk)
		default:
			return
		}
	}
}

// add takes in what has not been seen; a message that comes again is dropped.
func (q *queue) add(chunk []item) {
	for _, it := range chunk {
		if it.message.Seq > q.last {
			q.items = append(q.items, it)
			q.last = it.message.Seq
		}
	}
}

// take returns the first n items and keeps the others in a list of their own.
func (q *queue) take(n int) []item {
	taken := q.items[:n:n]
	q.items = append([]item(nil), q.items[n:]...)
	return taken
}
