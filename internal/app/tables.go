package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/peering/peering/internal/config"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/httpapi"
	"github.com/peering/peering/internal/readmodel"
)

// openTables prepares the database: the tables that are not derived from the
// log, whoever comes first. Data of a newer program is not touched.
func (p *process) openTables(ctx context.Context) error {
	db, err := openDatabase(ctx, p.cfg, p.log)
	if err != nil {
		return err
	}
	p.tables.keep(db)
	return nil
}

// logAndTables waits for the log and the database; the error is ctx's.
func (p *process) logAndTables(ctx context.Context) (*eventLog, *readmodel.DB, error) {
	l, err := p.events.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	db, err := p.tables.get(ctx)
	return l, db, err
}

// openDatabase opens the database once it answers, with its tables made.
func openDatabase(ctx context.Context, c config.Config, log *slog.Logger) (*readmodel.DB, error) {
	db, err := readmodel.Open(ctx, c.DatabaseURL)
	if err != nil {
		return nil, err
	}
	var newer *readmodel.NewerError
	hopeless := func(err error) bool { return errors.As(err, &newer) }
	if err := untilItWorks(ctx, log, "the database", hopeless, db.Migrate); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// answer opens the queries of the API.
func (p *process) answer(ctx context.Context) error {
	db, err := p.tables.get(ctx)
	if err != nil {
		return err
	}
	p.late.directory.Store(db.Directory().Probing(p.unprobed))
	p.late.audit.Store(db.Audit())
	p.late.timeline.Store(db.Timeline().Probing(p.unprobed))
	return nil
}

// checkDatabase asks the database for an answer.
func (p *process) checkDatabase(ctx context.Context) finding {
	db, ok := p.tables.now()
	if !ok {
		return red("the database is not prepared yet")
	}
	if err := db.Ping(ctx); err != nil {
		return red("%v", err)
	}
	return green("the database answers")
}

// checkDemo is green once everybody can see the demo.
func (p *process) checkDemo(ctx context.Context) finding {
	db, ok := p.tables.now()
	last, done := p.demoEnd.now()
	if !ok || !done {
		return red("the demo is being added")
	}
	s, err := db.State(ctx, readmodel.DirectoryProjection())
	if err != nil {
		return red("%v", err)
	}
	if s.Position < last {
		return red("the demo is being projected")
	}
	return green("the demo is there")
}

// caughtUp remembers what readiness is about: having reached, once, the end of
// the log as it was found at the start. Being behind later is another matter.
type caughtUp struct{ yes atomic.Bool }

// at takes a position and says how far it is from having caught up.
func (c *caughtUp) at(log *promise[*eventLog], at events.Seq) finding {
	l, ok := log.now()
	switch {
	case c.yes.Load():
	case !ok:
		return red("the end of the log is not known yet")
	case at < l.end:
		return red("at sequence %d of %d that were there at the start", at, l.end)
	default:
		c.yes.Store(true)
	}
	return green("has reached the end of the log")
}

// checkCaughtUp is red until queries show what was in the log at the start.
func (p *process) checkCaughtUp(ctx context.Context) finding {
	for _, m := range p.models {
		s, log, err := p.compare(ctx, m)
		if err != nil {
			return red("%v", err)
		}
		if why := foreign(s, log); why != "" {
			return red("what %s shows is not of this log: %s", m.Name(), why)
		}
		if f := m.projected.at(p.events, s.Position); f.level != httpapi.Green {
			f.message = m.Name() + ": " + f.message
			return f
		}
	}
	return green("all projections have reached the end of the log")
}

// compare returns how far a projection is, and how far the log.
func (p *process) compare(ctx context.Context, m *readModel) (readmodel.State, eventstore.Report, error) {
	db, ok := p.tables.now()
	if !ok {
		return readmodel.State{}, eventstore.Report{}, errors.New("the database is not prepared yet")
	}
	s, err := db.State(ctx, m.Projection)
	if err != nil {
		return s, eventstore.Report{}, err
	}
	log, err := p.report(ctx)
	return s, log, err
}

// foreign says why tables are not those of the log; empty: they are. Whoever
// projects finds out at once, and notes it; here it is seen without that, too.
func foreign(s readmodel.State, log eventstore.Report) string {
	switch {
	case s.Stopped != "":
		return s.Stopped
	case s.Position > log.Last:
		return fmt.Sprintf("they are at sequence %d, and it ends at %d", s.Position, log.Last)
	case s.Position > 0 && s.Created != log.Created.UnixNano():
		return fmt.Sprintf("it was created at %s, the one they were made from at %s",
			log.Created.Format(time.RFC3339Nano), time.Unix(0, s.Created).UTC().Format(time.RFC3339Nano))
	}
	return ""
}

// standing is how long a projection may be behind without moving before it
// counts as stopped.
const standing = 5 * time.Second

// progress remembers when a projection moved last.
type progress struct {
	at    events.Seq
	since time.Time
}

// checkProjection is red when a projection has stopped, or holds events of an
// enterprise: what it shows then gets older with every event.
func (p *process) checkProjection(ctx context.Context, m *readModel) finding {
	if err := m.stopped(); err != nil {
		return red("has stopped: %v", err)
	}
	s, log, err := p.compare(ctx, m)
	if err != nil {
		return red("%v", err)
	}
	if why := foreign(s, log); why != "" {
		return red("has stopped: %s", why)
	}
	if s.Position != m.moved.at || s.Position >= log.Last || m.moved.since.IsZero() {
		m.moved = progress{s.Position, time.Now()}
	}
	switch {
	case time.Since(m.moved.since) > standing:
		return red("stands at sequence %d while the log is at %d%s", s.Position, log.Last, m.why())
	case len(s.Held) > 0:
		return red("%d events cannot be applied; events of %d enterprises wait, the first behind sequence %d of %s",
			s.Dead, len(s.Held), s.Held[0].HeldAt, s.Held[0].Enterprise)
	case s.Dead > 0:
		return red("%d messages of the log belong to no enterprise and are not applied", s.Dead)
	}
	return green("at sequence %d, the log at %d", s.Position, log.Last)
}
