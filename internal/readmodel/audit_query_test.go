package readmodel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// TestEvents_pagesWhileEventsAreAppended: each event comes exactly once, in
// order, however many are added between and during the pages, and the pages
// forward end with what was there when the last one was read.
func TestEvents_pagesWhileEventsAreAppended(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		a := newAuditor(t, d)
		a.happens(acme, append([]events.Event{registered(acme)}, crowd(60)...)...)
		for _, q := range []EventQuery{{}, {Enterprise: acme}, {Type: "PeerRenamed"}, {Actor: domaintest.Actor}, {From: Point{Time: at(5)}}} {
			for _, sort := range []string{"sequence", "-sequence"} {
				q.Sort, q.Limit = sort, 7
				began := events.Seq(len(a.log))
				var appending errgroup.Group
				appending.Go(func() error {
					for range 20 {
						a.happens([]events.EnterpriseID{acme, beta}[len(a.log)%2], renames(3)...)
					}
					return nil
				})
				got := a.Audit().pages(t, q)
				if err := appending.Wait(); err != nil {
					t.Fatal(err)
				}
				want := q.expected(a.log)
				if sort == "sequence" {
					want = want[:min(len(got), len(want))]
				} else { // what came after the first page was read is before it
					want = slices.DeleteFunc(want, func(e Event) bool { return len(got) > 0 && e.Seq > got[0].Seq })
				}
				if !slices.Equal(seqs(got), seqs(want)) {
					t.Errorf("%s %+v: got %v\nwant %v", d.Name, q, seqs(got), seqs(want))
				}
				if before := len(q.expected(a.log[:began])); len(got) < before {
					t.Errorf("%s %+v: %d events, %d were there before", d.Name, q, len(got), before)
				}
			}
		}
	})
}

func seqs(list []Event) []events.Seq {
	out := make([]events.Seq, len(list))
	for i, e := range list {
		out[i] = e.Seq
	}
	return out
}

// TestEvents_scopeHidesAllElse: whatever is asked for, with Only there is one
// enterprise.
func TestEvents_scopeHidesAllElse(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		a := newAuditor(t, d)
		a.happens(acme, registered(acme), added("p1", "Lyon"))
		a.happens(beta, registered(beta), added("p1", "Lyon"))
		foreign := a.log[3]
		for _, q := range []EventQuery{
			{},
			{Peer: "p1"},
			{Type: "PeerAdded"},
			{Actor: domaintest.Actor},
			{CommandID: "c"},
			{After: 1},
			{From: Point{Seq: 3}},
			{To: Point{Time: at(99)}},
			{Enterprise: beta},
			{Enterprise: beta, Peer: "p1"},
			{CommandID: foreign.CommandID, From: Point{Seq: foreign.Seq}},
		} {
			q.Only = acme
			for _, e := range a.Audit().pages(t, q) {
				if e.Enterprise != acme {
					t.Errorf("%+v shows %d of %s", q, e.Seq, e.Enterprise)
				}
			}
		}
		q := EventQuery{ListQuery: ListQuery{Limit: 1}}
		cursor := must(a.Audit().Events(t.Context(), q))(t).NextCursor
		q.Only, q.Cursor = acme, cursor
		_, err := a.Audit().Events(t.Context(), q)
		refused(t, err, "cursor")
	})
}

func TestEvents_whatCannotBeAnsweredIsNamed(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		a := newAuditor(t, d)
		a.happens(acme, registered(acme), added("p1", "Lyon"), added("p2", "Oslo"))
		good := must(a.Audit().Events(t.Context(), EventQuery{ListQuery: ListQuery{Limit: 1}}))(t).NextCursor
		for _, c := range []struct {
			q     EventQuery
			field string
		}{
			{EventQuery{ListQuery: ListQuery{Sort: "time"}}, "sort"},
			{EventQuery{ListQuery: ListQuery{Limit: maxLimit + 1}}, "limit"},
			{EventQuery{ListQuery: ListQuery{Limit: -1}}, "limit"},
			{EventQuery{ListQuery: ListQuery{Cursor: "x"}}, "cursor"},
			{EventQuery{ListQuery: ListQuery{Cursor: good, Sort: "-sequence"}}, "cursor"},
			{EventQuery{ListQuery: ListQuery{Cursor: good}, After: 1}, "cursor"},
			{EventQuery{ListQuery: ListQuery{Cursor: good}, From: Point{Seq: 1}}, "cursor"},
			{EventQuery{ListQuery: ListQuery{Cursor: good}, To: Point{Time: at(1)}}, "cursor"},
			{EventQuery{Actor: strings.Repeat("x", maxFilter+1)}, "actor"},
			{EventQuery{CommandID: "a\x00b"}, "command_id"},
			{EventQuery{Peer: "\xff"}, "peer"},
			{EventQuery{Type: "a\x00"}, "type"},
			{EventQuery{Enterprise: "\xff"}, "enterprise"},
		} {
			_, err := a.Audit().Events(t.Context(), c.q)
			refused(t, err, c.field)
		}
		for _, q := range []EventQuery{
			{Actor: "' OR 1=1 --"},
			{CommandID: "%"},
			{Peer: "p_"},
			{Type: "Peer%"},
			{From: Point{Seq: 1<<64 - 1}},
			{After: 1<<64 - 1},
			{To: Point{Time: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)}},
			{From: Point{Time: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}},
		} {
			if got := a.Audit().pages(t, q); len(got) > 0 {
				t.Errorf("%+v finds %v", q, seqs(got))
			}
		}
	})
}

