package readmodel

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// stored is list as it is read from the log, where a prober's events are on the
// subjects of their peers.
func stored(list ...events.Recorded) ([]events.Recorded, error) {
	codec := events.NewCodec(events.Default())
	out := make([]events.Recorded, len(list))
	for i, r := range list {
		if e, ok := r.Event.(events.PeerEvent); ok && isProbe(e) {
			r.Subject = events.StatusSubject(r.Enterprise, e.PeerID())
		}
		header, data, err := codec.Encode(r.Subject, r.Envelope)
		if err != nil {
			return nil, err
		}
		if out[i], err = codec.Decode(events.Message{Seq: r.Seq, Subject: string(r.Subject), Header: header, Data: data}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// asShown is how an event of the log is to be seen.
func asShown(r events.Recorded) Event {
	e := Event{
		Seq: r.Seq, ID: r.ID, Time: r.Time, Type: r.Event.Type(), Version: r.Version, Enterprise: r.Enterprise,
		Actor: r.Actor, OnBehalfOf: r.OnBehalfOf, Reason: r.Reason,
		CommandID: r.CommandID, CorrelationID: r.CorrelationID, CausationID: r.CausationID, Data: r.Data,
	}
	switch about := r.Event.(type) {
	case events.PeerEvent:
		e.Peer = about.PeerID()
	case events.TrustedServerEvent:
		e.TrustedServer = about.TrustedServerID()
		if peer, ok := events.PeerOfTrustedServer(e.TrustedServer); ok {
			e.Peer = peer
		}
	}
	return e
}

// matches is what EventQuery promises, of one event.
func (q EventQuery) matches(e Event) bool {
	return (q.Only == "" || q.Only == e.Enterprise) && (q.Enterprise == "" || q.Enterprise == e.Enterprise) &&
		(q.Peer == "" || q.Peer == e.Peer) && (q.Type == "" || q.Type == e.Type) &&
		(q.Actor == "" || q.Actor == e.Actor) && (q.CommandID == "" || q.CommandID == e.CommandID) &&
		e.Seq > q.After && e.Seq >= q.From.Seq && (q.To.Seq == 0 || e.Seq <= q.To.Seq) &&
		!e.Time.Before(q.From.Time) && (q.To.Time.IsZero() || !e.Time.After(q.To.Time))
}

// expected is the whole answer to q.
func (q EventQuery) expected(log []events.Recorded) []Event {
	var out []Event
	for _, r := range log {
		if e := asShown(r); q.matches(e) {
			out = append(out, e)
		}
	}
	if q.Sort == "-sequence" {
		slices.Reverse(out)
	}
	return out
}

// maybe draws nothing, a value of one of the events, or one that is nowhere.
func maybe[T any](t *rapid.T, label string, nowhere T, log []events.Recorded, of func(Event) T) T {
	var none T
	switch n := rapid.IntRange(0, 9).Draw(t, label); {
	case n > 6 && len(log) > 0:
		return of(asShown(rapid.SampledFrom(log).Draw(t, label)))
	case n == 6:
		return nowhere
	}
	return none
}

// queries draws queries that find something in log more often than not.
func queries(log []events.Recorded) *rapid.Generator[EventQuery] {
	return rapid.Custom(func(t *rapid.T) EventQuery {
		point := func(label string) Point {
			return maybe(t, label, Point{Seq: 1 << 40}, log, func(e Event) Point {
				if rapid.Bool().Draw(t, label+" is a time") {
					return Point{Time: e.Time}
				}
				return Point{Seq: e.Seq}
			})
		}
		return EventQuery{
			ListQuery:  ListQuery{Sort: rapid.SampledFrom([]string{"", "sequence", "-sequence"}).Draw(t, "sort"), Limit: rapid.IntRange(1, 9).Draw(t, "limit")},
			Only:       maybe(t, "only", "gamma", log, func(e Event) events.EnterpriseID { return e.Enterprise }),
			Enterprise: maybe(t, "enterprise", "gamma", log, func(e Event) events.EnterpriseID { return e.Enterprise }),
			Peer:       maybe(t, "peer", "p99", log, func(e Event) events.PeerID { return e.Peer }),
			Type:       maybe(t, "type", "PeerPainted", log, func(e Event) events.Type { return e.Type }),
			Actor:      maybe(t, "actor", "mallory", log, func(e Event) string { return e.Actor }),
			CommandID:  maybe(t, "command", "c", log, func(e Event) events.CommandID { return e.CommandID }),
			After:      maybe(t, "after", 1<<40, log, func(e Event) events.Seq { return e.Seq }),
			From:       point("from"), To: point("to"),
		}
	})
}

// pages follows the cursors of q to the end.
func (a *Audit) pages(t testing.TB, q EventQuery) (list []Event) {
	t.Helper()
	for {
		page := must(a.Events(t.Context(), q))(t)
		list = append(list, page.Items...)
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return list
		}
	}
}

// TestAudit_tableIsTheLog: however the log is cut into transactions, whoever
// writes them, on whichever database, the table is the same, and every query
// finds in it what it finds in the log.
func TestAudit_tableIsTheLog(t *testing.T) {
	folders := []*folder{newFolder(t, testkit.SQLite(t), audit{}), newFolder(t, testkit.Postgres(t), audit{})}
	rapid.Check(t, func(r *rapid.T) {
		log, err := stored(logs().Draw(r, "log")...)
		if err != nil {
			r.Fatal(err)
		}
		want := folders[0].fold(r, t, log)
		if lines := strings.Count(want+"\n", "audit_v1_events "); lines != len(log) {
			r.Fatalf("%d rows of %d events:\n%s", lines, len(log), want)
		}
		cuts := []int{rapid.IntRange(0, len(log)).Draw(r, "takeover")}
		for cuts[len(cuts)-1] < len(log) {
			cuts = append(cuts, min(len(log), cuts[len(cuts)-1]+rapid.IntRange(1, 20).Draw(r, "part")))
		}
		for _, f := range folders {
			if got := f.fold(r, t, log, cuts...); got != want {
				r.Fatalf("%s, cut at %v (-in one go +cut):\n%s", f.database.Name, cuts, difference(want, got))
			}
			for range 5 {
				q := queries(log).Draw(r, "query")
				if diff := cmp.Diff(q.expected(log), f.Audit().pages(t, q)); diff != "" {
					r.Fatalf("%s: %+v (-log +shown):\n%s", f.database.Name, q, diff)
				}
			}
		}
	})
}

// auditor is the audit projection, written and read by one process.
type auditor struct {
	*DB
	t        testing.TB
	database testkit.Database
	lease    *Lease
	log      []events.Recorded
}

func newAuditor(t testing.TB, d testkit.Database) *auditor {
	t.Helper()
	db := open(t, d)
	return &auditor{DB: db, t: t, database: d, lease: acquireOf(t, db, audit{})}
}

// acquireOf takes the lease of a projection from whoever has it.
func acquireOf(t testing.TB, db *DB, p Projection) *Lease {
	t.Helper()
	l, ok, err := db.Acquire(t.Context(), p, "test", must(db.Prepare(t.Context(), p))(t))
	if err != nil || !ok {
		t.Fatalf("acquire %s: %t, %v", p.Name(), ok, err)
	}
	return l
}

// happens appends evs to the log of ent and applies them in one transaction.
func (a *auditor) happens(ent events.EnterpriseID, evs ...events.Event) {
	a.t.Helper()
	list := must(stored(record(ent, events.Seq(len(a.log)+1), evs...)...))(a.t)
	a.log = append(a.log, list...)
	if err := write(a.t, a.lease, events.Seq(len(a.log)), list...); err != nil {
		a.t.Fatal(err)
	}
}

// TestAudit_whatComesAgainChangesNothing, alone or together with what is new.
func TestAudit_whatComesAgainChangesNothing(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		a := newAuditor(t, d)
		a.happens(acme, append([]events.Event{registered(acme)}, crowd(9)...)...)
		before := a.database.Dump(t, "audit_")
		other := must(stored(record(beta, 1, renames(10)...)...))(t)
		for _, again := range [][]events.Recorded{a.log, a.log[3:5], other} {
			if err := write(t, a.lease, 10, again...); err != nil {
				t.Fatal(err)
			}
		}
		if got := a.database.Dump(t, "audit_"); got != before {
			t.Errorf("(-before +after):\n%s", difference(before, got))
		}
		a.log = append(a.log, must(stored(record(acme, 11, renames(3)...)...))(t)...)
		if err := write(t, a.lease, 13, a.log[5:]...); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(EventQuery{}.expected(a.log), a.Audit().pages(t, EventQuery{})); diff != "" {
			t.Errorf("(-log +shown):\n%s", diff)
		}
	})
}

