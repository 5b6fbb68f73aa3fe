package readmodel

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// sample is a probe of p1 of acme that began at a second, under a configuration.
func sample(peer events.PeerID, started, config events.Seq) events.Sample {
	return events.Sample{
		Enterprise: acme, Peer: peer, ConfigSeq: config, Prober: "prober-1", Started: at(started), OK: true,
		LatencyMS: float64(started) + 0.5, Cause: events.Cause{Layer: "tls", Code: "certificate_expiring", Message: "12 days are left."},
	}
}

func (s *stage) keeps(list ...events.Sample) {
	s.t.Helper()
	if err := s.KeepSamples(s.t.Context(), list, at(1<<30)); err != nil {
		s.t.Fatal(err)
	}
}

// rowsOfProbes are the rows of the table probes.
func rowsOfProbes(t testing.TB, db *DB) (list []probeRow) {
	t.Helper()
	tr := probeTable()
	if err := db.reader.SelectContext(t.Context(), &list, "SELECT "+tr.list()+" FROM probes ORDER BY enterprise, peer"); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestKeepSamples_keepsTheNewestOfEachPeer: however samples are cut and mixed, and
// whoever keeps them, what is there is the newest of each peer.
func TestKeepSamples_keepsTheNewestOfEachPeer(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db, other := open(t, d), open(t, d)
		rapid.Check(t, func(r *rapid.T) {
			if _, err := db.writer.ExecContext(context.Background(), "DELETE FROM probes"); err != nil {
				r.Fatal(err)
			}
			newest := map[peerKey]probeRow{}
			for range rapid.IntRange(1, 6).Draw(r, "batches") {
				var list []events.Sample
				for range rapid.IntRange(0, 8).Draw(r, "samples") {
					s := sample(events.PeerID(fmt.Sprintf("p%d", rapid.IntRange(0, 3).Draw(r, "peer"))), events.Seq(rapid.IntRange(1, 9).Draw(r, "started")), 1)
					s.Enterprise = rapid.SampledFrom([]events.EnterpriseID{acme, beta}).Draw(r, "enterprise")
					list = append(list, s)
					if k := (peerKey{s.Enterprise, s.Peer}); newest[k].Started < micros(s.Started) {
						newest[k] = *probeRowOf(s)
					}
				}
				for _, each := range []*DB{db, other, db} { // the second and the third change nothing
					if err := each.KeepSamples(context.Background(), list, at(1<<30)); err != nil {
						r.Fatal(err)
					}
				}
			}
			got := map[peerKey]probeRow{}
			for _, row := range rowsOfProbes(t, db) {
				got[peerKey{row.Enterprise, row.Peer}] = row
			}
			if diff := cmp.Diff(newest, got); diff != "" {
				r.Fatalf("(-want +got):\n%s", diff)
			}
		})
	})
}

// TestKeepSamples_aClockThatIsAheadKeepsNobodyAway: neither that of a prober, nor
// that of whoever kept its samples.
func TestKeepSamples_aClockThatIsAheadKeepsNobodyAway(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := open(t, d)
		from := func(prober string, started events.Seq) events.Sample {
			s := sample("p1", started, 1)
			s.Prober = prober
			return s
		}
		for i, step := range []struct {
			keeps  []events.Sample
			now    events.Seq
			prober string // whose sample is there then
			at     events.Seq
		}{
			{[]events.Sample{from("ahead", 1000)}, 10, "ahead", 10},
			{[]events.Sample{from("right", 9)}, 11, "ahead", 10}, // it began before
			{[]events.Sample{from("right", 11)}, 12, "right", 11},
			{[]events.Sample{from("right", 11)}, 13, "right", 11},
			{[]events.Sample{from("ahead", 1001), from("right", 14)}, 15, "ahead", 15},
			{[]events.Sample{from("right", 16)}, 17, "right", 16},
			{[]events.Sample{from("ahead", 1002)}, 1003, "ahead", 1002}, // the writer's clock is ahead as well
			{[]events.Sample{from("right", 18)}, 19, "right", 18},
			{[]events.Sample{from("right", 17)}, 20, "right", 18},
		} {
			if err := db.KeepSamples(t.Context(), step.keeps, at(step.now)); err != nil {
				t.Fatal(err)
			}
			if got := rowsOfProbes(t, db); len(got) != 1 || got[0].Prober != step.prober || got[0].Started != micros(at(step.at)) {
				t.Errorf("%d: got %+v, want that of the one that is %s at %s", i, got, step.prober, at(step.at))
			}
		}
	})
}

