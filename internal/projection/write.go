package projection

import (
	"context"
	"errors"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/readmodel"
)

// commit applies items and moves the position behind the last one. When the
// database refuses a value, the batch is halved until the event that has it is
// alone, and buried.
func (t *term) commit(ctx context.Context, items []item) error {
	last := items[len(items)-1].message
	to := readmodel.Mark{Position: last.Seq, StreamCreated: t.stream.Created.UnixNano(), Fingerprint: fingerprint(last)}
	err := t.lease.Write(ctx, to, func(tx *readmodel.Tx) error { return t.apply(tx, items) }, t.hooks.beforeCheckpoint)
	if err == nil {
		return t.committed(ctx)
	}
	if !readmodel.Unstorable(err) {
		return err
	}
	return t.separate(items, err, func(part []item) error { return t.commit(ctx, part) })
}

// separate writes items in two halves, or as a dead event when there is one.
func (t *term) separate(items []item, cause error, write func([]item) error) error {
	if len(items) == 1 {
		dead, err := refused(items[0], cause)
		if err != nil {
			return err
		}
		return write([]item{dead})
	}
	half := len(items) / 2
	if err := write(items[:half]); err != nil {
		return err
	}
	return write(items[half:])
}

// refused is it as an event that the database refuses; an error when it was
// dead already, so that something else is refused.
func refused(it item, cause error) (item, error) {
	if it.err != nil {
		return it, cause
	}
	it.err = cause
	return it, nil
}

// apply applies items to rows. What cannot be applied is buried, and the later
// events of its enterprise wait behind it (ADR 0007). What was given up is
// skipped (ADR 0017).
func (t *term) apply(tx *readmodel.Tx, items []item) error {
	wanted := make([]events.Recorded, 0, len(items))
	for i := range items {
		if items[i].err == nil && tx.HeldAt(items[i].charged) == 0 && !tx.Discarded(items[i].message.Seq) {
			wanted = append(wanted, items[i].recorded)
		}
	}
	if err := tx.Prefetch(wanted); err != nil {
		return err
	}
	for i := range items {
		it := &items[i]
		if it.charged != "" && tx.HeldAt(it.charged) > 0 || tx.Discarded(it.message.Seq) {
			continue
		}
		err := it.err
		if err == nil {
			err = tx.Apply(it.recorded)
		}
		if err != nil {
			t.bury(tx, it, err)
		}
	}
	return nil
}

func (t *term) bury(tx *readmodel.Tx, it *item, err error) {
	d := readmodel.DeadEvent{Seq: it.message.Seq, Enterprise: it.charged, Subject: it.message.Subject, Error: err.Error(), Stored: it.message.Stored}
	if it.recorded.Event != nil {
		d.Type = it.recorded.Event.Type()
	}
	t.log.Error("an event cannot be applied", "enterprise", it.charged, "event_type", d.Type, "stream_seq", it.message.Seq, "err", err)
	tx.Bury(d)
}

// resume tries the held events again, in case this program can apply what the
// one before could not, or an operator has given up what held them.
func (t *term) resume(ctx context.Context) error {
	for ent, at := range t.lease.Held() {
		if err := t.resumeOne(ctx, ent, at); err != nil {
			return err
		}
	}
	return nil
}

// resumeOne applies the events of ent from at on, a batch at a time, until they
// are all applied or one of them cannot be.
func (t *term) resumeOne(ctx context.Context, ent events.EnterpriseID, at events.Seq) error {
	var batch []item
	var stopped error
	err := t.source.Range(ctx, ent, at-1, t.lease.Mark().Position, func(m events.Message) error {
		batch = append(batch, decode(t.codec, m))
		if len(batch) < t.batchLimit {
			return nil
		}
		if stopped = t.recommit(ctx, ent, batch, m.Seq+1); stopped == nil && t.lease.Held()[ent] <= m.Seq {
			stopped = errStillHeld
		}
		batch = batch[:0]
		return stopped
	})
	switch {
	case errors.Is(stopped, errStillHeld):
		return nil
	case stopped != nil:
		return stopped
	case err != nil:
		return err
	}
	return t.recommit(ctx, ent, batch, 0)
}

// errStillHeld ends the reading of what is held behind an event that still
// cannot be applied.
var errStillHeld = errors.New("projection: still held")

// recommit applies items of ent, which were held. next is where to go on from;
// zero: these are all.
func (t *term) recommit(ctx context.Context, ent events.EnterpriseID, items []item, next events.Seq) error {
	err := t.lease.Write(ctx, t.lease.Mark(), func(tx *readmodel.Tx) error {
		if err := tx.Release(ent); err != nil {
			return err
		}
		if err := t.apply(tx, items); err != nil {
			return err
		}
		if next > 0 && tx.HeldAt(ent) == 0 {
			tx.Hold(ent, next)
		}
		return nil
	}, t.hooks.beforeCheckpoint)
	if err == nil {
		return t.committed(ctx)
	}
	if !readmodel.Unstorable(err) {
		return err
	}
	if len(items) == 1 {
		dead, err := refused(items[0], err)
		if err != nil {
			return err
		}
		return t.recommit(ctx, ent, []item{dead}, next)
	}
	return t.recommitEach(ctx, ent, items, next)
}

// recommitEach applies items one by one, to find the one that is refused.
func (t *term) recommitEach(ctx context.Context, ent events.EnterpriseID, items []item, next events.Seq) error {
	for i := range items {
		after := next
		if i+1 < len(items) {
			after = items[i+1].message.Seq
		}
		if err := t.recommit(ctx, ent, items[i:i+1], after); err != nil {
			return err
		}
		if at := t.lease.Held()[ent]; at > 0 && at <= items[i].message.Seq {
			return nil
		}
	}
	return nil
}
