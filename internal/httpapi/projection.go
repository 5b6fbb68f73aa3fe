package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	projectionsPath = "/api/v1/projections"
	projectionPath  = projectionsPath + "/{projection}"
	operationsTag   = "operations"
)

// Operations is what operators do to projections. Errors: readmodel.ErrNotFound
// for a projection that nobody knows or an event that is not dead, *BusyError,
// *readmodel.DeadEventError, and readmodel.ErrUnavailable.
type Operations interface {
	Projections(ctx context.Context) ([]Projection, error)
	// Rebuild and Verify begin a job, which goes on when the caller has gone.
	Rebuild(ctx context.Context, projection string) (Job, error)
	Verify(ctx context.Context, projection string) (Job, error)

	DeadEvents(ctx context.Context, q readmodel.DeadQuery) (readmodel.Page[readmodel.BuriedEvent], error)
	DeadEvent(ctx context.Context, projection string, at events.Seq) (readmodel.BuriedEvent, error)
	DiscardedEvents(ctx context.Context, q readmodel.DeadQuery) (readmodel.Page[readmodel.DiscardedEvent], error)
	DiscardedEvent(ctx context.Context, projection string, at events.Seq) (readmodel.DiscardedEvent, error)
	// Retry reports whether the event is dead no more.
	Retry(ctx context.Context, projection string, at events.Seq) (healed bool, err error)
	Discard(ctx context.Context, projection string, at events.Seq, d readmodel.Discard) error
}

// BusyError says that a job is at work on the projection already.
type BusyError struct{ Msg string }

func (e *BusyError) Error() string { return e.Msg }

// Projection is how a projection reads.
type Projection struct {
	Name     string     `json:"name" example:"directory"`
	Version  int        `json:"version" example:"1"`
	Position events.Seq `json:"position" doc:"Up to which the tables are right."`
	End      events.Seq `json:"end" doc:"Of the log."`
	Lag      events.Seq `json:"lag" doc:"Events that are not applied yet."`
	Owner    *string    `json:"owner" doc:"The process that writes it; null: none does."`
	Stopped  *string    `json:"stopped" doc:"Why it does not follow the log any more; null: it does."`
	Dead     int        `json:"dead" doc:"Events that could not be applied."`
	Held     []Held     `json:"held" nullable:"false" doc:"Enterprises whose events wait behind one that could not be applied."`
	Building *Building  `json:"building" doc:"Tables that are being made beside these."`
	Job      *Job       `json:"job" doc:"The last rebuild or verification that this process was asked for."`
}

// Held is an enterprise whose events wait.
type Held struct {
	Enterprise events.EnterpriseID `json:"enterprise"`
	HeldAt     events.Seq          `json:"held_at" doc:"The first event that is not applied."`
}

// Building are tables that are being made.
type Building struct {
	Position events.Seq `json:"position"`
	Owner    string     `json:"owner"`
	Compare  bool       `json:"compare" doc:"They are made to be compared, and nobody will read them."`
}

// Job is a rebuild or a verification.
type Job struct {
	Projection string        `json:"projection" example:"directory"`
	Kind       string        `json:"kind" enum:"rebuild,verify"`
	Position   events.Seq    `json:"position" doc:"Up to which the new tables are filled."`
	End        events.Seq    `json:"end" doc:"Of the log, as far as is known."`
	StartedAt  time.Time     `json:"started_at"`
	FinishedAt *time.Time    `json:"finished_at" doc:"Null: it is at work."`
	Error      *string       `json:"error" doc:"Why it failed; null: it did not."`
	Report     *VerifyReport `json:"report" doc:"What a verification has found."`
}

// VerifyReport is what comparing tables with the log has found.
type VerifyReport struct {
	Position events.Seq    `json:"position" doc:"Of the tables that were compared."`
	Sound    bool          `json:"sound" doc:"The tables are what follows from the log."`
	Tables   []TableReport `json:"tables" nullable:"false"`
}

