package bus

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// middleware is what every message goes through before handle, the outermost
// first: it is counted, forged ones are ignored, a panic is contained, and one
// that was delivered too often is put aside.
func (c *Commands) middleware(r *running) []message.HandlerMiddleware {
	return []message.HandlerMiddleware{r.measured, c.genuine, r.contained, r.fewDeliveries}
}

// metaEnd is how a message ended, for measured.
const metaEnd = "end"

func setEnd(msg *message.Message, end string) { msg.Metadata.Set(metaEnd, end) }

func (r *running) measured(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		r.work.Add(1)
		defer r.work.Done()
		start := time.Now()
		out, err := next(msg)
		r.c.metrics.ends.WithLabelValues(msg.Metadata.Get(metaEnd)).Inc()
		r.c.metrics.duration.Observe(time.Since(start).Seconds())
		return out, err
	}
}

// genuine ignores what somebody published where the queue delivers.
func (c *Commands) genuine(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		if d := deliveryIn(msg); d.seq == 0 {
			setEnd(msg, endForged)
			c.often.error("a message was not delivered by the queue of commands and is ignored: somebody may publish to its deliver subjects")
			return nil, nil
		}
		return next(msg)
	}
}

// contained parks a message whose handling panics.
func (r *running) contained(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) (out []*message.Message, err error) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			d := deliveryIn(msg)
			r.c.often.error("handling a command of the bus panicked", append(d.attrs(d.incoming(), nil),
				slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))...)
			var end string
			end, err = r.park(d, undecided(parkPanicked, "a fault in the program: its log tells more"))
			setEnd(msg, end)
		}()
		return next(msg)
	}
}

// fewDeliveries puts aside a message that was delivered too often without an end.
func (r *running) fewDeliveries(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		d := deliveryIn(msg)
		if d.deliveries > 1 {
			r.c.metrics.redelivery.Inc()
		}
		if d.deliveries < maxDeliveries {
			return next(msg)
		}
		end, done, err := r.suspected(d)
		if !done {
			return next(msg)
		}
		setEnd(msg, end)
		return nil, err
	}
}
