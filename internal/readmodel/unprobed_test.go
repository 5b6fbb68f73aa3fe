package readmodel

import (
	stdcmp "cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

var statuses = []events.Status{
	events.StatusUnknown, events.StatusUp, events.StatusDegraded, events.StatusDown, events.StatusDisabled, events.StatusNA,
}

// nobody probes acme since a second; others are probed.
func nobody(since events.Seq) func(events.EnterpriseID) *Unprobed {
	return func(ent events.EnterpriseID) *Unprobed {
		if ent != acme {
			return nil
		}
		return &Unprobed{Since: at(since), Cause: events.Cause{Layer: events.LayerPolicy, Code: "not_probed", Message: "Nobody's probers run."}}
	}
}

// mixed is a stage with peers in every status, probed before and after the
// second that is returned.
func mixed(t *testing.T, d testkit.Database) (*stage, events.Seq) {
	s := newStage(t, d)
	s.registers(acme)
	s.registers(beta, added("p1", "Lyon"), status("p1", events.StatusUp, 4))
	for i := range 20 {
		id := events.PeerID(fmt.Sprintf("p%02d", i))
		s.happens(acme, added(id, fmt.Sprintf("Peer %d", i%7)))
		verdict := status(id, statuses[i%4], s.last)
		verdict.Since = at(events.Seq(50 * i % 37)) // #nosec G115 -- small
		verdict.Cause.Code = []string{"", "expired", "refused", "zz"}[i%4]
		s.happens(acme, verdict)
	}
	s.happens(acme, events.PeerDisabled{Peer: "p05"}, events.PeerDisabled{Peer: "p06"}, events.PeerDeleted{Peer: "p07"}, events.PeerDeleted{Peer: "p05"},
		domaintest.ExternalAdded("x1", "Gateway"), domaintest.ExternalAdded("x2", "Gateway"), added("p99", "New"))
	return s, 20
}

// shownUnprobed is what a living or deleted row shows when nobody probes.
func shownUnprobed(p Peer, u *Unprobed) Peer {
	if p.Deleted == nil && p.Enabled && p.Type == events.PeerMiCollab {
		if p.Status != events.StatusUnknown && (u.Since.After(p.StatusSince) || u.Since.IsZero()) {
			p.StatusSince = u.Since
		}
		p.Status, p.Cause = events.StatusUnknown, u.Cause
	}
	return p
}

// TestUnprobed_everyQueryTellsTheSame: rows, filters, sorts and counts.
func TestUnprobed_everyQueryTellsTheSame(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s, since := mixed(t, d)
		plain := s.Directory()
		var u *Unprobed
		dir := s.Directory().Probing(func(ent events.EnterpriseID) *Unprobed {
			if ent == acme {
				return u
			}
			return nil
		})
		read := func(dir *Directory, ent events.EnterpriseID, q PeerQuery) (list []Peer) {
			for q.Limit = 3; len(list) == 0 || q.Cursor != ""; {
				page := must(dir.Peers(t.Context(), ent, q))(t)
				list, q.Cursor = append(list, page.Items...), page.NextCursor
				if len(page.Items) == 0 {
					break
				}
			}
			return list
		}
		known, unknown := nobody(since)(acme), nobody(since)(acme)
		unknown.Since = time.Time{}
		for i, deleted := range []bool{false, true, false, true} {
			u = []*Unprobed{known, unknown}[i/2]
			want := read(plain, acme, PeerQuery{Deleted: deleted})
			for i, p := range want {
				want[i] = shownUnprobed(p, u)
				if diff := cmp.Diff(want[i], must(dir.Peer(t.Context(), acme, p.ID))(t)); diff != "" {
					t.Errorf("alone (-want +got):\n%s", diff)
				}
			}
			if diff := cmp.Diff(want, read(dir, acme, PeerQuery{Deleted: deleted})); diff != "" || len(want) == 0 {
				t.Errorf("listed, deleted %t (-want +got):\n%s", deleted, diff)
			}
			for _, status := range statuses {
				only := slices.DeleteFunc(slices.Clone(want), func(p Peer) bool { return p.Status != status })
				got := read(dir, acme, PeerQuery{Deleted: deleted, Status: status})
				if !slices.Equal(ids(only), ids(got)) {
					t.Errorf("%s, deleted %t: %v, want %v", status, deleted, ids(got), ids(only))
				}
			}
			for name, by := range map[string]func(a, b Peer) int{
				"status":       func(a, b Peer) int { return stdcmp.Compare(a.Status, b.Status) },
				"status_cause": func(a, b Peer) int { return stdcmp.Compare(a.Cause.Code, b.Cause.Code) },
				"status_since": func(a, b Peer) int { return a.StatusSince.Compare(b.StatusSince) },
			} {
				slices.SortFunc(want, func(a, b Peer) int { return stdcmp.Or(by(a, b), stdcmp.Compare(a.ID, b.ID)) })
				if got := read(dir, acme, PeerQuery{Deleted: deleted, ListQuery: ListQuery{Sort: name}}); !slices.Equal(ids(want), ids(got)) {
					t.Errorf("by %s, deleted %t: %v, want %v", name, deleted, ids(got), ids(want))
				}
				if got := read(dir, acme, PeerQuery{Deleted: deleted, ListQuery: ListQuery{Sort: "-" + name}}); !slices.Equal(ids(reversed(want)), ids(got)) {
					t.Errorf("by -%s, deleted %t: %v, want %v", name, deleted, ids(got), ids(reversed(want)))
				}
			}
		}
		if diff := cmp.Diff(read(plain, beta, PeerQuery{}), read(dir, beta, PeerQuery{})); diff != "" {
			t.Errorf("of another enterprise (-want +got):\n%s", diff)
		}
	})
}

