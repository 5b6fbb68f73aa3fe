package readmodel

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// FencedError says that another writer took over the projection: nothing was
// written, and this lease never writes again.
type FencedError struct {
	Projection string
	Epoch      int64
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("readmodel: the lease of projection %s with epoch %d was taken over", e.Projection, e.Epoch)
}

// Lease is the right to write one generation of a projection, until another
// takes it. It is used by one goroutine at a time, Beat excepted.
type Lease struct {
	db         *DB
	projection Projection
	generation generation
	epoch      int64
	mark       Mark
	stopped    string
	held       map[events.EnterpriseID]events.Seq
	discarded  map[events.Seq]bool
	fold       fold
}

// Prepare makes the tables of p, unless they are there, and describes it. What
// it returns is what a newcomer watches, to see whether the owner is alive, and
// hands to Acquire.
func (db *DB) Prepare(ctx context.Context, p Projection) (State, error) {
	s, err := db.State(ctx, p)
	if err == nil || !errors.Is(err, ErrUnavailable) {
		return s, err
	}
	err = db.writing(ctx, "prepare projection "+p.Name(), func(tx *sqlx.Tx) error {
		if err := db.dialect.lockSchema(ctx, tx); err != nil {
			return err
		}
		_, err := active(ctx, tx, p)
		if err == nil || !errors.Is(err, ErrUnavailable) {
			return err
		}
		return db.create(ctx, tx, p, stateRow{Generation: 1, Epoch: 1}, true)
	})
	if err != nil {
		return State{}, err
	}
	return db.State(ctx, p)
}

// create makes the tables of a generation at position nought, and its row: of
// row, the generation's number, epoch, beat, owner and shadow count.
func (db *DB) create(ctx context.Context, tx *sqlx.Tx, p Projection, row stateRow, active bool) error {
	g := generation{projection: p.Name(), version: p.Version(), number: row.Generation}
	for _, statement := range p.create(db.dialect, g) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, tx.Rebind("INSERT INTO projections"+
		" (name, version, generation, active, position, stream_created, fingerprint, epoch, beat, owner, stopped, shadow)"+
		" VALUES (?, ?, ?, ?, 0, 0, '', ?, ?, ?, '', ?)"),
		g.projection, g.version, g.number, boolean(active), row.Epoch, row.Beat, row.Owner, boolean(row.Shadow))
	return err
}

// Acquire takes the lease for owner if nothing has happened since seen; ok is
// false when something has, so that whoever wrote is alive. From then on the
// lease that was before is fenced.
func (db *DB) Acquire(ctx context.Context, p Projection, owner string, seen State) (l *Lease, ok bool, err error) {
	err = db.writing(ctx, "acquire projection "+p.Name(), func(tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, tx.Rebind("UPDATE projections SET epoch = epoch + 1, beat = beat + 1, owner = ?"+
			" WHERE name = ? AND version = ? AND generation = ? AND active = 1 AND epoch = ? AND beat = ?"),
			owner, seen.Name, seen.Version, seen.Generation, seen.Epoch, seen.Beat)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil || n != 1 {
			return err
		}
		ok = true
		row, err := active(ctx, tx, p)
		if err != nil {
			return err
		}
		l, err = db.lease(ctx, tx, p, row)
		return err
	})
	return l, ok && err == nil, err
}

func (db *DB) lease(ctx context.Context, tx *sqlx.Tx, p Projection, row stateRow) (*Lease, error) {
	l := &Lease{db: db, projection: p, generation: row.generation(), epoch: row.Epoch, mark: row.mark(), stopped: row.Stopped}
	l.fold = p.fold(db.dialect, l.generation)
	list, err := heldOf(ctx, tx, l.generation)
	l.held = make(map[events.EnterpriseID]events.Seq, len(list))
	for _, h := range list {
		l.held[h.Enterprise] = h.HeldAt
	}
	if err != nil {
		return nil, err
	}
	if err := forget(ctx, tx, l.generation); err != nil {
		return nil, err
	}
	l.discarded, err = discardedBy(ctx, tx, p.Name())
	return l, err
}

// Mark is the position that was committed last.
func (l *Lease) Mark() Mark { return l.mark }

// Held returns the enterprises whose events are held. The map must not be
// changed, and holds until the next Write.
func (l *Lease) Held() map[events.EnterpriseID]events.Seq { return l.held }

// Beat shows that the owner is alive. *FencedError: it has no lease any more.
// It may be called while Write runs.
func (l *Lease) Beat(ctx context.Context) error {
	return l.db.writing(ctx, "beat of projection "+l.projection.Name(), func(tx *sqlx.Tx) error {
		return l.update(ctx, tx, "beat = beat + 1", nil, "", nil)
	})
}

// Release gives the lease back, so that another need not wait for it to expire.
func (l *Lease) Release(ctx context.Context) error {
	return l.db.writing(ctx, "release projection "+l.projection.Name(), func(tx *sqlx.Tx) error {
		return l.update(ctx, tx, "owner = '', beat = beat + 1", nil, "", nil)
	})
}

// Stop gives the lease back and notes why the projection does not follow the log
// any more. Queries go on; one that waits for a sequence is refused, because a
// sequence of another log would say nothing about these tables.
func (l *Lease) Stop(ctx context.Context, why string) error {
	return l.db.writing(ctx, "stop projection "+l.projection.Name(), func(tx *sqlx.Tx) error {
		return l.update(ctx, tx, "stopped = ?, owner = '', beat = beat + 1", []any{note(why)}, "", nil)
	})
}

// Resume takes back what Stop noted: the log is the one that was read before.
func (l *Lease) Resume(ctx context.Context) error {
	if l.stopped == "" {
		return nil
	}
	err := l.db.writing(ctx, "resume projection "+l.projection.Name(), func(tx *sqlx.Tx) error {
		return l.update(ctx, tx, "stopped = '', beat = beat + 1", nil, "", nil)
	})
	if err == nil {
		l.stopped = ""
		l.db.watch.notify()
	}
	return err
}

// Retried says that all held events were tried again in this term.
func (l *Lease) Retried(ctx context.Context) error {
	return l.db.writing(ctx, "note a retry of projection "+l.projection.Name(), func(tx *sqlx.Tx) error {
		return l.update(ctx, tx, "retried = epoch, beat = beat + 1", nil, "", nil)
	})
}

// update changes the row of the lease, which must still be there with its epoch
// and fulfil the condition: else it is fenced (ADR 0006).
func (l *Lease) update(ctx context.Context, tx *sqlx.Tx, set string, values []any, condition string, more []any) error {
	g := l.generation
	args := append(append(values, g.projection, g.version, g.number, l.epoch), more...)
	result, err := tx.ExecContext(ctx, tx.Rebind("UPDATE projections SET "+set+
		" WHERE name = ? AND version = ? AND generation = ? AND epoch = ?"+condition), args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n != 1 {
		return l.fenced()
	}
	return nil
}

func (l *Lease) fenced() error {
	return &FencedError{Projection: l.generation.projection, Epoch: l.epoch}
}
