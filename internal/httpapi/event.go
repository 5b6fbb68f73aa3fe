package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	eventsPath  = "/api/v1/events"
	historyPath = peerPath + "/history"
	eventTag    = "history"

	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
)

// EventSummary is what everybody may know of an event who may see what it changed.
type EventSummary struct {
	Sequence      events.Seq          `json:"sequence" doc:"Its place in the log." example:"57"`
	ID            events.EventID      `json:"id"`
	Time          time.Time           `json:"time" doc:"When the command was accepted."`
	Type          events.Type         `json:"type" example:"PeerAddressChanged"`
	Enterprise    events.EnterpriseID `json:"enterprise" example:"acme"`
	Peer          *string             `json:"peer" doc:"The peer it is about; null: none." example:"0198c5c6-2a6f-7c80-9d4e-0d6f5a1b2c3d"`
	TrustedServer *string             `json:"trusted_server" doc:"The entry it is about; null: none."`
}

// Event is how an event reads.
type Event struct {
	EventSummary
	Version       int              `json:"version" doc:"Of the form of data." example:"1"`
	Actor         string           `json:"actor" doc:"Who gave the command." example:"provisioning (token:0198c5c8-7d1e-7a20-b3c4-5d6e7f8a9b0c)"`
	OnBehalfOf    *string          `json:"on_behalf_of" doc:"Whom the actor said it acted for." example:"j.doe"`
	Reason        *string          `json:"reason" example:"New firewall"`
	CommandID     events.CommandID `json:"command_id"`
	CorrelationID *string          `json:"correlation_id"`
	CausationID   *string          `json:"causation_id"`
	Data          EventData        `json:"data" doc:"The event as it is in the log."`
	Changes       []Change         `json:"changes" nullable:"false" doc:"What it replaced."`
}

// Change is one value that was replaced.
type Change struct {
	Field  string `json:"field" example:"address"`
	Before any    `json:"before" doc:"Null: there was none."`
	After  any    `json:"after" doc:"Null: there is none any more."`
}

// EventData is plain JSON.
type EventData json.RawMessage

// MarshalJSON implements json.Marshaler.
func (d EventData) MarshalJSON() ([]byte, error) { return json.RawMessage(d).MarshalJSON() }

// UnmarshalJSON implements json.Unmarshaler.
func (d *EventData) UnmarshalJSON(b []byte) error { return (*json.RawMessage)(d).UnmarshalJSON(b) }

// Schema implements huma.SchemaProvider.
func (EventData) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

func (a *api) eventRoutes() {
	forms := []answerForm{
		{typeJSON, reflect.TypeFor[List[Event]](), List[Event]{}.example()},
		{typeNDJSON, reflect.TypeFor[Event](), Event{}.example()},
	}
	filters := []*huma.Param{
		textParam("type", "Only events of this type.", texts(events.Default().Types())...),
		textParam("actor", "Only events of exactly this actor."),
		textParam("command_id", "Only the events of this command."),
		textParam("from", "Only this event and later ones: a sequence, or a time (RFC 3339 with offset)."),
		textParam("to", "Only this event and earlier ones: a sequence, or a time (RFC 3339 with offset)."),
		numberParam("after_seq", "Only events after this sequence.", 0, nil),
		headerParam("Accept", "application/x-ndjson: all that match, one a line, instead of a page.", typeNDJSON),
	}
	needs := []need{theDirectory, theAudit}
	registerStreamed(a, operation{
		id: "list-events", tag: eventTag, method: http.MethodGet, path: eventsPath, right: access.ReadHistory, needs: needs,
		summary: "List events", about: "What happened, in the order of the log: who, when, why, and what was replaced.",
		params: eventListParams(nil, append(filters, textParam("enterprise", "Only events of this enterprise."), textParam("peer", "Only events about this peer."))...),
	}, forms, a.listEvents)
	registerStreamed(a, operation{
		id: "show-peer-history", tag: eventTag, method: http.MethodGet, path: historyPath, right: access.ReadHistory, needs: needs,
		summary: "Show the history of a peer", about: "Everything that happened to it, its deletion too: the history stays when the peer is gone.",
		params: eventListParams([]*huma.Param{enterpriseParam(), peerParam()}, filters...),
		codes:  []domain.Code{domain.NotFound},
	}, forms, a.peerHistory)
}

