package storetest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

var outcomes = map[string]func(*testing.T, Fixture){
	"there is none at first": func(t *testing.T, f Fixture) {
		if data, ok, err := f.Outcomes.Find(t.Context(), Ent, "c1"); ok || err != nil {
			t.Errorf("got %q, %v, want none", data, err)
		}
	},
	"the first one stands": func(t *testing.T, f Fixture) {
		for _, try := range []string{"first", "second", "first"} {
			stands, err := f.Outcomes.Keep(t.Context(), Ent, "c1", []byte(try))
			if err != nil || string(stands) != "first" {
				t.Errorf("keep %q: got %q, %v, want the first", try, stands, err)
			}
		}
		if data, ok, err := f.Outcomes.Find(t.Context(), Ent, "c1"); !ok || err != nil || string(data) != "first" {
			t.Errorf("got %q, %v, %v, want the first", data, ok, err)
		}
	},
	"enterprises and commands are apart": func(t *testing.T, f Fixture) {
		places := []struct {
			ent events.EnterpriseID
			id  events.CommandID
		}{{Ent, "c1"}, {Ent, "c2"}, {"acme-bremen", "c1"}}
		for i, p := range places {
			if _, err := f.Outcomes.Keep(t.Context(), p.ent, p.id, fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range places {
			if data, _, err := f.Outcomes.Find(t.Context(), p.ent, p.id); err != nil || string(data) != fmt.Sprint(i) {
				t.Errorf("%v: got %q, %v, want %d", p, data, err, i)
			}
		}
	},
	"of many at once all learn the same": func(t *testing.T, f Fixture) {
		const many = 16
		got := make([]string, many)
		var wg sync.WaitGroup
		for i := range many {
			wg.Go(func() {
				stands, err := f.Outcomes.Keep(t.Context(), Ent, "c1", fmt.Append(nil, i))
				if err != nil {
					t.Error(err)
				}
				got[i] = string(stands)
			})
		}
		wg.Wait()
		for i := range got {
			if got[i] != got[0] {
				t.Errorf("%d learnt %q, another %q", i, got[i], got[0])
			}
		}
	},
}

var snapshots = map[string]func(*testing.T, Fixture){
	"there is none at first": func(t *testing.T, f Fixture) {
		if s, ok, err := f.Snapshots.Load(t.Context(), Ent); ok || err != nil {
			t.Errorf("got %+v, %v, want none", s, err)
		}
	},
	"of any size, the newest comes back whole": func(t *testing.T, f Fixture) {
		for i, size := range []int{0, 1, 300, 512 << 10, 512<<10 + 1, 5 << 20, 2 << 20, 10} {
			want := eventstore.Snapshot{Seq: events.Seq(i + 1), Format: i, Data: noise(size)}
			save(t, f, Ent, want)
			same(t, f, Ent, want)
		}
	},
	"an older one does not replace a newer one": func(t *testing.T, f Fixture) {
		newer := eventstore.Snapshot{Seq: 20, Format: 1, Data: noise(1 << 20)}
		save(t, f, Ent, newer)
		save(t, f, Ent, eventstore.Snapshot{Seq: 19, Format: 1, Data: noise(100)})
		same(t, f, Ent, newer)
	},
	"a dropped one makes room for an older one": func(t *testing.T, f Fixture) {
		older := eventstore.Snapshot{Seq: 19, Format: 1, Data: noise(1 << 20)}
		save(t, f, Ent, eventstore.Snapshot{Seq: 20, Format: 1, Data: noise(1 << 20)})
		drop(t, f, Ent, 20)
		if s, ok, err := f.Snapshots.Load(t.Context(), Ent); ok || err != nil {
			t.Errorf("got one at %d, %v, want none", s.Seq, err)
		}
		drop(t, f, Ent, 20)
		save(t, f, Ent, older)
		same(t, f, Ent, older)
		save(t, f, "acme-bremen", older)
		for _, at := range []events.Seq{0, 18, 20} {
			drop(t, f, Ent, at)
		}
		same(t, f, Ent, older)
		drop(t, f, Ent, 19)
		same(t, f, "acme-bremen", older)
	},
	"enterprises are apart": func(t *testing.T, f Fixture) {
		a := eventstore.Snapshot{Seq: 1, Format: 1, Data: []byte("a")}
		b := eventstore.Snapshot{Seq: 2, Format: 1, Data: noise(1 << 20)}
		save(t, f, Ent, a)
		save(t, f, "acme-bremen", b)
		same(t, f, Ent, a)
		same(t, f, "acme-bremen", b)
	},
	"many savers leave the newest, and readers see whole ones": func(t *testing.T, f Fixture) {
		const savers = 8
		var wg sync.WaitGroup
		for i := range savers {
			wg.Go(func() {
				s := eventstore.Snapshot{Seq: events.Seq(i + 1), Data: bytes.Repeat([]byte{byte(i)}, 700<<10)}
				if err := f.Snapshots.Save(t.Context(), Ent, s); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				s, ok, err := f.Snapshots.Load(t.Context(), Ent)
				if err != nil || ok && !bytes.Equal(s.Data, bytes.Repeat([]byte{byte(s.Seq - 1)}, 700<<10)) {
					t.Errorf("read %d bytes of %d, %v", len(s.Data), s.Seq, err)
				}
			})
		}
		wg.Wait()
		if s, ok, err := f.Snapshots.Load(t.Context(), Ent); !ok || err != nil || s.Seq != savers {
			t.Errorf("got %d, %v, %v, want the newest, %d", s.Seq, ok, err, savers)
		}
	},
}

func save(t *testing.T, f Fixture, ent events.EnterpriseID, s eventstore.Snapshot) {
	t.Helper()
	if err := f.Snapshots.Save(t.Context(), ent, s); err != nil {
		t.Fatalf("save %d bytes: %v", len(s.Data), err)
	}
}

func drop(t *testing.T, f Fixture, ent events.EnterpriseID, at events.Seq) {
	t.Helper()
	if err := f.Snapshots.Drop(t.Context(), ent, at); err != nil {
		t.Fatalf("drop the one at %d: %v", at, err)
	}
}

func same(t *testing.T, f Fixture, ent events.EnterpriseID, want eventstore.Snapshot) {
	t.Helper()
	got, ok, err := f.Snapshots.Load(t.Context(), ent)
	if err != nil || !ok || got.Seq != want.Seq || got.Format != want.Format || !bytes.Equal(got.Data, want.Data) {
		t.Errorf("%s: got %d bytes at %d in format %d, %v, %v; want %d at %d in format %d",
			ent, len(got.Data), got.Seq, got.Format, ok, err, len(want.Data), want.Seq, want.Format)
	}
}

// noise is data that does not compress to nothing.
func noise(n int) []byte {
	data := make([]byte, 0, n+sha256.Size)
	for block := sha256.Sum256([]byte("noise")); len(data) < n; block = sha256.Sum256(block[:]) {
		data = append(data, block[:]...)
	}
	return data[:n]
}
