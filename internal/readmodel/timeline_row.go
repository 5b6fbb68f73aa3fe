package readmodel

import (
	"cmp"

	"github.com/peering/peering/internal/events"
)

// periodRow is a row of the table periods: an event that began a status of a
// peer, or ended the peer. Rows are added and never change; what ends a period is
// the next row of its peer.
type periodRow struct {
	Enterprise   events.EnterpriseID `db:"enterprise"`
	Peer         events.PeerID       `db:"peer"`
	Sequence     int64               `db:"sequence"`
	Began        int64               `db:"began"` // grows with the sequence
	Reported     int64               `db:"reported"`
	Status       events.Status       `db:"status"` // empty: the peer was deleted
	CauseLayer   string              `db:"cause_layer"`
	CauseCode    string              `db:"cause_code"`
	CauseMessage string              `db:"cause_message"`
	ProbeStarted int64               `db:"probe_started"` // 0: no probe has found it
}

func periodTable() table[periodRow] {
	return newTable[periodRow](periods, 3, "sequence", "began (enterprise, peer, began, sequence)")
}

func (p *periodRow) compare(o *periodRow) int {
	return cmp.Or(cmp.Compare(p.Enterprise, o.Enterprise), cmp.Compare(p.Peer, o.Peer), cmp.Compare(p.Sequence, o.Sequence))
}

// maintenanceRow is a row of the table maintenances: one that was scheduled, at
// its sequence.
type maintenanceRow struct {
	Enterprise events.EnterpriseID `db:"enterprise"`
	Peer       events.PeerID       `db:"peer"`
	Sequence   int64               `db:"sequence"`
	Starts     int64               `db:"starts"`
	Ends       int64               `db:"ends"`
	Note       string              `db:"note"`
	Actor      string              `db:"actor"`
	EndedAt    int64               `db:"ended_at"` // when it was cancelled or replaced before its end; 0: it was not
	LastSeq    int64               `db:"last_seq"`
}

type maintenanceKey struct {
	Enterprise events.EnterpriseID
	Peer       events.PeerID
	Sequence   int64
}

func maintenanceTable() table[maintenanceRow] {
	return newTable[maintenanceRow](maintenances, 3, "last_seq")
}

func (m *maintenanceRow) key() maintenanceKey {
	return maintenanceKey{m.Enterprise, m.Peer, m.Sequence}
}

// connectionRow is a row of the table connections: what the fold has to know of a
// peer to go on, deleted or not.
type connectionRow struct {
	Enterprise  events.EnterpriseID `db:"enterprise"`
	ID          events.PeerID       `db:"peer"`
	External    bool                `db:"external"`
	Enabled     bool                `db:"enabled"`
	Status      events.Status       `db:"status"`
	Since       int64               `db:"since"` // when the last period began
	From        int64               `db:"from_seq"`
	Maintenance int64               `db:"maintenance"` // the sequence of the one at hand; 0: none
	Deleted     bool                `db:"deleted"`
	LastSeq     int64               `db:"last_seq"`
}

func connectionTable() table[connectionRow] {
	return newTable[connectionRow](connections, 2, "last_seq")
}

// connection is the row in the words of the one fold of a status, but for the
// cause, on which nothing that follows depends; connect is the way back.
func (c *connectionRow) connection() events.Connection {
	return events.Connection{External: c.External, Enabled: c.Enabled, Status: c.Status, Since: moment(c.Since), From: seq(c.From)}
}

func (c *connectionRow) connect(now events.Connection) {
	c.External, c.Enabled, c.Status = now.External, now.Enabled, now.Status
	c.Since, c.From = micros(now.Since), integer(now.From)
}

func (c *connectionRow) maintenance() maintenanceKey {
	return maintenanceKey{c.Enterprise, c.ID, c.Maintenance}
}
