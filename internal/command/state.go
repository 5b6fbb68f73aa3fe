package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
)

// ensure sees to it that e has a state. fresh: it was read from the log just
// now; otherwise it is as new as this process knows, which is enough to accept
// on, because the append checks it, and not enough to refuse on.
func (h *Handler) ensure(ctx context.Context, e *entry) (fresh bool, err error) {
	switch {
	case e.state == nil:
		return true, h.load(ctx, e)
	case e.behind, e.shared > 0:
		moved, err := h.refresh(ctx, e)
		switch {
		case e.shared == 0:
		case moved:
			e.shared = sharing
		default:
			e.shared--
		}
		return true, err
	}
	return false, nil
}

// newest sees to it that the state of e is that of the end of the log.
func (h *Handler) newest(ctx context.Context, e *entry) error {
	fresh, err := h.ensure(ctx, e)
	if err == nil && !fresh {
		_, err = h.refresh(ctx, e)
	}
	return err
}

// sharing is for how many commands an enterprise counts as one that another
// process writes to as well, after that has been seen. To ask for the end of the
// log beforehand costs less than an append that is refused.
const sharing = 16

// errOtherLog says that a log does not have the event with which a state ends:
// it was restored from a backup, or made anew.
var errOtherLog = errors.New("the log does not have the event that the state ends with")

// refresh compares e with the end of its log and reads what is new there. moved:
// the state is another one than before, or there is none after an error.
func (h *Handler) refresh(ctx context.Context, e *entry) (moved bool, err error) {
	last, err := h.store.Last(ctx, events.ConfigSubject(e.enterprise))
	switch {
	case err != nil:
		return false, fmt.Errorf("asking for the end of the log: %w", err)
	case last == e.state.Seq():
		e.behind = false
		return false, nil
	}
	known := e.state.Seq()
	err = h.catchUp(ctx, e)
	if errors.Is(err, errOtherLog) { // exchanged under a running process
		h.log.Error("the log is not the one that was read before", slog.String("enterprise", string(e.enterprise)),
			slog.Uint64("stream_seq", uint64(last)), slog.Uint64("expected", uint64(known)))
		err = h.load(ctx, e)
	}
	return true, err
}

// load makes the state of e anew: from the snapshot and what follows it, or
// from the whole log when there is no snapshot that can be used (ADR 0009).
func (h *Handler) load(ctx context.Context, e *entry) error {
	if e.state = h.loadSnapshot(ctx, e.enterprise); e.state != nil {
		e.since = 0
		at := e.state.Seq()
		err := h.catchUp(ctx, e)
		if err == nil {
			return nil
		}
		if e.state != nil { // whether the log has what the snapshot ends with was perhaps not seen
			e.state = nil
			return err
		}
		h.ignored(e.enterprise, err)
		h.dropSnapshot(ctx, e.enterprise, at)
	}
	e.state, e.since = domain.NewEnterprise(e.enterprise), 0
	return h.catchUp(ctx, e)
}

// loadSnapshot returns the state that was saved last, nil when there is none or
// it cannot be used: a snapshot saves time, its loss costs nothing else.
func (h *Handler) loadSnapshot(ctx context.Context, ent events.EnterpriseID) *domain.Enterprise {
	s, ok, err := h.snapshots.Load(ctx, ent)
	if err == nil && ok && s.Format != domain.SnapshotFormat {
		err = fmt.Errorf("format %d is not %d", s.Format, domain.SnapshotFormat)
	}
	if err == nil && ok {
		var state *domain.Enterprise
		if state, err = domain.UnmarshalSnapshot(ent, s.Seq, s.Data); err == nil {
			return state
		}
	}
	if err != nil {
		h.ignored(ent, err)
	}
	return nil
}

func (h *Handler) ignored(ent events.EnterpriseID, err error) {
	h.log.Warn("snapshot ignored", slog.String("enterprise", string(ent)), slog.Any("err", err))
}

// dropSnapshot removes a snapshot that this log does not bear out. As long as it
// is there it keeps an older one of this log from being saved.
func (h *Handler) dropSnapshot(ctx context.Context, ent events.EnterpriseID, at events.Seq) {
	if err := h.snapshots.Drop(ctx, ent, at); err != nil {
		h.log.Warn("snapshot not dropped", slog.String("enterprise", string(ent)), slog.Any("err", err))
	}
}

// catchUp folds what the log has beyond the state of e, after a look at whether
// the log has the event that the state ends with: errOtherLog says that it has
// not. Then, and after an event that cannot be folded, there is no state. After
// an error of the log the state is what it was, or a later one.
func (h *Handler) catchUp(ctx context.Context, e *entry) error {
	e.behind = true
	mark := e.state.Mark()
	seen := mark.Seq == 0
	var broken error
	_, err := h.store.Load(ctx, events.ConfigSubject(e.enterprise), max(mark.Seq, 1)-1, func(r events.Recorded) error {
		if !seen {
			if seen = domain.MarkOf(r) == mark; !seen {
				broken = errOtherLog
			}
			return broken
		}
		e.since++
		broken = e.state.Evolve(r)
		return broken
	})
	if err == nil && !seen {
		broken, err = errOtherLog, errOtherLog
	}
	if broken != nil {
		e.state = nil
	}
	var unreadable *eventstore.UnreadableError
	if errors.As(err, &unreadable) || broken != nil && !errors.Is(broken, errOtherLog) {
		err = fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if err != nil {
		return fmt.Errorf("reading the log of %s: %w", e.enterprise, err)
	}
	e.behind = false
	return nil
}

// advance folds evs, which were just stored and end at last, so that nobody has
// to read them again.
func (h *Handler) advance(e *entry, subject events.Subject, last events.Seq, evs []events.Envelope) {
	for i, ev := range evs {
		seq := last - events.Seq(len(evs)-1-i)
		if err := e.state.Evolve(events.Recorded{Seq: seq, Subject: subject, Envelope: ev}); err != nil {
			h.log.Error("stored event not folded", slog.String("enterprise", string(e.enterprise)),
				slog.String("event_type", string(ev.Event.Type())), slog.Uint64("stream_seq", uint64(seq)), slog.Any("err", err))
			e.state = nil
			return
		}
		e.since++
	}
}
