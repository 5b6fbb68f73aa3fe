package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	deadEventsPath = "/api/v1/dead"
	deadEventPath  = deadEventsPath + "/{projection}/{sequence}"

	// retryTimeout is how long a retry waits for whoever writes the projection.
	retryTimeout = 10 * time.Second
	maxWhy       = 500 // characters of a reason, as for a command
)

// DeadEvent is how an event reads that a projection could not apply.
type DeadEvent struct {
	Projection string      `json:"projection" example:"directory"`
	Sequence   events.Seq  `json:"sequence" doc:"Its place in the log."`
	Enterprise *string     `json:"enterprise" doc:"Null: it belongs to none."`
	Subject    string      `json:"subject"`
	Type       *string     `json:"type" doc:"Null: it could not be decoded."`
	Error      string      `json:"error" doc:"Why it could not be applied."`
	StoredAt   *time.Time  `json:"stored_at" doc:"When the log took it; null: not known."`
	HeldAt     *events.Seq `json:"held_at" doc:"The first event of the enterprise that waits; null: nobody waits."`
	Discarded  *Discarded  `json:"discarded" doc:"Who gave it up; null: nobody did."`
}

// Discarded is the story of an event that was given up.
type Discarded struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Retried is the answer to a retry.
type Retried struct {
	Healed bool `json:"healed" doc:"It was applied, and what waited behind it goes on; else it could not be applied again."`
}

// TransformSchema implements huma.SchemaTransformer.
func (DeadEvent) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return mayBeNull(s, "discarded")
}

// discardInput is the body of a discard; whyOrder is the same for the decoder.
type discardInput struct {
	_      struct{} `additionalProperties:"false"`
	Reason string   `json:"reason" minLength:"1" maxLength:"500" doc:"Why it is given up; kept."`
}

type whyOrder struct {
	Reason string `json:"reason"`
}

func (a *api) deadEventRoutes() {
	needs := []need{theOperations}
	path := []*huma.Param{projectionParam(), pathParam("sequence", "Sequence of the event.", "57")}
	one := []domain.Code{domain.NotFound}
	register(a, operation{
		id: "list-dead-events", tag: operationsTag, method: http.MethodGet, path: deadEventsPath, right: access.Operate, needs: needs,
		summary: "List events that could not be applied", about: "Later events of the same enterprise wait behind each.",
		params: plainListParams("enterprise, subject, type or error",
			textParam("projection", "Only those of this projection."),
			textParam("enterprise", "Only those of this enterprise."),
			boolParam("discarded", "Those that were given up instead.")),
	}, a.listDeadEvents)
	register(a, operation{
		id: "show-dead-event", tag: operationsTag, method: http.MethodGet, path: deadEventPath, right: access.Operate, needs: needs,
		summary: "Show an event that could not be applied", params: path, codes: one,
	}, a.showDeadEvent)
	register(a, operation{
		id: "retry-dead-event", tag: operationsTag, method: http.MethodPost, path: deadEventPath + "/retry", right: access.Operate, needs: needs,
		summary: "Try to apply an event again", about: "After its cause is gone. What waits behind it follows.", params: path, codes: one,
	}, a.retryDeadEvent)
	register(a, operation{
		id: "discard-dead-event", tag: operationsTag, method: http.MethodPost, path: deadEventPath + "/discard", right: access.Operate, needs: needs,
		summary: "Give an event up", about: "The projection skips it from then on, also when it is rebuilt. It stays in the log.", params: path, codes: one,
		body: &bodyDoc{schema: reflect.TypeFor[discardInput](), examples: map[string]any{"A test": map[string]any{"reason": "written by a test, concerns nobody"}}},
	}, a.discardDeadEvent)
}

func (a *api) listDeadEvents(ctx context.Context, c *call) (*reply[List[DeadEvent]], error) {
	q := readmodel.DeadQuery{ListQuery: c.listQuery(), Projection: c.query.Get("projection")}
	var err error
	if q.Enterprise, err = c.enterpriseFilter(); err != nil {
		return nil, err
	}
	if c.query.Get("discarded") == "true" {
		page, err := within(ctx, readTimeout, func(ctx context.Context) (readmodel.Page[readmodel.DiscardedEvent], error) {
			return c.Operations.DiscardedEvents(ctx, q)
		})
		if err != nil {
			return nil, err
		}
		return listOf(page, discardedOf), nil
	}
	page, err := within(ctx, readTimeout, func(ctx context.Context) (readmodel.Page[readmodel.BuriedEvent], error) {
		return c.Operations.DeadEvents(ctx, q)
	})
	if err != nil {
		return nil, err
	}
	return listOf(page, deadOf), nil
}

