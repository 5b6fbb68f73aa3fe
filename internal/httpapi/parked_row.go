package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// Parked is what operators do about commands that could not be handled. Errors:
// readmodel.ErrNotFound, *DecidedError, a *domain.Error for what must not be
// retried, and any other that wraps command.ErrUnavailable.
type Parked interface {
	// List returns the rows after a sequence, in the order in which they were
	// parked, at most limit.
	List(ctx context.Context, q ParkedQuery) ([]ParkedRow, error)
	Show(ctx context.Context, at events.Seq) (ParkedRow, error)
	// Retry and Discard return the row with the decision that stands. It is carried
	// out sooner or later, whatever becomes of the caller.
	Retry(ctx context.Context, at events.Seq, by, reason string) (ParkedRow, error)
	Discard(ctx context.Context, at events.Seq, by, reason string) (ParkedRow, error)
}

// ParkedQuery selects parked commands.
type ParkedQuery struct {
	Enterprise events.EnterpriseID // empty: all
	Decided    bool                // those that were decided about instead
	After      events.Seq
	Limit      int
}

// ParkedRow is a parked command as a back end knows it.
type ParkedRow struct {
	Seq        events.Seq
	At         time.Time
	Subject    string
	Enterprise events.EnterpriseID
	Command    string
	CommandID  events.CommandID
	Reason     string
	Detail     string
	Actor      string
	OnBehalfOf string
	Why        string

	CorrelationID, CausationID string

	Deliveries uint64
	Body       []byte // perhaps cut
	BodySize   int
	Decision   *ParkedDecision
	Outcome    *command.Outcome // nil: there is none, or it was not asked for
}

// DecidedError says that something else was decided already.
type DecidedError struct{ Decision ParkedDecision }

func (e *DecidedError) Error() string {
	return "httpapi: it was " + e.Decision.Action + " by " + e.Decision.By
}

// ParkedDecision is what was decided about a parked command.
type ParkedDecision struct {
	Action     string    `json:"action" enum:"retried,discarded"`
	By         string    `json:"by"`
	At         time.Time `json:"at"`
	Reason     string    `json:"reason" doc:"Empty for a retry without one."`
	CarriedOut bool      `json:"carried_out" doc:"False: it stands, and is carried out as soon as that is possible."`
}

// ParkedOutcome is how a command id has ended.
type ParkedOutcome struct {
	Result   string      `json:"result" enum:"accepted,rejected,failed"`
	Sequence *events.Seq `json:"sequence" doc:"Of its last event; null: it has none."`
	Code     *string     `json:"code" doc:"Why it was rejected or failed."`
	Detail   *string     `json:"detail" doc:"The same for a person."`
	At       time.Time   `json:"at"`
}

// ParkedCommand is how a command reads that could not be handled.
type ParkedCommand struct {
	Sequence      events.Seq      `json:"sequence" example:"12" doc:"Its name; not a place in the log."`
	ParkedAt      time.Time       `json:"parked_at"`
	Enterprise    *string         `json:"enterprise" doc:"Null: what it was published on names none."`
	Command       *string         `json:"command" example:"AddPeer" doc:"Null: what it was published on names none."`
	CommandID     *string         `json:"command_id" doc:"Null: it has none that could be used."`
	Code          string          `json:"code" example:"not_handled" doc:"Why it was parked; stable."`
	Detail        string          `json:"detail" doc:"The same for a person."`
	Subject       string          `json:"subject" doc:"What it was published on."`
	Actor         string          `json:"actor" doc:"Who published it."`
	OnBehalfOf    *string         `json:"on_behalf_of"`
	Reason        *string         `json:"reason" doc:"The reason that came with it."`
	CorrelationID *string         `json:"correlation_id"`
	CausationID   *string         `json:"causation_id"`
	Deliveries    uint64          `json:"deliveries" doc:"How often it was tried."`
	Body          *string         `json:"body" doc:"When it is JSON in UTF-8, and not in a list."`
	BodyBase64    *string         `json:"body_base64" contentEncoding:"base64" doc:"When it is not, and not in a list."`
	BodySize      int             `json:"body_size" doc:"In bytes, as it came."`
	BodyCut       bool            `json:"body_cut" doc:"There was more than is shown."`
	Decision      *ParkedDecision `json:"decision" doc:"Null: nobody decided yet."`
	Outcome       *ParkedOutcome  `json:"outcome" doc:"How its command id has ended; null: it has not, or this is a list."`
}

