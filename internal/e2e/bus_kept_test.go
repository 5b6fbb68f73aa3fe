package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/testkit"
)

// outcome is what the stream of outcomes has for a command.
type outcome struct {
	CommandID string   `json:"command_id"`
	Command   string   `json:"command"`
	Result    string   `json:"result"`
	ID        string   `json:"id"`
	Sequence  uint64   `json:"sequence"`
	Events    []string `json:"events"`
	stored    time.Time
}

// effect is an event in the log.
type effect struct {
	id, kind string
	seq      uint64
	to       string // what a PeerRenamed or an EnterpriseDescribed changes to
	stored   time.Time
}

// lot is a parked command.
type lot struct {
	reason, body, detail string
}

// kept is all that the streams have, by <enterprise>/<command id>.
type kept struct {
	outcomes map[string][]outcome
	effects  map[string][]effect
	parked   map[string][]lot
	log      map[string][]effect // by enterprise, in the order of the log
}

func readKept(t *testing.T, nc *nats.Conn) kept {
	t.Helper()
	k := kept{map[string][]outcome{}, map[string][]effect{}, map[string][]lot{}, map[string][]effect{}}
	messages(t, nc, "PEERING_OUTCOMES", func(m jetstream.Msg, meta *jetstream.MsgMetadata) {
		var o outcome
		if err := json.Unmarshal(m.Data(), &o); err != nil {
			t.Errorf("the outcome %s: %v", m.Subject(), err)
		}
		o.stored = meta.Timestamp
		place := strings.ReplaceAll(strings.TrimPrefix(m.Subject(), "peering.outcomes."), ".", "/")
		k.outcomes[place] = append(k.outcomes[place], o)
	})
	messages(t, nc, "PEERING_EVENTS", func(m jetstream.Msg, meta *jetstream.MsgMetadata) {
		var data struct {
			To string `json:"to"`
		}
		_ = json.Unmarshal(m.Data(), &data) // of some kinds it is something else
		ent := strings.Split(m.Subject(), ".")[2]
		e := effect{m.Headers().Get("ce-id"), m.Headers().Get("ce-type"), meta.Sequence.Stream, data.To, meta.Timestamp}
		place := ent + "/" + m.Headers().Get("command-id")
		k.effects[place] = append(k.effects[place], e)
		k.log[ent] = append(k.log[ent], e)
	})
	messages(t, nc, "PEERING_PARKED", func(m jetstream.Msg, _ *jetstream.MsgMetadata) {
		h := m.Headers()
		ent, _, _ := strings.Cut(h.Get("Peering-Tail"), ".")
		place := ent + "/" + h.Get("Peering-Command-Id")
		k.parked[place] = append(k.parked[place], lot{h.Get("Peering-Park-Reason"), string(m.Data()), h.Get("Peering-Detail")})
	})
	return k
}

// messages calls fn for every message of a stream.
func messages(t *testing.T, nc *nats.Conn, stream string, fn func(jetstream.Msg, *jetstream.MsgMetadata)) {
	t.Helper()
	js := testkit.JetStream(t, nc)
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatalf("%s: %v", stream, err)
	}
	left := s.CachedInfo().State.Msgs
	c, err := s.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatalf("%s: %v", stream, err)
	}
	for deadline := time.Now().Add(testkit.Patience); left > 0; {
		m, err := c.Next(jetstream.FetchMaxWait(time.Second))
		if err != nil && time.Now().Before(deadline) {
			continue // the consumer has no leader yet
		}
		if err != nil {
			t.Fatalf("%s, %d before its end: %v", stream, left, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		fn(m, meta)
		left = meta.NumPending
	}
}

// queued is how many commands wait, or a number when the queue does not answer.
func queued(t *testing.T, nc *nats.Conn) uint64 {
	t.Helper()
	m, err := nc.Request("$JS.API.STREAM.INFO.PEERING_COMMANDS", nil, 2*time.Second)
	if err != nil {
		return 1 << 20
	}
	var info struct {
		State *struct {
			Messages uint64 `json:"messages"`
		} `json:"state"`
	}
	if err := json.Unmarshal(m.Data, &info); err != nil || info.State == nil {
		return 1 << 20
	}
	return info.State.Messages
}
