package bus

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// The headers of a command that are read; all others are ignored. Their names
// compare without regard to case, and the first value of a repeated one counts.
const (
	headerCommandID   = "Command-Id"
	headerActor       = "Actor"
	headerReason      = "Reason"
	headerCorrelation = "Correlation-Id"
	headerCausation   = "Causation-Id" // from the deployment's own account alone
	headerTraceparent = "traceparent"
)

// The reasons for which a command is parked. They are stable.
const (
	parkUndecodable        = "undecodable"
	parkUnusableID         = "unusable_id"
	parkUnusableEnterprise = "unusable_enterprise"
	parkIDReused           = "id_reused"
	parkUnknownPublisher   = "unknown_publisher"
	parkTooLarge           = "too_large"
	parkUnreadableHistory  = "unreadable_history"
	parkNotHandled         = "not_handled"
	parkTooManyDeliveries  = "too_many_deliveries"
	parkPanicked           = "panicked"
	parkStray              = "stray"
)

// header is what travels with a command, as it came but for the spaces around
// each value. What is in it may be hostile: command.Handler checks it.
type header struct {
	commandID     string
	actor         string
	reason        string
	correlationID string
	causationID   string
	traceparent   string

	// broken: there are headers, and they cannot be read. Then all are empty.
	broken bool
}

// readHeader reads the headers of m. A message whose block of headers the client
// library cannot read comes without any; its size tells that there were some.
func readHeader(m *nats.Msg) header {
	if m.Header == nil {
		block := m.Size() - len(m.Data) - len(m.Subject) - len(m.Reply)
		return header{broken: block > 0}
	}
	return selectHeader(m.Header)
}

// selectHeader is what of h is read.
func selectHeader(h map[string][]string) header {
	return header{
		commandID:     firstValue(h, headerCommandID),
		actor:         firstValue(h, headerActor),
		reason:        firstValue(h, headerReason),
		correlationID: firstValue(h, headerCorrelation),
		causationID:   firstValue(h, headerCausation),
		traceparent:   firstValue(h, headerTraceparent),
	}
}

// firstValue is the first value of the header called name. One that is written
// as it is documented comes before those of another case, so that a message
// means the same each time it is delivered.
func firstValue(h map[string][]string, name string) string {
	if values := h[name]; len(values) > 0 {
		return strings.TrimSpace(values[0])
	}
	var spelt []string
	for key, values := range h {
		if len(values) > 0 && strings.EqualFold(key, name) {
			spelt = append(spelt, key)
		}
	}
	if len(spelt) == 0 {
		return ""
	}
	return strings.TrimSpace(h[slices.Min(spelt)][0])
}

// incoming is a message that should be a command.
type incoming struct {
	origin origin
	// unmarked is why the subject does not say who published it; nil: it does.
	unmarked error
	header   header
	body     []byte
}

// incomingFrom reads a message published on <enterprise>.<Command>.
func incomingFrom(tail string, h header, body []byte) incoming {
	o, err := parseTail(tail)
	return incoming{origin: o, unmarked: err, header: h, body: body}
}

// refusal says why a message is no command that is carried out. errors.As finds
// the *domain.Error in it.
type refusal struct {
	err    *domain.Error  // for whoever sent it
	result command.Result // of its outcome: Rejected or Failed
	park   string         // the reason for which it is parked; empty: it is not
	// Without both there is no place for an outcome.
	enterprise events.EnterpriseID // empty: unusable
	id         events.CommandID    // empty: unusable
}

func (r *refusal) Error() string { return r.err.Error() }

func (r *refusal) Unwrap() error { return r.err }

// hasPlace reports whether an outcome can be kept of it.
func (r *refusal) hasPlace() bool { return r.enterprise != "" && r.id != "" }

// decode turns the message into a command of whoever published it, or refuses
// it. Whether the command may take effect is decided by command.Handler.
//
// A message without a Command-Id is refused: on the bus nobody could learn what
// became of it.
func (in incoming) decode() (command.Request, *refusal) {
	ent, id, unusable := in.place()
	if unusable != nil {
		return command.Request{}, unusable
	}
	no := func(result command.Result, park string, err *domain.Error) (command.Request, *refusal) {
		return command.Request{}, &refusal{err: err, result: result, park: park, enterprise: ent, id: id}
	}
	if in.unmarked != nil {
		return no(command.Rejected, parkUnknownPublisher, &domain.Error{
			Code: domain.Forbidden, Msg: "the subject does not say which service published this",
		})
	}
	cmd, err := command.Decode(in.origin.command, in.body)
	var refused *domain.Error
	switch {
	case err == nil:
	case !errors.As(err, &refused):
		return no(command.Failed, parkUndecodable, &domain.Error{Code: domain.Malformed, Msg: "the body cannot be read"})
	case refused.Code == domain.NotFound:
		return no(command.Rejected, "", refused)
	case len(in.body) > command.MaxBody:
		return no(command.Failed, parkTooLarge, refused)
	default:
		return no(command.Failed, parkUndecodable, refused)
	}
	if right := access.RightFor(cmd); !in.origin.principal.May(right) {
		return no(command.Rejected, "", &domain.Error{Code: domain.Forbidden, Msg: fmt.Sprintf(
			"the role %s may not do this; it needs %s", in.origin.principal.Role, access.With(right),
		)})
	}
	return in.request(ent, id, cmd), nil
}

// place is where the outcome of the message is kept, or why there is no place.
func (in incoming) place() (events.EnterpriseID, events.CommandID, *refusal) {
	ent, entErr := events.ParseEnterpriseID(in.origin.enterprise)
	id, idErr := events.ParseCommandID(in.header.commandID)
	if entErr != nil {
		ent = ""
	}
	if idErr != nil {
		id = ""
	}
	no := func(park string, code domain.Code, field, msg string) *refusal {
		return &refusal{
			err:    &domain.Error{Code: code, Field: field, Msg: msg},
			result: command.Failed, park: park, enterprise: ent, id: id,
		}
	}
	switch {
	case in.header.broken:
		return "", "", no(parkUndecodable, domain.Malformed, "", "the headers cannot be read")
	case entErr != nil:
		return "", "", no(parkUnusableEnterprise, domain.Invalid, "enterprise", rule(entErr))
	case idErr != nil:
		return "", "", no(parkUnusableID, domain.Invalid, "command_id", rule(idErr))
	}
	return ent, id, nil
}

// rule is what a text breaks that is no id.
func rule(err error) string {
	var id *events.IDError
	if errors.As(err, &id) {
		return id.Rule
	}
	return err.Error()
}

func (in incoming) request(ent events.EnterpriseID, id events.CommandID, cmd domain.Command) command.Request {
	h := in.header
	req := command.Request{
		Enterprise:    ent,
		ID:            id,
		Command:       cmd,
		Actor:         in.origin.principal.Actor,
		OnBehalfOf:    h.actor,
		Reason:        h.reason,
		CorrelationID: h.correlationID,
		Traceparent:   h.traceparent,
	}
	if req.Actor == insider {
		// What causes a command is known where commands follow from events: in
		// the deployment itself.
		req.CausationID = h.causationID
	}
	return req
}
