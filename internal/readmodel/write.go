package readmodel

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// maxNote is how much of a subject or an error is kept of a dead event, in bytes.
const maxNote = 1000

// Tx is a transaction that applies events. It is used within the function that
// is given to Write, by one goroutine.
type Tx struct {
	ctx   context.Context //nolint:containedctx // it is that of Write, and ends with it
	tx    *sqlx.Tx
	lease *Lease
	held  map[events.EnterpriseID]events.Seq
	dead  []DeadEvent
}

// Write runs fn, writes what it changed and moves the position to to, all in
// one transaction, or nothing of it. before, when not nil, is called between
// the rows and the position.
//
// The position never goes back: that is a bug of the caller, and refused.
//
// *FencedError: another took over; the lease is spent. An error for which
// Unstorable holds: the database does not take a value; the lease is as it was.
// Any other error: perhaps written; acquire a new lease to find out.
func (l *Lease) Write(ctx context.Context, to Mark, fn func(*Tx) error, before func(context.Context) error) error {
	if to.Position < l.mark.Position {
		return fmt.Errorf("readmodel: projection %s is at %d and cannot go back to %d", l.projection.Name(), l.mark.Position, to.Position)
	}
	t := &Tx{ctx: ctx, lease: l, held: maps.Clone(l.held)}
	err := l.db.writing(ctx, "write projection "+l.projection.Name(), func(tx *sqlx.Tx) error {
		t.tx = tx
		if err := fn(t); err != nil {
			return err
		}
		if err := t.flush(); err != nil {
			return err
		}
		if before != nil {
			if err := before(ctx); err != nil {
				return err
			}
		}
		return l.update(ctx, tx, "position = ?, stream_created = ?, fingerprint = ?, beat = beat + 1",
			[]any{integer(to.Position), to.StreamCreated, to.Fingerprint},
			" AND position = ?", []any{integer(l.mark.Position)})
	})
	if err != nil {
		l.fold = l.projection.fold(l.db.dialect, l.generation) // the old one is ahead of the tables
		return l.whyFailed(ctx, err)
	}
	l.mark, l.held = to, t.held
	l.db.watch.notify()
	return nil
}

// whyFailed is err, unless it is the consequence of another having taken over:
// that one may have dropped the tables.
func (l *Lease) whyFailed(ctx context.Context, err error) error {
	g, found := l.generation, 0
	query := l.db.reader.Rebind("SELECT COUNT(*) FROM projections WHERE name = ? AND version = ? AND generation = ? AND epoch = ?")
	if l.db.reader.GetContext(ctx, &found, query, g.projection, g.version, g.number, l.epoch) == nil && found == 0 {
		return l.fenced()
	}
	return err
}

// Prefetch reads what the events of list need. Call it before Apply.
func (t *Tx) Prefetch(list []events.Recorded) error {
	return t.lease.fold.prefetch(t.ctx, t.tx, list)
}

// Apply changes the rows in memory as r says. An error means that r cannot
// follow on what was applied before; nothing was changed.
func (t *Tx) Apply(r events.Recorded) error { return t.lease.fold.apply(r) }

// HeldAt returns the first event of an enterprise that is held; zero: none is.
func (t *Tx) HeldAt(ent events.EnterpriseID) events.Seq { return t.held[ent] }

// Discarded reports whether the event at seq was given up, and is to be skipped.
func (t *Tx) Discarded(at events.Seq) bool { return t.lease.discarded[at] }

// Bury keeps d as dead. When it belongs to an enterprise, later events of that
// are held behind it.
func (t *Tx) Bury(d DeadEvent) {
	t.dead = append(t.dead, d)
	if d.Enterprise != "" {
		t.held[d.Enterprise] = d.Seq
	}
}

// Hold keeps later events of an enterprise back from at on.
func (t *Tx) Hold(ent events.EnterpriseID, at events.Seq) { t.held[ent] = at }

// Release lets the events of an enterprise through again, from the first that
// was held. Its dead events are forgotten.
func (t *Tx) Release(ent events.EnterpriseID) error {
	g := t.lease.generation
	delete(t.held, ent)
	t.dead = slices.DeleteFunc(t.dead, func(d DeadEvent) bool { return d.Enterprise == ent })
	_, err := t.tx.ExecContext(t.ctx, t.tx.Rebind("DELETE FROM dead_events WHERE name = ? AND version = ? AND generation = ? AND enterprise = ?"),
		g.projection, g.version, g.number, ent)
	return err
}

func (t *Tx) flush() error {
	if err := t.lease.fold.flush(t.ctx, t.tx); err != nil {
		return err
	}
	g := t.lease.generation
	for _, d := range t.dead {
		_, err := t.tx.ExecContext(t.ctx, t.tx.Rebind("INSERT INTO dead_events (name, version, generation, sequence, enterprise, subject, type, error, stored_at)"+
			" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
			g.projection, g.version, g.number, integer(d.Seq), d.Enterprise, note(d.Subject), note(string(d.Type)), note(d.Error), micros(d.Stored))
		if err != nil {
			return err
		}
	}
	return t.flushHeld()
}

// flushHeld writes the difference between what was held and what is.
func (t *Tx) flushHeld() error {
	g := t.lease.generation
	for ent, at := range t.lease.held {
		if t.held[ent] == at {
			continue
		}
		_, err := t.tx.ExecContext(t.ctx, t.tx.Rebind("DELETE FROM held WHERE name = ? AND version = ? AND generation = ? AND enterprise = ?"),
			g.projection, g.version, g.number, ent)
		if err != nil {
			return err
		}
	}
	for ent, at := range t.held {
		if t.lease.held[ent] == at {
			continue
		}
		_, err := t.tx.ExecContext(t.ctx, t.tx.Rebind("INSERT INTO held (name, version, generation, enterprise, held_at) VALUES (?, ?, ?, ?, ?)"),
			g.projection, g.version, g.number, ent, integer(at))
		if err != nil {
			return err
		}
	}
	return nil
}

// fit makes a text that anybody may have written fit for a column.
func fit(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// isFit reports whether a column can have s as it is. What cannot is not there
// to be found, and PostgreSQL fails when it is asked for it.
func isFit(s string) bool { return fit(s) == s }

// note is as fit, and clips what is long.
func note(s string) string {
	s = fit(s)
	if len(s) <= maxNote {
		return s
	}
	s = s[:maxNote]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