func (a *api) showDeadEvent(ctx context.Context, c *call) (*reply[DeadEvent], error) {
	projection, at, err := c.deadEvent()
	if err != nil {
		return nil, err
	}
	row, err := within(ctx, readTimeout, func(ctx context.Context) (DeadEvent, error) {
		dead, err := c.Operations.DeadEvent(ctx, projection, at)
		if !errors.Is(err, readmodel.ErrNotFound) {
			return deadOf(dead), err
		}
		given, err := c.Operations.DiscardedEvent(ctx, projection, at)
		return discardedOf(given), err
	})
	if err != nil {
		return nil, operationError("dead event", c.deadEventName(), err)
	}
	return &reply[DeadEvent]{Body: row}, nil
}

func (a *api) retryDeadEvent(ctx context.Context, c *call) (*reply[Retried], error) {
	projection, at, err := c.deadEvent()
	if err != nil {
		return nil, err
	}
	healed, err := within(ctx, retryTimeout, func(ctx context.Context) (bool, error) { return c.Operations.Retry(ctx, projection, at) })
	if err != nil {
		return nil, operationError("dead event", c.deadEventName(), err)
	}
	return &reply[Retried]{Body: Retried{healed}}, nil
}

func (a *api) discardDeadEvent(ctx context.Context, c *call) (*reply[DeadEvent], error) {
	projection, at, err := c.deadEvent()
	if err != nil {
		return nil, err
	}
	reason, err := c.why()
	if err != nil {
		return nil, err
	}
	row, err := within(ctx, writeTimeout, func(ctx context.Context) (readmodel.DiscardedEvent, error) {
		err := c.Operations.Discard(ctx, projection, at, readmodel.Discard{By: c.principal.Actor, At: a.now().UTC(), Reason: reason})
		if err != nil {
			return readmodel.DiscardedEvent{}, err
		}
		return c.Operations.DiscardedEvent(ctx, projection, at)
	})
	if err != nil {
		return nil, operationError("dead event", c.deadEventName(), err)
	}
	return &reply[DeadEvent]{Body: discardedOf(row)}, nil
}

// why reads the reason that the body must give.
func (c *call) why() (string, error) { return c.whyIf(true) }

// whyIf reads the reason that the body gives, if it must or does.
func (c *call) whyIf(needed bool) (string, error) {
	body, err := c.jsonBody()
	if err != nil {
		return "", err
	}
	order, err := command.DecodeDocument[whyOrder]("decision", body)
	if err != nil {
		return "", err
	}
	reason := strings.TrimSpace(order.Reason)
	switch {
	case reason == "" && needed:
		return "", problem(domain.Invalid, "reason", "is needed: it is kept with the decision")
	case strings.ContainsFunc(reason, unicode.IsControl):
		return "", problem(domain.Invalid, "reason", "must not contain control characters")
	case utf8.RuneCountInString(reason) > maxWhy:
		return "", problem(domain.Invalid, "reason", "must have at most %d characters", maxWhy)
	}
	return reason, nil
}

// deadEvent reads the event that the path names.
func (c *call) deadEvent() (projection string, at events.Seq, err error) {
	at, err = c.sequence("dead event")
	return c.r.PathValue("projection"), at, err
}

func (c *call) deadEventName() string {
	return fmt.Sprintf("%s/%s", c.r.PathValue("projection"), c.r.PathValue("sequence"))
}

func deadOf(row readmodel.BuriedEvent) DeadEvent {
	out := plainDead(row.Projection, row.DeadEvent)
	if row.HeldAt != 0 {
		out.HeldAt = &row.HeldAt
	}
	return out
}

func discardedOf(row readmodel.DiscardedEvent) DeadEvent {
	out := plainDead(row.Projection, row.DeadEvent)
	out.Discarded = &Discarded{row.By, row.At.UTC(), row.Reason}
	return out
}

func plainDead(projection string, e readmodel.DeadEvent) DeadEvent {
	return DeadEvent{
		Projection: projection, Sequence: e.Seq, Enterprise: orNull(string(e.Enterprise)), Subject: e.Subject,
		Type: orNull(string(e.Type)), Error: e.Error, StoredAt: timeOrNull(e.Stored),
	}
}
