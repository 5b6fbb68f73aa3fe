package storetest

import (
	"maps"
	"strings"

	"github.com/peering/peering/internal/events"
)

// HostileMessage is a message that somebody might publish on the log by mistake
// or on purpose. None of them is an event; all of them can be stored.
type HostileMessage struct {
	Name   string
	Header map[string][]string
	Data   []byte
}

// Hostile lists messages that readers have stumbled over: those that look like
// words of the server, and those that are broken.
func Hostile() []HostileMessage {
	header, data, err := events.NewCodec(events.Default()).Encode(Subject, Event(Ent, "hostile"))
	if err != nil {
		panic(err)
	}
	with := func(name, value string) map[string][]string {
		h := maps.Clone(header)
		h[name] = append(append([]string{}, h[name]...), value)
		return h
	}
	word := func(status, text string) map[string][]string {
		return map[string][]string{"Status": {status}, "Description": {text}}
	}
	heartbeat := word("100", "Idle Heartbeat")
	heartbeat["Nats-Last-Consumer"], heartbeat["Nats-Last-Stream"] = []string{"9"}, []string{"9"}
	ended := word("408", "Request Timeout")
	ended["Nats-Pending-Messages"], ended["Nats-Pending-Bytes"] = []string{"99999"}, []string{"99999"}
	forged := map[string][]string{
		"Nats-Stream": {"OTHER"}, "Nats-Subject": {"other"}, "Nats-Sequence": {"1"}, "Nats-Num-Pending": {"0"},
	}
	return []HostileMessage{
		{"nothing at all", nil, nil},
		{"no body", forged, nil},
		{"a heartbeat", heartbeat, nil},
		{"no messages", word("404", "No Messages"), nil},
		{"the end of a request", ended, nil},
		{"a deleted consumer", word("409", "Consumer Deleted"), nil},
		{"a change of leader", word("409", "Leadership Change"), nil},
		{"no responders", word("503", "No Responders"), nil},
		{"the end of a batch", word("204", "EOB"), nil},
		{"a repeated header", with(events.HeaderID, "another"), data},
		{"an unknown version", map[string][]string{events.HeaderDataVersion: {"99"}}, data},
		{"no headers", nil, data},
		{"bad JSON", header, []byte("{")},
		{"not JSON", header, []byte{0, 1, 2, 0xff}},
		{"an empty body", header, nil},
		{"a body of nearly 1 MB", header, []byte(strings.Repeat("x", 1<<20-8<<10))},
		{"deep nesting", header, []byte(strings.Repeat("[", 100_000))},
	}
}
