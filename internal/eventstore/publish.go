package eventstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/peering/peering/internal/events"
)

// Headers of an atomic batch (nats-server 2.12 and later).
const (
	headerBatchID     = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

const (
	// answerTimeout is how long one publish waits for its acknowledgement
	// before the subject is read to see what became of it.
	answerTimeout = 1200 * time.Millisecond
	// maxPending is how many acknowledgements may be outstanding at once.
	maxPending = 16384
)

// publisher publishes asynchronously: many appends are in flight at once, and
// each waits on a future of its own.
type publisher struct {
	nc *nats.Conn
	js jetstream.JetStream
	// batches is held while the messages of a batch are sent, so that they
	// stand together on the connection: the server bounds how many batches it
	// holds open.
	batches sync.Mutex
}

func newPublisher(nc *nats.Conn) (*publisher, error) {
	js, err := jetstream.New(nc,
		jetstream.WithPublishAsyncMaxPending(maxPending), jetstream.WithPublishAsyncTimeout(answerTimeout))
	if err != nil {
		return nil, fmt.Errorf("eventstore: %w", err)
	}
	return &publisher{nc: nc, js: js}, nil
}

// publish sends entries to subject, all or none, if after is the last sequence
// on it, and waits for the acknowledgement. Only the first message carries the
// expectation: the server refuses another one in the same batch. When ctx has
// ended already, nothing is sent.
func (p *publisher) publish(ctx context.Context, subject string, after events.Seq, entries []entry) (events.Seq, error) {
	msgs := make([]*nats.Msg, len(entries))
	for i, e := range entries {
		header := make(nats.Header, len(e.header)+4)
		maps.Copy(header, e.header)
		if i == 0 {
			header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(uint64(after), 10)}
		}
		msgs[i] = &nats.Msg{Subject: subject, Header: header, Data: e.data}
	}
	return p.deliver(ctx, msgs)
}

// deliver sends messages to one stream, all or none, and waits for the
// acknowledgement of the last. Their headers become its own. When ctx has ended
// already, nothing is sent.
func (p *publisher) deliver(ctx context.Context, msgs []*nats.Msg) (events.Seq, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	future, err := p.send(msgs)
	if err != nil {
		return 0, err
	}
	select {
	case ack := <-future.Ok():
		return events.Seq(ack.Sequence), nil
	case err := <-future.Err():
		return 0, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (p *publisher) send(msgs []*nats.Msg) (jetstream.PubAckFuture, error) {
	if len(msgs) > 1 {
		p.batches.Lock()
		defer p.batches.Unlock()
	}
	batch, last := nuid.Next(), len(msgs)-1
	for i, m := range msgs {
		if last > 0 {
			m.Header[headerBatchID] = []string{batch}
			m.Header[headerBatchSeq] = []string{strconv.Itoa(i + 1)}
		}
		if i == last {
			if last > 0 {
				m.Header[headerBatchCommit] = []string{"1"}
			}
			return p.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0))
		}
		if err := p.nc.PublishMsg(m); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("eventstore: nothing to publish")
}

// verdict is what an error of a publish says about the events.
type verdict int

const (
	refused   verdict = iota // not written, and trying again will not help
	full                     // not written: no room
	conflict                 // not written by this attempt: the expectation did not hold
	again                    // not written by this attempt, try again
	ambiguous                // perhaps written
)

// judge reads the error of a publish. Everything that is not a clear answer of
// the server is ambiguous.
func judge(err error) verdict {
	if err == nil {
		return ambiguous
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		for v, codes := range verdicts {
			if slices.Contains(codes, api.ErrorCode) {
				return v
			}
		}
		if api.Code >= 500 {
			return ambiguous
		}
		return refused
	}
	for _, unsent := range []error{
		nats.ErrReconnectBufExceeded, jetstream.ErrNoStreamResponse, jetstream.ErrTooManyStalledMsgs,
	} {
		if errors.Is(err, unsent) {
			return again
		}
	}
	for _, hopeless := range []error{
		nats.ErrMaxPayload, nats.ErrConnectionClosed, nats.ErrBadSubject, nats.ErrInvalidMsg,
	} {
		if errors.Is(err, hopeless) {
			return refused
		}
	}
	return ambiguous
}

// verdicts sorts the server's codes. 10077 says that the store refused the
// message: with the settings that Ensure demands that is MaxBytes, or a store
// that is closing; who appends tells the two apart.
var verdicts = map[verdict][]jetstream.ErrorCode{
	full:     {codeStoreFailed, codeStorageResources, codeInsufficient, codeAccountResources},
	conflict: {codeWrongLastSequence, codeWrongLastConstant},
	again: {
		codeBatchIncomplete, codeBatchTooManyFlying, codeLastSeqNotReady,
		codeNotAvailable, codeNotEnabled, codeNotEnabledAccount, codeTooManyRequests, codeStreamOffline, codeDuplicateInProcess,
	},
	ambiguous: {codeSequenceNotMatch, codeNotLeader},
	refused:   {codeBatchTooLarge},
}
