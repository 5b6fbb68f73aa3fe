package bus

import (
	"reflect"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
)

// addAnswers adds what is received besides events, and the request that has no
// body.
func addAnswers(messages object) {
	messages[messageOutcome] = object{
		"name": messageOutcome, "title": "Outcome of a command",
		"summary":       "accepted: in effect. rejected: a rule or a right stands against it. failed: it could not be read, or was discarded.",
		"payload":       ref("#/components/schemas/Outcome"),
		"correlationId": object{"location": "$message.payload#/command_id"},
	}
	messages[messageProblem] = object{
		"name": messageProblem, "title": "No outcome",
		"summary": "An RFC 9457 problem document: why there is no outcome. The code tells whether to ask again.",
		"payload": ref("#/components/schemas/Problem"),
		"headers": object{"type": "object", "required": []string{"Nats-Service-Error-Code"}, "properties": object{
			"Nats-Service-Error-Code": object{"type": "string", "description": "The status of the problem."},
			"Nats-Service-Error":      object{"type": "string", "description": "The detail of the problem."},
		}},
	}
	messages[messageLookup] = object{"name": messageLookup, "title": "Request for an outcome", "payload": object{"description": "Empty, and not read."}}
	messages[messageParked] = object{
		"name": messageParked, "title": "Parked command",
		"summary": "The body is that of the command as it came, which may be anything, of what is too long the beginning.",
		"headers": parkedHeaders(), "payload": object{"description": "Any bytes."}, "contentType": "application/octet-stream",
	}
}

// parkedHeaders are what is kept of a parked command besides its body.
func parkedHeaders() object {
	text := func(about string) object { return object{"type": "string", "description": about} }
	number := func(about string) object {
		return object{"type": "string", "pattern": "^[0-9]+$", "description": about}
	}
	return object{
		"type": "object", "required": []string{"Peering-Tail", "Peering-Park-Reason"},
		"properties": object{
			"Peering-Tail":           text("What stood in the subject behind peering.commands."),
			"Peering-Command":        text("The name of the command; an underscore: it cannot be one."),
			"Peering-Command-Id":     object{"type": "string", "pattern": idPattern, "description": "Missing: it had none that could be used."},
			"Peering-Park-Reason":    text("Why it was parked, a stable code."),
			"Peering-Detail":         text("Why, a sentence."),
			"Peering-Actor":          text("Who connected."),
			"Peering-On-Behalf-Of":   text("Whom that one acts for, as it said."),
			"Peering-Why":            text("The reason that came with the command."),
			"Peering-Correlation-Id": text("As it came."),
			"Peering-Causation-Id":   text("As it came."),
			"Peering-Traceparent":    text("As it came."),
			"Peering-Source":         number("Its sequence in the queue."),
			"Peering-Deliveries":     number("How often it was delivered."),
			"Peering-Body-Size":      number("How many bytes the body had."),
		},
	}
}

func answerSchemas() object {
	outcome := schemaOf(reflect.TypeFor[command.Outcome]())
	properties := outcome["properties"].(object)
	properties["command_id"] = object{"type": "string", "description": "Empty in the reply to a request that had no usable id and was refused."}
	properties["result"] = object{"enum": []command.Result{command.Accepted, command.Rejected, command.Failed}}
	properties["id"] = describe(properties["id"], "What was acted on, or added.")
	properties["sequence"] = describe(properties["sequence"], "Pass it as min_seq to read the effect.")
	properties["events"] = describe(properties["events"], "The ids of the events; none: there was nothing to change.")
	properties["hash"] = describe(properties["hash"], "Of the body of the command.")
	return object{
		"Outcome": outcome,
		"Error":   structSchema(reflect.TypeFor[domain.Error]()),
		"Problem": object{
			"type": "object", "required": []string{"title", "status", "code"},
			"properties": object{
				"type": object{"type": "string"}, "title": object{"type": "string"}, "detail": object{"type": "string"}, "field": object{"type": "string"},
				"status": object{"type": "integer", "minimum": 400, "maximum": 599},
				"code":   object{"type": "string", "description": "Stable, as over HTTP: " + string(domain.NotFound) + " for example."},
			},
		},
	}
}

func describe(schema any, about string) object {
	s := schema.(object)
	s["description"] = about
	return s
}
