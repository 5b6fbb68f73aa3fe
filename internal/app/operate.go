package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/httpapi"
	"github.com/peering/peering/internal/projection"
	"github.com/peering/peering/internal/readmodel"
)

// operations are what operators do to projections, for the API: on the tables,
// and as jobs of this process.
type operations struct {
	*readmodel.DB
	jobs *projection.Operator
	log  *eventLog
}

// operate opens the operations, and ends their jobs with the process.
func (p *process) operate(ctx context.Context) error {
	l, db, err := p.logAndTables(ctx)
	if err != nil {
		return err
	}
	jobs := projection.NewOperator(l.reader, db, projection.Options{Logger: p.log})
	defer jobs.Close()
	p.late.operations.Store(&operations{db, jobs, l})
	<-ctx.Done()
	return ctx.Err()
}

// Projections implements httpapi.Operations.
func (o *operations) Projections(ctx context.Context) ([]httpapi.Projection, error) {
	end, err := o.log.reader.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", readmodel.ErrUnavailable, err)
	}
	last := map[string]httpapi.Job{}
	for _, j := range o.jobs.Jobs() {
		last[j.Projection] = jobOf(j)
	}
	var out []httpapi.Projection
	for _, p := range readmodel.Projections() {
		s, err := o.State(ctx, p)
		if err != nil {
			return nil, err
		}
		row := projectionOf(s, end.Last)
		if j, ok := last[p.Name()]; ok {
			row.Job = &j
		}
		out = append(out, row)
	}
	return out, nil
}

func projectionOf(s readmodel.State, end events.Seq) httpapi.Projection {
	row := httpapi.Projection{
		Name: s.Name, Version: s.Version, Position: s.Position, End: max(end, s.Position),
		Owner: orNil(s.Owner), Stopped: orNil(s.Stopped), Dead: s.Dead, Held: []httpapi.Held{},
	}
	row.Lag = row.End - row.Position
	for _, h := range s.Held {
		row.Held = append(row.Held, httpapi.Held(h))
	}
	if b := s.Building; b != nil {
		row.Building = &httpapi.Building{Position: b.Position, Owner: b.Owner, Compare: b.Shadow}
	}
	return row
}

// Rebuild implements httpapi.Operations.
func (o *operations) Rebuild(ctx context.Context, name string) (httpapi.Job, error) {
	return begun(o.jobs.Rebuild(ctx, name))
}

// Verify implements httpapi.Operations.
func (o *operations) Verify(ctx context.Context, name string) (httpapi.Job, error) {
	return begun(o.jobs.Verify(ctx, name))
}

func begun(j projection.Job, err error) (httpapi.Job, error) {
	var busy *projection.BusyError
	switch {
	case errors.As(err, &busy):
		return httpapi.Job{}, &httpapi.BusyError{Msg: busy.Error()}
	case errors.Is(err, projection.ErrClosed):
		return httpapi.Job{}, fmt.Errorf("%w: %w", readmodel.ErrUnavailable, err)
	case err != nil:
		return httpapi.Job{}, err
	}
	return jobOf(j), nil
}

// Retry implements httpapi.Operations.
func (o *operations) Retry(ctx context.Context, name string, at events.Seq) (bool, error) {
	r, err := o.RetryDead(ctx, name, at)
	if err != nil {
		return false, err
	}
	return o.AwaitRetry(ctx, r)
}

// Discard implements httpapi.Operations. It returns when the projection has gone
// on behind the event, so that whoever looks then sees that; when nobody is there
// to do it, after goOnWithin: the decision stands, and is carried out later.
func (o *operations) Discard(ctx context.Context, name string, at events.Seq, d readmodel.Discard) error {
	if err := o.DiscardDead(ctx, name, at, d); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, goOnWithin)
	defer cancel()
	tick := time.NewTicker(goOnWithin / 100)
	defer tick.Stop()
	for {
		if _, err := o.DeadEvent(ctx, name, at); err != nil { // it is not dead, or it cannot be told
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// goOnWithin is how long a discard waits for the projection.
const goOnWithin = 2 * time.Second

func jobOf(j projection.Job) httpapi.Job {
	out := httpapi.Job{Projection: j.Projection, Kind: string(j.Kind), Position: j.Position, End: j.End, StartedAt: j.StartedAt.UTC()}
	if j.Finished() {
		at := j.FinishedAt.UTC()
		out.FinishedAt = &at
	}
	if j.Err != nil {
		out.Error = orNil(j.Err.Error())
	}
	if j.Report != nil {
		out.Report = reportOf(j.Report)
	}
	return out
}

func reportOf(r *projection.VerifyReport) *httpapi.VerifyReport {
	out := &httpapi.VerifyReport{Position: r.Position, Sound: r.Sound, Tables: []httpapi.TableReport{}}
	for _, t := range r.Tables {
		row := httpapi.TableReport{Name: t.Name, Rows: t.Rows, Missing: t.Missing, Extra: t.Extra, Different: t.Different, Examples: []string{}}
		for _, d := range t.Examples {
			text := string(d.Kind) + ": " + strings.Join(d.Key, " ")
			if len(d.Columns) > 0 {
				text += " in " + strings.Join(d.Columns, ", ")
			}
			row.Examples = append(row.Examples, text)
		}
		out.Tables = append(out.Tables, row)
	}
	return out
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
