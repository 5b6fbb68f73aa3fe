package events

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func refusedAs(t *testing.T, err error, kind DecodeKind, says string) {
	t.Helper()
	var de *DecodeError
	if !errors.As(err, &de) || de.Kind != kind || !strings.Contains(de.Error(), says) {
		t.Errorf("got %v, want %s with %q", err, kind, says)
	}
}

// tampered is a good message with one header replaced; no values: left out.
func tampered(t *testing.T, codec Codec, name string, values ...string) Message {
	t.Helper()
	m := message(t, codec, envelope(PeerEnabled{Peer: "p1"}))
	m.Header = maps.Clone(m.Header)
	delete(m.Header, name)
	if len(values) > 0 {
		m.Header[name] = values
	}
	return m
}

func TestDecode_hostileHeaders(t *testing.T) {
	codec := NewCodec(Default())
	tests := []struct {
		name, header string
		values       []string
		kind         DecodeKind
		says         string
	}{
		{"no id", HeaderID, nil, Malformed, "ce-id is missing"},
		{"repeated id", HeaderID, []string{"a", "b"}, Malformed, "ce-id is repeated"},
		{"repeated reason", HeaderReason, []string{"a", "a"}, Malformed, "reason is repeated"},
		{"no command id", HeaderCommandID, nil, Malformed, "command-id is missing"},
		{"no type", HeaderType, nil, Malformed, "ce-type is missing"},
		{"unknown type", HeaderType, []string{"PeerPainted"}, UnknownType, `"PeerPainted"`},
		{"type in another case", HeaderType, []string{"peerenabled"}, UnknownType, `"peerenabled"`},
		{"no version", HeaderDataVersion, nil, Malformed, "ce-dataversion is missing"},
		{"newer version", HeaderDataVersion, []string{"2"}, UnknownVersion, "version 2"},
		{"negative version", HeaderDataVersion, []string{"-1"}, UnknownVersion, "version -1"},
		{"version in words", HeaderDataVersion, []string{"one"}, Malformed, "not a number"},
		{"version beyond an int", HeaderDataVersion, []string{"99999999999999999999"}, Malformed, "not a number"},
		{"other CloudEvents", HeaderSpecVersion, []string{"0.3"}, Malformed, "0.3"},
		{"source of another enterprise", HeaderSource, []string{"/peering/enterprises/globex"}, Malformed, "does not belong"},
		{"no source", HeaderSource, nil, Malformed, "ce-source is missing"},
		{"no time", HeaderTime, nil, Malformed, "ce-time is missing"},
		{"time of another form", HeaderTime, []string{"14 Mar 2026"}, Malformed, "RFC 3339"},
		{"time without offset", HeaderTime, []string{"2026-03-14T09:26:53"}, Malformed, "RFC 3339"},
		{"time zero", HeaderTime, []string{"0001-01-01T00:00:00Z"}, Malformed, "RFC 3339"},
		{"time before the year one", HeaderTime, []string{"0001-01-01T00:00:00+23:59"}, Malformed, "RFC 3339"},
		{"time after the year 9999", HeaderTime, []string{"9999-12-31T23:59:59-23:59"}, Malformed, "RFC 3339"},
		{"no part", HeaderCommandPart, nil, Malformed, "command-part is missing"},
		{"part beyond its count", HeaderCommandPart, []string{"1/1"}, Malformed, "not a place"},
		{"negative part", HeaderCommandPart, []string{"-1/1"}, Malformed, "not a place"},
		{"part of nothing", HeaderCommandPart, []string{"0/0"}, Malformed, "not a place"},
		{"part without a count", HeaderCommandPart, []string{"0"}, Malformed, "not a place"},
		{"part of too many", HeaderCommandPart, []string{"0/1001"}, Malformed, "not a place"},
		{"control character", HeaderActor, []string{"a\x1bb"}, Malformed, "actor"},
		{"line break", HeaderReason, []string{"a\r\nb"}, Malformed, "reason"},
		{"invalid UTF-8", HeaderReason, []string{"a\xff"}, Malformed, "reason"},
		{"invalid UTF-8 after a good letter", HeaderReason, []string{"é\xff"}, Malformed, "reason"},
		{"control character after a good letter", HeaderReason, []string{"é\x00"}, Malformed, "reason"},
		{"space at the end", HeaderActor, []string{"admin "}, Malformed, "actor"},
		{"wide space at the end", HeaderActor, []string{"é\u2003"}, Malformed, "actor"},
		{"too long", HeaderReason, []string{strings.Repeat("x", MaxHeader+1)}, Malformed, "too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := codec.Decode(tampered(t, codec, tt.header, tt.values...))
			refusedAs(t, err, tt.kind, tt.says)
		})
	}
}

// A message without the optional headers is an event all the same, and headers
// that are not ours are not looked at, reserved ones included.
func TestDecode_passesOverForeignHeaders(t *testing.T) {
	codec := NewCodec(Default())
	m := message(t, codec, envelope(PeerEnabled{Peer: "p1"}))
	for _, optional := range []string{
		HeaderCommandHash, HeaderCorrelationID, HeaderCausationID, HeaderActor,
		HeaderOnBehalfOf, HeaderReason, HeaderTraceparent, HeaderContentType, HeaderSubject,
	} {
		delete(m.Header, optional)
	}
	for _, foreign := range []string{"Status", "Description", "Nats-Sequence", "Nats-Msg-Id", "Nats-Rollup", "CE-ID"} {
		m.Header[foreign] = []string{"404\x00", "again"}
	}
	m.Header[HeaderReason] = []string{}
	got, err := codec.Decode(m)
	if err != nil {
		t.Fatal(err)
	}
	if got.Event != (PeerEnabled{Peer: "p1"}) || got.Actor != "" || got.Seq != 42 {
		t.Errorf("got %+v", got)
	}
}

