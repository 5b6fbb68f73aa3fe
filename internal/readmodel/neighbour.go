package readmodel

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// Neighbours are whom a change of the server of an enterprise concerns.
type Neighbours struct {
	// Inside are the peers of other enterprises that name the enterprise, those
	// on other servers included: whether one means this enterprise, or one of
	// the same id elsewhere, its hostname tells, and the log knows that better.
	// They are sorted by enterprise and peer.
	Inside []Neighbour
	// Outside are the enterprise's own peers whose other side is not of this
	// deployment: no enterprise that is registered has that id and that server.
	// External ones are among them; peers that were added after the change are
	// not: whoever set them up knew the server as it is.
	Outside []Neighbour
}

// Neighbour is a peer that is there, disabled or not.
type Neighbour struct {
	Enterprise events.EnterpriseID `db:"enterprise"`
	Peer       events.PeerID       `db:"id"`
	Type       events.PeerType     `db:"type"`
	// Detected: the version that is shown was detected and not entered.
	Detected bool `db:"detected"`
}

// Neighbours returns whom a change of the server of ent at sequence min
// concerns, once the directory has passed min. An enterprise whose events are
// held is shown as it was before. The error wraps ErrUnavailable: the database
// does not answer, the projection has stopped or ctx ends first.
func (d *Directory) Neighbours(ctx context.Context, ent events.EnterpriseID, min events.Seq) (Neighbours, error) {
	var n Neighbours
	if err := d.Await(ctx, "", min); err != nil {
		return n, err
	}
	err := d.view(ctx, "read neighbours", func(tx *sqlx.Tx, row stateRow) error {
		g := row.generation()
		if err := tx.SelectContext(ctx, &n.Inside, tx.Rebind(insideQuery(g)), ent, ent, events.PeerMiCollab); err != nil {
			return err
		}
		return tx.SelectContext(ctx, &n.Outside, tx.Rebind(outsideQuery(g)), ent, integer(min))
	})
	return n, err
}

const neighbourColumns = "p.enterprise, p.id, p.type, CASE WHEN p.version_source = '" + versionDetected + "' THEN 1 ELSE 0 END AS detected"

// insideQuery takes the enterprise twice and the type.
func insideQuery(g generation) string {
	return fmt.Sprintf("SELECT %s FROM %s p WHERE p.peer_enterprise_id = ? AND p.enterprise <> ? AND p.type = ?"+
		" AND p.deleted_seq = 0 ORDER BY p.enterprise, p.id", neighbourColumns, g.table(peers))
}

// outsideQuery takes the enterprise and the sequence of the change.
func outsideQuery(g generation) string {
	return fmt.Sprintf("SELECT %s FROM %s p WHERE p.enterprise = ? AND p.added_seq < ? AND p.deleted_seq = 0 AND NOT EXISTS ("+
		"SELECT 1 FROM %s o WHERE o.id = p.peer_enterprise_id AND o.id <> p.enterprise AND o.removed_seq = 0 AND o.hostname = p.hostname"+
		") ORDER BY p.id", neighbourColumns, g.table(peers), g.table(enterprises))
}