// eventListParams are those of a list of events, which has the order of the log
// alone and nothing that is searched.
func eventListParams(path []*huma.Param, extra ...*huma.Param) []*huma.Param {
	var out []*huma.Param
	for _, p := range listParams(path, "", extra...) {
		switch p.Name {
		case "q":
			continue
		case "sort":
			p = textParam("sort", "The order: that of the log, or the latest first.", "sequence", "-sequence")
		}
		out = append(out, p)
	}
	return out
}

func (a *api) listEvents(ctx context.Context, c *call) (*streamed, error) {
	q, err := c.eventQuery()
	if err != nil {
		return nil, err
	}
	if q.Enterprise, err = c.enterpriseFilter(); err != nil {
		return nil, err
	}
	if q.Peer, err = c.peerFilter(); err != nil {
		return nil, err
	}
	waited := q.Enterprise
	if !c.principal.Sees(waited) {
		waited = "" // nothing is said of whether it is held back either
	}
	return a.eventsAsAsked(ctx, c, waited, q)
}

func (a *api) peerHistory(ctx context.Context, c *call) (*streamed, error) {
	ent, id, err := c.peer()
	if err != nil {
		return nil, err
	}
	q, err := c.eventQuery()
	if err != nil {
		return nil, err
	}
	if err := c.await(ctx, ent); err != nil {
		return nil, err
	}
	_, err = within(ctx, readTimeout, func(ctx context.Context) (readmodel.Peer, error) { return c.Directory.Peer(ctx, ent, id) })
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, noSuch("peer", string(id))
	}
	if err != nil {
		return nil, err
	}
	q.Enterprise, q.Peer = ent, id
	return a.eventsAsAsked(ctx, c, ent, q)
}

// eventQuery is what both lists take, from parameters that were checked.
func (c *call) eventQuery() (q readmodel.EventQuery, err error) {
	q = readmodel.EventQuery{
		ListQuery: c.listQuery(), Only: c.principal.Enterprise,
		Type: events.Type(c.query.Get("type")), Actor: c.query.Get("actor"),
		CommandID: events.CommandID(c.query.Get("command_id")), After: events.Seq(c.number("after_seq")), // #nosec G115 -- not negative
	}
	if q.From, err = c.point("from"); err != nil {
		return q, err
	}
	q.To, err = c.point("to")
	return q, err
}

// point reads a place in the log: a sequence, or a time with its offset.
func (c *call) point(name string) (readmodel.Point, error) {
	text := c.query.Get(name)
	if text == "" {
		return readmodel.Point{}, nil
	}
	if n, err := strconv.ParseUint(text, 10, 63); err == nil && n > 0 {
		return readmodel.Point{Seq: events.Seq(n)}, nil
	}
	// In a query string + stands for a space.
	at, err := time.Parse(time.RFC3339Nano, strings.Replace(text, " ", "+", 1))
	if err != nil || at.Year() < 1 || at.IsZero() {
		return readmodel.Point{}, problem(domain.Invalid, name, "must be a sequence from 1 on, or a time with its offset such as 2026-01-31T12:00:00Z")
	}
	return readmodel.Point{Time: at}, nil
}