// TableReport is what comparing one table has found.
type TableReport struct {
	Name      string   `json:"name" example:"peers"`
	Rows      int      `json:"rows"`
	Missing   int      `json:"missing" doc:"Rows that follow from the log and are not there."`
	Extra     int      `json:"extra" doc:"Rows that are there and do not follow from the log."`
	Different int      `json:"different" doc:"Rows that have other values than follow from the log."`
	Examples  []string `json:"examples" nullable:"false" doc:"Some of these rows, in words."`
}

// TransformSchema implements huma.SchemaTransformer.
func (Projection) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return mayBeNull(s, "building", "job")
}

// TransformSchema implements huma.SchemaTransformer.
func (Job) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return mayBeNull(s, "report")
}

func projectionParam() *huma.Param {
	return pathParam("projection", "Name of the projection.", "directory")
}

func (a *api) projectionRoutes() {
	needs := []need{theOperations}
	one := []domain.Code{domain.NotFound}
	register(a, operation{
		id: "list-projections", tag: operationsTag, method: http.MethodGet, path: projectionsPath, right: access.Operate, needs: needs,
		summary: "List projections", about: "How far each is, what it could not apply, and what is being done to it.",
	}, a.listProjections)
	register(a, operation{
		id: "show-projection", tag: operationsTag, method: http.MethodGet, path: projectionPath, right: access.Operate, needs: needs,
		summary: "Show a projection", params: []*huma.Param{projectionParam()}, codes: one,
	}, a.showProjection)
	for _, o := range []struct {
		id, path, summary, about string
		begin                    func(Operations, context.Context, string) (Job, error)
	}{
		{
			"rebuild-projection", "/rebuild", "Rebuild a projection",
			"New tables are filled from the beginning of the log while the old ones are read, and take their place then. The answer says that it has begun; the projection tells how far it is.", Operations.Rebuild,
		},
		{
			"verify-projection", "/verify", "Verify a projection",
			"Compares the tables with what the log says, row by row at one position. Nothing is repaired. The answer says that it has begun; the projection tells what was found.", Operations.Verify,
		},
	} {
		register(a, operation{
			id: o.id, tag: operationsTag, method: http.MethodPost, path: projectionPath + o.path, right: access.Operate, needs: needs,
			status: http.StatusAccepted, summary: o.summary, about: o.about,
			params: []*huma.Param{projectionParam()}, codes: append(one, codeConflict),
		}, func(ctx context.Context, c *call) (*reply[Job], error) {
			name := c.r.PathValue("projection")
			job, err := within(ctx, writeTimeout, func(ctx context.Context) (Job, error) { return o.begin(c.Operations, ctx, name) })
			if err != nil {
				return nil, operationError("projection", name, err)
			}
			return &reply[Job]{Body: job}, nil
		})
	}
}

func (a *api) listProjections(ctx context.Context, c *call) (*reply[List[Projection]], error) {
	list, err := within(ctx, readTimeout, c.Operations.Projections)
	if err != nil {
		return nil, err
	}
	out := List[Projection]{Items: list}
	for _, p := range list {
		out.Sequence = max(out.Sequence, p.End)
	}
	return &reply[List[Projection]]{Body: out}, nil
}

func (a *api) showProjection(ctx context.Context, c *call) (*reply[Projection], error) {
	list, err := within(ctx, readTimeout, c.Operations.Projections)
	if err != nil {
		return nil, err
	}
	name := c.r.PathValue("projection")
	for _, p := range list {
		if p.Name == name {
			return &reply[Projection]{Body: p}, nil
		}
	}
	return nil, noSuch("projection", name)
}

// operationError says what an operation was about that could not be done.
func operationError(what, id string, err error) error {
	var busy *BusyError
	var dead *readmodel.DeadEventError
	switch {
	case errors.Is(err, readmodel.ErrNotFound):
		return noSuch(what, id)
	case errors.As(err, &busy):
		return problem(codeConflict, "", "%s", busy.Msg)
	case errors.As(err, &dead):
		return problem(domain.Invalid, "", "The event at sequence %d %s.", dead.Seq, dead.Msg)
	}
	return err
}

// sequence reads the sequence of a path; one that is none cannot exist.
func (c *call) sequence(what string) (events.Seq, error) {
	text := c.r.PathValue("sequence")
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 {
		return 0, noSuch(what, text)
	}
	return events.Seq(n), nil
}
