package readmodel

import (
	"fmt"
	"strings"
	"time"

	"github.com/peering/peering/internal/events"
)

// Unprobed says that nobody probes the peers of an enterprise, since when, and
// why. What was last known of them may be long past: they read as unknown. Since is
// zero when that is not known; then it is not known since when they are unknown.
type Unprobed struct {
	Since time.Time
	Cause events.Cause
}

// Probing returns the same queries, which ask unprobed before each answer whether
// anybody probes the peers of an enterprise; nil: somebody does. It has to be
// quick and safe for concurrent use.
func (d *Directory) Probing(unprobed func(events.EnterpriseID) *Unprobed) *Directory {
	return &Directory{db: d.db, unprobed: unprobed}
}

// probedBy asks whether anybody probes.
func (d *Directory) probedBy(ent events.EnterpriseID) *Unprobed {
	if d.unprobed == nil {
		return nil
	}
	return d.unprobed(ent)
}

// wouldBeProbed is a condition: somebody would probe the peer, if anybody did.
const wouldBeProbed = "(deleted_seq = 0 AND enabled = 1 AND type <> '" + string(events.PeerExternal) + "')"

// status, causeCode and since are the expressions for what a row of peers shows.
// With the causes of all rows that somebody would probe the same, and none at any
// other, one sign stands for it where they are sorted.

func (u *Unprobed) status() string {
	if u == nil {
		return "status"
	}
	return "CASE WHEN " + wouldBeProbed + " THEN '" + string(events.StatusUnknown) + "' ELSE status END"
}

func (u *Unprobed) causeCode() string {
	if u == nil {
		return "cause_code"
	}
	sign := ""
	if u.Cause.Code != "" {
		sign = "~"
	}
	return "CASE WHEN " + wouldBeProbed + " THEN '" + sign + "' ELSE cause_code END"
}

// since is since when the status is unknown: of a peer that was unknown before,
// since then; nought when nobody knows.
func (u *Unprobed) since() string {
	if u == nil {
		return "status_since"
	}
	earlier := ""
	if !u.Since.IsZero() {
		earlier = fmt.Sprintf(" AND status_since < %d", micros(u.Since))
	}
	return fmt.Sprintf("CASE WHEN %s AND status <> '%s'%s THEN %d ELSE status_since END",
		wouldBeProbed, events.StatusUnknown, earlier, micros(u.Since))
}

// over changes a row to what it shows.
func (u *Unprobed) over(p *Peer) {
	if u == nil || p.Deleted != nil || !p.Enabled || p.Type == events.PeerExternal {
		return
	}
	if p.Status != events.StatusUnknown && (u.Since.IsZero() || p.StatusSince.Before(u.Since)) {
		p.StatusSince = moment(micros(u.Since))
	}
	p.Status, p.Cause = events.StatusUnknown, u.Cause
}

// count changes the numbers of an enterprise to what its peers show.
func (u *Unprobed) count(counts map[events.Status]int) {
	if u == nil {
		return
	}
	for status, n := range counts {
		if status != events.StatusDisabled && status != events.StatusNA && status != events.StatusUnknown {
			delete(counts, status)
			counts[events.StatusUnknown] += n
		}
	}
}

// bind is what a cursor has to be bound to, beside the query: rows whose order, or
// part in the list, depends on who probes move without an event when that changes,
// and the pages before and after would skip some or show them twice.
func (u *Unprobed) bind(q PeerQuery) any {
	sort := strings.TrimPrefix(q.Sort, "-")
	switch {
	case sort == sortSince && u != nil:
		return []any{true, micros(u.Since)}
	case sort == sortCause && u != nil:
		return []any{true, u.Cause.Code != ""}
	case sort == sortStatus, sort == sortCause, sort == sortSince, q.Status != "":
		return u != nil
	}
	return nil
}

// key is what pages that were made with u differ by.
func (u *Unprobed) key() unprobedKey {
	if u == nil {
		return unprobedKey{}
	}
	return unprobedKey{unprobed: true, since: micros(u.Since), cause: u.Cause}
}

type unprobedKey struct {
	unprobed bool
	since    int64
	cause    events.Cause
}

func (k unprobedKey) bytes() int {
	return len(k.cause.Layer) + len(k.cause.Code) + len(k.cause.Message)
}