func TestDecode_hostileBodies(t *testing.T) {
	codec := NewCodec(Default())
	tests := map[string]string{
		"empty":             "",
		"spaces":            " \n",
		"null":              "null",
		"a text":            `"peer"`,
		"cut off":           `{"peer":"p1"`,
		"more than it":      `{"peer":"p1"}{}`,
		"wrong type":        `{"peer":1}`,
		"no peer":           `{}`,
		"peer with a dot":   `{"peer":"p.1"}`,
		"peer with a space": `{"peer":"p 1"}`,
		"deep":              `{"peer":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
		"huge":              `{"peer":"p1","x":"` + strings.Repeat("x", MaxData) + `"}`,
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			m := message(t, codec, envelope(PeerEnabled{Peer: "p1"}))
			m.Data = []byte(body)
			_, err := codec.Decode(m)
			refusedAs(t, err, Malformed, "")
		})
	}
}

// An event on the subject of something else would be folded into the wrong
// aggregate, or never be seen by it.
func TestDecode_onlyOnItsOwnSubject(t *testing.T) {
	codec := NewCodec(Default())
	const ent = EnterpriseID("demo-acme")
	status := samples()["PeerStatusChanged"].(PeerStatusChanged)
	tests := []struct {
		name  string
		event Event
		on    Subject
	}{
		{"status on the configuration", status, ConfigSubject(ent)},
		{"status of another peer", status, StatusSubject(ent, "p2")},
		{"configuration on a status subject", PeerEnabled{Peer: "p1"}, StatusSubject(ent, "p1")},
		{"of another enterprise", PeerEnabled{Peer: "p1"}, ConfigSubject("globex")},
		{"not of the log", PeerEnabled{Peer: "p1"}, "peering.commands.demo-acme.AddPeer"},
		{"trusted server without an id", TrustedServerAdded{}, ConfigSubject(ent)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := envelope(tt.event)
			if _, _, err := codec.Encode(tt.on, e); err == nil {
				t.Error("encoded, want an error")
			}
			m := message(t, codec, envelope(PeerEnabled{Peer: "p1"}))
			m.Header[HeaderType] = []string{string(tt.event.Type())}
			m.Subject = string(tt.on)
			_, err := codec.Decode(m)
			refusedAs(t, err, Malformed, "")
		})
	}
}

func TestDecode_timeIsUTCInMicroseconds(t *testing.T) {
	codec := NewCodec(Default())
	got, err := codec.Decode(tampered(t, codec, HeaderTime, "2026-03-14T10:26:53.589793238+01:00"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Time != at {
		t.Errorf("got %v, want %v", got.Time, at)
	}
}

func TestEncode_refusesWhatCouldNotBeRead(t *testing.T) {
	codec := NewCodec(Default())
	tests := map[string]func(*Envelope){
		"no event":          func(e *Envelope) { e.Event = nil },
		"no id":             func(e *Envelope) { e.ID = "" },
		"no command id":     func(e *Envelope) { e.CommandID = "" },
		"no time":           func(e *Envelope) { e.Time = time.Time{} },
		"no count":          func(e *Envelope) { e.Index, e.Count = 0, 0 },
		"index beyond":      func(e *Envelope) { e.Index, e.Count = 2, 2 },
		"negative index":    func(e *Envelope) { e.Index = -1 },
		"too many":          func(e *Envelope) { e.Index, e.Count = 0, maxBatch+1 },
		"other enterprise":  func(e *Envelope) { e.Enterprise = "globex" },
		"not registered":    func(e *Envelope) { e.Event = lineMoved{} },
		"control character": func(e *Envelope) { e.Actor = "a\nb" },
		"invalid UTF-8":     func(e *Envelope) { e.OnBehalfOf = "\xff" },
		"spaces around":     func(e *Envelope) { e.CorrelationID = " x" },
		"a long reason":     func(e *Envelope) { e.Reason = strings.Repeat("x", MaxHeader+1) },
		"a large body": func(e *Envelope) {
			e.Event = PeerMaintenanceScheduled{Peer: "p1", Note: strings.Repeat("x", MaxData)}
		},
		"a time JSON has no form for": func(e *Envelope) {
			e.Event = PeerMaintenanceScheduled{Peer: "p1", Start: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			e := envelope(PeerEnabled{Peer: "p1"})
			spoil(&e)
			if header, data, err := codec.Encode(ConfigSubject("demo-acme"), e); err == nil {
				t.Errorf("encoded as %v %s", header, data)
			}
		})
	}
}

// What is read of a header must be what was written, byte for byte.
func TestEncode_keepsTextOfPeople(t *testing.T) {
	codec := NewCodec(Default())
	e := envelope(PeerRenamed{Peer: "p1", From: `<b>&"\`, To: "\u2028 日本語"})
	e.Reason = `Zoë said: "5 > 3 & 2 < 4" 日本語 🙂`
	e.Actor = strings.Repeat("x", MaxHeader)
	got, err := codec.Decode(message(t, codec, e))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got.Envelope); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The headers share one array; a caller that adds a value to one of them must
// not write into its neighbour.
func TestEncode_headersAreIndependent(t *testing.T) {
	codec := NewCodec(Default())
	header, _, err := codec.Encode(ConfigSubject("demo-acme"), envelope(PeerEnabled{Peer: "p1"}))
	if err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(header)
	for name := range header {
		_ = append(header[name], "x")
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
