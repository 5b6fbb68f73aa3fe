package projection

import (
	"context"
	"sync"
	"time"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// Role is what a runner does.
type Role string

// The roles of a runner.
const (
	Starting Role = "starting"
	Standby  Role = "standby" // another process is active
	Active   Role = "active"
	Stopped  Role = "stopped"
)

// stalledAfter is how long a runner may be behind without getting on.
const stalledAfter = 5 * time.Second

// Status describes a runner for health reports.
type Status struct {
	Projection string
	Role       Role
	Position   events.Seq // up to which the tables are right
	End        events.Seq // of the log, as far as is known
	Dead       int        // events that could not be applied
	Held       []readmodel.Held
	Err        error     // what keeps it from working; nil when nothing does
	ErrSince   time.Time // zero when Err is nil
	Stalled    bool      // behind the log without getting on
}

// Lag is how many events of the log are not applied yet.
func (s Status) Lag() uint64 {
	if s.End <= s.Position {
		return 0
	}
	return uint64(s.End - s.Position)
}

// status is the Status of a runner while it changes.
type status struct {
	mu       sync.Mutex
	current  Status
	progress time.Time // when it last moved or had nothing to do
}

func newStatus(projection string) *status {
	return &status{current: Status{Projection: projection, Role: Starting}, progress: time.Now()}
}

func (s *status) now() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.current
	out.Stalled = out.Lag() > 0 && time.Since(s.progress) > stalledAfter
	return out
}

func (s *status) change(fn func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	position := s.current.Position
	fn(&s.current)
	if s.current.Position != position || s.current.Lag() == 0 {
		s.progress = time.Now()
	}
}

// set notes a role, and an error when there is one.
func (s *status) set(role Role, err error) {
	s.change(func(c *Status) { c.Role = role })
	s.note(err)
}

// note notes an error, or that there is none any more; the role stays.
func (s *status) note(err error) {
	s.change(func(c *Status) {
		if err == nil {
			c.ErrSince = time.Time{}
		} else if c.Err == nil {
			c.ErrSince = time.Now()
		}
		c.Err = err
	})
}

// lead says that this process is active. An error is kept until something was
// written or read again.
func (s *status) lead(at events.Seq) {
	s.change(func(c *Status) { c.Role, c.Position = Active, at })
}

func (s *status) standBy(at events.Seq) {
	s.set(Standby, nil)
	s.change(func(c *Status) { c.Position = max(c.Position, at) })
}

// moved says that everything up to at is written.
func (s *status) moved(at events.Seq) {
	s.change(func(c *Status) { c.Position, c.End = at, max(c.End, at) })
	s.note(nil)
}

// observed says where the log ends. An error stays until the tables get on.
func (s *status) observed(end events.Seq) {
	s.change(func(c *Status) { c.End = end })
	if s.now().Lag() == 0 {
		s.note(nil)
	}
}

// watchTables keeps what only the tables know in the status, also on standby,
// until the returned function is called.
func (r *Runner) watchTables(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			r.look(ctx)
			_ = pause(ctx, observeEvery) // its error is the end of ctx
		}
	})
	return func() { cancel(); running.Wait() }
}

// look reads position, dead and held events from the tables, and on standby the
// end of the log too. Trouble is reported by whoever is stopped by it.
func (r *Runner) look(ctx context.Context) {
	s, err := r.db.State(ctx, r.options.Projection)
	if err != nil {
		return
	}
	r.status.change(func(c *Status) {
		c.Dead, c.Held = s.Dead, s.Held
		c.Position = max(c.Position, s.Position)
	})
	if r.status.now().Role == Standby {
		if id, err := r.source.Identity(ctx); err == nil {
			r.status.change(func(c *Status) { c.End = id.Last })
		}
	}
}
