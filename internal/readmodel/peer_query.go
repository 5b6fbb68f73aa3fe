package readmodel

import (
	"context"
	"fmt"

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
// expression of the computed one.
func peerSorts(upn string) map[string]sortable {
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
		"status":                byText("status"),
		"status_cause":          byText("cause_code"),
		"status_since":          byInteger("status_since"),
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
		upn := upnPresence(e.Version)
		l, err := d.peerListing(ent, q, upn)
		if err != nil {
			return err
		}
		k := pageKeyOf(row, ent, q)
		var kept bool
		if page, kept = d.db.pages.get(k, e.LastSeq); !kept {
			list, next, err := fetch[listedPeer](ctx, tx, l, peerColumns(upn), k.table)
			if err != nil {
				return err
			}
			page = Page[Peer]{Items: make([]Peer, len(list)), NextCursor: next}
			for i := range list {
				page.Items[i] = list[i].peer(e.Version, list[i].UPN)
			}
			d.db.pages.put(k, e.LastSeq, page, pageBytes(k, list))
		}
		page.Sequence = seq(row.Position)
		return nil
	})
	return page, err
}

func (d *Directory) peerListing(ent events.EnterpriseID, q PeerQuery, upn string) (*listing, error) {
	bound := q
	bound.ListQuery = ListQuery{}
	l := &listing{
		list: peers + " " + string(ent), query: bound, page: q.ListQuery,
		sorts: peerSorts(upn), natural: "description", ties: "id",
		key: "enterprise, id", walked: []string{"id", "description"},
	}
	l.and("enterprise = ?", ent)
	if q.Deleted {
		l.and("deleted_seq <> 0")
	} else {
		l.and("deleted_seq = 0")
	}
	l.oneOf("status", string(q.Status), string(events.StatusUnknown), string(events.StatusUp), string(events.StatusDegraded),
		string(events.StatusDown), string(events.StatusDisabled), string(events.StatusNA))
	l.filter("status", "status", string(q.Status))
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
		e, err := enterpriseIn(ctx, tx, row.generation(), ent)
		if err != nil {
			return err
		}
		query := fmt.Sprintf("SELECT %s FROM %s WHERE enterprise = ? AND id = ?", peerColumns(upnPresence(e.Version)), row.generation().table(peers))
		p, err := one[listedPeer](ctx, tx, query, ent, id)
		if err != nil {
			return err
		}
		out = p.peer(e.Version, p.UPN)
		return nil
	})
	return out, err
}

func peerColumns(upn string) string {
	t := peerTable()
	return t.list() + ", " + upn + " AS upn_presence"
}
