package readmodel

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// writers write all projections, each at its own pace. Of those that do not keep
// the events only the position matters here, and what is held.
type writers struct {
	log    []events.Recorded
	leases [3]*Lease
	at     [3]events.Seq
	held   [3]map[events.EnterpriseID]events.Seq
}

// restart makes new tables of all, empty and at base.
func (w *writers) restart(t *rapid.T, db *DB, base events.Seq) {
	ctx := context.Background()
	for k, p := range Projections() {
		l, err := db.Build(ctx, p, "builder")
		if err == nil {
			err = l.foldTo(ctx, base, nil)
		}
		if err == nil {
			_, err = l.Activate(ctx)
		}
		var s State
		if err == nil {
			s, err = db.State(ctx, p)
		}
		if err == nil {
			w.leases[k], _, err = db.Acquire(ctx, p, "writer", s)
		}
		if err == nil {
			err = db.Prune(ctx, p)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.at[k], w.held[k] = base, map[events.EnterpriseID]events.Seq{}
	}
}

// isAudit says which of them keeps events.
const isAudit = 1

// between are the events of ent (empty: of whoever is not held) in a range.
func (w *writers) between(k int, ent events.EnterpriseID, from, to events.Seq) (list []events.Recorded) {
	for _, r := range w.log {
		if r.Seq < from || r.Seq > to || k != isAudit || ent != "" && r.Enterprise != ent {
			continue
		}
		if ent != "" || w.held[k][r.Enterprise] == 0 {
			list = append(list, r)
		}
	}
	return list
}

// advance applies what comes up to to; the events of hold wait from there on.
func (w *writers) advance(t *rapid.T, k int, to events.Seq, hold events.EnterpriseID) {
	list := w.between(k, "", w.at[k]+1, to)
	if hold != "" {
		list = slices.DeleteFunc(list, func(r events.Recorded) bool { return r.Seq == to })
	}
	err := w.leases[k].Write(context.Background(), mark(to), func(tx *Tx) error {
		for _, r := range list {
			if err := tx.Apply(r); err != nil {
				return err
			}
		}
		if hold != "" && tx.HeldAt(hold) == 0 {
			tx.Bury(DeadEvent{Seq: to, Enterprise: hold})
			w.held[k][hold] = to
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.at[k] = to
}

// release lets the events of ent through, up to the one before next; zero: all.
func (w *writers) release(t *rapid.T, k int, ent events.EnterpriseID, next events.Seq) {
	end := w.at[k]
	if next != 0 {
		end = next - 1
	}
	list := w.between(k, ent, w.held[k][ent], end)
	delete(w.held[k], ent)
	err := w.leases[k].Write(context.Background(), mark(w.at[k]), func(tx *Tx) error {
		if err := tx.Release(ent); err != nil {
			return err
		}
		for _, r := range list {
			if err := tx.Apply(r); err != nil {
				return err
			}
		}
		if next != 0 {
			tx.Hold(ent, next)
			w.held[k][ent] = next
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// step does something that happens to projections.
func (w *writers) step(t *rapid.T) {
	k := rapid.IntRange(0, len(w.leases)-1).Draw(t, "projection")
	ent := rapid.SampledFrom([]events.EnterpriseID{acme, beta}).Draw(t, "enterprise")
	last := w.log[len(w.log)-1].Seq
	to := min(last, w.at[k]+events.Seq(rapid.IntRange(1, 6).Draw(t, "by"))) // #nosec G115 -- small
	heldAt := w.held[k][ent]
	switch what := rapid.IntRange(0, 5).Draw(t, "what"); {
	case what == 0 && heldAt != 0:
		w.release(t, k, ent, 0)
	case what == 1 && heldAt != 0:
		later := slices.DeleteFunc(slices.Clone(w.log), func(r events.Recorded) bool { return r.Enterprise != ent || r.Seq <= heldAt || r.Seq > w.at[k] })
		if len(later) > 0 {
			w.release(t, k, ent, rapid.SampledFrom(later).Draw(t, "next").Seq)
		}
	case what == 2 && to > w.at[k]:
		w.advance(t, k, to, w.log[to-w.log[0].Seq].Enterprise)
	case to > w.at[k]:
		w.advance(t, k, to, "")
	}
}

// heldAt is the first event of ent that one of them is missing.
func (w *writers) heldAt(ent events.EnterpriseID) (first events.Seq) {
	for _, held := range w.held {
		if at := held[ent]; at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// lowest is what all of them have passed.
func (w *writers) lowest() events.Seq { return slices.Min(w.at[:]) }

// visible reports whether all have passed r.
func (w *writers) visible(r events.Recorded) bool {
	at := w.heldAt(r.Enterprise)
	return r.Seq <= w.lowest() && (at == 0 || r.Seq < at)
}

// reader follows the log as the live stream does.
type reader struct {
	only  events.EnterpriseID
	after events.Seq
	held  map[events.EnterpriseID]events.Seq
	seen  map[events.Seq]bool
}

// look reads what is new, and what was held when last looked.
func (r *reader) look(t *rapid.T, a *Audit, w *writers, limit int) {
	list, h, err := a.Passed(context.Background(), r.only, r.after, limit)
	if err != nil {
		t.Fatal(err)
	}
	want := map[events.EnterpriseID]events.Seq{}
	for _, ent := range []events.EnterpriseID{acme, beta} {
		if at := w.heldAt(ent); at != 0 {
			want[ent] = at
		}
	}
	if diff := cmp.Diff(want, h.Held, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("held (-want +got):\n%s", diff)
	}
	var expected []Event
	for _, e := range w.log {
		if w.visible(e) && e.Seq > r.after && e.Seq <= h.Position && (r.only == "" || e.Enterprise == r.only) {
			expected = append(expected, asShown(e))
		}
	}
	if diff := cmp.Diff(expected, list, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("after %d to %d (-want +got):\n%s", r.after, h.Position, diff)
	}
	if lower := w.lowest(); h.Position > lower || h.Position < lower && len(list) > limit {
		t.Fatalf("looked up to %d of %d", h.Position, lower)
	}
	for ent, at := range r.held {
		if now, still := h.Held[ent]; (still && now == at) || r.only != "" && r.only != ent {
			continue
		}
		again, err := a.Between(context.Background(), ent, at, r.after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, again...)
	}
	for _, e := range list {
		r.seen[e.Seq] = true
	}
	r.after, r.held = max(r.after, h.Position), h.Held
	for _, e := range w.log {
		if (r.only == "" || r.only == e.Enterprise) && e.Seq <= h.SafeFor(r.only) && !r.seen[e.Seq] {
			t.Fatalf("%d is missing, though up to %d nothing should be", e.Seq, h.SafeFor(r.only))
		}
	}
}

// TestPassed_readersMissNothing: however the projections advance, hold
// events back and let them go, a reader is told of an event once all have
// passed it, and up to where it is safe to resume it has seen everything.
func TestPassed_readersMissNothing(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := open(t, d)
		for _, p := range Projections() {
			must(db.Prepare(t.Context(), p))(t)
		}
		var end events.Seq // of the logs before
		rapid.Check(t, func(r *rapid.T) {
			w := &writers{}
			log, err := stored(logs().Draw(r, "log")...)
			if err != nil {
				r.Fatal(err)
			}
			base := end
			for i := range log {
				log[i].Seq += base
			}
			end = log[len(log)-1].Seq
			w.log = log
			w.restart(r, db, base)
			readers := []*reader{}
			for _, only := range []events.EnterpriseID{"", acme, beta} {
				readers = append(readers, &reader{only: only, after: base, seen: map[events.Seq]bool{}})
			}
			look := func() {
				for _, each := range readers {
					each.look(r, db.Audit(), w, rapid.IntRange(1, 20).Draw(r, "limit"))
				}
			}
			for range rapid.IntRange(1, 25).Draw(r, "steps") {
				w.step(r)
				look()
			}
			for k := range w.leases {
				for ent := range w.held[k] {
					w.release(r, k, ent, 0)
				}
				w.advance(r, k, end, "")
			}
			for range len(log) + 1 {
				look()
			}
			for _, each := range readers {
				if want := len(db.Audit().pages(t, EventQuery{Only: each.only, After: log[0].Seq - 1})); len(each.seen) != want {
					r.Fatalf("a reader of %q has seen %d of %d", each.only, len(each.seen), want)
				}
			}
		})
	})
}

// TestHorizon_saysHowFarAReaderMayGo, of one enterprise or of all.
func TestHorizon_saysHowFarAReaderMayGo(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		a := newAuditor(t, d)
		if _, _, err := a.Audit().Passed(t.Context(), "", 0, 9); !errors.Is(err, ErrUnavailable) {
			t.Errorf("without a directory: %v", err)
		}
		dir, story := acquireOf(t, a.DB, directory{}), acquireOf(t, a.DB, timeline{})
		if err := write(t, story, 99); err != nil {
			t.Fatal(err)
		}
		a.happens(acme, registered(acme), added("p1", "Lyon"))       // 1, 2
		a.happens(beta, registered(beta), added("p1", "Lyon"))       // 3, 4
		a.happens(acme, events.PeerDisabled{Peer: "p1"})             // 5
		a.happens(beta, events.PeerDisabled{Peer: "p1"})             // 6
		a.happens(acme, events.PeerEnabled{Peer: "p1"}, crowd(2)[1]) // 7, 8
		passed := func(only events.EnterpriseID, after events.Seq, limit int, want []events.Seq, position, safe events.Seq) {
			t.Helper()
			list, h, err := a.Audit().Passed(t.Context(), only, after, limit)
			if err != nil || !slices.Equal(seqs(list), want) || h.Position != position || h.SafeFor(only) != safe {
				t.Errorf("%q after %d: %v, %+v, %v; want %v, %d, %d", only, after, seqs(list), h, err, want, position, safe)
			}
		}
		passed("", 0, 9, nil, 0, 0) // the directory is at nought
		if err := write(t, dir, 7); err != nil {
			t.Fatal(err)
		}
		passed("", 0, 9, []events.Seq{1, 2, 3, 4, 5, 6, 7}, 7, 7)
		passed("", 0, 3, []events.Seq{1, 2, 3}, 3, 3)
		passed("", 2, 0, []events.Seq{3}, 3, 3) // one at least, or nobody would get on
		passed(acme, 2, 1, []events.Seq{5}, 5, 5)
		passed("gamma", 0, 9, nil, 7, 7)
		passed("", 1<<64-1, 9, nil, 7, 7)
		err := dir.Write(t.Context(), mark(7), func(tx *Tx) error { tx.Hold(beta, 4); return nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		passed("", 0, 9, []events.Seq{1, 2, 3, 5, 7}, 7, 3)
		passed("", 3, 1, nil, 4, 3) // it has looked at one, which is held
		passed(acme, 0, 9, []events.Seq{1, 2, 5, 7}, 7, 7)
		passed(beta, 0, 9, []events.Seq{3}, 7, 3)
		between := func(ent events.EnterpriseID, from, to events.Seq, limit int, want ...events.Seq) {
			t.Helper()
			if list, err := a.Audit().Between(t.Context(), ent, from, to, limit); err != nil || !slices.Equal(seqs(list), want) {
				t.Errorf("%s from %d to %d: %v, %v; want %v", ent, from, to, seqs(list), err, want)
			}
		}
		between(beta, 1, 9, 9, 3)
		between(acme, 2, 5, 9, 2, 5)
		if err := dir.Write(t.Context(), mark(7), func(tx *Tx) error { return tx.Release(beta) }, nil); err != nil {
			t.Fatal(err)
		}
		between(beta, 4, 6, 9, 4, 6)
		between(beta, 4, 6, 1, 4)
		between(acme, 7, 9, 9, 7) // the directory has not passed the eighth
		passed("", 0, 9, []events.Seq{1, 2, 3, 4, 5, 6, 7}, 7, 7)
	})
}

// TestHorizon_tellsOfAProjectionThatHasStopped, whichever it is.
func TestHorizon_tellsOfAProjectionThatHasStopped(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		db := open(t, d)
		for _, p := range Projections() {
			acquireOf(t, db, p)
		}
		for _, p := range Projections() {
			if err := acquireOf(t, db, p).Stop(t.Context(), "another log"); err != nil {
				t.Fatal(err)
			}
			if _, h, err := db.Audit().Passed(t.Context(), "", 0, 9); err != nil || h.Stopped != "another log" {
				t.Errorf("%s: %+v, %v", p.Name(), h, err)
			}
			if err := acquireOf(t, db, p).Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, h, err := db.Audit().Passed(t.Context(), "", 0, 9); err != nil || h.Stopped != "" {
				t.Errorf("%s goes on: %+v, %v", p.Name(), h, err)
			}
		}
	})
}

// TestMoves_tellOfWhateverMayHaveMoved: in this process and from another one,
// whichever projection it is, and of what is let go where nothing moves.
func TestMoves_tellOfWhateverMayHaveMoved(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		writer, other := open(t, d), open(t, d)
		for _, p := range Projections() {
			l := acquireOf(t, writer, p)
			for name, db := range map[string]*DB{"the same process": writer, "another process": other} {
				moves := must(db.Moves())(t)
				for what, fn := range map[string]func() error{
					"a position": func() error { return write(t, l, l.mark.Position+1) },
					"a hold": func() error {
						return l.Write(t.Context(), l.mark, func(tx *Tx) error { tx.Hold(acme, 1); return nil }, nil)
					},
					"a release": func() error { return l.Write(t.Context(), l.mark, func(tx *Tx) error { return tx.Release(acme) }, nil) },
				} {
					heard(t, moves, name+": "+what+" of "+p.Name(), fn)
				}
				moves.Stop()
				waiting(t, db, 0)
			}
		}
	})
}

// heard fails the test unless who watches hears of what fn does.
func heard(t *testing.T, m *Moves, what string, fn func() error) {
	t.Helper()
	// A poller that has just begun says once that it does not know.
	for range 2 {
		next := m.Next()
		if err := fn(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
		select {
		case <-next:
		case <-ctx.Done():
			t.Errorf("nothing is heard of %s", what)
		}
		cancel()
	}
}

func TestMoves_endWithTheDatabase(t *testing.T) {
	db := connect(t, testkit.SQLite(t).URL)
	m := must(db.Moves())(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	m.Stop()
	if _, err := db.Moves(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
