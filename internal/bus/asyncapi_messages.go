package bus

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
)

// The messages that are neither commands nor events.
const (
	messageOutcome = "Outcome"
	messageLookup  = "Lookup"
	messageProblem = "Problem"
	messageParked  = "Parked"
)

// commandMessages are the names of the messages of commands.
func commandMessages() []string {
	var names []string
	for _, name := range command.Names() {
		names = append(names, string(name))
	}
	return names
}

func addCommands(messages object) error {
	for _, name := range command.Names() {
		schema, ok := command.Schema(name)
		if !ok {
			return fmt.Errorf("bus: the command %s has no schema", name)
		}
		var body object
		if err := json.Unmarshal([]byte(exampleBody(name)), &body); err != nil {
			return fmt.Errorf("bus: the command %s has no example: %w", name, err)
		}
		messages[string(name)] = object{
			"name": string(name), "title": string(name), "payload": schema,
			"traits":   []object{ref("#/components/messageTraits/command")},
			"examples": []object{{"headers": object{headerCommandID: "order-4711", headerReason: "New firewall"}, "payload": body}},
		}
	}
	return nil
}

// commandTrait is what the messages of all commands have in common.
func commandTrait() object {
	text := func(about string) object {
		return object{"type": "string", "maxLength": events.MaxHeader, "description": about}
	}
	return object{
		"contentType":   "application/json",
		"correlationId": ref("#/components/correlationIds/command"),
		"headers": object{
			"type":     "object",
			"required": []string{headerCommandID},
			"properties": object{
				headerCommandID:   object{"type": "string", "pattern": idPattern, "description": "Names the command, once in its enterprise. The same command under the same id is the same command."},
				headerActor:       text("On whose behalf the service acts; the actor is the service."),
				headerReason:      text("Why; it goes into the history."),
				headerCorrelation: text("What the command belongs to; without one the command id."),
				headerTraceparent: text("W3C trace context."),
			},
		},
	}
}

// idPattern is what a command id looks like.
const idPattern = `^[A-Za-z0-9_-]{1,128}$`

// eventMessages are the names of the messages of events, by the channel on which
// they are published.
func eventMessages() (config, status []string) {
	registry := events.Default()
	for _, t := range registry.Types() {
		if isStatus(registry, t) {
			status = append(status, string(t))
		} else {
			config = append(config, string(t))
		}
	}
	return config, status
}

// isStatus reports whether events of the type t stand on the subject of a peer:
// the codec says which subject it takes.
func isStatus(registry *events.Registry, t events.Type) bool {
	event, err := registry.Decode(t, registry.Version(t), []byte(`{"peer":"p1"}`))
	if err != nil {
		return false
	}
	e := events.Envelope{ID: "e", Enterprise: "acme", CommandID: "c", Count: 1, Event: event}
	e.Time = e.Time.AddDate(2025, 0, 0)
	_, _, err = events.NewCodec(registry).Encode(events.StatusSubject("acme", "p1"), e)
	return err == nil
}

func addEvents(messages object) error {
	registry := events.Default()
	for _, t := range registry.Types() {
		version := registry.Version(t)
		event, err := registry.Decode(t, version, []byte("{}"))
		if err != nil {
			return fmt.Errorf("bus: the event %s has no schema: %w", t, err)
		}
		schema := schemaOf(reflect.TypeOf(event))
		schema["title"] = string(t)
		messages[string(t)] = object{
			"name": string(t), "title": string(t), "payload": schema,
			"traits":    []object{ref("#/components/messageTraits/event")},
			"x-version": version,
			"headers": object{
				"type": "object",
				"properties": object{
					events.HeaderType:        object{"const": string(t)},
					events.HeaderDataVersion: object{"enum": versionsTo(version)},
				},
			},
		}
	}
	return nil
}

// versionsTo lists the versions that the log may hold. The schema is that of the
// newest.
func versionsTo(newest int) []string {
	all := make([]string, newest)
	for i := range all {
		all[i] = strconv.Itoa(i + 1)
	}
	return all
}

// eventTrait is what the messages of all events have in common. A trait gives
// way to what the message says itself, and headers are merged.
func eventTrait() object {
	return object{
		"contentType":   "application/json",
		"correlationId": object{"location": "$message.header#/" + events.HeaderCommandID},
		"headers":       eventHeaders(),
	}
}

// eventHeaders are those of every event.
func eventHeaders() object {
	text := func(about string) object { return object{"type": "string", "description": about} }
	return object{
		"type":        "object",
		"description": "The CloudEvents attributes in the binary mode of the NATS protocol binding, and ours.",
		"required": []string{
			events.HeaderSpecVersion, events.HeaderID, events.HeaderType, events.HeaderSource, events.HeaderTime,
			events.HeaderDataVersion, events.HeaderCommandID, events.HeaderCommandPart,
		},
		"properties": object{
			events.HeaderSpecVersion:   object{"const": "1.0"},
			events.HeaderID:            text("Derived from enterprise, command id and place: a repeat is recognisable."),
			events.HeaderType:          text("The name of the event."),
			events.HeaderSource:        object{"type": "string", "pattern": `^/peering/enterprises/[a-z0-9-]{4,32}$`},
			events.HeaderSubject:       text("The id of the peer or trusted server that it is about."),
			events.HeaderTime:          object{"type": "string", "format": "date-time", "description": "When the command was accepted."},
			events.HeaderDataVersion:   object{"type": "string", "pattern": `^[1-9][0-9]*$`, "description": "The version of the JSON."},
			events.HeaderContentType:   object{"const": "application/json"},
			events.HeaderCommandID:     text("The command that it follows from."),
			events.HeaderCommandHash:   text("Of the body of the command."),
			events.HeaderCommandPart:   object{"type": "string", "pattern": `^[0-9]{1,3}/[1-9][0-9]{0,3}$`, "description": "Place and number among the events of its command."},
			events.HeaderCorrelationID: text("What the command belonged to."),
			events.HeaderCausationID:   text("What caused the command."),
			events.HeaderActor:         text("Who connected."),
			events.HeaderOnBehalfOf:    text("Whom that one acted for, as it said."),
			events.HeaderReason:        text("Why, as it was said."),
			events.HeaderTraceparent:   text("W3C trace context."),
		},
	}
}
