package projection

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// progress is how far tables are that are being made, and where the log ends.
type progress struct{ position, end atomic.Uint64 }

func (p *progress) moved(at events.Seq)     { p.position.Store(uint64(at)) }
func (p *progress) observed(end events.Seq) { p.end.Store(uint64(end)) }

// errBuilt ends the term of a build that has become the active generation.
var errBuilt = errors.New("projection: built")

// Rebuild fills new tables from the beginning of the log while queries go on
// reading the old ones. When they have reached what was the end of the log at
// the start, and the old ones, it lets queries read the new tables and drops the
// old. It returns when that is done. An error leaves the old tables in use; a
// rebuild that is started later elsewhere ends this one.
func (r *Runner) Rebuild(ctx context.Context) error { return r.rebuild(ctx, &progress{}) }

func (r *Runner) rebuild(ctx context.Context, p *progress) error {
	log, err := r.source.Identity(ctx)
	if err != nil {
		return fmt.Errorf("projection: rebuild: look at the log: %w", err)
	}
	p.observed(log.Last)
	lease, err := r.db.Build(ctx, r.options.Projection, r.options.Owner)
	if err != nil {
		return err
	}
	t := r.build(lease, p)
	t.log = t.log.With("rebuild", true)
	t.committed = func(ctx context.Context) error {
		at := lease.Mark().Position
		if p.moved(at); at < log.Last {
			return nil
		}
		done, err := lease.Activate(ctx)
		if done {
			return errBuilt
		}
		return err
	}
	err = t.committed(ctx) // an empty log is built already
	if err == nil {
		err = t.run(ctx)
	}
	if !errors.Is(err, errBuilt) {
		err = fmt.Errorf("projection: rebuild: %w", err)
		r.release(ctx, lease) // so that its tables can be dropped
	} else {
		err = nil
		r.options.Logger.Info("the projection was rebuilt", "stream_seq", lease.Mark().Position)
	}
	return errors.Join(err, r.prune(ctx))
}

// build is a term that fills new tables. Its caller sets committed.
func (r *Runner) build(lease *readmodel.Lease, p *progress) *term {
	t := r.term(lease)
	t.observed = p.observed
	return t
}

// pruneTimeout is how long dropping tables may take after ctx has ended.
const pruneTimeout = 10 * time.Second

// prune drops the tables that nobody reads or makes.
func (r *Runner) prune(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pruneTimeout)
	defer cancel()
	return r.db.Prune(ctx, r.options.Projection)
}