// TestAudit_noDecodedEventIsRefused: whatever texts somebody has put on the log
// past this program, if they can be decoded they can be stored and shown, and the
// long ones are found by what is kept of them.
func TestAudit_noDecodedEventIsRefused(t *testing.T) {
	texts := []string{
		"'; DROP TABLE held; --", "a\"b", "%_\\", "\u202eevil", "\ufeff", "\U0010ffff", "é", "e\u0301", "{\"a\":1}", "?", "$1", ":x",
		strings.Repeat("x", events.MaxHeader), strings.Repeat("ü", events.MaxHeader/2), strings.Repeat("x", maxKey-1) + "ü",
	}
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		a := newAuditor(t, d)
		for i, text := range texts {
			r := record(acme, events.Seq(i+1), events.PeerRenamed{Peer: "p1", From: text, To: "a\x00b\u2028" + text})[0]
			r.ID, r.Actor, r.OnBehalfOf, r.Reason = events.EventID(text), text, text, text
			r.CommandID, r.CorrelationID, r.CausationID = events.CommandID(text), text, text
			list := must(stored(r))(t)
			if err := write(t, a.lease, r.Seq, list...); err != nil {
				t.Fatalf("%.40q: %v", text, err)
			}
			got := a.Audit().pages(t, EventQuery{Only: acme, Actor: clipKey(text), CommandID: events.CommandID(clipKey(text)), After: r.Seq - 1})
			if len(got) != 1 {
				t.Fatalf("%.40q: found %d", text, len(got))
			}
			e := got[0]
			if string(e.Data) != string(list[0].Data) || !json.Valid(e.Data) || e.Reason != text || e.OnBehalfOf != text || e.CorrelationID != text || e.CausationID != text {
				t.Errorf("%.40q: got %+v", text, e)
			}
			if !utf8.ValidString(e.Actor) || !strings.HasPrefix(text, e.Actor) || len(e.Actor) < min(len(text), maxKey-utf8.UTFMax) || len(e.ID) > maxKey {
				t.Errorf("%.40q: is found as %.40q", text, e.Actor)
			}
		}
	})
}

