package events

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readAs reads data by the layout of e's type.
func readAs(e Event, data []byte) (got any, ok bool) {
	typ := reflect.TypeOf(e)
	v := reflect.New(typ).Elem()
	l := layoutOf(typ)
	if l == nil || !l.read(data, v) {
		return nil, false
	}
	return v.Interface(), true
}

// unmarshal reads data as encoding/json does.
func unmarshal(e Event, data []byte) (any, error) {
	v := reflect.New(reflect.TypeOf(e))
	err := json.Unmarshal(data, v.Interface())
	return v.Elem().Interface(), err
}

// without are the events with a list of structs, which no layout describes; all
// others must be read the quick way, or the quick way is for nothing.
var without = map[Type]bool{"PeerNoticeRaised": true, "PeerNoticeAcknowledged": true}

func TestLayout_readsWhatEncodeWrites(t *testing.T) {
	for typ, full := range samples() {
		empty := reflect.Zero(reflect.TypeOf(full)).Interface().(Event)
		for name, e := range map[string]Event{"full": full, "empty": empty} {
			data, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := readAs(e, data)
			if ok == without[typ] {
				t.Errorf("%s, %s: read by its layout: %v", typ, name, ok)
			}
			if diff := cmp.Diff(any(e), got); ok && diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", typ, name, diff)
			}
		}
	}
}

func TestLayout_leavesTheRestToJSON(t *testing.T) {
	for name, data := range map[string]string{
		"spaces":            `{"peer": "p", "from":"a","to":"b"}`,
		"another order":     `{"from":"a","peer":"p","to":"b"}`,
		"a member too few":  `{"peer":"p","from":"a"}`,
		"a member too many": `{"peer":"p","from":"a","to":"b","x":1}`,
		"a member twice":    `{"peer":"p","from":"a","to":"b","to":"c"}`,
		"an escape":         `{"peer":"p","from":"a\"","to":"b"}`,
		"not ASCII":         `{"peer":"p","from":"ä","to":"b"}`,
		"invalid UTF-8":     "{\"peer\":\"p\",\"from\":\"\xff\",\"to\":\"b\"}",
		"control":           "{\"peer\":\"p\",\"from\":\"\n\",\"to\":\"b\"}",
		"null":              `{"peer":null,"from":"a","to":"b"}`,
		"a number":          `{"peer":1,"from":"a","to":"b"}`,
		"cut off":           `{"peer":"p","from":"a","to":"b"`,
		"cut off in text":   `{"peer":"p","from":"a`,
		"something after":   `{"peer":"p","from":"a","to":"b"} `,
		"no comma":          `{"peer":"p""from":"a","to":"b"}`,
		"comma first":       `{,"peer":"p","from":"a","to":"b"}`,
		"nothing":           ``,
	} {
		if got, ok := readAs(PeerRenamed{}, []byte(data)); ok {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
	for _, names := range []string{`[]`, `["a", "b"]`, `["a",]`, `["a"`, `["a"x]`, `[1]`, `[`, `null`, `"a"`, ``} {
		data := strings.Replace(`{"peer":"p","not_before":"2026-01-02T03:04:05Z","not_after":"2026-01-02T03:04:05Z","issuer":"i","subject":"s","names":N,"fingerprint":"f"}`, "N", names, 1)
		if got, ok := readAs(PeerCertificateSeen{}, []byte(data)); ok {
			t.Errorf("%s: read as %+v", names, got)
		}
	}
	for _, number := range []string{"-1", "1.5", "1e3", "007", "1234567890123456789", `"1"`, "", "+1"} {
		data := strings.Replace(`{"peer":"p","peer_type":"t","description":"d","port":N}`, "N", number, 1)
		if got, ok := readAs(PeerAdded{}, []byte(data)); ok {
			t.Errorf("%s: read as %+v", number, got)
		}
	}
}

// A text that gives up half-way must leave nothing behind for encoding/json.
func TestRegistry_halfReadBodyLeavesNothingBehind(t *testing.T) {
	got, err := Default().Decode("PeerRenamed", 1, []byte(`{"peer":"p","from":"left behind","to":"b" , "from":""}`))
	if want := (PeerRenamed{Peer: "p", To: "b"}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	got, err = Default().Decode("PeerRenamed", 1, []byte(`{"peer":"p","from":"left behind","x":"b"}`))
	if want := (PeerRenamed{Peer: "p", From: "left behind"}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	got, err = Default().Decode("PeerAdded", 1, []byte(`{"peer":"p","peer_type":"t","description":"left behind","description":"d","peer":"q","peer_type":null}`))
	if want := (PeerAdded{Peer: "q", PeerType: "t", Description: "d"}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// FuzzLayout: whatever a layout reads, encoding/json reads the same.
func FuzzLayout(f *testing.F) {
	registry := Default()
	types := registry.Types()
	all := samples()
	for i, typ := range types {
		data, err := json.Marshal(all[typ])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, data)
	}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		e := all[types[uint(i)%uint(len(types))]]
		got, ok := readAs(e, data)
		if !ok {
			return
		}
		want, err := unmarshal(e, data)
		if err != nil {
			t.Fatalf("%q was read as %+v, encoding/json says: %v", data, got, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q (-encoding/json +layout):\n%s", data, diff)
		}
	})
}
