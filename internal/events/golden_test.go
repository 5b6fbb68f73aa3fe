package events

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew; only for new events and versions")

// golden is a stored message as it stands in a file.
type golden struct {
	Subject string            `json:"subject"`
	Header  map[string]string `json:"header"`
	Data    json.RawMessage   `json:"data"`
}

func goldenPath(dir string, t Type, version int) string {
	return filepath.Join("testdata", dir, fmt.Sprintf("%s.v%d.json", t, version))
}

func readGolden(t *testing.T, path string) Message {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v\nan event that was published keeps its golden file; write that of a new one with: go test ./internal/events -update", err)
	}
	var g golden
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var data bytes.Buffer
	if err := json.Compact(&data, g.Data); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	m := Message{Seq: 42, Subject: g.Subject, Header: map[string][]string{}, Data: data.Bytes()}
	for k, v := range g.Header {
		m.Header[k] = []string{v}
	}
	return m
}

func writeGolden(t *testing.T, path string, m Message) {
	t.Helper()
	g := golden{Subject: m.Subject, Header: map[string]string{}, Data: m.Data}
	for k, v := range m.Header {
		g.Header[k] = v[0]
	}
	raw, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGolden_everyVersionOfEveryEventReadsAsItDid(t *testing.T) {
	registry := Default()
	codec := NewCodec(registry)
	samples := samples()
	for _, typ := range registry.Types() {
		t.Run(string(typ), func(t *testing.T) {
			sample, ok := samples[typ]
			if !ok {
				t.Fatalf("%s has no sample; add one to samples", typ)
			}
			want := envelope(sample)
			today := registry.Version(typ)
			if *update {
				writeGolden(t, goldenPath("golden", typ, today), message(t, codec, want))
			}
			for v := 1; v <= today; v++ {
				m := readGolden(t, goldenPath("golden", typ, v))
				got, err := codec.Decode(m)
				if err != nil {
					t.Fatalf("version %d: %v", v, err)
				}
				if v < today {
					continue
				}
				if diff := cmp.Diff(Recorded{Seq: 42, Subject: subjectOf(want), Envelope: want, Version: v, Data: m.Data}, got); diff != "" {
					t.Errorf("version %d decodes differently (-want +got):\n%s", v, diff)
				}
				again := message(t, codec, got.Envelope)
				if diff := cmp.Diff(m, again); diff != "" {
					t.Errorf("version %d encodes differently (-golden +encoded):\n%s", v, diff)
				}
			}
		})
	}
}

func TestGolden_noFileWithoutItsEvent(t *testing.T) {
	registry := Default()
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, typ := range registry.Types() {
		for v := 1; v <= registry.Version(typ); v++ {
			want = append(want, goldenPath("golden", typ, v))
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("a published event was withdrawn, or a file is missing (-registry +files):\n%s", diff)
	}
}

// Every field of a sample is set, so that every field stands in a golden file.
func TestSamples_setEveryField(t *testing.T) {
	for typ, e := range samples() {
		v := reflect.ValueOf(e)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("the sample of %s leaves %s empty", typ, v.Type().Field(i).Name)
			}
		}
	}
}

// The stored name is a constant: a renamed struct must not rename history. A
// pointer receiver would keep an event out of the type switches of the readers.
func TestDefault_eventsAreValuesAndNamedOnce(t *testing.T) {
	for typ, e := range samples() {
		if reflect.TypeOf(e).Kind() != reflect.Struct {
			t.Errorf("%s is a %s, want a struct", typ, reflect.TypeOf(e).Kind())
		}
		if got := e.Type(); got != typ {
			t.Errorf("got name %s, want %s", got, typ)
		}
	}
	if got, want := len(samples()), len(Default().Types()); got != want {
		t.Errorf("%d samples for %d registered events", got, want)
	}
}
