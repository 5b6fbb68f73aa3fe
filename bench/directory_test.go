package bench_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// directoryWriter writes a directory as the projection does, without a log.
type directoryWriter struct {
	state readmodel.State

	mu    sync.Mutex
	lease *readmodel.Lease
	seq   events.Seq
	list  []events.Recorded // to be written
}

func writeDirectory(b *testing.B, db *readmodel.DB) *directoryWriter {
	b.Helper()
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	state, err := db.Prepare(b.Context(), readmodel.DirectoryProjection())
	if err != nil {
		b.Fatal(err)
	}
	lease, ok, err := db.Acquire(b.Context(), readmodel.DirectoryProjection(), "bench", state)
	if err != nil || !ok {
		b.Fatal(ok, err)
	}
	return &directoryWriter{state: state, lease: lease}
}

// fill writes the enterprise with large peers, and small others with each; the
// rows of one are never neighbours.
func (w *directoryWriter) fill(b *testing.B, large, small, each int) {
	b.Helper()
	other := func(i int) events.EnterpriseID { return events.EnterpriseID(fmt.Sprintf("small-%03d", i)) }
	w.add(pagesOf, registration(pagesOf))
	for i := range small {
		w.add(other(i), registration(other(i)))
	}
	others := small * each
	for n := range max(large, others) {
		if n < large {
			w.peer(pagesOf, n)
		}
		if n < others {
			w.peer(other(n%small), n/small)
		}
		if len(w.list) > 4000 {
			w.flush(b)
		}
	}
	w.flush(b)
}

func registration(ent events.EnterpriseID) events.Event {
	return events.EnterpriseRegistered{
		Description: "Bench", Domain: string(ent) + ".example",
		Server: events.Server{Hostname: "uc." + string(ent) + ".example", Version: "9.8", Deployment: events.DeploymentStandard},
	}
}

// peer adds the peer n with all that a row may carry: one in ten is external,
// one in twenty disabled, two in three are up.
func (w *directoryWriter) peer(ent events.EnterpriseID, n int) {
	k := n * 7919 % 10007 // ids are in no order of anything else
	id := events.PeerID(fmt.Sprintf("0198c5c6-2a6f-7c80-9d4e-%012x", k))
	if n%10 == 9 {
		w.add(ent, events.PeerAdded{Peer: id, PeerType: events.PeerExternal, Description: fmt.Sprintf("%05d Partner", n)})
		return
	}
	w.add(ent, events.PeerAdded{
		Peer: id, PeerType: events.PeerMiCollab, Description: fmt.Sprintf("%05d Partner in some town", n),
		Hostname: fmt.Sprintf("uc%d.partner.example", k%3000), Port: 443 + n%3, PeerEnterpriseID: events.EnterpriseID(fmt.Sprintf("partner-%d", k%500)),
		Address: fmt.Sprintf("10.%d.%d.1", k%7, n%250), DialingPrefix: fmt.Sprint(n % 90), Version: fmt.Sprintf("9.%d.%d", k%9, n%4),
	})
	if n%20 == 8 {
		w.add(ent, events.PeerDisabled{Peer: id})
		return
	}
	w.add(ent, certificate(id, k))
	to, cause := events.StatusUp, events.Cause{}
	if n%3 == 0 {
		to, cause = events.StatusDown, events.Cause{Layer: "tls", Code: []string{"expired", "refused", "name_mismatch"}[k%3], Message: "The peer did not answer as it should."}
	}
	w.add(ent, events.PeerStatusChanged{Peer: id, From: events.StatusUnknown, To: to, Cause: cause, Since: benchTime(w.seq), ConfigSeq: w.seq})
	if k%50 == 0 {
		w.add(ent, events.PeerNoticeRaised{Peer: id, Changes: []events.NoticeChange{{Field: "address", From: "192.0.2.1", To: "192.0.2.2"}}})
	}
}

func certificate(id events.PeerID, k int) events.Event {
	return events.PeerCertificateSeen{
		Peer: id, NotBefore: benchTime(0), NotAfter: benchTime(events.Seq(1_000_000 + k*1000)), // #nosec G115 -- small
		Issuer: "CN=Example Issuing CA 3,O=Example,C=FR", Subject: "CN=uc.partner.example", Names: []string{"uc.partner.example", "uc2.partner.example"},
		Fingerprint: fmt.Sprintf("%064x", k),
	}
}

func benchTime(n events.Seq) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second) // #nosec G115 -- small
}

func (w *directoryWriter) add(ent events.EnterpriseID, e events.Event) {
	w.seq++
	command := events.CommandID(fmt.Sprintf("c-%d", w.seq))
	w.list = append(w.list, events.Recorded{
		Seq: w.seq, Subject: events.ConfigSubject(ent),
		Envelope: events.Envelope{
			ID: events.NewEventID(ent, command, 0), Enterprise: ent, Time: benchTime(w.seq), CommandID: command, Count: 1, Actor: "bench", Event: e,
		},
	})
}

// move changes a peer of the large enterprise, in a transaction of its own.
func (w *directoryWriter) move(b *testing.B) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := events.PeerID(fmt.Sprintf("0198c5c6-2a6f-7c80-9d4e-%012x", 0))
	w.add(pagesOf, events.PeerAddressChanged{Peer: id, To: fmt.Sprintf("10.0.%d.%d", w.seq/250%250, w.seq%250)})
	w.flush(b)
}

func (w *directoryWriter) flush(b *testing.B) {
	b.Helper()
	err := w.lease.Write(b.Context(), readmodel.Mark{Position: w.seq, StreamCreated: 1, Fingerprint: "bench"}, func(tx *readmodel.Tx) error {
		if err := tx.Prefetch(w.list); err != nil {
			return err
		}
		for _, r := range w.list {
			if err := tx.Apply(r); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	if err != nil {
		b.Error(err)
	}
	w.list = w.list[:0]
}
