package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

var loading = map[string]func(*testing.T, Fixture){
	"an unknown subject is empty": func(t *testing.T, f Fixture) {
		Holds(t, f.Store, Subject)
		if last, err := f.Store.Last(t.Context(), Subject); err != nil || last != 0 {
			t.Errorf("last: got %d, %v, want 0", last, err)
		}
		if got := Load(t, f.Store, Subject, 7); len(got) != 0 {
			t.Errorf("got %v, want nothing", got)
		}
	},
	"only what is after the position": func(t *testing.T, f Fixture) {
		seqs := []events.Seq{0}
		for i := range 40 {
			seqs = append(seqs, Append(t, f.Store, seqs[i], Event(Ent, fmt.Sprintf("c%d", i))))
			Append(t, f.Store, 0, Event(events.EnterpriseID(fmt.Sprintf("other-%d", i)), "noise"))
		}
		for i, after := range seqs {
			got := Load(t, f.Store, Subject, after)
			if len(got) != 40-i {
				t.Errorf("after the %d. event: got %d events, want %d", i, len(got), 40-i)
			}
			for j, r := range got {
				if r.Seq != seqs[i+j+1] {
					t.Errorf("after the %d. event: event %d is at %d, want %d", i, j, r.Seq, seqs[i+j+1])
				}
			}
		}
		if last, err := f.Store.Last(t.Context(), Subject); err != nil || last != seqs[40] {
			t.Errorf("last: got %d, %v, want %d", last, err, seqs[40])
		}
	},
	"a long history comes whole and in order": func(t *testing.T, f Fixture) {
		var want []events.Envelope
		after := events.Seq(0)
		for i := range 5 {
			evs := Events(Ent, fmt.Sprintf("c%d", i), 400)
			after = Append(t, f.Store, after, evs...)
			Append(t, f.Store, 0, Event(events.EnterpriseID(fmt.Sprintf("other-%d", i)), "noise"))
			want = append(want, evs...)
		}
		Holds(t, f.Store, Subject, want...)
	},
	"status and configuration are apart": func(t *testing.T, f Fixture) {
		status := events.StatusSubject(Ent, "p1")
		e := Event(Ent, "c1")
		e.Event = events.PeerStatusChanged{Peer: "p1", From: events.StatusUnknown, To: events.StatusUp}
		if _, err := f.Store.Append(t.Context(), status, 0, e); err != nil {
			t.Fatal(err)
		}
		Append(t, f.Store, 0, Event(Ent, "c2"))
		Holds(t, f.Store, Subject, Event(Ent, "c2"))
		if got := Load(t, f.Store, status, 0); len(got) != 1 {
			t.Errorf("got %d status events, want 1", len(got))
		}
	},
	"an error of the callback ends it": func(t *testing.T, f Fixture) {
		first := Append(t, f.Store, 0, Events(Ent, "c1", 1)...)
		Append(t, f.Store, first, Events(Ent, "c2", 50)...)
		stop := errors.New("enough")
		for _, n := range []int{1, 2, 30} {
			calls := 0
			last, err := f.Store.Load(t.Context(), Subject, 0, func(events.Recorded) error {
				if calls++; calls == n {
					return stop
				}
				return nil
			})
			if !errors.Is(err, stop) || calls != n || last != events.Seq(n-1) {
				t.Errorf("stopped at call %d: %d calls, last %d, error %v", n, calls, last, err)
			}
		}
	},
	"a message that is no event ends it": func(t *testing.T, f Fixture) {
		for i, m := range Hostile() {
			ent := events.EnterpriseID(fmt.Sprintf("bad-%d", i))
			subject := events.ConfigSubject(ent)
			Append(t, f.Store, 0, Event(ent, "c1"))
			at := f.Put(t, string(subject), m.Header, m.Data)
			loaded := 0
			_, err := f.Store.Load(t.Context(), subject, 0, func(events.Recorded) error { loaded++; return nil })
			var bad *eventstore.UnreadableError
			var why *events.DecodeError
			if !errors.As(err, &bad) || bad.Seq != at || bad.Subject != subject || !errors.As(err, &why) || loaded != 1 {
				t.Errorf("%s: got %d events and %v, want 1 and what is wrong at %d", m.Name, loaded, err, at)
			}
			if last, err := f.Store.Last(t.Context(), subject); err != nil || last != at {
				t.Errorf("%s: last: got %d, %v, want %d", m.Name, last, err, at)
			}
		}
	},
}
