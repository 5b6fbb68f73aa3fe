package httpapi

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

const (
	// awaitTimeout is how long a read waits for the projection to reach min_seq.
	awaitTimeout = 5 * time.Second
	// readTimeout bounds the query itself.
	readTimeout = 5 * time.Second
)

// await waits until a read of ent sees what min_seq asks for. It is refused
// with 503 when that takes too long; the caller may simply repeat the request.
func (c *call) await(ctx context.Context, ent events.EnterpriseID) error {
	if min := events.Seq(c.number("min_seq")); min > 0 { // #nosec G115 -- not negative
		return awaiting(ctx, ent, min, c.Directory.Await)
	}
	return nil
}

// awaiting waits within its time; await is that of what is read.
func awaiting(ctx context.Context, ent events.EnterpriseID, min events.Seq, await func(context.Context, events.EnterpriseID, events.Seq) error) error {
	waiting, cancel := context.WithTimeout(ctx, awaitTimeout)
	defer cancel()
	err := await(waiting, ent, min)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return problem(codeUnavailable, "min_seq", "What is shown has not reached sequence %d within %s. Try again.", min, awaitTimeout)
	}
	return err
}

// read waits for min_seq and runs a query within its time.
func read[T any](ctx context.Context, c *call, ent events.EnterpriseID, query func(context.Context) (T, error)) (T, error) {
	if err := c.await(ctx, ent); err != nil {
		var zero T
		return zero, err
	}
	return within(ctx, readTimeout, query)
}

// etagOf is the ETag of what has this revision and this last event. It is there
// for If-Match alone. A read is never answered with 304: what it shows also
// depends on other things, such as the local server's version and the day.
func etagOf(revision, last events.Seq) string {
	return `"` + strconv.FormatUint(uint64(revision), 10) + "." + strconv.FormatUint(uint64(last), 10) + `"`
}

// listQuery is what all lists take, from parameters that were checked.
func (c *call) listQuery() readmodel.ListQuery {
	return readmodel.ListQuery{
		Q:      c.query.Get("q"),
		Sort:   c.query.Get("sort"),
		Limit:  int(c.number("limit")),
		Cursor: c.query.Get("cursor"),
	}
}

// List is one page of a list.
type List[T any] struct {
	Items      []T        `json:"items" nullable:"false" doc:"The rows of this page."`
	NextCursor *string    `json:"next_cursor" doc:"The cursor of the next page; null: this was the last one."`
	Sequence   events.Seq `json:"sequence" doc:"The position in the log that the page shows."`
}

func listOf[Row, T any](page readmodel.Page[Row], show func(Row) T) *reply[List[T]] {
	out := List[T]{Items: make([]T, 0, len(page.Items)), Sequence: page.Sequence}
	for _, row := range page.Items {
		out.Items = append(out.Items, show(row))
	}
	if page.NextCursor != "" {
		out.NextCursor = &page.NextCursor
	}
	return &reply[List[T]]{Body: out}
}

// knownEnterprise refuses what is asked about an enterprise that never was, or
// is gone. Lists ask it only when they are empty: an enterprise with rows exists.
func (c *call) knownEnterprise(ctx context.Context, ent events.EnterpriseID) error {
	row, err := c.Directory.Enterprise(ctx, ent)
	return enterpriseError(ent, row, err)
}

func enterpriseError(ent events.EnterpriseID, row readmodel.Enterprise, err error) error {
	if errors.Is(err, readmodel.ErrNotFound) {
		return noSuch("enterprise", string(ent))
	}
	if err == nil && row.Removed != nil {
		return gone("The enterprise", *row.Removed)
	}
	return err
}

func noSuch(what, id string) *Problem {
	return problem(domain.NotFound, "", "There is no %s %q.", what, id)
}

// The ids of a path. One that is not even well formed cannot exist: not found.

func (c *call) enterprise() (events.EnterpriseID, error) {
	id, err := events.ParseEnterpriseID(c.r.PathValue("enterprise"))
	return id, illFormed("enterprise", err)
}

func (c *call) peer() (events.EnterpriseID, events.PeerID, error) {
	ent, err := c.enterprise()
	if err != nil {
		return "", "", err
	}
	id, err := events.ParsePeerID(c.r.PathValue("peer"))
	return ent, id, illFormed("peer", err)
}

func (c *call) trustedServer() (events.EnterpriseID, events.TrustedServerID, error) {
	ent, err := c.enterprise()
	if err != nil {
		return "", "", err
	}
	id, err := events.ParseTrustedServerID(c.r.PathValue("trusted_server"))
	return ent, id, illFormed("trusted server", err)
}

func illFormed(what string, err error) error {
	if err == nil {
		return nil
	}
	return problem(domain.NotFound, "", "There is no such %s: %s.", what, err.Error())
}

// enterpriseFilter is the enterprise that a list is narrowed to; empty: it is not.
func (c *call) enterpriseFilter() (events.EnterpriseID, error) {
	given := c.query.Get("enterprise")
	if given == "" {
		return "", nil
	}
	ent, err := events.ParseEnterpriseID(given)
	if err != nil {
		return "", problem(domain.Invalid, "enterprise", "%s", err.Error())
	}
	return ent, nil
}

// peerFilter is the peer that a list is narrowed to; empty: it is not.
func (c *call) peerFilter() (events.PeerID, error) {
	given := c.query.Get("peer")
	if given == "" {
		return "", nil
	}
	id, err := events.ParsePeerID(given)
	if err != nil {
		return "", problem(domain.Invalid, "peer", "%s", err.Error())
	}
	return id, nil
}
