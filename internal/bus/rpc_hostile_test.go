package bus

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/testkit"
)

// TestRPC_isNotImpressedByGarbage: 10,000 requests of all kinds, each with an
// answer, and good ones in between.
func TestRPC_isNotImpressedByGarbage(t *testing.T) {
	at := oneServer(t)
	run(t, at, 1)
	request(t, at.Conn, "peering.rpc.acme.RegisterEnterprise", "", anEnterprise)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	const all, flying = 10_000, 50
	slots := make(chan struct{}, flying)
	var wg sync.WaitGroup
	var good, answered, busyOnes atomic.Int64
	for i := range all {
		m := hostile(rnd)
		if i%100 == 0 {
			m = &nats.Msg{Subject: "peering.rpc.acme.DescribeEnterprise", Data: fmt.Appendf(nil, `{"description":"Acme %d"}`, i)}
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			raw, err := at.Conn.RequestMsg(m, testkit.Patience)
			if err != nil {
				t.Errorf("seed %d: %s: %v", seed, m.Subject, err)
				return
			}
			answered.Add(1)
			got := read(t, raw)
			switch {
			case i%100 == 0 && got.Result == command.Accepted:
				good.Add(1)
			case got.status == 429:
				busyOnes.Add(1)
			case got.Result == command.Accepted, got.status >= 500, got.Error == nil && got.status == 0:
				t.Errorf("seed %d: %s %q: %+v", seed, m.Subject, m.Data, got)
			}
		})
	}
	wg.Wait()
	t.Logf("%d answered, %d good ones, %d were too many", answered.Load(), good.Load(), busyOnes.Load())
	if answered.Load() != all || good.Load() == 0 {
		t.Errorf("%d answers, %d good ones", answered.Load(), good.Load())
	}
}

// hostile is a request that must not take effect.
func hostile(rnd *rand.Rand) *nats.Msg {
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	noise := make([]byte, rnd.IntN(300))
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	m := &nats.Msg{
		Subject: "peering.rpc." + pick("acme", "ACME", "a", "nobody-here", strings.Repeat("x", 200), "ac%2eme", "é") + "." +
			pick("AddPeer", "DeletePeer", "PaintPeer", "addpeer", "AddPeer@", "AddPeer@x+root", "AddPeer@crm+viewer", "RaisePeerNotice", strings.Repeat("N", 500)),
		Data:   noise,
		Header: nats.Header{},
	}
	switch rnd.IntN(6) {
	case 0:
		m.Data = []byte(pick(`{}`, `null`, `[]`, `{"peer":"nope"}`, `{"type":"micollab","type":"micollab"}`, `"`+strings.Repeat("a", 1000)+`"`))
	case 1:
		m.Data = bytes.Repeat([]byte("["), 20_000)
	case 2:
		m.Data = nil
	}
	for range rnd.IntN(4) {
		m.Header.Add(pick("Command-Id", "command-id", "Actor", "Reason", "Status", "Nats-Msg-Id", "Nats-Service-Error-Code", "traceparent"),
			pick("", "c1", "a.b", "*", ">", strings.Repeat("z", 5000), "é", "100"))
	}
	if m.Header.Get("Command-Id") == "" && rnd.IntN(2) == 0 {
		m.Header.Set("Command-Id", fmt.Sprint("id-", rnd.IntN(50)))
	}
	return m
}