// TransformSchema implements huma.SchemaTransformer.
func (ParkedCommand) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return mayBeNull(s, "decision", "outcome")
}

// retryInput is the body of a retry, for the document.
type retryInput struct {
	_      struct{} `additionalProperties:"false"`
	Reason string   `json:"reason,omitempty" maxLength:"500" doc:"Why; kept with the decision."`
}

func parkedInList(row ParkedRow) ParkedCommand {
	row.Outcome = nil
	out := parkedOf(row)
	out.Body, out.BodyBase64 = nil, nil
	return out
}

func parkedOf(row ParkedRow) ParkedCommand {
	out := ParkedCommand{
		Sequence: row.Seq, ParkedAt: row.At.UTC(), Enterprise: orNull(string(row.Enterprise)), Command: orNull(row.Command), CommandID: orNull(string(row.CommandID)),
		Code: row.Reason, Detail: row.Detail, Subject: row.Subject, Actor: row.Actor, OnBehalfOf: orNull(row.OnBehalfOf), Reason: orNull(row.Why),
		CorrelationID: orNull(row.CorrelationID), CausationID: orNull(row.CausationID), Deliveries: row.Deliveries,
		BodySize: row.BodySize, Decision: row.Decision, Outcome: parkedOutcome(row.Outcome),
	}
	out.Body, out.BodyBase64, out.BodyCut = bodyText(row.Body, row.BodySize)
	return out
}

// parkedShown is how many bytes of a body are shown.
const parkedShown = 64 << 10

// bodyText shows a body of which size bytes came: as text when it is JSON, else
// in base64.
func bodyText(body []byte, size int) (text, encoded *string, isCut bool) {
	shown := body[:min(len(body), parkedShown)]
	isCut = len(shown) < size
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, new(base64.StdEncoding.EncodeToString(shown)), isCut
	}
	for !utf8.Valid(shown) { // it ends within a character
		shown = shown[:len(shown)-1]
	}
	return new(string(shown)), nil, isCut
}

func parkedOutcome(out *command.Outcome) *ParkedOutcome {
	if out == nil {
		return nil
	}
	shown := &ParkedOutcome{Result: string(out.Result), At: out.At.UTC()}
	if out.Sequence != 0 {
		shown.Sequence = &out.Sequence
	}
	if out.Error != nil {
		shown.Code, shown.Detail = orNull(string(out.Error.Code)), orNull(out.Error.Msg)
	}
	return shown
}

func (ParkedCommand) example() ParkedCommand {
	return parkedOf(ParkedRow{
		Seq: 12, At: exampleTime(), Subject: "peering.commands." + string(exampleEnterprise) + ".RenamePeer@billing+operator",
		Enterprise: exampleEnterprise, Command: string(domain.RenamePeer{}.Name()), CommandID: "order-4711",
		Reason: "not_handled", Detail: "the history of the enterprise could not be read in time", Actor: "service billing", OnBehalfOf: "j.doe", Why: "New firewall",
		CorrelationID: "order-4711", Deliveries: 2,
		Body: []byte(`{"peer":"` + examplePeer + `","description":"Lyon"}`), BodySize: 71,
		Decision: &ParkedDecision{Action: "discarded", By: exampleActor, At: exampleTime().Add(time.Hour), Reason: "ordered again", CarriedOut: true},
		Outcome:  &command.Outcome{Result: command.Failed, Error: &domain.Error{Code: "discarded", Msg: "an operator gave it up: ordered again"}, At: exampleTime().Add(time.Hour)},
	})
}