// eventsAsAsked answers with a page, or with everything that matches one a line.
func (a *api) eventsAsAsked(ctx context.Context, c *call, ent events.EnterpriseID, q readmodel.EventQuery) (*streamed, error) {
	if min := events.Seq(c.number("min_seq")); min > 0 { // #nosec G115 -- not negative
		if err := awaiting(ctx, ent, min, c.Audit.Await); err != nil {
			return nil, err
		}
	}
	if prefersLines(c.r) {
		return a.export(ctx, c, q)
	}
	page, err := c.eventPage(ctx, q)
	if err != nil {
		return nil, err
	}
	return &streamed{contentType: typeJSON, write: func(w http.ResponseWriter) { _ = marshal(w, listOf(page, a.eventOf).Body) }}, nil
}

func (c *call) eventPage(ctx context.Context, q readmodel.EventQuery) (readmodel.Page[readmodel.Event], error) {
	return within(ctx, readTimeout, func(ctx context.Context) (readmodel.Page[readmodel.Event], error) { return c.Audit.Events(ctx, q) })
}

// export answers with lines: all that match, or as many as limit says.
func (a *api) export(ctx context.Context, c *call, q readmodel.EventQuery) (*streamed, error) {
	leave, err := a.exports.enter(c.owner())
	if err != nil {
		return nil, err
	}
	all := q.Limit == 0
	if all {
		q.Limit = exportPage
	}
	page, err := c.eventPage(ctx, q)
	if err != nil {
		leave()
		return nil, err
	}
	if !all {
		page.NextCursor = ""
	}
	return &streamed{contentType: typeNDJSON, close: leave, write: func(w http.ResponseWriter) { a.writeLines(ctx, w, c, q, page) }}, nil
}

// exportPage is how many events are read at once for an answer of lines.
const exportPage = 1000

// prefersLines reports whether the caller asks for lines: the first type of
// Accept that is known here decides.
func prefersLines(r *http.Request) bool {
	for _, accepted := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		switch mt, _, _ := strings.Cut(strings.TrimSpace(strings.ToLower(accepted)), ";"); mt {
		case typeNDJSON, "application/ndjson":
			return true
		case typeJSON:
			return false
		}
	}
	return false
}

// writeLines writes page and all after it, one event a line. When it cannot go
// on it breaks the answer off, so that nobody takes a part for the whole.
func (a *api) writeLines(ctx context.Context, w http.ResponseWriter, c *call, q readmodel.EventQuery, page readmodel.Page[readmodel.Event]) {
	out := http.NewResponseController(w)
	for {
		if err := out.SetWriteDeadline(time.Now().Add(pieceTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			panic(http.ErrAbortHandler)
		}
		for _, e := range page.Items {
			if err := marshal(w, a.eventOf(e)); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if page.NextCursor == "" {
			return
		}
		_ = out.Flush() // a connection that is gone is found out by the next write
		q.Cursor = page.NextCursor
		err := c.still(ctx)
		if err == nil {
			page, err = c.eventPage(ctx, q)
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// pieceTimeout is how long a reader may take for one piece of a long answer.
const pieceTimeout = 30 * time.Second

func summaryOf(e readmodel.Event) EventSummary {
	return EventSummary{
		Sequence: e.Seq, ID: e.ID, Time: e.Time, Type: e.Type, Enterprise: e.Enterprise,
		Peer: orNull(string(e.Peer)), TrustedServer: orNull(string(e.TrustedServer)),
	}
}

func (a *api) eventOf(e readmodel.Event) Event {
	out := Event{
		EventSummary: summaryOf(e), Version: e.Version, Actor: e.Actor, OnBehalfOf: orNull(e.OnBehalfOf), Reason: orNull(e.Reason),
		CommandID: e.CommandID, CorrelationID: orNull(e.CorrelationID), CausationID: orNull(e.CausationID),
		Data: EventData(e.Data), Changes: []Change{},
	}
	event, err := a.registry.Decode(e.Type, e.Version, e.Data)
	if err != nil {
		return out // a later program wrote it; data says all
	}
	for _, c := range events.Changes(event) {
		out.Changes = append(out.Changes, Change(c))
	}
	return out
}
