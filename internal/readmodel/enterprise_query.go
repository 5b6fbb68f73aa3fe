package readmodel

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// listedEnterprise is a row of the list.
type listedEnterprise struct {
	enterpriseRow
	Shared bool `db:"shared"`
	Sort   any  `db:"sort_value"`
}

func (r listedEnterprise) sortValue() any      { return r.Sort }
func (r listedEnterprise) tieValues() []string { return []string{string(r.ID)} }

// enterpriseSorts are the columns that the list can be sorted by.
func enterpriseSorts() map[string]sortable {
	return map[string]sortable{
		"id":                byText("id"),
		"description":       byText("description_key"),
		"domain":            byText("domain_key"),
		"server":            byText("hostname"),
		"server.hostname":   byText("hostname"),
		"server.address":    byText("address"),
		"server.version":    byText("version_key"),
		"server.deployment": byText("deployment"),
		"peers":             byInteger("peers_total"),
		"peers.total":       byInteger("peers_total"),
		"revision":          byInteger("revision"),
		"updated_at":        byInteger("updated_at"),
	}
}

// Enterprises lists the enterprises that are registered now.
func (d *Directory) Enterprises(ctx context.Context, q EnterpriseQuery) (Page[Enterprise], error) {
	l := listing{
		list: enterprises, query: q.Only, page: q.ListQuery, sorts: enterpriseSorts(),
		natural: "id", ties: "id", key: "id", walked: []string{"id"},
	}
	l.and("removed_seq = 0")
	l.filter("enterprise", "id", string(q.Only))
	l.search(d.db.dialect, q.Q, "id", "description_key", "domain_key", "lower(hostname)", "lower(address)")
	if err := l.resolve(); err != nil {
		return Page[Enterprise]{}, err
	}
	var page Page[Enterprise]
	err := d.view(ctx, "list enterprises", func(tx *sqlx.Tx, row stateRow) error {
		list, next, err := fetch[listedEnterprise](ctx, tx, &l, enterpriseColumns(row.generation()), row.generation().table(enterprises)+" e")
		if err != nil {
			return err
		}
		page = Page[Enterprise]{Items: make([]Enterprise, len(list)), NextCursor: next, Sequence: seq(row.Position)}
		for i := range list {
			page.Items[i] = list[i].enterprise(list[i].Shared)
			d.probedBy(page.Items[i].ID).count(page.Items[i].ByStatus)
		}
		return nil
	})
	return page, err
}

// Enterprise returns an enterprise, with the story of its removal when it is
// gone. ErrNotFound: there never was one.
func (d *Directory) Enterprise(ctx context.Context, ent events.EnterpriseID) (Enterprise, error) {
	var out Enterprise
	err := d.view(ctx, "read enterprise", func(tx *sqlx.Tx, row stateRow) error {
		e, err := enterpriseIn(ctx, tx, row.generation(), ent)
		out = e.enterprise(e.Shared)
		d.probedBy(ent).count(out.ByStatus)
		return err
	})
	if err != nil {
		return Enterprise{}, err
	}
	return out, nil
}

// enterpriseIn reads an enterprise, gone or not; ErrNotFound: there never was one.
func enterpriseIn(ctx context.Context, tx *sqlx.Tx, g generation, ent events.EnterpriseID) (listedEnterprise, error) {
	query := fmt.Sprintf("SELECT %s FROM %s e WHERE id = ?", enterpriseColumns(g), g.table(enterprises))
	return one[listedEnterprise](ctx, tx, query, ent)
}

// enterpriseColumns are those of a table with the alias e, and whether another
// enterprise has the same domain.
func enterpriseColumns(g generation) string {
	t := enterpriseTable()
	return fmt.Sprintf("%s, CASE WHEN e.removed_seq = 0 AND e.domain_key <> '' AND EXISTS (SELECT 1 FROM %s o"+
		" WHERE o.domain_key = e.domain_key AND o.removed_seq = 0 AND o.id <> e.id) THEN 1 ELSE 0 END AS shared", t.list(), g.table(enterprises))
}

// one reads a single row; ErrNotFound: there is none.
func one[R any](ctx context.Context, tx *sqlx.Tx, query string, args ...any) (r R, err error) {
	var list []R
	if err := tx.SelectContext(ctx, &list, tx.Rebind(query), args...); err != nil {
		return r, err
	}
	if len(list) == 0 {
		return r, ErrNotFound
	}
	return list[0], nil
}