// TestAudit_keepsTheBytesOfTheLog, the order and the spaces of the JSON too.
func TestAudit_keepsTheBytesOfTheLog(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		a := newAuditor(t, d)
		r := record(acme, 1, events.PeerRenamed{Peer: "p1", From: "Lyon", To: "Turin"})[0]
		r.Version, r.Data = 1, []byte("{ \"to\": \"Turin\",\n\t\"peer\":\"p1\", \"from\":\"\\u004cyon\" , \"later\": 1e2}")
		if err := write(t, a.lease, 1, r); err != nil {
			t.Fatal(err)
		}
		if got := a.Audit().pages(t, EventQuery{}); len(got) != 1 || string(got[0].Data) != string(r.Data) {
			t.Errorf("got %+v", got)
		}
	})
}

// TestAudit_everyEventIsFoundByWhatItIsAbout: the entry of a peer belongs to the
// story of the peer.
func TestAudit_everyEventIsFoundByWhatItIsAbout(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		a := newAuditor(t, d)
		entry := events.TrustedServerOfPeer("p1")
		a.happens(acme, registered(acme), added("p1", "Lyon"), status("p1", events.StatusUp, 2),
			domaintest.TrustedAdded("t1", "Hub", "hub.example", events.TrustIM), events.TrustedServerRenamed{TrustedServer: entry, From: "Lyon", To: "Lyon entry"},
			events.PeerDeleted{Peer: "p1", Description: "Lyon"})
		var about []events.Seq
		for _, e := range a.Audit().pages(t, EventQuery{Peer: "p1"}) {
			about = append(about, e.Seq)
		}
		if want := []events.Seq{2, 3, 5, 6}; !slices.Equal(about, want) {
			t.Errorf("of the peer: %v, want %v", about, want)
		}
		if all := a.Audit().pages(t, EventQuery{}); all[0].Peer != "" || all[3].Peer != "" || all[3].TrustedServer != "t1" || all[4].TrustedServer != entry {
			t.Errorf("got %q, %q of %q, %q", all[0].Peer, all[3].Peer, all[3].TrustedServer, all[4].TrustedServer)
		}
	})
}
