package bus

import (
	"encoding/json"
	"fmt"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// object is a part of the document. The encoder writes its keys in order, so
// that the same program always makes the same document.
type object = map[string]any

// AsyncAPI returns the AsyncAPI 3 document of what goes over NATS, from the side
// of a service that uses it: what it sends and what it receives. version is that
// of the product; empty: "dev". An error is a bug.
func AsyncAPI(version string) ([]byte, error) {
	if version == "" {
		version = "dev"
	}
	messages := object{}
	if err := addCommands(messages); err != nil {
		return nil, err
	}
	if err := addEvents(messages); err != nil {
		return nil, err
	}
	addAnswers(messages)
	doc := object{
		"asyncapi":           "3.0.0",
		"info":               info(version),
		"servers":            servers(),
		"defaultContentType": "application/json",
		"channels":           channels(),
		"operations":         operations(),
		"components": object{
			"messages":       messages,
			"messageTraits":  object{"command": commandTrait(), "event": eventTrait()},
			"parameters":     parameters(),
			"correlationIds": object{"command": object{"location": "$message.header#/" + headerCommandID, "description": "The id that the sender gave to its command."}},
			"schemas":        answerSchemas(),
		},
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("bus: the AsyncAPI document: %w", err)
	}
	return body, nil
}

func info(version string) object {
	return object{
		"title":   "peering",
		"version": version,
		"description": "Peering between unified-communication servers, over NATS. Operations are told from the side of a service that uses the bus. " +
			"A command takes effect at most once and has exactly one outcome, which is kept for seven days: whoever is in doubt publishes the same command again " +
			"under the same id, or looks the outcome up. Commands of one enterprise take effect in the order in which they were published. " +
			"What is received as it happens is a notice: it is seen before the stream has judged it, so one that came too late may be seen and is not kept. " +
			"What counts is what is looked up: outcomes by request, events at /api/v1/events.",
		"license": object{"name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
	}
}

func servers() object {
	return object{"nats": object{
		"host": "{host}", "protocol": "nats",
		"description": "The NATS server of the deployment. A service has an account of its own there, which lets it use the subjects of its enterprises, " +
			"the commands of its role, and nothing else.",
		"variables": object{"host": object{"default": "localhost:4222", "description": "Host and port."}},
	}}
}

// parameters are what stands in subjects.
func parameters() object {
	var names []string
	for _, name := range command.Names() {
		names = append(names, string(name))
	}
	return object{
		"enterprise": object{"description": "The enterprise: 4 to 32 lower-case letters, digits and dashes.", "examples": []string{"acme"}},
		"command":    object{"description": "What is to be done.", "enum": names},
		"command_id": object{"description": "The id of a command: 1 to 128 letters, digits, dashes and underscores."},
		"peer":       object{"description": "The id of a peer.", "location": "$message.header#/ce-subject"},
	}
}

// The keys of channels in the document.
const (
	channelCommands = "commands"
	channelOutcomes = "outcomes"
	channelRequests = "requests"
	channelLookups  = "lookups"
	channelReplies  = "replies"
	channelConfig   = "configuration"
	channelStatus   = "status"
	channelParked   = "parked"
)

func channels() object {
	commands := messageRefs(commandMessages())
	config, status := eventMessages()
	return object{
		channelCommands: channel("peering.commands.{enterprise}.{command}", "Commands of the enterprise. JetStream acknowledges each once it is stored; no consumer is needed to publish.",
			eventstore.CommandsStream, commands, "enterprise", "command"),
		channelOutcomes: channel("peering.outcomes.{enterprise}.{command_id}", "The one outcome of each command with an id, when it is kept. Subscribe before publishing.",
			eventstore.OutcomesStream, messageRefs([]string{messageOutcome}), "enterprise", "command_id"),
		channelRequests: channel(requestsRoot+"{enterprise}.{command}", "The same commands as requests: NATS service peering. The reply is the outcome.",
			"", commands, "enterprise", "command"),
		channelLookups: channel(lookupRoot+"{enterprise}.{command_id}", "Requests for an outcome that was kept.",
			"", messageRefs([]string{messageLookup}), "enterprise", "command_id"),
		channelReplies: object{
			"address": nil, "description": "The inbox of who asked: the reply subject of the request.",
			"messages": messageRefs([]string{messageOutcome, messageProblem}),
		},
		channelConfig: channel("peering.events.{enterprise}.config", "What changed in the configuration of the enterprise.",
			events.Stream, messageRefs(config), "enterprise"),
		channelStatus: channel("peering.events.{enterprise}.status.{peer}", "What a prober saw of a peer.",
			events.Stream, messageRefs(status), "enterprise", "peer"),
		channelParked: channel("peering.parked.{enterprise}.{command}", "Commands that could not be handled, until an operator decides; an underscore stands for what could not be read. Within the account of the deployment alone.",
			eventstore.ParkedStream, messageRefs([]string{messageParked}), "enterprise", "command"),
	}
}

// channel is one that is named by a subject; stream is where its messages stay,
// when they do.
func channel(address, about, stream string, messages object, params ...string) object {
	c := object{"address": address, "description": about, "messages": messages}
	refs := object{}
	for _, p := range params {
		refs[p] = ref("#/components/parameters/" + p)
	}
	c["parameters"] = refs
	if stream != "" {
		c["x-nats-stream"] = stream
	}
	return c
}

func messageRefs(names []string) object {
	all := object{}
	for _, name := range names {
		all[name] = ref("#/components/messages/" + name)
	}
	return all
}

func ref(to string) object { return object{"$ref": to} }

func operations() object {
	config, status := eventMessages()
	return object{
		"sendCommand": operation("send", channelCommands, commandMessages(),
			"Publish a command", "The service need not wait: the outcome follows. Without an acknowledgement it publishes the same again."),
		"receiveOutcome": operation("receive", channelOutcomes, []string{messageOutcome},
			"Learn what became of a command", "Outcomes of commands that others gave are received too; the command id tells them apart."),
		"requestCommand": asking(operation("send", channelRequests, commandMessages(),
			"Give a command and wait for its outcome", "Without a reply the command may have taken effect: ask again with the same Command-Id.")),
		"lookUpOutcome": asking(operation("send", channelLookups, []string{messageLookup},
			"Ask for an outcome that was kept", "The body is empty. not_found: the command waits, or is parked, or there was none within seven days.")),
		"receiveConfigurationEvent": operation("receive", channelConfig, config,
			"Follow the configuration of an enterprise", "For services that were given the events of their enterprises."),
		"receiveStatusEvent": operation("receive", channelStatus, status,
			"Follow the status of peers", "For services that were given the events of their enterprises."),
		"receiveParked": operation("receive", channelParked, []string{messageParked},
			"Watch what is put aside", "For operators, within the account of the deployment."),
	}
}

func operation(action, channel string, messages []string, summary, about string) object {
	return object{
		"action": action, "channel": ref("#/channels/" + channel), "summary": summary, "description": about,
		"messages": channelMessages(channel, messages),
	}
}

// asking makes an operation one that gets a reply.
func asking(op object) object {
	op["reply"] = object{
		"channel":  ref("#/channels/" + channelReplies),
		"messages": channelMessages(channelReplies, []string{messageOutcome, messageProblem}),
	}
	return op
}

func channelMessages(channel string, messages []string) []object {
	all := make([]object, len(messages))
	for i, name := range messages {
		all[i] = ref("#/channels/" + channel + "/messages/" + name)
	}
	return all
}
