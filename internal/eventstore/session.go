package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/peering/peering/internal/events"
)

// session is a consumer with the pull requests on it: a stretch of reading that
// lasts until something goes wrong. The consumer is disposable; what is kept
// is the reader's own position.
//
// It pulls by itself instead of through the client library: the library takes
// a stored message with a Status header and no body for a word of the server
// and swallows it (ADR 0008). Here it is the reply subject that tells the two
// apart, and that is the server's alone.
type session struct {
	w        wire
	consumer string
	sub      *nats.Subscription
	in       chan *nats.Msg
	status   chan nats.Status

	filter   string
	limit    int        // messages per pull request
	pending  int        // messages still to come of the requests
	streamed events.Seq // stream sequence of the last message
	consumed uint64     // consumer sequence of the last message
	oversize bool       // the next message is larger than a request's bytes
}

const (
	heartbeat    = time.Second
	silence      = 3 * heartbeat // without a heartbeat: the consumer is lost
	pullExpires  = 30 * time.Second
	pullMaxBytes = 16 << 20
	inactive     = 30 * time.Second // the server forgets the consumer after it
	controlRoom  = 64               // words of the server that may wait in the channel
	ackPrefix    = "$JS.ACK."
)

// errLost says that the consumer does not answer any more; the reader makes
// another one.
var errLost = errors.New("eventstore: the consumer is lost")

// open makes a consumer of the messages on filter (empty: all) after a position.
func (w wire) open(ctx context.Context, filter string, after events.Seq, limit int) (*session, error) {
	js, err := jetstream.New(w.nc)
	if err != nil {
		return nil, fmt.Errorf("eventstore: %w", err)
	}
	limit = min(max(limit, 1), 4096)
	s := &session{
		w: w, consumer: "r-" + nuid.Next(), filter: filter, limit: limit, streamed: after,
		in: make(chan *nats.Msg, 2*limit+controlRoom),
	}
	s.status = w.nc.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	if s.sub, err = w.nc.ChanSubscribe(nats.NewInbox(), s.in); err != nil {
		w.nc.RemoveStatusListener(s.status)
		return nil, fmt.Errorf("eventstore: reading %s: %w", w.stream, err)
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	config := jetstream.ConsumerConfig{
		Name:              s.consumer,
		FilterSubject:     filter,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       uint64(after) + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: inactive,
		Replicas:          1,
		MemoryStorage:     true,
		HeadersOnly:       w.headersOnly,
	}
	if w.newest && after == 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverLastPerSubjectPolicy, 0
	}
	if _, err := js.CreateConsumer(ctx, w.stream, config); err != nil {
		s.close()
		return nil, cannotRead(w.stream, err)
	}
	return s, nil
}

// count is how many messages on filter the stream has. The server counts them
// for whoever makes a consumer.
func (w wire) count(ctx context.Context, filter string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	js, err := jetstream.New(w.nc)
	if err != nil {
		return 0, fmt.Errorf("eventstore: %w", err)
	}
	c, err := js.CreateConsumer(ctx, w.stream, jetstream.ConsumerConfig{
		Name: "r-" + nuid.Next(), FilterSubject: filter, AckPolicy: jetstream.AckNonePolicy,
		InactiveThreshold: heartbeat, Replicas: 1, MemoryStorage: true,
	})
	if err != nil {
		return 0, cannotRead(w.stream, err)
	}
	info := c.CachedInfo()
	_ = w.nc.Publish("$JS.API.CONSUMER.DELETE."+w.stream+"."+info.Name, nil)
	return info.NumPending, nil
}

// cannotRead sorts the errors of making a consumer.
func cannotRead(stream string, err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return fmt.Errorf("reading %s: %w", stream, answered(api))
	}
	return fmt.Errorf("reading %s: %w: %w", stream, ErrUnavailable, err)
}

// close ends the session. The consumer is deleted as far as that can be done at
// once; otherwise the server forgets it.
func (s *session) close() {
	s.w.nc.RemoveStatusListener(s.status)
	_ = s.sub.Unsubscribe()
	_ = s.w.nc.Publish("$JS.API.CONSUMER.DELETE."+s.w.stream+"."+s.consumer, nil)
}

