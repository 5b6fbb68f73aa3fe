package command

import (
	"context"
	"slices"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// tryOut decides on the newest state and answers what the command would come
// to. It writes nothing, and reads nothing about the command's id.
func (h *Handler) tryOut(ctx context.Context, e *entry, o *order) (Receipt, error) {
	if err := h.newest(ctx, e); err != nil {
		return Receipt{}, err
	}
	now := h.now().UTC().Truncate(time.Microsecond)
	d, refusal := o.decide(e.state, now)
	if refusal != nil {
		return o.rejected(refusal, now).answer()
	}
	return o.accepted(unmade(d), e.state.Seq(), now).answer()
}

// unmade is d without the ids of what it would add: nothing has them, and what
// is added in the end gets others.
func unmade(d domain.Decision) domain.Decision {
	would := map[string]bool{}
	for _, ev := range d.Events {
		switch ev := ev.(type) {
		case events.PeerAdded:
			would[string(ev.Peer)] = true
		case events.TrustedServerAdded:
			would[string(ev.TrustedServer)] = true
		}
	}
	if would[d.ID] {
		d.ID = ""
	}
	for i := range d.Results {
		r := &d.Results[i]
		if would[r.ID] {
			r.ID = ""
		}
		r.Warnings = slices.Clone(r.Warnings) // several results may share theirs
		for j := range r.Warnings {
			if w := &r.Warnings[j]; would[string(w.Peer)] {
				w.Peer, w.TrustedServer = "", ""
			}
		}
	}
	return d
}
