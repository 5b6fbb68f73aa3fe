package bus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peering/peering/internal/events"
)

// stored is an event as it stands in a golden file.
type stored struct {
	Subject string         `json:"subject"`
	Header  map[string]any `json:"header"`
	Data    any            `json:"data"`
}

// TestAsyncAPI_describesEveryEventEverStored: every golden file is valid, on the
// subject of its channel, and has no field that is not described.
func TestAsyncAPI_describesEveryEventEverStored(t *testing.T) {
	files, err := filepath.Glob("../events/testdata/golden/*.json")
	if err != nil || len(files) < len(events.Default().Types()) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	doc := theDocument(t)
	for _, file := range files {
		name, _, _ := strings.Cut(filepath.Base(file), ".")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s stored
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		if err := payloadOf(t, doc, name).Validate(s.Data); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, headers := range []string{"/components/messageTraits/event/headers", "/components/messages/" + name + "/headers"} {
			if err := compile(t, doc, headers).Validate(s.Header); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		for _, undescribed := range unknownTo(at(doc, "components", "messages", name, "payload"), s.Data) {
			t.Errorf("%s: %s is not described", file, undescribed)
		}
		for header := range s.Header {
			if _, ok := at(doc, "components", "messageTraits", "event", "headers", "properties")[header]; !ok {
				t.Errorf("%s: the header %s is not described", file, header)
			}
		}
		channel := channelConfig
		if strings.Contains(s.Subject, ".status.") {
			channel = channelStatus
		}
		if _, ok := at(doc, "channels", channel, "messages")[name]; !ok {
			t.Errorf("%s is not on the channel %s", name, channel)
		}
	}
}

// unknownTo lists the fields of data that schema does not describe.
func unknownTo(schema object, data any) (names []string) {
	switch data := data.(type) {
	case object:
		for name, value := range data {
			inside, ok := at(schema, "properties")[name].(object)
			if !ok {
				names = append(names, name)
				continue
			}
			names = append(names, unknownTo(inside, value)...)
		}
	case []any:
		for _, value := range data {
			names = append(names, unknownTo(at(schema, "items"), value)...)
		}
	}
	return names
}

func TestAsyncAPI_eventsThatAreNoneAreRefused(t *testing.T) {
	doc := theDocument(t)
	for name, body := range map[string]string{
		"PeerRenamed":         `{"peer":"p1","from":"a"}`,
		"PeerAdded":           `{"peer":"p1","peer_type":"micollab","description":5}`,
		"PeerStatusChanged":   `{"peer":"p1","from":"up","to":"down","since":"yesterday","config_seq":1,"probe_started":"2026-03-01T12:00:00Z"}`,
		"PeerVersionDetected": `{"peer":"p1","from":"9.4","to":"9.5","config_seq":-1}`,
		"EnterpriseRemoved":   `[]`,
	} {
		if payloadOf(t, doc, name).Validate(parsed(t, []byte(body))) == nil {
			t.Errorf("%s: %s is valid", name, body)
		}
	}
}
