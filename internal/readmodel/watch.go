package readmodel

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// pollEvery is how often the database is asked for a new position while
// somebody waits for one that another process will write.
const pollEvery = 10 * time.Millisecond

// watch wakes those who wait for a position: at once when this process wrote
// it, else by one poller that runs while anybody waits.
type watch struct {
	db *DB

	mu      sync.Mutex
	changed chan struct{} // closed when a position may have moved
	waiting int
	cancel  context.CancelFunc // of the poller
	poller  sync.WaitGroup
	stopped bool
	end     chan struct{} // closed with stopped
}

func newWatch(db *DB) *watch {
	return &watch{db: db, changed: make(chan struct{}), end: make(chan struct{})}
}

// notify says that a position may have moved.
func (w *watch) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}

// next returns a channel that is closed when a position may have moved.
func (w *watch) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// enter counts somebody who waits; leave must follow when it reports true.
func (w *watch) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return false
	}
	w.waiting++
	if w.waiting == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		w.cancel = cancel
		w.poller.Go(func() { w.poll(ctx) })
	}
	return true
}

func (w *watch) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting--; w.waiting == 0 {
		w.cancel()
	}
}

// stop ends the poller and the waiting of everybody.
func (w *watch) stop() {
	w.mu.Lock()
	if !w.stopped {
		w.stopped = true
		close(w.end)
	}
	if w.cancel != nil {
		w.cancel()
	}
	w.mu.Unlock()
	w.poller.Wait()
}

// ended reports whether the database was closed.
func (w *watch) ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

func errClosed() error { return fmt.Errorf("%w: closed", ErrUnavailable) }

// poll notices what another process wrote. An error of the database is left to
// those who wait: they ask for themselves and report it.
func (w *watch) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last int64 = -1
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var beats int64 // of all projections: each grows with whatever happens to one
		err := w.db.reader.GetContext(ctx, &beats, "SELECT CAST(COALESCE(SUM(beat), 0) AS BIGINT) FROM projections WHERE active = 1")
		if err != nil || beats != last {
			last = beats
			w.notify()
		}
	}
}

// Moves tells when projections may have moved, in this process at once and from
// others within some ten milliseconds. It costs a small query every pollEvery
// while it is used, so that Stop has to be called.
type Moves struct{ watch *watch }

// Moves begins to watch the projections. The error wraps ErrUnavailable: the
// database was closed.
func (db *DB) Moves() (*Moves, error) {
	if !db.watch.enter() {
		return nil, errClosed()
	}
	return &Moves{db.watch}, nil
}

// Next returns a channel that is closed when a projection may have moved after
// the call. Ask for it before reading what may move.
func (m *Moves) Next() <-chan struct{} { return m.watch.next() }

// Stop ends the watching.
func (m *Moves) Stop() { m.watch.leave() }

// Await returns when a query about ent sees every event up to min. It returns
// *HeldError when the events of ent are held before that, and an error that
// wraps ErrUnavailable when the database does not answer, the projection has
// stopped or ctx ends first.
//
// With an empty ent it waits for the position alone: an enterprise that is held
// does not keep the lists of all enterprises from being read.
func (d *Directory) Await(ctx context.Context, ent events.EnterpriseID, min events.Seq) error {
	return d.db.await(ctx, directory{}, ent, min)
}

func (db *DB) await(ctx context.Context, p Projection, ent events.EnterpriseID, min events.Seq) error {
	if min == 0 {
		return nil
	}
	w := db.watch
	if ok, _, err := db.reached(ctx, p, ent, min); ok || err != nil {
		return err
	}
	if !w.enter() { //nolint:contextcheck // the poller serves all who wait, not the first alone
		return errClosed()
	}
	defer w.leave()
	for {
		changed := w.next()
		ok, position, err := db.reached(ctx, p, ent, min)
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-w.end:
			return errClosed()
		case <-ctx.Done():
			return fmt.Errorf("%w: the projection %s is at %d, waiting for %d: %w", ErrUnavailable, p.Name(), position, min, ctx.Err())
		}
	}
}

// reached reports whether a query about ent sees every event up to min.
func (db *DB) reached(ctx context.Context, p Projection, ent events.EnterpriseID, min events.Seq) (ok bool, position events.Seq, err error) {
	err = db.view(ctx, "read the position", p, func(tx *sqlx.Tx, row stateRow) error {
		if row.Stopped != "" {
			return fmt.Errorf("%w: the projection has stopped: %s", ErrUnavailable, row.Stopped)
		}
		position = seq(row.Position)
		ok = position >= min
		if ent == "" {
			return nil
		}
		var heldAt []int64
		query := tx.Rebind("SELECT held_at FROM held WHERE name = ? AND version = ? AND generation = ? AND enterprise = ?")
		if err := tx.SelectContext(ctx, &heldAt, query, row.Name, row.Version, row.Generation, ent); err != nil {
			return err
		}
		if len(heldAt) == 1 && seq(heldAt[0]) <= min {
			return &HeldError{Enterprise: ent, HeldAt: seq(heldAt[0])}
		}
		return nil
	})
	return ok, position, err
}
