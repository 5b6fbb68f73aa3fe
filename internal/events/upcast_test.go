package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lineMoved is an event of the tests' own, with a history: version 1 had one
// text, such as "12/Berlin", version 2 split it into number and site, and
// version 3 made the site a list.
type lineMoved struct {
	Peer   PeerID   `json:"peer"`
	Number int      `json:"number"`
	Sites  []string `json:"sites"`
}

func (lineMoved) Type() Type       { return "LineMoved" }
func (e lineMoved) PeerID() PeerID { return e.Peer }

type lineMovedV1 struct {
	Peer PeerID `json:"peer"`
	Line string `json:"line"`
}

type lineMovedV2 struct {
	Peer   PeerID `json:"peer"`
	Number int    `json:"number"`
	Site   string `json:"site"`
}

func lineMovedFrom1(data json.RawMessage) (json.RawMessage, error) {
	var old lineMovedV1
	if err := json.Unmarshal(data, &old); err != nil {
		return nil, err
	}
	next := lineMovedV2{Peer: old.Peer}
	if _, err := fmt.Sscanf(old.Line, "%d/%s", &next.Number, &next.Site); err != nil {
		return nil, fmt.Errorf("line %q: %w", old.Line, err)
	}
	return json.Marshal(next)
}

func lineMovedFrom2(data json.RawMessage) (json.RawMessage, error) {
	var old lineMovedV2
	if err := json.Unmarshal(data, &old); err != nil {
		return nil, err
	}
	return json.Marshal(lineMoved{Peer: old.Peer, Number: old.Number, Sites: []string{old.Site}})
}

func historical() *Registry {
	r := NewRegistry()
	Register[lineMoved](r, 3)
	r.Upcast("LineMoved", 1, lineMovedFrom1)
	r.Upcast("LineMoved", 2, lineMovedFrom2)
	return r
}

func TestUpcast_everyStoredVersionReadsAsTodays(t *testing.T) {
	codec := NewCodec(historical())
	want := envelope(lineMoved{Peer: "01hq7y2k9d", Number: 12, Sites: []string{"Berlin"}})
	if *update {
		written := message(t, codec, want)
		writeGolden(t, goldenPath("upcast", "LineMoved", 3), written)
		for v, data := range map[string]string{
			"1": `{"peer":"01hq7y2k9d","line":"12/Berlin"}`,
			"2": `{"peer":"01hq7y2k9d","number":12,"site":"Berlin"}`,
		} {
			written.Header[HeaderDataVersion] = []string{v}
			written.Data = []byte(data)
			writeGolden(t, goldenPath("upcast", "LineMoved", int(v[0]-'0')), written)
		}
	}
	for v := 1; v <= 3; v++ {
		m := readGolden(t, goldenPath("upcast", "LineMoved", v))
		got, err := codec.Decode(m)
		if err != nil {
			t.Fatalf("version %d: %v", v, err)
		}
		if diff := cmp.Diff(want, got.Envelope); diff != "" {
			t.Errorf("version %d (-want +got):\n%s", v, diff)
		}
	}
}

func TestUpcast_refusals(t *testing.T) {
	gap := NewRegistry()
	Register[lineMoved](gap, 3)
	gap.Upcast("LineMoved", 1, lineMovedFrom1)
	tests := []struct {
		name     string
		registry *Registry
		typ      Type
		version  int
		data     string
		kind     DecodeKind
		says     string
	}{
		{"newer than this program", historical(), "LineMoved", 4, `{}`, UnknownVersion, "reads versions 1 to 3"},
		{"version zero", historical(), "LineMoved", 0, `{}`, UnknownVersion, "version 0"},
		{"unknown type", historical(), "LineLost", 1, `{}`, UnknownType, `"LineLost"`},
		{"a step is missing", gap, "LineMoved", 1, `{"peer":"p","line":"1/B"}`, UnknownVersion, "no upcaster from version 2"},
		{"a step fails", historical(), "LineMoved", 1, `{"peer":"p","line":"Berlin"}`, Malformed, "from version 1"},
		{"no JSON", historical(), "LineMoved", 3, `{"peer":`, Malformed, "LineMoved"},
		{"no object", historical(), "LineMoved", 3, ` [1]`, Malformed, "not a JSON object"},
		{"null", historical(), "LineMoved", 3, `null`, Malformed, "not a JSON object"},
		{"empty", historical(), "LineMoved", 3, ``, Malformed, "not a JSON object"},
		{"wrong type of a field", historical(), "LineMoved", 3, `{"peer":7}`, Malformed, "peer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.registry.Decode(tt.typ, tt.version, []byte(tt.data))
			var de *DecodeError
			if !errors.As(err, &de) || de.Kind != tt.kind || !strings.Contains(de.Detail, tt.says) {
				t.Errorf("got %v, want %s with %q", err, tt.kind, tt.says)
			}
		})
	}
}

func TestRegistry_panicsOnBugsOfTheProgram(t *testing.T) {
	tests := map[string]func(){
		"registered twice":      func() { r := historical(); Register[lineMoved](r, 3) },
		"version zero":          func() { Register[lineMoved](NewRegistry(), 0) },
		"upcaster of nothing":   func() { NewRegistry().Upcast("LineMoved", 1, lineMovedFrom1) },
		"upcaster twice":        func() { historical().Upcast("LineMoved", 1, lineMovedFrom1) },
		"upcaster beyond today": func() { historical().Upcast("LineMoved", 3, lineMovedFrom1) },
		"upcaster from zero":    func() { historical().Upcast("LineMoved", 0, lineMovedFrom1) },
	}
	for name, bug := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			bug()
		})
	}
}

// Every version of the product's own events can be reached from version 1.
func TestDefault_hasNoGapInItsUpcasters(t *testing.T) {
	r := Default()
	for typ, reg := range r.types {
		for v := 1; v < reg.version; v++ {
			if reg.upcasters[v] == nil {
				t.Errorf("%s has no upcaster from version %d", typ, v)
			}
		}
	}
}

func TestDefault_isBuiltAfresh(t *testing.T) {
	Register[lineMoved](Default(), 1)
	if v := Default().Version("LineMoved"); v != 0 {
		t.Errorf("another's registry shows: version %d", v)
	}
}
