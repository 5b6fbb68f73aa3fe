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
	messages(t, nc, "PEERING_OUTCOMES", func(m *jetstream.RawStreamMsg) {
		var o outcome
		if err := json.Unmarshal(m.Data, &o); err != nil {
			t.Errorf("the outcome %s: %v", m.Subject, err)
		}
		o.stored = m.Time
		place := strings.ReplaceAll(strings.TrimPrefix(m.Subject, "peering.outcomes."), ".", "/")
		k.outcomes[place] = append(k.outcomes[place], o)
	})
	messages(t, nc, "PEERING_EVENTS", func(m *jetstream.RawStreamMsg) {
		var data struct {
			To string `json:"to"`
		}
		_ = json.Unmarshal(m.Data, &data) // of some kinds it is something else
		ent := strings.Split(m.Subject, ".")[2]
		e := effect{m.Header.Get("ce-id"), m.Header.Get("ce-type"), m.Sequence, data.To, m.Time}
		place := ent + "/" + m.Header.Get("command-id")
		k.effects[place] = append(k.effects[place], e)
		k.log[ent] = append(k.log[ent], e)
	})
	messages(t, nc, "PEERING_PARKED", func(m *jetstream.RawStreamMsg) {
		h := m.Header
		ent, _, _ := strings.Cut(h.Get("Peering-Tail"), ".")
		place := ent + "/" + h.Get("Peering-Command-Id")
		k.parked[place] = append(k.parked[place], lot{h.Get("Peering-Park-Reason"), string(m.Data), h.Get("Peering-Detail")})
	})
	return k
}

// messages calls fn for every message of a stream, as its leader has them.
func messages(t *testing.T, nc *nats.Conn, stream string, fn func(*jetstream.RawStreamMsg)) {
	t.Helper()
	js := testkit.JetStream(t, nc)
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatalf("%s: %v", stream, err)
	}
	read, next := uint64(0), uint64(1)
	state := s.CachedInfo().State
	for next <= state.LastSeq {
		m, err := s.GetMsg(t.Context(), next, jetstream.WithGetMsgSubject(">"))
		if err != nil {
			t.Fatalf("%s: its leader does not have what comes after %d of %d: %v", stream, next-1, state.LastSeq, err)
		}
		fn(m)
		read, next = read+1, m.Sequence+1
	}
	if read != state.Msgs {
		t.Fatalf("%s: its leader has %d messages, and gives %d", stream, state.Msgs, read)
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
