package readmodel

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// probeRow is a row of the table probes.
type probeRow struct {
	Enterprise events.EnterpriseID `db:"enterprise"`
	Peer       events.PeerID       `db:"peer"`
	Started    int64               `db:"started"`
	OK         bool                `db:"ok"`
	Latency    int64               `db:"latency_us"`
	Layer      string              `db:"layer"`
	Code       string              `db:"code"`
	Message    string              `db:"message"`
	ConfigSeq  int64               `db:"config_seq"`
	Prober     string              `db:"prober"`
}

const probes = "probes"

func probeTable() table[probeRow] { return newTable[probeRow](probes, 2, "started") }

// maxLatency is the longest latency that is kept; no probe waits that long.
const maxLatency = time.Hour

func probeRowOf(s events.Sample) *probeRow {
	latency := max(s.LatencyMS, 0) * 1000
	return &probeRow{
		Enterprise: events.EnterpriseID(clipKey(fit(string(s.Enterprise)))), Peer: events.PeerID(clipKey(fit(string(s.Peer)))),
		Started: micros(s.Started), OK: s.OK, Latency: int64(min(latency, float64(maxLatency.Microseconds()))),
		Layer: note(s.Cause.Layer), Code: note(s.Cause.Code), Message: note(s.Cause.Message),
		ConfigSeq: integer(s.ConfigSeq), Prober: note(s.Prober),
	}
}

// KeepSamples keeps the newest of list of each peer, unless what is there is as
// new: the time of the last probe never goes back, and the same samples again
// change nothing. No probe has begun after now: one that says so, by a clock that
// is ahead, counts as one that begins now, and what is there and is later than now,
// since this clock was ahead too, counts for nothing. So nobody's clock keeps the
// samples of others away. Several may keep samples at once. On an error none was
// kept; one that wraps ErrUnavailable may be tried again.
func (db *DB) KeepSamples(ctx context.Context, list []events.Sample, now time.Time) error {
	newest := map[peerKey]*probeRow{}
	for _, s := range list {
		r := probeRowOf(s)
		r.Started = min(r.Started, micros(now))
		if k := (peerKey{r.Enterprise, r.Peer}); newest[k] == nil || newest[k].Started < r.Started {
			newest[k] = r
		}
	}
	if len(newest) == 0 {
		return nil
	}
	// In one order, or two that write the same rows would wait for each other.
	rows := slices.SortedFunc(maps.Values(newest), func(a, b *probeRow) int {
		return cmp.Or(cmp.Compare(a.Enterprise, b.Enterprise), cmp.Compare(a.Peer, b.Peer))
	})
	return db.writing(ctx, "keep samples", func(tx *sqlx.Tx) error {
		t := probeTable()
		for chunk := range slices.Chunk(rows, db.dialect.maxRows(len(t.columns))) {
			source, args := db.dialect.source(t.columns, rowsOf(chunk))
			if _, err := tx.ExecContext(ctx, tx.Rebind(keepProbes(source)), append(args, micros(now))...); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepProbes is the statement that keeps the rows of source that are newer than
// what is there, or find there what is later than the time that is bound last.
func keepProbes(source string) string {
	return "INSERT INTO probes (enterprise, peer, started, ok, latency_us, layer, code, message, config_seq, prober) " + source +
		" ON CONFLICT (enterprise, peer) DO UPDATE SET started = excluded.started, ok = excluded.ok, latency_us = excluded.latency_us," +
		" layer = excluded.layer, code = excluded.code, message = excluded.message, config_seq = excluded.config_seq, prober = excluded.prober" +
		" WHERE excluded.started > probes.started OR probes.started > ?"
}

// PruneProbes drops what was found by probes that began before olderThan: their
// peers are probed no more, and may be gone.
func (db *DB) PruneProbes(ctx context.Context, olderThan time.Time) error {
	return db.writing(ctx, "prune probes", func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, tx.Rebind("DELETE FROM probes WHERE started < ?"), micros(olderThan))
		return err
	})
}

// joinProbes joins the last probes, as b, to the peers of an enterprise, which
// have the alias p. The enterprise is bound: the planner does not see that it is
// that of the peers, whose order is another.
func joinProbes(d dialect) string {
	return " LEFT JOIN (SELECT peer AS probed_peer, config_seq, started, latency_us FROM probes WHERE enterprise = ?) b" +
		" ON b.probed_peer = " + d.plain("p.id") + " AND b.config_seq >= p.probed_from"
}

// ofProbe is an expression for a column of the probes that were joined; zero: the
// peer was not probed under its configuration yet.
func ofProbe(column string) string { return "COALESCE(b." + column + ", 0)" }

// lastProbe is what is shown of a row of probes.
type lastProbe struct {
	Peer    events.PeerID `db:"id"`
	Started int64         `db:"started"`
	Latency int64         `db:"latency_us"`
}

// addProbes fills in what the last probes of peers of ent have found.
func addProbes(ctx context.Context, d dialect, tx *sqlx.Tx, g generation, ent events.EnterpriseID, list []Peer) error {
	if len(list) == 0 {
		return nil
	}
	at := make(map[events.PeerID]*Peer, len(list))
	keys := make([]*peerKey, len(list))
	for i := range list {
		at[list[i].ID], keys[i] = &list[i], &peerKey{ent, list[i].ID}
		list[i].LastProbe, list[i].Latency = time.Time{}, 0
	}
	t := peerTable()
	columns := t.columns[1:2]
	for chunk := range slices.Chunk(keys, d.maxRows(len(columns))) {
		source, args := d.source(columns, rowsOf(chunk))
		var found []lastProbe
		if err := tx.SelectContext(ctx, &found, tx.Rebind(probesOf(d, g, source)), append([]any{ent}, args...)...); err != nil {
			return fmt.Errorf("read %s: %w", probes, err)
		}
		for _, b := range found {
			at[b.Peer].LastProbe, at[b.Peer].Latency = moment(b.Started), time.Duration(b.Latency)*time.Microsecond
		}
	}
	return nil
}

// probesOf is the query for the last probes of the peers of an enterprise whose
// ids source has.
func probesOf(d dialect, g generation, source string) string {
	return fmt.Sprintf("SELECT p.id, b.started, b.latency_us FROM %s p CROSS JOIN probes b WHERE p.enterprise = ? AND p.id IN (%s)"+
		" AND b.enterprise = %s AND b.peer = %s AND b.config_seq >= p.probed_from",
		g.table(peers), source, d.plain("p.enterprise"), d.plain("p.id"))
}
