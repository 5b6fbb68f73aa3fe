package domain_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

const manyPeers = 10_000

// crowded is an enterprise with n peers, as a bulk load leaves it.
func crowded(t testing.TB, n int) *domain.Enterprise {
	state := given().State(t)
	for i := range n {
		follow(t, state, domaintest.Start(), longID(i), crowdedPeer(i))
	}
	return state
}

func crowdedPeer(i int) events.PeerAdded {
	return events.PeerAdded{
		Peer: events.PeerID(fmt.Sprintf("0198c5c6-2a6f-7c80-9d4e-%012d", i)), PeerType: events.PeerMiCollab,
		Description: fmt.Sprintf("Branch %05d", i), Hostname: fmt.Sprintf("pbx%05d.branches.example", i), Port: 443,
		PeerEnterpriseID: events.EnterpriseID(fmt.Sprintf("branch-%05d", i)), Version: "9.7.1.105",
	}
}

func TestSize_isAboutWhatTheStateTakes(t *testing.T) {
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	for _, hash := range []string{"", strings.Repeat("0", 64)} {
		before := heap()
		state := given().State(t)
		for i := range manyPeers {
			r := domaintest.Record(domaintest.Enterprise, state.Seq()+1, domaintest.Start(), longID(i), crowdedPeer(i))[0]
			r.CommandHash = strings.Clone(hash)
			if err := state.Evolve(r); err != nil {
				t.Fatal(err)
			}
		}
		grown, size := heap()-before, state.Size()
		t.Logf("%d peers, commands remembered: %v: the heap grew by %d bytes, Size says %d", manyPeers, hash != "", grown, size)
		if size < grown*2/3 || size > grown*3/2 {
			t.Errorf("Size says %d, the heap grew by %d", size, grown)
		}
		runtime.KeepAlive(state)
	}
}

func longID(i int) events.CommandID {
	return events.CommandID(fmt.Sprintf("0198c5c7-11aa-7d10-8e5f-%012d", i))
}

func BenchmarkAddPeer(b *testing.B) {
	for _, n := range []int{10, manyPeers} {
		b.Run(fmt.Sprintf("%d-peers", n), func(b *testing.B) {
			state := crowded(b, n)
			cmd := boston(nil)
			r := events.Recorded{Envelope: events.Envelope{Enterprise: domaintest.Enterprise, Count: 1, Time: domaintest.Start(), Actor: domaintest.Actor}}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				id := "bench" + strconv.Itoa(n)
				d, err := domain.Decide(state, cmd, domain.Input{Now: domaintest.Start(), NewID: id})
				if err != nil {
					b.Fatal(err)
				}
				// The deletion leaves the names free for the next round.
				for _, ev := range []events.Event{d.Events[0], events.PeerDeleted{Peer: events.PeerID(id)}} {
					r.Seq, r.Event = state.Seq()+1, ev
					if err := state.Evolve(r); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkChangePeers is 100 operations on many peers: additions, edits and
// deletions, of peers with servers of their own and of peers that share one.
func BenchmarkChangePeers(b *testing.B) {
	for _, shared := range []bool{false, true} {
		b.Run(fmt.Sprintf("100-of-%d-peers-shared=%t", manyPeers, shared), func(b *testing.B) {
			state := given().State(b)
			for i := range manyPeers {
				ev := crowdedPeer(i)
				if shared {
					ev.Hostname = "pbx.shared.example"
				}
				follow(b, state, domaintest.Start(), longID(i), ev)
			}
			ops := adds(100)
			for i := range ops {
				peer := crowdedPeer(i * 97).Peer
				switch i % 4 {
				case 1:
					ops[i] = domain.EditPeer{Peer: peer, Address: domain.Give("192.0.2.9"), Version: domain.Give("9.8")}
				case 2:
					ops[i] = domain.DeletePeer{Peer: peer}
				case 3:
					ops[i] = domain.PutPeer{Description: crowdedPeer(i * 97).Description, DialingPrefix: domain.Give("9")}
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				d, err := domain.Decide(state, bulk(true, ops...), domain.Input{Now: domaintest.Start(), NewID: "n"})
				if err != nil || len(d.Events) != 125 {
					b.Fatal(len(d.Events), err)
				}
			}
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	state := crowded(b, manyPeers)
	data := domaintest.Snapshot(b, state)
	b.Run("marshal-10000-peers", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := state.MarshalSnapshot(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unmarshal-10000-peers", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := domain.UnmarshalSnapshot("acme", state.Seq(), data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFold(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		crowded(b, manyPeers)
	}
}
