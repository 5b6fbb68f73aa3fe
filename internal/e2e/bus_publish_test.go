package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/testkit"
)

// published is an order and how it got into the queue.
type published struct {
	order
	seq   uint64    // in the queue, as the acknowledgement said
	acked time.Time // when that came
	sent  int       // how often it was published: all but the last may be in the queue as well
}

// publisher publishes with nothing but the NATS protocol, and remembers.
type publisher struct {
	nc *nats.Conn

	mu  sync.Mutex
	all []published
}

// publish publishes o until the stream has acknowledged it.
func (p *publisher) publish(ctx context.Context, o order) error {
	m := nats.NewMsg("peering.commands." + o.ent + "." + o.name)
	m.Data = []byte(o.body)
	if o.id != "" {
		m.Header.Set("Command-Id", o.id)
	}
	for sent := 1; ; sent++ {
		seq, err := p.once(ctx, m)
		if err == nil {
			p.mu.Lock()
			p.all = append(p.all, published{o, seq, time.Now(), sent})
			p.mu.Unlock()
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// once publishes m and returns its place in the queue.
func (p *publisher) once(ctx context.Context, m *nats.Msg) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	answer, err := p.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Seq   uint64 `json:"seq"`
		Error any    `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, err
	}
	if ack.Seq == 0 || ack.Error != nil {
		return 0, errors.New("not acknowledged: " + string(answer.Data))
	}
	return ack.Seq, nil
}

// bursts publishes one list of orders after another, every of them in steps: size
// orders of each at a time, together, one step every interval. The returned
// channel is closed when all are in the queue.
func (p *publisher) bursts(ctx context.Context, t *testing.T, lists [][]order, size int, interval time.Duration) <-chan struct{} {
	done := make(chan struct{})
	var running sync.WaitGroup
	began := time.Now()
	for _, list := range lists {
		running.Go(func() {
			for i, o := range list {
				if i%size == 0 {
					select {
					case <-ctx.Done():
						return
					case <-time.After(time.Until(began.Add(time.Duration(i/size) * interval))):
					}
				}
				if err := p.publish(ctx, o); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	go func() {
		running.Wait()
		close(done)
	}()
	return done
}

// delivery is one delivery of a message of the queue.
type delivery struct {
	seq   uint64
	times uint64 // this one included
}

// observer listens to what the api processes tell the queue: a sign of life as
// soon as they begin with a command, and its acknowledgement. It takes nothing
// from anybody, and changes nothing.
type observer struct {
	mu      sync.Mutex
	begun   map[delivery]time.Time
	working chan struct{} // holds one element while something was begun just now
}

func observe(t *testing.T, url string) *observer {
	t.Helper()
	o := &observer{begun: map[delivery]time.Time{}, working: make(chan struct{}, 1)}
	nc := testkit.Connect(t, url)
	if _, err := nc.Subscribe("$JS.ACK.>", o.take); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *observer) take(m *nats.Msg) {
	meta, err := (&nats.Msg{Reply: m.Subject, Sub: m.Sub}).Metadata()
	if err != nil || meta.Stream != "PEERING_COMMANDS" || !strings.HasPrefix(string(m.Data), "+WPI") {
		return
	}
	d := delivery{meta.Sequence.Stream, meta.NumDelivered}
	o.mu.Lock()
	if _, known := o.begun[d]; !known {
		o.begun[d] = time.Now()
	}
	o.mu.Unlock()
	select {
	case o.working <- struct{}{}:
	default:
	}
}

// untilWorking waits, not for ever, until a command is begun.
func (o *observer) untilWorking(limit time.Duration) {
	select { // what was begun some time ago
	case <-o.working:
	default:
	}
	select {
	case <-o.working:
	case <-time.After(limit):
	}
}
