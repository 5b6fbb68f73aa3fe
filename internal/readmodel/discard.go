package readmodel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// Retry is a request to try held events again.
type Retry struct {
	Projection string
	Seq        events.Seq // the dead event that was named; zero: all of them

	generation, epoch int64
}

// RetryDead has whoever writes the projection try all its held events again, at
// once and in whichever process it is; seq names the dead event that it is
// about, zero stands for all. AwaitRetry tells what came of it.
//
// The error wraps ErrNotFound when the projection is not known or the event is
// not dead. *DeadEventError: trying it again cannot help.
func (db *DB) RetryDead(ctx context.Context, projection string, at events.Seq) (Retry, error) {
	p, err := FindProjection(projection)
	if err != nil {
		return Retry{}, err
	}
	out := Retry{Projection: projection, Seq: at}
	err = db.writing(ctx, "retry events of projection "+projection, func(tx *sqlx.Tx) error {
		if err := interrupt(ctx, tx, p); err != nil {
			return err
		}
		row, err := active(ctx, tx, p)
		if err != nil {
			return err
		}
		out.generation, out.epoch = row.Generation, row.Epoch
		if at == 0 {
			return nil
		}
		dead, err := deadOf(ctx, tx, p, at)
		if err == nil && dead.Enterprise == "" {
			return &DeadEventError{projection, at, "belongs to no enterprise, so that nothing waits behind it: have the projection rebuilt, or discard the event"}
		}
		return err
	})
	return out, err
}

// retryPoll is how often the database is asked whether a retry is done.
const retryPoll = 20 * time.Millisecond

// AwaitRetry waits until all held events have been tried again after r was asked
// for, and reports whether the event that r names is dead no more; of all, that
// none is held. The error wraps ErrUnavailable when ctx ends first: r stands,
// and whoever next writes the projection begins with it.
func (db *DB) AwaitRetry(ctx context.Context, r Retry) (healed bool, err error) {
	p, err := FindProjection(r.Projection)
	if err != nil {
		return false, err
	}
	tick := time.NewTicker(retryPoll)
	defer tick.Stop()
	for {
		done, healed, err := db.retried(ctx, p, r)
		if done || err != nil {
			return healed, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, fmt.Errorf("%w: nobody has tried the events of projection %s again yet: %w", ErrUnavailable, r.Projection, ctx.Err())
		}
	}
}

func (db *DB) retried(ctx context.Context, p Projection, r Retry) (done, healed bool, err error) {
	err = db.reading(ctx, "look at a retry", func(tx *sqlx.Tx) error {
		row, err := active(ctx, tx, p)
		if err != nil {
			return err
		}
		// Tables that have come into use since are tried by their first owner.
		done = row.Generation != r.generation && row.Retried > 0 || row.Generation == r.generation && row.Retried > r.epoch
		if r.Seq == 0 {
			held, err := heldOf(ctx, tx, row.generation())
			healed = len(held) == 0
			return err
		}
		_, err = deadOf(ctx, tx, p, r.Seq)
		healed = errors.Is(err, ErrNotFound)
		if healed {
			return nil
		}
		return err
	})
	return done, done && healed, err
}

// Discard is the decision to give an event up.
type Discard struct {
	By     string
	At     time.Time
	Reason string
}

// DiscardDead gives a dead event up: the projection skips it from then on, also
// in every rebuild and every later version, and goes on with what waits behind
// it. Who decided so, when and why, is kept. Discarding an event again changes
// nothing: the first decision stands.
//
// The error wraps ErrNotFound when the projection is not known or the event is
// not dead: one that can be applied cannot be given up.
func (db *DB) DiscardDead(ctx context.Context, projection string, at events.Seq, d Discard) error {
	p, err := FindProjection(projection)
	if err != nil {
		return err
	}
	return db.writing(ctx, "discard an event of projection "+projection, func(tx *sqlx.Tx) error {
		if _, err := discardedOf(ctx, tx, projection, at); !errors.Is(err, ErrNotFound) {
			return err
		}
		// First, so that whether it is dead does not change any more.
		if err := interrupt(ctx, tx, p); err != nil {
			return err
		}
		dead, err := deadOf(ctx, tx, p, at)
		if err != nil {
			return err
		}
		if err := keepDiscarded(ctx, tx, dead, d); err != nil {
			return err
		}
		row, err := active(ctx, tx, p)
		if err != nil {
			return err
		}
		return forget(ctx, tx, row.generation())
	})
}

func keepDiscarded(ctx context.Context, tx *sqlx.Tx, dead deadRow, d Discard) error {
	_, err := tx.ExecContext(ctx, tx.Rebind("INSERT INTO discarded_events"+
		" (name, sequence, enterprise, subject, type, error, stored_at, discarded_by, discarded_at, reason)"+
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"),
		dead.Name, dead.Sequence, dead.Enterprise, dead.Subject, dead.Type, dead.Error, dead.StoredAt,
		fit(d.By), micros(d.At), fit(d.Reason)) // whole: people have decided by it
	return err
}

// interrupt ends the lease of whoever writes the tables of p that queries read,
// in any version: it finds itself fenced within a beat and begins anew with the
// held events.
func interrupt(ctx context.Context, tx *sqlx.Tx, p Projection) error {
	_, err := tx.ExecContext(ctx, tx.Rebind("UPDATE projections SET epoch = epoch + 1, beat = beat + 1, owner = ''"+
		" WHERE name = ? AND active = 1"), p.Name())
	return err
}

// forget drops the dead events of g that are discarded and belong to nobody:
// nothing waits behind them. Those of an enterprise go when it is released.
func forget(ctx context.Context, tx *sqlx.Tx, g generation) error {
	_, err := tx.ExecContext(ctx, tx.Rebind("DELETE FROM dead_events WHERE name = ? AND version = ? AND generation = ?"+
		" AND enterprise = '' AND sequence IN (SELECT sequence FROM discarded_events WHERE name = ?)"),
		g.projection, g.version, g.number, g.projection)
	return err
}

// discardedBy are the events that projection name skips.
func discardedBy(ctx context.Context, tx *sqlx.Tx, name string) (map[events.Seq]bool, error) {
	var list []int64
	if err := tx.SelectContext(ctx, &list, tx.Rebind("SELECT sequence FROM discarded_events WHERE name = ?"), name); err != nil {
		return nil, err
	}
	out := make(map[events.Seq]bool, len(list))
	for _, n := range list {
		out[seq(n)] = true
	}
	return out, nil
}
