package bench_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/peering/peering/internal/embednats"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// history is a log of enterprises × peers × perPeer events (and one for each
// enterprise), scattered as they are when everybody works at once: two events
// of one enterprise are never neighbours.
type history struct {
	enterprises, peers, perPeer int
}

// million is what the targets speak of: 100,000 peers with 10 events each, 1,000
// events in each enterprise.
var million = history{enterprises: 1000, peers: 100, perPeer: 10}

// sized is million, or a little of it to see that a benchmark works.
func sized() history {
	if testing.Short() {
		return history{enterprises: 50, peers: 10, perPeer: 10}
	}
	return million
}

func (h history) enterprise(i int) events.EnterpriseID {
	return events.EnterpriseID(fmt.Sprintf("bench-%05d", i))
}

func peerID(p int) events.PeerID { return events.PeerID(fmt.Sprintf("peer-%05d", p)) }

// each calls fn for every event in the order of the log.
func (h history) each(fn func(events.Subject, events.Envelope)) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	n := 0
	put := func(ent events.EnterpriseID, e events.Event) {
		n++
		command := events.CommandID(fmt.Sprintf("c-%d", n))
		fn(events.ConfigSubject(ent), events.Envelope{
			ID: events.NewEventID(ent, command, 0), Enterprise: ent, Time: at.Add(time.Duration(n) * time.Millisecond),
			CommandID: command, Count: 1, CorrelationID: string(command), Actor: "bench", Event: e,
		})
	}
	for i := range h.enterprises {
		ent := h.enterprise(i)
		put(ent, events.EnterpriseRegistered{
			Description: "Bench", Domain: string(ent) + ".example",
			Server: events.Server{Hostname: "uc." + string(ent) + ".example", Version: "9.8", Deployment: events.DeploymentStandard},
		})
	}
	for round := range h.perPeer {
		for p := range h.peers {
			for i := range h.enterprises {
				put(h.enterprise(i), peerEvent(p, round))
			}
		}
	}
}

// peerEvent is the life of a peer: added, then its address moves.
func peerEvent(p, round int) events.Event {
	hostname := fmt.Sprintf("uc%d.partner.example", p)
	if round == 0 {
		return events.PeerAdded{
			Peer: peerID(p), PeerType: events.PeerMiCollab, Description: fmt.Sprintf("Partner %d", p),
			Hostname: hostname, Port: 443, PeerEnterpriseID: "partner", Version: "9.7.1.105",
		}
	}
	from, fromHost := address(p, round-1), address(p, round-1)
	if round == 1 {
		from, fromHost = "", hostname
	}
	to := address(p, round)
	return events.PeerAddressChanged{Peer: peerID(p), From: from, To: to, FromHost: fromHost, ToHost: to}
}

func address(p, round int) string { return fmt.Sprintf("10.%d.%d.%d", round, p/250, p%250+1) }

// server starts an embedded server on dir for the benchmark.
func server(b testing.TB, dir string, syncAlways bool) (*embednats.Server, *nats.Conn) {
	b.Helper()
	s, err := embednats.Start(embednats.Options{Dir: dir, Listen: "127.0.0.1:0", SyncAlways: syncAlways})
	if err != nil {
		b.Fatal(err)
	}
	nc, err := nats.Connect("nats://"+s.Addr(), nats.ReconnectBufSize(-1))
	if err != nil {
		b.Fatal(err)
	}
	if err := eventstore.Ensure(b.Context(), nc, eventstore.StreamOptions{}); err != nil {
		b.Fatal(err)
	}
	return s, nc
}

// write stores the history as fast as the server takes it.
func (h history) write(b testing.TB, nc *nats.Conn) {
	b.Helper()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		b.Fatal(err)
	}
	codec := events.NewCodec(events.Default())
	h.each(func(subject events.Subject, e events.Envelope) {
		header, data, err := codec.Encode(subject, e)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := js.PublishMsgAsync(&nats.Msg{Subject: string(subject), Header: header, Data: data}, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	})
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(5 * time.Minute):
		b.Fatal("the history is not stored within five minutes")
	}
}