// TestUnprobed_countsAreThoseOfTheRows, in the list and alone.
func TestUnprobed_countsAreThoseOfTheRows(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s, since := mixed(t, d)
		dir := s.Directory().Probing(nobody(since))
		listed := must(dir.Enterprises(t.Context(), EnterpriseQuery{}))(t).Items
		for _, ent := range []events.EnterpriseID{acme, beta} {
			want := map[events.Status]int{}
			for _, p := range must(dir.Peers(t.Context(), ent, PeerQuery{}))(t).Items {
				want[p.Status]++
			}
			alone := must(dir.Enterprise(t.Context(), ent))(t)
			i := slices.IndexFunc(listed, func(e Enterprise) bool { return e.ID == ent })
			if diff := cmp.Diff(want, alone.ByStatus) + cmp.Diff(want, listed[i].ByStatus); diff != "" {
				t.Errorf("%s (-rows +counted):\n%s", ent, diff)
			}
			if up := want[events.StatusUp]; (up > 0) != (ent == beta) {
				t.Errorf("%s has %d up", ent, up)
			}
		}
	})
}

// TestUnprobed_sinceWhenItIsUnknown: what was unknown before stays so since then.
func TestUnprobed_sinceWhenItIsUnknown(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Up"), added("p2", "New"), added("p3", "Later")) // 2, 3, 4
		up, later := status("p1", events.StatusUp, 4), status("p3", events.StatusUp, 4)
		up.Since, later.Since = at(5), at(60)
		s.happens(acme, up, later)
		dir := s.Directory().Probing(nobody(50))
		for id, want := range map[events.PeerID]time.Time{"p1": at(50), "p2": at(3), "p3": at(60)} {
			p := must(dir.Peer(t.Context(), acme, id))(t)
			if p.Status != events.StatusUnknown || p.StatusSince != want || p.Cause.Code != "not_probed" {
				t.Errorf("%s is %s (%s) since %s, want %s", id, p.Status, p.Cause.Code, p.StatusSince, want)
			}
		}
	})
}

// TestUnprobed_sinceWhenNobodyKnows: what was known before is not what lasted.
func TestUnprobed_sinceWhenNobodyKnows(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s := newStage(t, d)
		s.registers(acme, added("p1", "Up"), added("p2", "New"), status("p1", events.StatusUp, 2)) // 2, 3
		dir := s.Directory().Probing(func(events.EnterpriseID) *Unprobed { return &Unprobed{Cause: events.Cause{Code: "not_probed"}} })
		for id, want := range map[events.PeerID]time.Time{"p1": {}, "p2": at(3)} {
			if p := must(dir.Peer(t.Context(), acme, id))(t); p.Status != events.StatusUnknown || p.StatusSince != want {
				t.Errorf("%s is %s since %s, want %s", id, p.Status, p.StatusSince, want)
			}
		}
	})
}

