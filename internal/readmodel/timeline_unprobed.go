package readmodel

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// Probing returns the same queries, which ask unprobed before each answer as those
// of Directory.Probing do. While nobody probes, the last period of a peer that
// somebody would probe ends when that began, and one follows that is unknown: no
// event has begun it, and its Seq is zero.
func (t *Timeline) Probing(unprobed func(events.EnterpriseID) *Unprobed) *Timeline {
	return &Timeline{db: t.db, unprobed: unprobed}
}

// unwatched ends p when nobody probes its peer any more, and returns what follows;
// nil: nothing, as p has ended already, or nobody would have to probe.
func (t *Timeline) unwatched(ctx context.Context, tx *sqlx.Tx, ent events.EnterpriseID, peer events.PeerID, p *Period) (*Period, error) {
	if t.unprobed == nil {
		return nil, nil //nolint:nilnil // that nothing follows is no error
	}
	u := t.unprobed(ent)
	if !u.cuts(*p) {
		return nil, nil //nolint:nilnil // as above
	}
	since := u.Since
	if since.IsZero() {
		var err error
		if since, err = lastProbed(ctx, tx, ent, peer); err != nil {
			return nil, err
		}
	}
	if since = moment(micros(since)); since.Before(p.Since) {
		since = p.Since
	}
	p.Until = since
	return &Period{Status: events.StatusUnknown, Cause: u.Cause, Since: since}, nil
}

// cuts reports whether a period does not last, as nobody probes. One in which a
// prober has noted the same does.
func (u *Unprobed) cuts(p Period) bool {
	switch {
	case u == nil, p.Ended, !p.Until.IsZero(), p.Status == events.StatusDisabled, p.Status == events.StatusNA:
		return false
	}
	return p.Status != events.StatusUnknown || p.Cause.Layer != u.Cause.Layer || p.Cause.Code != u.Cause.Code
}

// lastProbed is when the last probe of a peer began that is known: until then
// somebody did probe it. Zero: none is.
func lastProbed(ctx context.Context, tx *sqlx.Tx, ent events.EnterpriseID, peer events.PeerID) (time.Time, error) {
	started, err := one[int64](ctx, tx, "SELECT started FROM probes WHERE enterprise = ? AND peer = ?", ent, peer)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return time.Time{}, err
	}
	return moment(started), nil
}

// withUnwatched shows on a page what follows its first period while nobody probes:
// on the first page, as a row of it.
func (t *Timeline) withUnwatched(ctx context.Context, tx *sqlx.Tx, l *listing, page *Page[Period], ent events.EnterpriseID, peer events.PeerID) error {
	if len(page.Items) == 0 {
		return nil
	}
	next, err := t.unwatched(ctx, tx, ent, peer, &page.Items[0])
	if err != nil || next == nil || l.page.Cursor != "" {
		return err
	}
	after := integer(page.Items[0].Seq) + 1
	page.Items = append([]Period{*next}, page.Items...)
	if len(page.Items) <= l.page.Limit {
		return nil
	}
	page.Items = page.Items[:l.page.Limit]
	if n := len(page.Items); n > 1 {
		after = integer(page.Items[n-1].Seq)
	}
	page.NextCursor, err = l.cursor(after, []string{string(peer)})
	return err
}
