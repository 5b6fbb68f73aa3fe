package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
)

// wire reads single messages of one stream from its leader.
//
// It speaks the server's message API itself instead of through the client
// library, because the library gives up on a stored message whose headers it
// cannot parse, and anybody who may publish can store such a message. Here its
// headers come out empty, and the codec says what is wrong (ADR 0008).
type wire struct {
	nc     *nats.Conn
	stream string
	// newest has a reading from the start begin with the newest message of each
	// subject instead of the first.
	newest bool
	// headersOnly leaves the bodies out of a reading where the server can.
	headersOnly bool
}

// requestTimeout bounds one question to the leader: a question that is lost,
// with its server or on the way, has to be asked again.
const requestTimeout = time.Second

// Error codes of the server, from errors.json of nats-server 2.15.2.
const (
	codeAccountResources   jetstream.ErrorCode = 10002
	codeNotAvailable       jetstream.ErrorCode = 10008
	codeNotLeader          jetstream.ErrorCode = 10009
	codeConsumerNotFound   jetstream.ErrorCode = 10014
	codeInsufficient       jetstream.ErrorCode = 10023
	codeNoMessage          jetstream.ErrorCode = 10037
	codeNotEnabledAccount  jetstream.ErrorCode = 10039
	codeStorageResources   jetstream.ErrorCode = 10047
	codeStreamNotFound     jetstream.ErrorCode = 10059
	codeSequenceNotMatch   jetstream.ErrorCode = 10063
	codeWrongLastSequence  jetstream.ErrorCode = 10071
	codeNotEnabled         jetstream.ErrorCode = 10076
	codeStoreFailed        jetstream.ErrorCode = 10077
	codeFilterNotUnique    jetstream.ErrorCode = 10100
	codeStreamOffline      jetstream.ErrorCode = 10118
	codeConsumerExists     jetstream.ErrorCode = 10148
	codeDuplicateInProcess jetstream.ErrorCode = 10158
	codeLastSeqNotReady    jetstream.ErrorCode = 10163
	codeWrongLastConstant  jetstream.ErrorCode = 10164
	codeTooManyRequests    jetstream.ErrorCode = 10167
	codeBatchIncomplete    jetstream.ErrorCode = 10176
	codeBatchTooLarge      jetstream.ErrorCode = 10199
	codeBatchTooManyFlying jetstream.ErrorCode = 10210
)

// get is the request of the server's message API: one of Seq alone, Seq with
// NextFor (the first message at or after Seq that matches), or LastFor.
type get struct {
	Seq     events.Seq `json:"seq,omitempty"`
	NextFor string     `json:"next_by_subj,omitempty"`
	LastFor string     `json:"last_by_subj,omitempty"`
}

type stored struct {
	Subject string     `json:"subject"`
	Seq     events.Seq `json:"seq"`
	Header  []byte     `json:"hdrs"`
	Data    []byte     `json:"data"`
	Time    time.Time  `json:"time"`
}

// message asks the leader for one message; ok is false when there is none. An
// error wraps ErrUnavailable unless the server said something else.
func (w wire) message(ctx context.Context, g get) (m events.Message, ok bool, err error) {
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *stored             `json:"message"`
	}
	if err := w.ask(ctx, "STREAM.MSG.GET."+w.stream, g, &answer); err != nil {
		return events.Message{}, false, err
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == codeNoMessage:
		return events.Message{}, false, nil
	case answer.Error != nil:
		return events.Message{}, false, answered(answer.Error)
	case answer.Message == nil:
		return events.Message{}, false, fmt.Errorf("eventstore: reading %s: the server's answer has no message", w.stream)
	}
	s := answer.Message
	header, err := nats.DecodeHeadersMsg(s.Header)
	if err != nil {
		header = nil
	}
	return events.Message{Seq: s.Seq, Subject: s.Subject, Header: header, Data: s.Data, Stored: s.Time}, true, nil
}

// next returns the first message on filter with a sequence above after.
func (w wire) next(ctx context.Context, filter string, after events.Seq) (events.Message, bool, error) {
	return w.message(ctx, get{Seq: after + 1, NextFor: filter})
}

// last returns the sequence of the newest message on filter, 0 when there is none.
func (w wire) last(ctx context.Context, filter string) (events.Seq, error) {
	m, _, err := w.message(ctx, get{LastFor: filter})
	return m.Seq, err
}

// state is what the leader says about the stream.
type state struct {
	Created time.Time              `json:"created"`
	Config  jetstream.StreamConfig `json:"config"`
	State   jetstream.StreamState  `json:"state"`
	Cluster *jetstream.ClusterInfo `json:"cluster"`
}

func (w wire) state(ctx context.Context) (state, error) {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
		state
	}
	if err := w.ask(ctx, "STREAM.INFO."+w.stream, struct{}{}, &answer); err != nil {
		return state{}, err
	}
	if answer.Error != nil {
		return state{}, answered(answer.Error)
	}
	return answer.state, nil
}

// name names the stream as it is now: one that was deleted and made again has
// another.
func (w wire) name(ctx context.Context) (string, error) {
	st, err := w.state(ctx)
	return nameOf(st), err
}

func nameOf(st state) string { return st.Created.UTC().Format(time.RFC3339Nano) }

// ask puts a question to the server's API. It asks again while nobody answers,
// until ctx or the budget ends.
func (w wire) ask(ctx context.Context, api string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("eventstore: asking %s: %w", api, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, budget, ErrUnavailable)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		once, cancel := context.WithTimeout(ctx, requestTimeout)
		reply, err := w.nc.RequestWithContext(once, "$JS.API."+api, body)
		cancel()
		if err == nil {
			if err := json.Unmarshal(reply.Data, answer); err != nil {
				return fmt.Errorf("eventstore: the answer to %s: %w", api, err)
			}
			return nil
		}
		if errors.Is(err, nats.ErrConnectionClosed) {
			return fmt.Errorf("asking %s: %w: %w", api, ErrUnavailable, err)
		}
		if sleep(ctx, pause) != nil {
			return fmt.Errorf("asking %s: %w: %w", api, unanswered(ctx), err)
		}
	}
}

// answered turns an error of the server into one of ours: those that pass by
// themselves wrap ErrUnavailable, a missing stream wraps ErrNoStream.
func answered(err *jetstream.APIError) error {
	switch {
	case err.ErrorCode == codeStreamNotFound:
		return fmt.Errorf("%w: %w", ErrNoStream, err)
	case slices.Contains(passing, err.ErrorCode):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("eventstore: %w", err)
}

// passing are the codes of a server that cannot answer now: no leader yet,
// starting, stopping, or JetStream is off after the disk was full.
var passing = []jetstream.ErrorCode{
	codeNotAvailable, codeNotLeader, codeNotEnabled, codeNotEnabledAccount, codeStreamOffline, codeTooManyRequests,
}

// sleep waits for d or for the end of ctx, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
