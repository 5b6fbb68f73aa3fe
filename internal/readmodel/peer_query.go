package readmodel

import (
	"context"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// listedPeer is a row of the list.
type listedPeer struct {
	peerRow
	UPN  string `db:"upn_presence"`
	Sort any    `db:"sort_value"`
}

func (r listedPeer) sortValue() any      { return r.Sort }
func (r listedPeer) tieValues() []string { return []string{string(r.ID)} }

// peerSorts are the columns that the list can be sorted by; upn is the
// expression of the computed one, and u who does not probe.
func peerSorts(upn string, u *Unprobed) map[string]sortable {
	return map[string]sortable{
		"id":                    byText("id"),
		"type":                  byText("type"),
		"description":           byText("description_key"),
		"server":                byText("hostname"),
		"hostname":              byText("hostname"),
		"port":                  byInteger("port"),
		"address":               byText("address"),
		"host":                  byText("host"),
		"peer_enterprise_id":    byText("peer_enterprise_id"),
		"dialing_prefix":        byText("dialing_prefix"),
		"version":               byText("CASE WHEN type = '" + string(events.PeerExternal) + "' THEN '~' ELSE version_key END"), // N/A is last
		"version_source":        byText("version_source"),
		"upn_presence":          byText(upn),
		"enabled":               byInteger("enabled"),
		sortStatus:              byText(u.status()),
		sortCause:               byText(u.causeCode()),
		sortSince:               byInteger(u.since()),
		sortLastProbe:           byInteger(ofProbe("started")),
		sortLatency:             byInteger(ofProbe("latency_us")),
		"certificate":           byInteger("certificate_not_after"),
		"certificate.not_after": byInteger("certificate_not_after"),
		"certificate.days_left": byInteger("certificate_not_after"),
		"notice":                byText("notice"),
		"maintenance":           byInteger("maintenance_start"),
		"admin_url":             byText("hostname"),
		"revision":              byInteger("revision"),
		"updated_at":            byInteger("updated_at"),
	}
}

// The sorts by what depends on whether somebody probes.
const (
	sortStatus = "status"
	sortCause  = "status_cause"
	sortSince  = "status_since"
)

// The sorts by what the last probes found: their order changes without an event.
const (
	sortLastProbe = "last_probe"
	sortLatency   = "latency_ms"
)

func byProbe(sort string) bool {
	sort = strings.TrimPrefix(sort, "-")
	return sort == sortLastProbe || sort == sortLatency
}

// Peers lists the peers of an enterprise. ErrNotFound: there never was such an
// enterprise. One that was removed has no living peers, and its deleted ones.
// What the rows point to is shared with other callers: it must not be changed.
func (d *Directory) Peers(ctx context.Context, ent events.EnterpriseID, q PeerQuery) (Page[Peer], error) {
	var page Page[Peer]
	err := d.view(ctx, "list peers", func(tx *sqlx.Tx, row stateRow) error {
		e, err := enterpriseIn(ctx, tx, row.generation(), ent)
		if err != nil {
			return err
		}
		page, err = d.peerPage(ctx, tx, row, e.enterpriseRow, q)
		page.Sequence = seq(row.Position)
		return err
	})
	return page, err
}

// peerPage returns a page that is kept, with what newer probes have found, or
// reads it.
func (d *Directory) peerPage(ctx context.Context, tx *sqlx.Tx, row stateRow, e enterpriseRow, q PeerQuery) (Page[Peer], error) {
	upn, u := upnPresence(e.Version), d.probedBy(e.ID)
	l, err := d.peerListing(e.ID, q, upn, u)
	if err != nil {
		return Page[Peer]{}, err
	}
	k := pageKeyOf(row, e.ID, q, u)
	page, kept, probed := d.db.pages.get(k, e.LastSeq)
	if kept && probed {
		return page, nil
	}
	if kept && !byProbe(q.Sort) {
		if err := addProbes(ctx, d.db.dialect, tx, row.generation(), e.ID, page.Items); err != nil {
			return Page[Peer]{}, err
		}
		d.db.pages.renew(k, e.LastSeq, page.Items)
		return page, nil
	}
	list, next, err := fetch[listedPeer](ctx, tx, l, peerColumns(upn), k.table+" p")
	if err != nil {
		return Page[Peer]{}, err
	}
	page = Page[Peer]{Items: make([]Peer, len(list)), NextCursor: next}
	for i := range list {
		page.Items[i] = list[i].peer(e.Version, list[i].UPN)
		u.over(&page.Items[i])
	}
	if err := addProbes(ctx, d.db.dialect, tx, row.generation(), e.ID, page.Items); err != nil {
		return Page[Peer]{}, err
	}
	d.db.pages.put(k, e.LastSeq, page, pageBytes(k, list))
	return page, nil
}

func (d *Directory) peerListing(ent events.EnterpriseID, q PeerQuery, upn string, u *Unprobed) (*listing, error) {
	bound := q
	bound.ListQuery = ListQuery{}
	l := &listing{
		list: peers + " " + string(ent), query: []any{bound, u.bind(q)}, page: q.ListQuery,
		sorts: peerSorts(upn, u), natural: "description", ties: "id",
		key: "enterprise, id", walked: []string{"id", "description"},
	}
	if byProbe(q.Sort) {
		l.join, l.joinArgs = joinProbes(d.db.dialect), []any{ent}
	}
	l.and("enterprise = ?", ent)
	if q.Deleted {
		l.and("deleted_seq <> 0")
	} else {
		l.and("deleted_seq = 0")
	}
	l.oneOf("status", string(q.Status), string(events.StatusUnknown), string(events.StatusUp), string(events.StatusDegraded),
		string(events.StatusDown), string(events.StatusDisabled), string(events.StatusNA))
	l.filter("status", u.status(), string(q.Status))
	l.oneOf("type", string(q.Type), string(events.PeerMiCollab), string(events.PeerExternal))
	l.filter("type", "type", string(q.Type))
	l.check("description", q.Description)
	l.filter("description", "description_key", sortKey(q.Description))
	if q.Enabled != nil {
		l.and("enabled = ?", boolean(*q.Enabled))
	}
	l.search(d.db.dialect, q.Q, "description_key", "lower(hostname)", "lower(address)")
	return l, l.resolve()
}

// boolean is a bool as the tables keep it.
func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Peer returns a peer, with the story of its deletion when it is gone.
// ErrNotFound: there never was one.
func (d *Directory) Peer(ctx context.Context, ent events.EnterpriseID, id events.PeerID) (Peer, error) {
	var out Peer
	err := d.view(ctx, "read peer", func(tx *sqlx.Tx, row stateRow) error {
		g := row.generation()
		e, err := enterpriseIn(ctx, tx, g, ent)
		if err != nil {
			return err
		}
		query := fmt.Sprintf("SELECT %s FROM %s WHERE enterprise = ? AND id = ?", peerColumns(upnPresence(e.Version)), g.table(peers))
		p, err := one[listedPeer](ctx, tx, query, ent, id)
		if err != nil {
			return err
		}
		list := []Peer{p.peer(e.Version, p.UPN)}
		d.probedBy(ent).over(&list[0])
		err = addProbes(ctx, d.db.dialect, tx, g, ent, list)
		out = list[0]
		return err
	})
	return out, err
}

func peerColumns(upn string) string {
	t := peerTable()
	return t.list() + ", " + upn + " AS upn_presence"
}
