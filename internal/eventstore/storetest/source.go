package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/events"
)

var errEnough = errors.New("enough")

var reading = map[string]func(*testing.T, Fixture){
	"an empty log is followed and grows": func(t *testing.T, f Fixture) {
		id, err := f.Source.Identity(t.Context())
		if err != nil || id.Created.IsZero() || id.First != 1 || id.Last != 0 {
			t.Errorf("identity: got %+v, %v, want an empty log", id, err)
		}
		got := make(chan events.Message)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- f.Source.Follow(ctx, 0, 10, func(ms []events.Message) error {
				for _, m := range ms {
					got <- m
				}
				return nil
			})
		}()
		after := events.Seq(0)
		for i := range 3 {
			after = Append(t, f.Store, after, Event(Ent, fmt.Sprintf("c%d", i)))
			select {
			case m := <-got:
				if m.Seq != after {
					t.Errorf("got %d, want %d", m.Seq, after)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("event %d was not followed", after)
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v, want the context's error", err)
		}
		if id, err = f.Source.Identity(t.Context()); err != nil || id.Last != after {
			t.Errorf("identity: got %+v, %v, want the last at %d", id, err, after)
		}
	},
	"every message from a position on, in order, hostile ones too": func(t *testing.T, f Fixture) {
		want := mixed(t, f)
		for _, after := range []events.Seq{0, 1, 10, events.Seq(len(want)) - 1} {
			for _, limit := range []int{1, 7, 5000} {
				got, err := Follow(t.Context(), f.Source, after, limit, want[len(want)-1].Seq)
				if err != nil {
					t.Fatalf("after %d, limit %d: %v", after, limit, err)
				}
				if diff := cmp.Diff(want[after:], brief(got)); diff != "" {
					t.Fatalf("after %d, limit %d (-want +got):\n%s", after, limit, diff)
				}
			}
		}
	},
	"a batch is never larger than asked": func(t *testing.T, f Fixture) {
		Append(t, f.Store, 0, Events(Ent, "c1", 500)...)
		seen := 0
		err := f.Source.Follow(t.Context(), 0, 32, func(ms []events.Message) error {
			if len(ms) == 0 || len(ms) > 32 {
				t.Errorf("got a batch of %d, want 1 to 32", len(ms))
			}
			if seen += len(ms); seen == 500 {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) {
			t.Errorf("ended with %v, want the sink's error", err)
		}
	},
	"the messages of one enterprise in a range": func(t *testing.T, f Fixture) {
		want := mixed(t, f)
		end := want[len(want)-1].Seq
		for _, r := range [][2]events.Seq{{0, end}, {0, end + 100}, {3, 20}, {20, 20}, {25, 10}, {end, end + 5}, {0, 1}} {
			var own []Brief
			for _, b := range want {
				if ent, _, _ := events.ParseSubject(b.Subject); ent == Ent && b.Seq > r[0] && b.Seq <= r[1] {
					own = append(own, b)
				}
			}
			var got []events.Message
			err := f.Source.Range(t.Context(), Ent, r[0], r[1], func(m events.Message) error {
				got = append(got, m)
				return nil
			})
			if err != nil {
				t.Fatalf("range %v: %v", r, err)
			}
			if diff := cmp.Diff(own, brief(got)); diff != "" {
				t.Errorf("range %v (-want +got):\n%s", r, diff)
			}
		}
		err := f.Source.Range(t.Context(), Ent, 0, end, func(events.Message) error { return errEnough })
		if !errors.Is(err, errEnough) {
			t.Errorf("got %v, want the callback's error", err)
		}
		if err := f.Source.Range(t.Context(), "nobody-here", 0, end, func(events.Message) error { return errEnough }); err != nil {
			t.Errorf("an enterprise without events: %v", err)
		}
	},
	"one message by its sequence": func(t *testing.T, f Fixture) {
		want := mixed(t, f)
		for _, b := range want {
			m, ok, err := f.Source.At(t.Context(), b.Seq)
			if err != nil || !ok {
				t.Fatalf("at %d: %v, %v", b.Seq, ok, err)
			}
			if diff := cmp.Diff(b, brief([]events.Message{m})[0]); diff != "" {
				t.Errorf("at %d (-want +got):\n%s", b.Seq, diff)
			}
		}
		for _, seq := range []events.Seq{0, want[len(want)-1].Seq + 1, 1 << 40} {
			if m, ok, err := f.Source.At(t.Context(), seq); ok || err != nil {
				t.Errorf("at %d: got %+v, %v, want nothing", seq, m, err)
			}
		}
	},
}

// Brief is a message without what the server adds to its headers.
type Brief struct {
	Seq     events.Seq
	Subject string
	ID      string
	Data    string
	Size    int
}

func brief(ms []events.Message) []Brief {
	var all []Brief
	for _, m := range ms {
		b := Brief{Seq: m.Seq, Subject: m.Subject, Size: len(m.Data), Data: string(m.Data[:min(len(m.Data), 64)])}
		if id := m.Header[events.HeaderID]; len(id) > 0 {
			b.ID = fmt.Sprint(id)
		}
		all = append(all, b)
	}
	return all
}

// mixed fills the log with events of two enterprises and everything hostile.
func mixed(t *testing.T, f Fixture) []Brief {
	t.Helper()
	var want []Brief
	add := func(seq events.Seq, subject events.Subject, header map[string][]string, data []byte) {
		want = append(want, brief([]events.Message{{Seq: seq, Subject: string(subject), Header: header, Data: data}})...)
	}
	codec := events.NewCodec(events.Default())
	event := func(ent events.EnterpriseID, after events.Seq, cmd string) events.Seq {
		e := Event(ent, cmd)
		header, data, err := codec.Encode(events.ConfigSubject(ent), e)
		if err != nil {
			t.Fatal(err)
		}
		seq := Append(t, f.Store, after, e)
		add(seq, events.ConfigSubject(ent), header, data)
		return seq
	}
	own, other := events.Seq(0), events.Seq(0)
	for i, h := range Hostile() {
		own = event(Ent, own, fmt.Sprintf("own-%d", i))
		other = event("acme-bremen", other, fmt.Sprintf("other-%d", i))
		subject := events.StatusSubject(Ent, "p1")
		add(f.Put(t, string(subject), h.Header, h.Data), subject, h.Header, h.Data)
	}
	event(Ent, own, "last")
	return want
}

// Follow reads after a position up to last and returns what came.
func Follow(ctx context.Context, s Source, after events.Seq, limit int, last events.Seq) ([]events.Message, error) {
	var got []events.Message
	err := s.Follow(ctx, after, limit, func(ms []events.Message) error {
		got = append(got, ms...)
		if got[len(got)-1].Seq >= last {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return got, err
}