// TestUnprobed_pagesAreNotMixed: one that was kept while somebody probed is not
// shown when nobody does, nor the other way round, nor for another reason.
func TestUnprobed_pagesAreNotMixed(t *testing.T) {
	s, _ := mixed(t, testkit.SQLite(t))
	var now *Unprobed
	dir := s.Directory().Probing(func(events.EnterpriseID) *Unprobed { return now })
	plain := must(s.Directory().Peers(t.Context(), acme, PeerQuery{}))(t).Items
	for _, u := range []*Unprobed{
		nil, {Since: at(20), Cause: events.Cause{Code: "a"}}, {Since: at(30), Cause: events.Cause{Code: "a"}}, {Since: at(30), Cause: events.Cause{Code: "b"}}, nil, {},
	} {
		now = u
		want := slices.Clone(plain)
		for i := range want {
			if u != nil {
				want[i] = shownUnprobed(want[i], u)
			}
		}
		for range 2 {
			if diff := cmp.Diff(want, must(dir.Peers(t.Context(), acme, PeerQuery{}))(t).Items); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", u, diff)
			}
		}
	}
}

// TestUnprobed_cursorsAreOfTheSameProbing: one of an order that has changed is
// refused, as rows would be skipped or shown twice; of any other it goes on.
func TestUnprobed_cursorsAreOfTheSameProbing(t *testing.T) {
	s, _ := mixed(t, testkit.SQLite(t))
	var now *Unprobed
	dir := s.Directory().Probing(func(events.EnterpriseID) *Unprobed { return now })
	early := &Unprobed{Since: at(20), Cause: events.Cause{Code: "a"}}
	late := &Unprobed{Since: at(30), Cause: events.Cause{Code: "b"}}
	bare := &Unprobed{Since: at(20)}
	ways := []*Unprobed{nil, early, late, bare}
	for name, c := range map[string]struct {
		q    PeerQuery
		same [][]*Unprobed // those between which a cursor goes on
	}{
		"natural":      {PeerQuery{}, [][]*Unprobed{ways}},
		"last probe":   {PeerQuery{ListQuery: ListQuery{Sort: "-last_probe"}}, [][]*Unprobed{ways}},
		"status":       {PeerQuery{ListQuery: ListQuery{Sort: "status"}}, [][]*Unprobed{{nil}, {early, late, bare}}},
		"cause":        {PeerQuery{ListQuery: ListQuery{Sort: "-status_cause"}}, [][]*Unprobed{{nil}, {early, late}, {bare}}},
		"since":        {PeerQuery{ListQuery: ListQuery{Sort: "-status_since"}}, [][]*Unprobed{{nil}, {early, bare}, {late}}},
		"filtered":     {PeerQuery{Status: events.StatusUnknown}, [][]*Unprobed{{nil}, {early, late, bare}}},
		"other filter": {PeerQuery{Type: events.PeerMiCollab}, [][]*Unprobed{ways}},
	} {
		for _, group := range c.same {
			for _, before := range group {
				for _, after := range ways {
					now = before
					q := c.q
					q.Limit = 1
					q.Cursor = must(dir.Peers(t.Context(), acme, q))(t).NextCursor
					now = after
					_, err := dir.Peers(t.Context(), acme, q)
					if slices.Contains(group, after) {
						if err != nil {
							t.Errorf("%s, from %+v to %+v: %v", name, before, after, err)
						}
						continue
					}
					refused(t, err, "cursor")
				}
			}
		}
	}
}

// TestUnprobed_aReasonWithoutACodeIsSorted as one.
func TestUnprobed_aReasonWithoutACodeIsSorted(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		s, _ := mixed(t, d)
		dir := s.Directory().Probing(func(events.EnterpriseID) *Unprobed { return &Unprobed{Since: at(1)} })
		list := ids(must(dir.Peers(t.Context(), acme, PeerQuery{ListQuery: ListQuery{Sort: "status_cause"}}))(t).Items)
		if !slices.IsSorted(list) {
			t.Errorf("all without a cause: %v", list)
		}
	})
}