// next returns what is there, at least one message and at most limit, waiting
// while there is none. The error is ctx's, or wraps errLost.
func (s *session) next(ctx context.Context) ([]events.Message, error) {
	if err := s.pull(); err != nil {
		return nil, err
	}
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	for {
		select {
		case m := <-s.in:
			batch, err := s.take(ctx, m)
			if len(batch) > 0 || err != nil {
				return batch, err
			}
			if err := s.pull(); err != nil {
				return nil, err
			}
			quiet.Reset(silence)
		case <-s.status:
			return nil, fmt.Errorf("%w: the connection was lost", errLost)
		case <-quiet.C:
			return nil, fmt.Errorf("%w: no heartbeat", errLost)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take collects first and what else is in the channel already. Words of the
// server that end a session count only after the messages that came before.
func (s *session) take(ctx context.Context, first *nats.Msg) ([]events.Message, error) {
	var batch []events.Message
	for m := first; ; {
		if !strings.HasPrefix(m.Reply, ackPrefix) {
			if err := s.word(m); err != nil {
				return batch, err
			}
		} else {
			var err error
			if batch, err = s.accept(ctx, batch, m); err != nil {
				return batch, err
			}
		}
		if len(batch) >= s.limit {
			return batch, nil
		}
		select {
		case m = <-s.in:
		default:
			return batch, nil
		}
	}
}

// accept adds a message to batch, and before it whatever is missing between it
// and the one before, read from the leader one by one.
func (s *session) accept(ctx context.Context, batch []events.Message, m *nats.Msg) ([]events.Message, error) {
	at, ok := parseAck(m.Reply)
	if !ok {
		return batch, fmt.Errorf("%w: the server's reply subject %q cannot be read", errLost, m.Reply)
	}
	s.pending--
	if at.stream <= s.streamed {
		return batch, nil
	}
	if at.consumer != s.consumed+1 {
		var err error
		if batch, err = s.fill(ctx, batch, at.stream); err != nil {
			return batch, err
		}
	}
	s.consumed, s.streamed = at.consumer, at.stream
	return append(batch, events.Message{
		Seq: at.stream, Subject: m.Subject, Header: m.Header, Data: m.Data, Stored: at.time,
	}), nil
}

// fill reads the messages between the last one and before.
func (s *session) fill(ctx context.Context, batch []events.Message, before events.Seq) ([]events.Message, error) {
	filter := s.filter
	if filter == "" {
		filter = ">"
	}
	for {
		m, ok, err := s.w.next(ctx, filter, s.streamed)
		if err != nil {
			return batch, err
		}
		if !ok || m.Seq >= before {
			return batch, nil
		}
		batch, s.streamed = append(batch, m), m.Seq
	}
}

// word handles what the server says about a pull request.
func (s *session) word(m *nats.Msg) error {
	switch m.Header.Get("Status") {
	case "100": // heartbeat
		return nil
	case "404", "408": // the request has ended without trouble
	case "409":
		if s.consumerEnds(m) {
			return fmt.Errorf("%w: %s", errLost, m.Header.Get("Description"))
		}
	default:
		return fmt.Errorf("%w: %s %s", errLost, m.Header.Get("Status"), m.Header.Get("Description"))
	}
	left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
	if err != nil {
		left = s.pending
	}
	s.pending = max(s.pending-left, 0)
	s.oversize = left == s.limit && m.Header.Get("Status") == "409"
	return nil
}

// consumerEnds tells the end of a request by its size, which carries what is
// left of it, from all the other words of this number, which end the consumer.
func (s *session) consumerEnds(m *nats.Msg) bool { return m.Header.Get("Nats-Pending-Messages") == "" }

// pull asks for more when half of what was asked for has come.
func (s *session) pull() error {
	if s.pending > s.limit/2 {
		return nil
	}
	request := map[string]any{"batch": s.limit, "expires": pullExpires, "idle_heartbeat": heartbeat}
	if !s.oversize {
		request["max_bytes"] = pullMaxBytes
	}
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("eventstore: reading %s: %w", s.w.stream, err)
	}
	subject := "$JS.API.CONSUMER.MSG.NEXT." + s.w.stream + "." + s.consumer
	if err := s.w.nc.PublishRequest(subject, s.sub.Subject, body); err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	s.pending += s.limit
	return nil
}

// place is where a delivered message stands.
type place struct {
	stream   events.Seq
	consumer uint64
	time     time.Time
}

// parseAck reads the reply subject of a delivered message:
// $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>
// and, in its newer form, with domain and account before the stream and
// possibly a token at the end.
func parseAck(reply string) (place, bool) {
	t := strings.Split(reply, ".")
	i := 5
	switch n := len(t); {
	case n == 9:
	case n == 11 || n == 12:
		i = 7
	default:
		return place{}, false
	}
	stream, err1 := strconv.ParseUint(t[i], 10, 64)
	consumer, err2 := strconv.ParseUint(t[i+1], 10, 64)
	ns, err3 := strconv.ParseInt(t[i+2], 10, 64)
	ok := err1 == nil && err2 == nil && err3 == nil
	return place{events.Seq(stream), consumer, time.Unix(0, ns).UTC()}, ok
}
