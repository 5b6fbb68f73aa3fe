package command

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// ensure sees to it that e has a state. fresh: it was read from the log just
// now; otherwise it is as new as this process knows, which is enough to accept
// on, because the append checks it, and not enough to refuse on.
func (h *Handler) ensure(ctx context.Context, e *entry) (fresh bool, err error) {
	switch {
	case e.state == nil:
		return true, h.load(ctx, e)
	case e.behind:
		_, err := h.refresh(ctx, e)
		return true, err
	}
	return false, nil
}

// refresh compares e with the end of its log and reads what is new there. moved:
// the state is another one than before. A log that ends before the state is
// another log: one that was restored or made anew under a running process.
func (h *Handler) refresh(ctx context.Context, e *entry) (moved bool, err error) {
	last, err := h.store.Last(ctx, events.ConfigSubject(e.enterprise))
	switch {
	case err != nil:
		return false, fmt.Errorf("asking for the end of the log: %w", err)
	case last == e.state.Seq():
		e.behind = false
		return false, nil
	case last < e.state.Seq():
		h.log.Error("the log is shorter than what was read of it", slog.String("enterprise", string(e.enterprise)),
			slog.Uint64("stream_seq", uint64(last)), slog.Uint64("expected", uint64(e.state.Seq())))
		return true, h.load(ctx, e)
	}
	return true, h.catchUp(ctx, e)
}

// load makes the state of e anew: from the snapshot and what follows it, or
// from the whole log when there is no snapshot that can be used (ADR 0009).
func (h *Handler) load(ctx context.Context, e *entry) error {
	if e.state = h.loadSnapshot(ctx, e.enterprise); e.state != nil {
		e.since = 0
		err := h.catchUp(ctx, e)
		if err == nil || e.state != nil {
			return err
		}
		h.log.Warn("snapshot ignored", slog.String("enterprise", string(e.enterprise)), slog.Any("err", err))
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
		h.log.Warn("snapshot ignored", slog.String("enterprise", string(ent)), slog.Any("err", err))
	}
	return nil
}

// catchUp folds what the log has beyond the state of e. After an error of the
// log the state is a true one, of an earlier time; after an event that cannot
// be folded there is no state.
func (h *Handler) catchUp(ctx context.Context, e *entry) error {
	e.behind = true
	var broken error
	_, err := h.store.Load(ctx, events.ConfigSubject(e.enterprise), e.state.Seq(), func(r events.Recorded) error {
		e.since++
		broken = e.state.Evolve(r)
		return broken
	})
	if broken != nil {
		e.state = nil
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
