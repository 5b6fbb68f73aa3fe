package bus

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	watermillnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// progressEvery is how often the log hears that an event is still worked on.
const progressEvery = eventstore.AckWait / 4

// Run reacts to events until ctx ends. Then it takes no more of them, leaves
// what is not settled to another process, and returns nil.
//
// An error means that the connection could not be made, or that it or the router
// ended by itself. Trying again may help.
func (r *Reactions) Run(ctx context.Context) error {
	via, err := newRoute(r.connect, routing{
		name: "bus reactions", group: eventstore.ReactionGroup, unmarshaler: eventUnmarshaler{}, log: r.log, often: r.often,
	})
	if err != nil {
		return err
	}
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	via.on(eventstore.ReactionDelivery, func(msg *message.Message) error {
		via.work.Add(1)
		defer via.work.Done()
		return r.handle(working, via, msg)
	})
	if err := via.open(); err != nil {
		return err
	}
	r.log.Info("reactions to events are followed")
	select {
	case <-ctx.Done():
	case <-via.closed:
		err = fmt.Errorf("%w: the connection is closed", errEnded)
	case ended := <-via.ended:
		err = fmt.Errorf("%w: the router ended: %w", errEnded, ended)
	case <-via.refused:
		err = fmt.Errorf("%w: %w", errEnded, errRefused)
	}
	cancel()
	via.stop()
	return err
}

// handle reacts to one delivery. An error gives it back to the log.
func (r *Reactions) handle(ctx context.Context, via *route, msg *message.Message) (err error) {
	if msg.Metadata[metaSeq] == "" {
		r.metrics.ends.WithLabelValues(endForged).Inc()
		r.often.error("a message was not delivered by the log and is ignored: somebody may publish to the deliver subject of reactions")
		return nil
	}
	m := eventIn(msg)
	defer func() {
		// Only what is before the first order can panic here. The event is given
		// back: it waits, and all behind it, for a program without that fault.
		if v := recover(); v != nil {
			r.often.error("reacting to an event panicked", slog.Uint64("stream_seq", uint64(m.Seq)),
				slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			sleep(ctx, r.pause)
			err = errPanicked
		}
	}()
	defer r.keepTelling(via, msg.Metadata[metaReply], m.Seq)()
	return r.react(ctx, m, number(msg.Metadata[metaDeliveries]))
}

// keepTelling tells the log that an event is worked on until stop is called.
func (r *Reactions) keepTelling(via *route, reply string, seq events.Seq) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(progressEvery)
		defer t.Stop()
		for {
			select {
			case <-ended:
				return
			case <-t.C:
			}
			if err := via.tellProgress(reply); err != nil {
				r.log.Debug("progress not told", slog.Uint64("stream_seq", uint64(seq)), slog.Any("err", err))
			}
		}
	}()
	return func() {
		close(ended)
		<-done
	}
}

// eventUnmarshaler makes Watermill's messages of events that were delivered. It
// never fails: an event that nobody handles would be delivered again for ever.
type eventUnmarshaler struct{}

var _ watermillnats.Unmarshaler = eventUnmarshaler{}

// Unmarshal is part of Watermill's interface. What the log did not deliver has
// no sequence, and loses its reply subject.
func (eventUnmarshaler) Unmarshal(m *nats.Msg) (*message.Message, error) {
	meta, ok := deliveredBy(m, events.Stream)
	if !ok {
		m.Reply = ""
		return message.NewMessage("", nil), nil
	}
	seq := strconv.FormatUint(meta.Sequence.Stream, 10)
	msg := message.NewMessage(seq, m.Data)
	msg.Metadata = message.Metadata{
		metaSubject: m.Subject, metaReply: m.Reply, metaSeq: seq,
		metaDeliveries: strconv.FormatUint(meta.NumDelivered, 10),
	}
	for name, values := range m.Header {
		for i, value := range values {
			msg.Metadata[metaHeader+strconv.Itoa(i)+":"+name] = value
		}
	}
	return msg, nil
}

// deliveredBy is what the server says of a message that it delivered from a stream.
func deliveredBy(m *nats.Msg, stream string) (meta *nats.MsgMetadata, ok bool) {
	meta, err := m.Metadata()
	return meta, err == nil && meta.Stream == stream
}

// eventIn is the event in a message of eventUnmarshaler.
func eventIn(msg *message.Message) events.Message {
	m := events.Message{
		Seq: events.Seq(number(msg.Metadata[metaSeq])), Subject: msg.Metadata[metaSubject], Data: msg.Payload,
		Header: map[string][]string{},
	}
	for key := range msg.Metadata {
		rest, ok := strings.CutPrefix(key, metaHeader)
		if !ok {
			continue
		}
		if first, name, _ := strings.Cut(rest, ":"); first == "0" {
			m.Header[name] = valuesIn(msg.Metadata, name)
		}
	}
	return m
}

func valuesIn(meta message.Metadata, name string) (values []string) {
	for {
		value, ok := meta[metaHeader+strconv.Itoa(len(values))+":"+name]
		if !ok {
			return values
		}
		values = append(values, value)
	}
}
