package readmodel

import (
	"context"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// AuditProjection is the projection that Audit reads: a row for every event of
// the log, with indexes for what people ask of history (ADR 0015).
func AuditProjection() Projection { return audit{} }

type audit struct{}

// auditVersion is raised as directoryVersion is.
const auditVersion = 1

// recorded is the noun of the table of events.
const recorded = "events"

func (audit) Name() string    { return "audit" }
func (audit) Version() int    { return auditVersion }
func (audit) nouns() []string { return []string{recorded} }

func (audit) create(d dialect, g generation) []string {
	t := auditTable()
	return t.create(d, g)
}

func (audit) layouts() []layout {
	t := auditTable()
	return []layout{t.layout()}
}

func (audit) fold(d dialect, g generation) fold { return &auditFold{dialect: d, generation: g} }

// auditRow is a row of the table: an event as it is in the log.
type auditRow struct {
	Sequence      int64                  `db:"sequence"`
	ID            events.EventID         `db:"id"`
	Time          int64                  `db:"time"`
	Type          events.Type            `db:"type"`
	Version       int64                  `db:"version"`
	Enterprise    events.EnterpriseID    `db:"enterprise"`
	Peer          events.PeerID          `db:"peer"`
	TrustedServer events.TrustedServerID `db:"trusted_server"`
	Actor         string                 `db:"actor"`
	OnBehalfOf    string                 `db:"on_behalf_of"`
	Reason        string                 `db:"reason"`
	CommandID     events.CommandID       `db:"command_id"`
	CorrelationID string                 `db:"correlation_id"`
	CausationID   string                 `db:"causation_id"`
	Data          string                 `db:"data"` // JSON, as stored
}

// auditTable has the index that finds most last: SQLite, which counts nothing,
// takes the newest when several would do.
func auditTable() table[auditRow] {
	t := newTable[auditRow](recorded, 1, "sequence",
		"time (time, sequence)", "type (type, sequence)", "actor (actor, sequence)",
		"enterprise (enterprise, sequence)", "peer (peer, sequence)", "command (command_id, sequence)")
	t.appends = true
	return t
}

// auditFold keeps events as they come: none can be combined with another.
type auditFold struct {
	dialect    dialect
	generation generation
	list       []change[auditRow]
}

func (f *auditFold) prefetch(context.Context, *sqlx.Tx, []events.Recorded) error { return nil }

// apply keeps every event that could be decoded.
func (f *auditFold) apply(r events.Recorded) error {
	row := &auditRow{
		Sequence: integer(r.Seq), ID: events.EventID(clipKey(string(r.ID))), Time: micros(r.Time), Type: r.Event.Type(), Version: int64(r.Version),
		Enterprise: r.Enterprise, Actor: clipKey(r.Actor), OnBehalfOf: r.OnBehalfOf, Reason: r.Reason,
		CommandID: events.CommandID(clipKey(string(r.CommandID))), CorrelationID: r.CorrelationID, CausationID: r.CausationID,
		Data: strings.ToValidUTF8(string(r.Data), "\uFFFD"),
	}
	switch e := r.Event.(type) {
	case events.PeerEvent:
		row.Peer = e.PeerID()
	case events.TrustedServerEvent:
		row.TrustedServer = e.TrustedServerID()
		if peer, ok := events.PeerOfTrustedServer(row.TrustedServer); ok {
			row.Peer = peer
		}
	}
	f.list = append(f.list, change[auditRow]{now: row})
	return nil
}

func (f *auditFold) flush(ctx context.Context, tx *sqlx.Tx) error {
	t := auditTable()
	err := t.write(ctx, f.dialect, tx, f.generation, f.list)
	clear(f.list)
	f.list = f.list[:0]
	return err
}

// clipKey cuts a text to what an index takes. What this program writes is
// shorter; who publishes on the log past it may have written anything.
func clipKey(s string) string {
	if len(s) <= maxKey {
		return s
	}
	return strings.ToValidUTF8(s[:maxKey], "")
}