// TestKeepSamples_severalAtOnce do not keep each other from it.
func TestKeepSamples_severalAtOnce(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		dbs := []*DB{open(t, d), open(t, d), open(t, d)}
		var group errgroup.Group
		for i, db := range dbs {
			group.Go(func() error {
				for n := range events.Seq(20) {
					var list []events.Sample
					for p := range 150 { // more rows than one statement takes
						list = append(list, sample(events.PeerID(fmt.Sprintf("p%d", (p*(i+1))%150)), n*3+events.Seq(i)+1, 1)) // #nosec G115 -- small
					}
					if err := db.KeepSamples(context.Background(), list, at(1<<30)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		list := rowsOfProbes(t, dbs[0])
		for _, row := range list {
			if row.Started < micros(at(58)) {
				t.Errorf("%s was last probed at %s", row.Peer, moment(row.Started))
			}
		}
		if len(list) != 150 {
			t.Errorf("%d rows", len(list))
		}
	})
}

// TestKeepSamples_whateverAProberSaid can be kept.
func TestKeepSamples_whateverAProberSaid(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		config := s.registers(acme, crowd(4)...)
		long := strings.Repeat("ü", 100_000)
		for i, latency := range []float64{-1, math.MaxFloat64, 0.0004, 12.3456} {
			bad := sample(events.PeerID(fmt.Sprintf("p%d", i)), 9, config)
			bad.LatencyMS, bad.Prober, bad.Cause = latency, "a\x00b\xff", events.Cause{Layer: long, Code: "\x00", Message: "\xff\xfe"}
			s.keeps(bad)
		}
		bad := sample("p1", 1, 1)
		bad.Enterprise, bad.Peer, bad.ConfigSeq = events.EnterpriseID(long), "\x00", math.MaxUint64
		s.keeps(bad)
		for i, want := range []time.Duration{0, maxLatency, 0, 12345 * time.Microsecond} {
			if p := s.peer(acme, events.PeerID(fmt.Sprintf("p%d", i))); p.Latency != want || p.LastProbe != at(9) {
				t.Errorf("%s: %s at %s, want %s", p.ID, p.Latency, p.LastProbe, want)
			}
		}
		s.keeps()
	})
}

func TestKeepSamples_withoutADatabaseKeepsNothing(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := open(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := db.KeepSamples(ctx, []events.Sample{sample("p1", 1, 1)}, at(9)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if list := rowsOfProbes(t, db); len(list) > 0 {
			t.Errorf("got %+v", list)
		}
	})
}

func TestPruneProbes_dropsWhatIsOld(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.keeps(sample("p1", 5, 1), sample("p2", 6, 1), sample("p3", 7, 1))
		if err := s.PruneProbes(t.Context(), at(6)); err != nil {
			t.Fatal(err)
		}
		if list := rowsOfProbes(t, s.DB); len(list) != 2 || list[0].Peer != "p2" {
			t.Errorf("got %+v", list)
		}
	})
}

