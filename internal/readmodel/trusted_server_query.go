package readmodel

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// listedTrustedServer is a row of the list.
type listedTrustedServer struct {
	trustedRow
	Sort any `db:"sort_value"`
}

func (r listedTrustedServer) sortValue() any { return r.Sort }
func (r listedTrustedServer) tieValues() []string {
	return []string{string(r.ID), string(r.Enterprise)}
}

// The values of the filter Origin.
const (
	originManual = "manual"
	originPeer   = "peer"
)

// trustedServerSorts are the columns that the list can be sorted by.
func trustedServerSorts() map[string]sortable {
	return map[string]sortable{
		"id":          byText("id"),
		"enterprise":  byText("enterprise"),
		"description": byText("description_key"),
		"host":        byText("host"),
		"type":        byText("type"),
		"origin":      byText("CASE WHEN peer = '' THEN 'manual' ELSE 'peer' END"),
		"peer_id":     byText("peer"),
		"revision":    byInteger("revision"),
		"updated_at":  byInteger("updated_at"),
		"since":       byInteger("since_seq"),
	}
}

// TrustedServers lists the servers that may connect now, of one enterprise or
// of all. An enterprise that never was has none.
func (d *Directory) TrustedServers(ctx context.Context, q TrustedServerQuery) (Page[TrustedServer], error) {
	l, err := d.trustedServerListing(q)
	if err != nil {
		return Page[TrustedServer]{}, err
	}
	var page Page[TrustedServer]
	err = d.view(ctx, "list trusted servers", func(tx *sqlx.Tx, row stateRow) error {
		t := trustedServerTable()
		list, next, err := fetch[listedTrustedServer](ctx, tx, l, t.list(), row.generation().table(trustedServers))
		if err != nil {
			return err
		}
		page = Page[TrustedServer]{Items: make([]TrustedServer, len(list)), NextCursor: next, Sequence: seq(row.Position)}
		for i := range list {
			page.Items[i] = list[i].trustedServer()
		}
		return nil
	})
	return page, err
}

func (d *Directory) trustedServerListing(q TrustedServerQuery) (*listing, error) {
	bound := q
	bound.ListQuery = ListQuery{}
	l := &listing{
		list: trustedServers, query: bound, page: q.ListQuery,
		sorts: trustedServerSorts(), natural: "description", ties: "id, enterprise",
		key: "enterprise, id",
	}
	if q.Enterprise != "" {
		l.walked = []string{"description"}
	}
	l.and("withdrawn = 0 AND removed_seq = 0")
	l.filter("enterprise", "enterprise", string(q.Enterprise))
	l.filter("enterprise", "enterprise", string(q.Only))
	l.oneOf("type", string(q.Type), string(events.TrustPresence), string(events.TrustIM), string(events.TrustPeer))
	l.filter("type", "type", string(q.Type))
	l.oneOf("origin", q.Origin, originManual, originPeer)
	switch q.Origin {
	case originManual:
		l.and("peer = ''")
	case originPeer:
		l.and("peer <> ''")
	}
	l.filter("host", "host", q.Host)
	l.check("description", q.Description)
	l.filter("description", "description_key", sortKey(q.Description))
	l.search(d.db.dialect, q.Q, "description_key", "lower(host)")
	return l, l.resolve()
}

// TrustedServer returns an entry, with the story of its removal when it is
// gone. ErrNotFound: there never was one, or its peer is disabled.
func (d *Directory) TrustedServer(ctx context.Context, ent events.EnterpriseID, id events.TrustedServerID) (TrustedServer, error) {
	var out TrustedServer
	err := d.view(ctx, "read trusted server", func(tx *sqlx.Tx, row stateRow) error {
		t := trustedServerTable()
		query := fmt.Sprintf("SELECT %s FROM %s WHERE enterprise = ? AND id = ? AND (withdrawn = 0 OR removed_seq <> 0)",
			t.list(), row.generation().table(trustedServers))
		r, err := one[trustedRow](ctx, tx, query, ent, id)
		out = r.trustedServer()
		return err
	})
	if err != nil {
		return TrustedServer{}, err
	}
	return out, nil
}
