package eventstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/eventstore/storetest"
	"github.com/peering/peering/internal/testkit"
)

func TestJudge_byCode(t *testing.T) {
	for _, tc := range []struct {
		code   jetstream.ErrorCode
		status int
		says   string
		want   eventstore.Verdict
	}{
		{10071, 400, "wrong last sequence: 7", eventstore.Conflict},
		{10164, 400, "wrong last sequence", eventstore.Conflict},
		{10176, 400, "atomic publish batch is incomplete", eventstore.Again},
		{10210, 429, "atomic publish too many inflight", eventstore.Again},
		{10163, 503, "last sequence by subject not ready", eventstore.Again},
		{10008, 503, "JetStream system temporarily unavailable", eventstore.Again},
		{10076, 503, "JetStream not enabled", eventstore.Again},
		{10039, 503, "JetStream not enabled for account", eventstore.Again},
		{10118, 500, "stream is offline", eventstore.Again},
		{10167, 429, "too many requests", eventstore.Again},
		{10077, 503, "maximum bytes exceeded, or store closed", eventstore.Full},
		{10047, 500, "insufficient storage resources available", eventstore.Full},
		{10023, 503, "insufficient resources", eventstore.Full},
		{10002, 400, "resource limits exceeded for account", eventstore.Full},
		{10063, 503, "expected stream sequence does not match", eventstore.Ambiguous},
		{10009, 500, "JetStream cluster not leader", eventstore.Ambiguous},
		{10199, 400, "atomic publish batch is too large: 1000", eventstore.Refused},
		{10054, 400, "message size exceeds maximum allowed", eventstore.Refused},
		{19999, 503, "something of a later server", eventstore.Ambiguous},
		{19999, 400, "something of a later server", eventstore.Refused},
	} {
		err := fmt.Errorf("wrapped: %w", &jetstream.APIError{Code: tc.status, ErrorCode: tc.code, Description: tc.says})
		if got := eventstore.Judge(err); got != tc.want {
			t.Errorf("%d (%s): got verdict %d, want %d", tc.code, tc.says, got, tc.want)
		}
	}
}

func TestJudge_withoutAnAnswerOfTheServer(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want eventstore.Verdict
	}{
		{nil, eventstore.Ambiguous},
		{context.Canceled, eventstore.Ambiguous},
		{context.DeadlineExceeded, eventstore.Ambiguous},
		{nats.ErrTimeout, eventstore.Ambiguous},
		{jetstream.ErrAsyncPublishTimeout, eventstore.Ambiguous},
		{errors.New("what nobody knows"), eventstore.Ambiguous},
		{nats.ErrReconnectBufExceeded, eventstore.Again},
		{jetstream.ErrNoStreamResponse, eventstore.Again},
		{jetstream.ErrTooManyStalledMsgs, eventstore.Again},
		{nats.ErrMaxPayload, eventstore.Refused},
		{nats.ErrConnectionClosed, eventstore.Refused},
		{nats.ErrBadSubject, eventstore.Refused},
		{nats.ErrInvalidMsg, eventstore.Refused},
	} {
		if got := eventstore.Judge(tc.err); got != tc.want {
			t.Errorf("%v: got verdict %d, want %d", tc.err, got, tc.want)
		}
	}
}

// raw is one message of a batch, as nobody but a program with an error sends it.
func raw(batch string, seq int, commit bool) *nats.Msg {
	m := nats.NewMsg(string(events.ConfigSubject("raw-ent")))
	m.Header.Set("Nats-Batch-Id", batch)
	m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(seq))
	if commit {
		m.Header.Set("Nats-Batch-Commit", "1")
	}
	return m
}

// refusal publishes m and returns the error that the server answers with, nil
// when it has none.
func refusal(t *testing.T, nc *nats.Conn, m *nats.Msg) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	reply, err := nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if len(reply.Data) > 0 {
		if err := json.Unmarshal(reply.Data, &answer); err != nil {
			t.Fatalf("%q: %v", reply.Data, err)
		}
	}
	if answer.Error == nil {
		return nil
	}
	return answer.Error
}

// says fails the test unless err has that code, and its verdict is want.
func says(t *testing.T, err error, code jetstream.ErrorCode, want eventstore.Verdict) {
	t.Helper()
	var api *jetstream.APIError
	if !errors.As(err, &api) || api.ErrorCode != code || eventstore.Judge(err) != want {
		t.Errorf("got %v with verdict %d, want code %d with verdict %d", err, eventstore.Judge(err), code, want)
	}
}

