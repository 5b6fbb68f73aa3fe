package command

import (
	"context"
	"fmt"

	"github.com/peering/peering/internal/events"
)

// Server returns the server of an enterprise as the end of the log has it, and ok
// false when no enterprise of that id is registered now. It ends within five
// seconds. The error is ctx's when the caller gave up, and otherwise wraps
// ErrUnavailable, and ErrUnreadable too when trying again does not help.
func (h *Handler) Server(ctx context.Context, ent events.EnterpriseID) (s events.Server, ok bool, err error) {
	inTime, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	s, ok, err = h.server(inTime, ent)
	if err != nil && gaveUp(ctx) != nil {
		return s, false, gaveUp(ctx)
	}
	if err != nil {
		return s, false, fmt.Errorf("%w: the server of %s: %w", ErrUnavailable, ent, err)
	}
	return s, ok, nil
}

func (h *Handler) server(ctx context.Context, ent events.EnterpriseID) (s events.Server, ok bool, err error) {
	e, err := h.cache.acquire(ctx, ent)
	if err != nil {
		return s, false, err
	}
	defer h.release(e)
	if err := h.newest(ctx, e); err != nil {
		return s, false, err
	}
	return e.state.Server(), e.state.Registered(), nil
}