// TestPeer_lastProbeIsOfThePresentConfiguration: what was found under another one
// is not shown, by any query.
func TestPeer_lastProbeIsOfThePresentConfiguration(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Lyon"), added("p2", "Oslo")) // 2, 3
		s.keeps(sample("p1", 10, 2), sample("p2", 11, 2), sample("p9", 12, 2))
		other := sample("p2", 13, 3)
		other.Enterprise = beta
		s.keeps(other)
		shows := func(what string, peer events.PeerID, started events.Seq) {
			t.Helper()
			var want lastProbe
			if started != 0 {
				want = lastProbe{peer, micros(at(started)), int64(started)*1000 + 500}
			}
			fresh := connect(t, d.URL).Directory() // whose pages are empty
			for _, p := range append(must(fresh.Peers(t.Context(), acme, PeerQuery{}))(t).Items, s.peer(acme, peer)) {
				if p.ID == peer && (micros(p.LastProbe) != want.Started || p.Latency.Microseconds() != want.Latency) {
					t.Errorf("%s: %s was probed at %s in %s, want %+v", what, peer, p.LastProbe, p.Latency, want)
				}
			}
		}
		shows("probed", "p1", 10)
		shows("probed before it was added", "p2", 0)
		s.keeps(sample("p2", 14, 3))
		shows("probed again", "p2", 14)
		s.happens(acme, events.PeerRenamed{Peer: "p1", To: "Turin"}) // 4
		shows("renamed", "p1", 10)
		s.happens(acme, events.PeerHostnameChanged{Peer: "p1", To: "pbx.example"}) // 5
		shows("elsewhere", "p1", 0)
		s.keeps(sample("p1", 15, 4))
		shows("late", "p1", 0)
		s.keeps(sample("p1", 16, 5))
		shows("probed there", "p1", 16)
		s.happens(acme, events.PeerDisabled{Peer: "p1"})
		shows("disabled", "p1", 0)
	})
}

// TestPeers_lastProbesAreNewerThanTheirPage: they move without an event, and are
// read again when a page that is kept is a second old.
func TestPeers_lastProbesAreNewerThanTheirPage(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		config := s.registers(acme, crowd(3)...)
		now := at(0)
		s.pages.now = func() time.Time { return now }
		for _, sort := range []string{"", "status", "-last_probe", "latency_ms"} {
			q := PeerQuery{ListQuery: ListQuery{Sort: sort, Limit: 2}}
			last := func() (newest time.Time) {
				for _, p := range must(s.Directory().Peers(t.Context(), acme, q))(t).Items {
					if p.ID == "p1" {
						newest = p.LastProbe
					}
				}
				return newest
			}
			before := last()
			began := events.Seq(now.Sub(at(0))/time.Second) + 100 // #nosec G115 -- not negative
			s.keeps(sample("p1", began, config))
			if got := last(); got != before {
				t.Errorf("by %q: at once %s", sort, got)
			}
			now = now.Add(probesKept)
			if got := last(); sort != "latency_ms" && got != at(began) {
				t.Errorf("by %q: a second later %s, want %s", sort, got, at(began))
			}
			if _, kept, probed := s.pages.get(onlyKey(s.pages, sort), int64(s.last)); !kept || !probed { // #nosec G115 -- small
				t.Errorf("by %q: kept %t, with its probes %t", sort, kept, probed)
			}
			now = now.Add(time.Hour)
		}
	})
}

// onlyKey is the key of the page that is kept with that order.
func onlyKey(p *peerPages, sort string) pageKey {
	for k := range p.byKey {
		if k.query.Sort == sort {
			return k
		}
	}
	return pageKey{}
}