// TestEvents_pageSaysHowFarItLooked, and without tables nothing is said.
func TestEvents_pageSaysHowFarItLooked(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		if _, err := open(t, d).Audit().Events(t.Context(), EventQuery{}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("without tables: %v", err)
		}
		a := newAuditor(t, d)
		a.happens(acme, registered(acme))
		if err := write(t, a.lease, 9); err != nil {
			t.Fatal(err)
		}
		if page := must(a.Audit().Events(t.Context(), EventQuery{Type: "PeerAdded"}))(t); page.Sequence != 9 || len(page.Items) > 0 || page.NextCursor != "" {
			t.Errorf("got %+v", page)
		}
		if err := a.Audit().Await(t.Context(), acme, 9); err != nil {
			t.Errorf("await: %v", err)
		}
	})
}

// TestPlan_eventsAreReadInTheirOrder: each filter is an index that is walked in
// the order of the log, so that a page costs what it shows; of several filters,
// the one that leaves least.
func TestPlan_eventsAreReadInTheirOrder(t *testing.T) {
	a := newAuditor(t, testkit.SQLite(t))
	a.happens(acme, append([]events.Event{registered(acme)}, crowd(500)...)...)
	for range 5 {
		a.happens(acme, renames(500)...)
	}
	err := a.view(t.Context(), "test", audit{}, func(tx *sqlx.Tx, row stateRow) error {
		table := row.generation().table(recorded)
		const actor = domaintest.Actor
		for _, c := range []struct {
			index string
			q     EventQuery
		}{
			{"INTEGER PRIMARY KEY", EventQuery{}},
			{"_enterprise", EventQuery{Enterprise: acme}},
			{"_peer", EventQuery{Peer: "p1"}},
			{"_type", EventQuery{Type: "PeerRenamed"}},
			{"_actor", EventQuery{Actor: actor}},
			{"_command", EventQuery{CommandID: "c"}},
			{"_actor", EventQuery{Actor: actor, Type: "PeerRenamed"}},
			{"_enterprise", EventQuery{Only: acme, Actor: actor, Type: "PeerRenamed", From: Point{Time: at(9)}, To: Point{Time: at(900)}}},
			{"_peer", EventQuery{Only: acme, Peer: "p1", Type: "PeerRenamed", Actor: actor}},
			{"_command", EventQuery{Only: acme, Peer: "p1", CommandID: "c"}},
		} {
			index, q := c.index, c.q
			for _, sort := range []string{"sequence", "-sequence"} {
				q.ListQuery = ListQuery{Sort: sort, Limit: 2}
				first := must(a.Audit().Events(t.Context(), q))(t)
				for _, cursor := range []string{"", first.NextCursor} {
					q.Cursor = cursor
					l := must(eventListing(q))(t)
					tr := auditTable()
					got := plan(t, tx, l, tr.list(), table)
					if !strings.Contains(got, index) || !strings.Contains(got, "SEARCH") || strings.Contains(got, "TEMP B-TREE") {
						t.Errorf("by %s, %s: %s", index, sort, got)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlan_eventsAreFoundByAnIndex on PostgreSQL, once it knows the table.
func TestPlan_eventsAreFoundByAnIndex(t *testing.T) {
	a := newAuditor(t, testkit.Postgres(t))
	for n := range 20 {
		ent := events.EnterpriseID(fmt.Sprintf("ent-%02d", n))
		a.happens(ent, append([]events.Event{registered(ent)}, crowd(500)...)...)
	}
	if _, err := a.writer.ExecContext(t.Context(), "ANALYSE"); err != nil {
		t.Fatal(err)
	}
	err := a.view(t.Context(), "test", audit{}, func(tx *sqlx.Tx, row stateRow) error {
		table := row.generation().table(recorded)
		for index, q := range map[string]EventQuery{"_pkey": {}, "_enterprise": {Enterprise: "ent-07"}, "_peer": {Peer: "p1"}} {
			for _, sort := range []string{"sequence", "-sequence"} {
				q.ListQuery = ListQuery{Sort: sort, Limit: 2}
				q.Cursor = must(a.Audit().Events(t.Context(), q))(t).NextCursor
				l := must(eventListing(q))(t)
				tr := auditTable()
				query, args := l.statement(tr.list(), table)
				var lines []string
				if err := tx.SelectContext(t.Context(), &lines, tx.Rebind("EXPLAIN "+query), args...); err != nil {
					return err
				}
				if got := strings.Join(lines, "\n"); !strings.Contains(got, index) || strings.Contains(got, "Seq Scan") {
					t.Errorf("by %s, %s:\n%s", index, sort, got)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
