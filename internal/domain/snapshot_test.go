package domain_test

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// fill gives every field below v a value of its own.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(domaintest.Start().Add(time.Duration(*n) * time.Microsecond)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.String:
		v.SetString("text" + strconv.Itoa(*n))
	case reflect.Int:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("a kind that the snapshot does not know: " + v.Kind().String())
	}
}

// TestSnapshot_keepsEveryField fails when a field is added to the state and
// forgotten in the snapshot. Then raise SnapshotFormat too.
func TestSnapshot_keepsEveryField(t *testing.T) {
	var p domain.Peer
	var manual domain.TrustedServer
	n := 0
	fill(reflect.ValueOf(&p).Elem(), &n)
	fill(reflect.ValueOf(&manual).Elem(), &n)
	manual.Peer = "" // a manual entry has none
	state := domain.NewEnterprise("acme")
	state.PeerInState(p)
	state.ManualInState(manual)
	restored, err := domain.UnmarshalSnapshot("acme", 0, domaintest.Snapshot(t, state))
	if err != nil {
		t.Fatal(err)
	}
	gotPeer, _ := restored.Peer(p.ID)
	gotManual, _ := restored.TrustedServer(manual.ID)
	if diff := cmp.Diff(p, gotPeer); diff != "" {
		t.Errorf("peer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(manual, gotManual); diff != "" {
		t.Errorf("trusted server (-want +got):\n%s", diff)
	}
}

// eventful is a state that has something of everything.
func eventful(t testing.TB) *domain.Enterprise {
	state := given(
		lyon(), pinned2(), domaintest.ExternalAdded("p3", "Jabber"), gateway(),
		events.PeerDisabled{Peer: "p2"}, raised(change("hostname", "a", "b")),
		events.PeerMaintenanceScheduled{Peer: "p1", Start: domaintest.Start(), End: domaintest.Start().Add(time.Hour), Note: "move"},
		events.EnterpriseServerChanged{To: events.Server{Hostname: "new.acme.example", Address: "192.0.2.3", Version: "9.9"}},
		events.PeerDeleted{Peer: "p3"}, events.TrustedServerRemoved{TrustedServer: "t1"},
		events.TrustedServerRenamed{TrustedServer: "peer-p1", Peer: "p1", To: "Branch"},
	).State(t)
	return state
}

func pinned2() events.PeerAdded {
	p := peerAdded("p2", "Turin", "pbx.turin.example")
	p.Address, p.DialingPrefix, p.Version = "192.0.2.1", "*9", "9.7.1.105"
	return p
}

func TestSnapshot_restoresWhatAccessorsTell(t *testing.T) {
	states := map[string]*domain.Enterprise{
		"of nothing":  domain.NewEnterprise("acme"),
		"of a busy":   eventful(t),
		"of the gone": domaintest.GivenNothing(domaintest.Registered(), gateway(), events.EnterpriseRemoved{}).State(t),
	}
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			data := domaintest.Snapshot(t, state)
			restored, err := domain.UnmarshalSnapshot("acme", state.Seq(), data)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(data, domaintest.Snapshot(t, restored)) {
				t.Error("the snapshot of the restored state differs")
			}
			for what, pair := range map[string][2]any{
				"peers":           {state.Peers(), restored.Peers()},
				"trusted servers": {state.TrustedServers(), restored.TrustedServers()},
				"server":          {state.Server(), restored.Server()},
				"description":     {state.Description(), restored.Description()},
				"domain":          {state.Domain(), restored.Domain()},
				"changed":         {state.Changed(), restored.Changed()},
				"registered":      {state.Registered(), restored.Registered()},
				"size":            {state.Size(), restored.Size()},
			} {
				if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
					t.Errorf("%s (-before +restored):\n%s", what, diff)
				}
			}
			a, goneA := state.Removed()
			b, goneB := restored.Removed()
			if a != b || goneA != goneB {
				t.Errorf("removal: %+v %v before, %+v %v restored", a, goneA, b, goneB)
			}
			for _, cmd := range []domain.Command{domain.DeletePeer{Peer: "p3"}, domain.RemoveTrustedServer{TrustedServer: "t1"}, boston(nil), domain.RemoveEnterprise{}} {
				d1, err1 := domain.Decide(state, cmd, domain.Input{NewID: "n"})
				d2, err2 := domain.Decide(restored, cmd, domain.Input{NewID: "n"})
				if diff := cmp.Diff(d1, d2) + cmp.Diff(err1, err2); diff != "" {
					t.Errorf("%s (-before +restored):\n%s", cmd.Name(), diff)
				}
			}
		})
	}
}

func TestSnapshot_damagedOrForeignIsRefused(t *testing.T) {
	state := eventful(t)
	data := domaintest.Snapshot(t, state)
	for name, tc := range map[string]struct {
		id    events.EnterpriseID
		seq   events.Seq
		data  []byte
		words string
	}{
		"another enterprise": {"beta", state.Seq(), data, "acme"},
		"another sequence":   {"acme", state.Seq() + 1, data, "not of"},
		"nothing":            {"acme", state.Seq(), nil, "damaged"},
		"a piece":            {"acme", state.Seq(), data[:len(data)/2], "damaged"},
		"too much":           {"acme", state.Seq(), domain.Seal(append(data[:len(data)-4:len(data)-4], 0)), "more than"},
		"too little":         {"acme", state.Seq(), domain.Seal(data[:len(data)-5]), "too early"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := domain.UnmarshalSnapshot(tc.id, tc.seq, tc.data); err == nil || got != nil || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("got %v, %v; want an error with %q", got, err, tc.words)
			}
		})
	}
	for i := range data {
		broken := bytes.Clone(data)
		broken[i] ^= 0x10
		if _, err := domain.UnmarshalSnapshot("acme", state.Seq(), broken); err == nil {
			t.Fatalf("a changed byte at %d goes unnoticed", i)
		}
	}
}

func TestSnapshot_doesNotShareMemoryWithItsBytes(t *testing.T) {
	state := eventful(t)
	data := domaintest.Snapshot(t, state)
	restored, err := domain.UnmarshalSnapshot("acme", state.Seq(), data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if !bytes.Equal(domaintest.Snapshot(t, state), domaintest.Snapshot(t, restored)) {
		t.Error("the state changed with the bytes it was read from")
	}
}

// FuzzUnmarshalSnapshot: whatever the bytes under a right seal, never a panic
// and never memory out of proportion.
func FuzzUnmarshalSnapshot(f *testing.F) {
	state := eventful(f)
	data := domaintest.Snapshot(f, state)
	f.Add(data[:len(data)-4])
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := domain.UnmarshalSnapshot("acme", state.Seq(), domain.Seal(body))
		if (err == nil) == (got == nil) {
			t.Errorf("got %v with error %v", got, err)
		}
	})
}
