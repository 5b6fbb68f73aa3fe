package eventstore

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
)

// Stray is a message of the queue that no partition takes: the stream once had
// more of them.
type Stray struct {
	Seq    events.Seq
	Tail   string      // <enterprise>.<Command> as they were published
	Header nats.Header // nil when it cannot be read
	Data   []byte
	Time   time.Time
}

// Stray returns a message that none of so many partitions takes, nor any that
// the stream has by now: an operator may have given it more a moment ago. Strays
// of one enterprise come in the order in which they were published, unless the
// stream had different numbers of partitions in between. An empty queue costs one
// question; otherwise each partition that there could have been costs one, and a
// stray after another one of its partition costs three.
func (c *Commands) Stray(ctx context.Context, count int) (Stray, bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	// Whatever is a stray comes to the front in time, when others do not stand
	// before it.
	m, ok, err := c.next(ctx, ">", 0)
	if err != nil || !ok {
		return Stray{}, false, err
	}
	st, err := c.state(ctx)
	if err != nil {
		return Stray{}, false, err
	}
	if now, ok := partitions(st.Config.SubjectTransform); ok {
		count = max(count, now)
	}
	if p, tail := parsePartition(m.Subject); p < 0 || p >= count {
		return stray(m, tail), true, nil
	}
	filters := []string{commandsFrom} // stored before the stream had partitions
	for i := count; i < MaxPartitions; i++ {
		filters = append(filters, partitionFilter(i))
	}
	began := int(c.found.Load())
	for i := range filters {
		at := (began + i) % len(filters)
		m, ok, err := c.next(ctx, filters[at], 0)
		if err != nil {
			c.found.Store(int64(at)) // the next call goes on here
			return Stray{}, false, err
		}
		if ok {
			c.found.Store(int64(at))
			_, tail := parsePartition(m.Subject)
			return stray(m, tail), true, nil
		}
	}
	return Stray{}, false, nil
}

// Ahead reports whether a message of the same enterprise as the one at seq was
// published before it and waits in another partition: that was while the stream
// had another number of them. subject is that of the one at seq in the stream.
func (c *Commands) Ahead(ctx context.Context, subject string, seq events.Seq) (bool, error) {
	partition, tail := parsePartition(subject)
	enterprise, _, _ := strings.Cut(tail, ".")
	if partition < 0 {
		return false, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	for after := events.Seq(0); ; {
		m, ok, err := c.next(ctx, commandsRoot+"*."+enterprise+".*", after)
		if err != nil || !ok || m.Seq >= seq {
			return false, err
		}
		if other, _ := parsePartition(m.Subject); other != partition {
			return true, nil
		}
		after = m.Seq
	}
}

func stray(m events.Message, tail string) Stray {
	return Stray{Seq: m.Seq, Tail: tail, Header: nats.Header(m.Header), Data: m.Data, Time: m.Stored}
}

// parsePartition takes a subject of the stream apart. The partition is -1 when
// it has none.
func parsePartition(subject string) (partition int, tail string) {
	rest := strings.TrimPrefix(subject, commandsRoot)
	number, tail, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || strconv.Itoa(i) != number || strings.Count(tail, ".") != 1 {
		return -1, rest
	}
	return i, tail
}
