package events

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode feeds hostile messages. Decode must not panic, must name the kind
// of every refusal, and what it accepts must be encodable and read the same
// again.
func FuzzDecode(f *testing.F) {
	codec := NewCodec(Default())
	for _, typ := range codec.registry.Types() {
		m := message(f, codec, envelope(samples()[typ]))
		f.Add(m.Subject, string(typ), "1", m.Header[HeaderTime][0], "0/1", "a reason", m.Data)
	}
	f.Add("peering.events.*.config", "PeerAdded", "2", "now", "1/0", "\x00", []byte("[]"))
	kinds := []DecodeKind{Malformed, UnknownType, UnknownVersion}
	f.Fuzz(func(t *testing.T, subject, typ, version, when, part, reason string, data []byte) {
		ent, _, _ := ParseSubject(subject)
		m := Message{Seq: 1, Subject: subject, Data: data, Header: map[string][]string{
			HeaderSpecVersion: {specVersion},
			HeaderID:          {"id-1"},
			HeaderSource:      {sourcePrefix + string(ent)},
			HeaderCommandID:   {"cmd-1"},
			HeaderType:        {typ},
			HeaderDataVersion: {version},
			HeaderTime:        {when},
			HeaderCommandPart: {part},
			HeaderReason:      {reason},
		}}
		got, err := codec.Decode(m)
		if err != nil {
			var de *DecodeError
			if !errors.As(err, &de) || !slices.Contains(kinds, de.Kind) {
				t.Fatalf("got an error without a kind: %v", err)
			}
			return
		}
		header, first, err := codec.Encode(got.Subject, got.Envelope)
		if err != nil {
			if len(data)*6 > MaxData { // escaping may make it longer than allowed
				return
			}
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		again, err := codec.Decode(Message{Seq: 1, Subject: subject, Header: header, Data: first})
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v", err)
		}
		_, second, err := codec.Encode(again.Subject, again.Envelope)
		if err != nil || string(second) != string(first) {
			t.Fatalf("got %s, %v, want %s", second, err, first)
		}
		again.Event, got.Event = nil, nil
		again.Data, got.Data, again.Version, got.Version = nil, nil, 0, 0 // what was stored may be an older version
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("(-decoded first +decoded again):\n%s", diff)
		}
	})
}

func FuzzParseSubject(f *testing.F) {
	f.Add("peering.events.acme.config")
	f.Add("peering.events.acme.status.p1")
	f.Add("peering.events.*.>")
	f.Fuzz(func(t *testing.T, s string) {
		ent, peer, ok := ParseSubject(s)
		if !ok {
			return
		}
		built := ConfigSubject(ent)
		if peer != "" {
			built = StatusSubject(ent, peer)
		}
		if string(built) != s {
			t.Fatalf("%q was parsed as what builds %q", s, built)
		}
	})
}