// TestPeers_sortedByProbes: with those at the end that no probe has found, in
// pages that are whole.
func TestPeers_sortedByProbes(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		config := s.registers(acme, append(crowd(6), domaintest.ExternalAdded("x1", "Gateway"))...)
		s.registers(beta, crowd(6)...)
		elsewhere := sample("p0", 99, config)
		elsewhere.Enterprise = beta
		old := sample("p5", 98, 1)
		none := sample("p4", 7, config)
		none.LatencyMS = 0
		s.keeps(sample("p1", 30, config), sample("p2", 10, config), sample("p3", 20, config), none, old, elsewhere)
		for sort, want := range map[string]string{
			"last_probe":  "[p0 p5 x1 p4 p2 p3 p1]",
			"-last_probe": "[p1 p3 p2 p4 x1 p5 p0]",
			"latency_ms":  "[p0 p4 p5 x1 p2 p3 p1]",
			"-latency_ms": "[p1 p3 p2 x1 p5 p4 p0]",
		} {
			var got []events.PeerID
			for q := (PeerQuery{ListQuery: ListQuery{Sort: sort, Limit: 2}}); len(got) == 0 || q.Cursor != ""; {
				page := must(s.Directory().Peers(t.Context(), acme, q))(t)
				got, q.Cursor = append(got, ids(page.Items)...), page.NextCursor
			}
			if fmt.Sprint(got) != want {
				t.Errorf("by %s: %v, want %s", sort, got, want)
			}
		}
	})
}

// TestPlan_probesAreFoundByTheirKeys, for a page and for sorting.
func TestPlan_probesAreFoundByTheirKeys(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		for n := range 20 {
			ent := events.EnterpriseID(fmt.Sprintf("ent-%02d", n))
			config := s.registers(ent, crowd(300)...)
			var list []events.Sample
			for i := range 300 {
				each := sample(events.PeerID(fmt.Sprintf("p%d", i)), 9, config)
				each.Enterprise = ent
				list = append(list, each)
			}
			s.keeps(list...)
		}
		if d.Postgres() {
			if _, err := s.writer.ExecContext(t.Context(), "ANALYSE"); err != nil {
				t.Fatal(err)
			}
		}
		err := s.Directory().view(t.Context(), "test", func(tx *sqlx.Tx, row stateRow) error {
			tr := peerTable()
			source, args := s.dialect.source(tr.columns[1:2], rowsOf([]*peerKey{{ID: "p1"}, {ID: "p2"}}))
			page := explained(t, s.DB, tx, probesOf(s.dialect, row.generation(), source), append([]any{"ent-07"}, args...)...)
			l := must(s.Directory().peerListing("ent-07", PeerQuery{ListQuery: ListQuery{Sort: "-last_probe"}}, upnPresence("9.8"), nil))(t)
			query, args := l.statement(tr.list(), row.generation().table(peers)+" p")
			for name, got := range map[string]string{"page": page, "sort": explained(t, s.DB, tx, query, args...)} {
				found := strings.Contains(got, "USING INDEX sqlite_autoindex_probes_1 (enterprise=? AND peer=?)")
				if d.Postgres() {
					found = strings.Contains(got, "probes_pkey") && !strings.Contains(got, "Seq Scan on probes")
				}
				if !found || strings.Contains(got, "SCAN p") || strings.Contains(got, "SCAN b") {
					t.Errorf("%s, %s:\n%s", d.Name, name, got)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestPeers_orderByProbesIsNewerThanTheirPage: a page that is kept is not what is
// first after another peer was probed.
func TestPeers_orderByProbesIsNewerThanTheirPage(t *testing.T) {
	s := newStage(t, testkit.SQLite(t))
	config := s.registers(acme, crowd(3)...)
	now := at(0)
	s.pages.now = func() time.Time { return now }
	for _, sort := range []string{"-last_probe", "-latency_ms"} {
		for i := range 3 {
			now = now.Add(probesKept)
			id := events.PeerID(fmt.Sprintf("p%d", i))
			s.keeps(sample(id, events.Seq(now.Sub(at(0))/time.Second), config)) // #nosec G115 -- not negative
			page := must(s.Directory().Peers(t.Context(), acme, PeerQuery{ListQuery: ListQuery{Sort: sort, Limit: 2}}))(t)
			if page.Items[0].ID != id {
				t.Errorf("by %s: %v, %s was probed last", sort, ids(page.Items), id)
			}
		}
	}
}
