package readmodel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// plan is how SQLite answers a page of a list.
func plan(t testing.TB, tx *sqlx.Tx, l *listing, columns, table string) string {
	t.Helper()
	query, args := l.statement(columns, table)
	var steps []struct {
		ID, Parent, NotUsed int
		Detail              string
	}
	if err := tx.SelectContext(t.Context(), &steps, "EXPLAIN QUERY PLAN "+query, args...); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range steps {
		out = append(out, s.Detail)
	}
	return strings.Join(out, "; ")
}

// TestPlan_listsUseAnIndex: a list of one enterprise reads no row of another, in
// its own order it reads no more rows than it shows, and a shared domain is
// looked up.
func TestPlan_listsUseAnIndex(t *testing.T) {
	s := newStage(t, testkit.SQLite(t))
	crowded := crowd(2000)
	for i := range 500 {
		id := events.TrustedServerID(fmt.Sprintf("t%d", i))
		crowded = append(crowded, domaintest.TrustedAdded(id, string(id), "hub.example", events.TrustIM))
	}
	s.registers(acme, crowded...)
	s.registers(beta, crowd(1000)...)
	dir := s.Directory()
	upn := upnPresence("9.8")
	err := dir.view(t.Context(), "test", func(tx *sqlx.Tx, row stateRow) error {
		g := row.generation()
		p, e := peerTable(), g.table(peers)
		for sort := range peerSorts(upn, nil) {
			l, err := dir.peerListing(acme, PeerQuery{ListQuery: ListQuery{Sort: sort}}, upn, nil)
			if err != nil {
				return err
			}
			got := plan(t, tx, l, p.list(), e+" p")
			rows := "SEARCH p USING PRIMARY KEY (enterprise=?"
			switch sort {
			case "id", "description":
				if !strings.HasPrefix(got, "SEARCH p ") || strings.Contains(got, "SCAN") || strings.Contains(got, "TEMP B-TREE") {
					t.Errorf("peers by %s: %s", sort, got)
				}
			default: // what is sorted first, and only then whole rows by their keys
				if !strings.HasPrefix(got, "CO-ROUTINE found; "+rows) || !strings.Contains(got, "; SCAN found; "+rows+" AND id=?)") || strings.Contains(got, "SCAN p") {
					t.Errorf("peers by %s: %s", sort, got)
				}
			}
		}
		tr := trustedServerTable()
		l, err := dir.trustedServerListing(TrustedServerQuery{Enterprise: acme})
		if err != nil {
			return err
		}
		if got := plan(t, tx, l, tr.list(), g.table(trustedServers)); !strings.HasPrefix(got, "SEARCH") || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("trusted servers: %s", got)
		}
		ents := &listing{list: enterprises, sorts: enterpriseSorts(), natural: "id", ties: "id", key: "id", walked: []string{"id"}}
		ents.and("removed_seq = 0")
		if err := ents.resolve(); err != nil {
			return err
		}
		if got := plan(t, tx, ents, enterpriseColumns(g), g.table(enterprises)+" e"); strings.Contains(got, "TEMP B-TREE") || !strings.Contains(got, "SEARCH o USING") {
			t.Errorf("enterprises: %s", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlan_newTableOfPostgresIsWalked: PostgreSQL reads a list in its own order
// through the index, and whole rows by their keys, although it knows nothing yet
// of the rows of a table that was just filled.
func TestPlan_newTableOfPostgresIsWalked(t *testing.T) {
	s := newStage(t, testkit.Postgres(t))
	s.registers(acme, crowd(2000)...)
	dir := s.Directory()
	upn := upnPresence("9.8")
	err := dir.view(t.Context(), "test", func(tx *sqlx.Tx, row stateRow) error {
		p, table := peerTable(), row.generation().table(peers)
		for sort, want := range map[string]string{"description": "using " + table + "_description", "hostname": "using " + table + "_pkey"} {
			l, err := dir.peerListing(acme, PeerQuery{ListQuery: ListQuery{Sort: sort}}, upn, nil)
			if err != nil {
				return err
			}
			query, args := l.statement(p.list(), table+" p")
			var steps []string
			if err := tx.SelectContext(t.Context(), &steps, tx.Rebind("EXPLAIN "+query), args...); err != nil {
				return err
			}
			got := strings.Join(steps, "\n")
			if !strings.Contains(got, "Index Scan "+want) || strings.Contains(got, "Seq Scan") || (sort == "description") == strings.Contains(got, "Sort") {
				t.Errorf("by %s:\n%s", sort, got)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlan_rowsAreFoundByTheirKeys: what an event needs is read without a scan.
func TestPlan_rowsAreFoundByTheirKeys(t *testing.T) {
	s := newStage(t, testkit.SQLite(t))
	s.registers(acme, crowd(2000)...)
	err := s.DB.reading(t.Context(), "test", func(tx *sqlx.Tx) error {
		p, g := peerTable(), s.lease.generation
		columns := p.columns[:p.keys]
		source, args := s.dialect.source(columns, rowsOf([]*peerKey{{acme, "p1"}, {acme, "p2"}, {beta, "p1"}}))
		var steps []struct {
			ID, Parent, NotUsed int
			Detail              string
		}
		query := fmt.Sprintf("EXPLAIN QUERY PLAN SELECT %s FROM %s WHERE (%s) IN (%s)", p.list(), g.table(peers), names(columns), source)
		if err := tx.SelectContext(t.Context(), &steps, query, args...); err != nil {
			return err
		}
		if len(steps) == 0 || !strings.HasPrefix(steps[0].Detail, "SEARCH") {
			t.Errorf("got %+v", steps)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