// The codes are those that the server really answers with.
func TestJudge_codesOfTheServer(t *testing.T) {
	testkit.Topologies(t, func(t *testing.T, top testkit.Topology) {
		emptied(t, top.Conn, top.Replicas)
		t.Run("the first message of a batch is missing", func(t *testing.T) {
			says(t, refusal(t, top.Conn, raw("headless", 2, true)), 10176, eventstore.Again)
		})
		t.Run("a batch of one too many", func(t *testing.T) {
			for i := range eventstore.MaxAppend {
				if err := top.Conn.PublishMsg(raw("large", i+1, false)); err != nil {
					t.Fatal(err)
				}
			}
			says(t, refusal(t, top.Conn, raw("large", eventstore.MaxAppend+1, true)), 10199, eventstore.Refused)
		})
		t.Run("somebody else was first", func(t *testing.T) {
			m := nats.NewMsg(string(storetest.Subject))
			m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "7")
			says(t, refusal(t, top.Conn, m), 10071, eventstore.Conflict)
		})
		t.Run("too many open batches", func(t *testing.T) { tooManyBatches(t, top.Conn) })
		storetest.Holds(t, store(t, top.Conn), events.ConfigSubject("raw-ent"))
	})
}

// tooManyBatches opens batches until the server has enough of them. An append
// of several events then waits, writes nothing, and gets through when there is
// room.
func tooManyBatches(t *testing.T, nc *nats.Conn) {
	var err error
	for i := 0; err == nil; i++ {
		if i > 2000 {
			t.Fatal("the server has no limit")
		}
		err = refusal(t, nc, raw(fmt.Sprint("open-", i), 1, false))
	}
	says(t, err, 10210, eventstore.Again)
	s, evs := store(t, nc), storetest.Events(storetest.Ent, "c1", 3)
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if seq, err := s.Append(short, storetest.Subject, 0, evs...); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("got %d, %v, want ErrUnavailable", seq, err)
	}
	storetest.Holds(t, s, storetest.Subject)
	// A batch with a gap is abandoned: there is room for another one.
	says(t, refusal(t, nc, raw("open-0", 3, true)), 10176, eventstore.Again)
	storetest.Append(t, s, 0, evs...)
	storetest.Holds(t, s, storetest.Subject, evs...)
}

// answering is a log that anything may be answered for: what is published on
// ent's subject gets to reply, and store puts it into the log.
func answering(t *testing.T, nc *nats.Conn, reply func(m *nats.Msg, store func()) jetstream.APIError) {
	t.Helper()
	_, err := testkit.JetStream(t, nc).CreateStream(t.Context(), jetstream.StreamConfig{
		Name: events.Stream, Subjects: []string{"behind.*"}, MaxBytes: testLimit,
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: "behind.*", Destination: "peering.events.{{wildcard(1)}}.config"},
	})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := nc.Subscribe(string(storetest.Subject), func(m *nats.Msg) {
		answer := reply(m, func() {
			kept := m.Header
			kept.Del(jetstream.ExpectedLastSubjSeqHeader)
			put(t, nc, "behind."+string(storetest.Ent), kept, m.Data)
		})
		data, err := json.Marshal(map[string]any{"stream": events.Stream, "error": answer})
		if err == nil {
			err = m.Respond(data)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
}

// A server that is closing its store answers with the code of a full one, and
// may have written the event. What it says of the next try, full or not, is no
// word about the first.
func TestAppend_storeThatIsClosingMayHaveWritten(t *testing.T) {
	nc := testkit.NATS(t)
	tries := 0
	answering(t, nc, func(_ *nats.Msg, store func()) jetstream.APIError {
		if tries++; tries == 1 {
			store()
			return jetstream.APIError{Code: 503, ErrorCode: 10077, Description: "store closed"}
		}
		return jetstream.APIError{Code: 500, ErrorCode: 10047, Description: "insufficient storage resources available"}
	})
	e := storetest.Event(storetest.Ent, "c1")
	if seq, err := store(t, nc).Append(t.Context(), storetest.Subject, 0, e); err != nil || seq != 1 {
		t.Errorf("got %d, %v for an event that is stored", seq, err)
	}
	storetest.Holds(t, store(t, nc), storetest.Subject, e)
}
