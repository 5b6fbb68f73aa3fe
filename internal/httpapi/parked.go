package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	parkedPath    = "/api/v1/parked"
	oneParkedPath = parkedPath + "/{sequence}"
	parkedName    = "parked command"

	parkedTimeout = 10 * time.Second // of a decision and of carrying it out
	defaultParked = 100              // rows of a page
	maxParked     = 1000
)

func (a *api) parkedRoutes() {
	needs := []need{theParked}
	path := []*huma.Param{pathParam("sequence", "Sequence of the parked command.", "12")}
	most := float64(maxParked)
	register(a, operation{
		id: "list-parked-commands", tag: operationsTag, method: http.MethodGet, path: parkedPath, right: access.Operate, needs: needs,
		summary: "List commands that could not be handled", about: "In the order in which they were parked, without their bodies. Decisions are kept for 90 days.",
		params: []*huma.Param{
			numberParam("limit", "Rows of a page; 100 when not given.", 1, &most),
			textParam("cursor", "The next_cursor of the page before."),
			textParam("enterprise", "Only those of this enterprise."),
			boolParam("decided", "Those that were decided about instead."),
		},
	}, a.listParked)
	register(a, operation{
		id: "show-parked-command", tag: operationsTag, method: http.MethodGet, path: oneParkedPath, right: access.Operate, needs: needs,
		summary: "Show a command that could not be handled", params: path, codes: []domain.Code{domain.NotFound},
	}, a.showParked)
	register(a, operation{
		id: "retry-parked-command", tag: operationsTag, method: http.MethodPost, path: oneParkedPath + "/retry", right: access.Operate, needs: needs,
		summary: "Have a command handled again",
		about: "After its cause is gone, with its command id, on behalf of whom it came from. One that cannot be handled again is a new parked command. " +
			"Refused when it could have a second effect, or cannot end otherwise than it did. It may be repeated.",
		params: path, codes: []domain.Code{domain.NotFound, codeConflict},
		body: &bodyDoc{optional: true, schema: reflect.TypeFor[retryInput](), examples: map[string]any{"With a reason": map[string]any{"reason": "the log has room again"}}},
	}, a.decideParked(false, Parked.Retry))
	register(a, operation{
		id: "discard-parked-command", tag: operationsTag, method: http.MethodPost, path: oneParkedPath + "/discard", right: access.Operate, needs: needs,
		summary: "Give a command up",
		about:   "Its outcome is then failed with the code discarded, unless it has one: then that stands, and is in the answer. It may be repeated.",
		params:  path, codes: []domain.Code{domain.NotFound, codeConflict},
		body: &bodyDoc{schema: reflect.TypeFor[discardInput](), examples: map[string]any{"A test": map[string]any{"reason": "written by a test, concerns nobody"}}},
	}, a.decideParked(true, Parked.Discard))
}

func (a *api) listParked(ctx context.Context, c *call) (*reply[List[ParkedCommand]], error) {
	q := ParkedQuery{Decided: c.query.Get("decided") == "true", Limit: int(c.number("limit"))}
	if q.Limit == 0 {
		q.Limit = defaultParked
	}
	var err error
	if q.Enterprise, err = c.enterpriseFilter(); err != nil {
		return nil, err
	}
	if q.After, err = c.parkedCursor(); err != nil {
		return nil, err
	}
	limit := q.Limit
	q.Limit = min(limit+1, maxParked) // the one more tells whether there is a next page
	rows, err := within(ctx, readTimeout, func(ctx context.Context) ([]ParkedRow, error) { return c.Parked.List(ctx, q) })
	if err != nil {
		return nil, parkedError(err, "")
	}
	page := readmodel.Page[ParkedRow]{Items: rows, Sequence: noSequence}
	if len(rows) > limit || len(rows) == maxParked {
		page.Items = rows[:limit]
		page.NextCursor = strconv.FormatUint(uint64(rows[limit-1].Seq), 10)
	}
	return listOf(page, parkedInList), nil
}

// parkedCursor is the sequence after which a page begins.
func (c *call) parkedCursor() (events.Seq, error) {
	given := c.query.Get("cursor")
	if given == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(given, 10, 63)
	if err != nil || n == 0 {
		return 0, problem(domain.Invalid, "cursor", "is none of this list")
	}
	return events.Seq(n), nil
}

func (a *api) showParked(ctx context.Context, c *call) (*reply[ParkedCommand], error) {
	at, err := c.sequence(parkedName)
	if err != nil {
		return nil, err
	}
	row, err := within(ctx, readTimeout, func(ctx context.Context) (ParkedRow, error) { return c.Parked.Show(ctx, at) })
	if err != nil {
		return nil, parkedError(err, c.r.PathValue("sequence"))
	}
	return &reply[ParkedCommand]{Body: parkedOf(row)}, nil
}

// decideParked returns the handler of a decision.
func (a *api) decideParked(needsReason bool, decide func(Parked, context.Context, events.Seq, string, string) (ParkedRow, error)) func(context.Context, *call) (*reply[ParkedCommand], error) {
	return func(ctx context.Context, c *call) (*reply[ParkedCommand], error) {
		at, err := c.sequence(parkedName)
		if err != nil {
			return nil, err
		}
		reason, err := c.whyIf(needsReason)
		if err != nil {
			return nil, err
		}
		row, err := within(ctx, parkedTimeout, func(ctx context.Context) (ParkedRow, error) {
			return decide(c.Parked, ctx, at, c.principal.Actor, reason)
		})
		if err != nil {
			return nil, parkedError(err, c.r.PathValue("sequence"))
		}
		return &reply[ParkedCommand]{Body: parkedOf(row)}, nil
	}
}

// parkedError says what a request was about that was not answered.
func parkedError(err error, id string) error {
	var decided *DecidedError
	switch {
	case errors.Is(err, readmodel.ErrNotFound):
		return noSuch(parkedName, id)
	case errors.As(err, &decided):
		d := decided.Decision
		text := "It was " + d.Action + " by " + d.By + " at " + d.At.UTC().Format(time.RFC3339)
		if d.Reason != "" {
			text += ": " + d.Reason
		}
		return problem(codeConflict, "", "%s", text)
	case errors.Is(err, command.ErrUnavailable):
		return problem(codeUnavailable, "", "The streams of the bus do not answer. Try again: the first decision stands, and is carried out once.")
	}
	return err
}
