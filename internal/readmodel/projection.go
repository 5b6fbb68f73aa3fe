package readmodel

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/peering/peering/internal/events"
)

// Projection is one way to turn the log into tables. Its version is raised when
// their shape or the meaning of a column changes; a program reads and writes
// its own version only, so that two versions can live side by side (ADR 0006).
type Projection interface {
	Name() string
	Version() int

	// create returns the statements that make the tables of a generation, and
	// nouns the tables they make.
	create(d dialect, g generation) []string
	nouns() []string
	// layouts describe the same tables, for comparing two generations.
	layouts() []layout
	// fold returns an empty fold of a generation.
	fold(d dialect, g generation) fold
}

// fold applies events to rows in memory and writes what changed. It lives as
// long as a lease, so that a row that was written is not read again.
type fold interface {
	// prefetch reads the rows that the events need.
	prefetch(ctx context.Context, tx *sqlx.Tx, list []events.Recorded) error
	// apply changes the rows in memory. An error says that the event cannot
	// follow on what was applied before; nothing was changed then.
	apply(r events.Recorded) error
	// flush writes each changed row once.
	flush(ctx context.Context, tx *sqlx.Tx) error
}

// generation names one set of tables of a projection.
type generation struct {
	projection string
	version    int
	number     int64
}

// table is the name of a table of the generation, such as directory_v2_g1_peers.
func (g generation) table(noun string) string {
	return fmt.Sprintf("%s_v%d_g%d_%s", g.projection, g.version, g.number, noun)
}

// Mark is a position in the log, with a fingerprint by which to recognise that
// the log is still the same one.
type Mark struct {
	Position      events.Seq
	StreamCreated int64  // nanoseconds
	Fingerprint   string // of the message at Position
}

// Held is an enterprise whose events are held, and the first that is not applied.
type Held struct {
	Enterprise events.EnterpriseID
	HeldAt     events.Seq
}

// DeadEvent is an event that could not be applied.
type DeadEvent struct {
	Seq        events.Seq
	Enterprise events.EnterpriseID // empty: it belongs to nobody
	Subject    string
	Type       events.Type // empty: it could not be decoded
	Error      string
	Stored     time.Time // when the log took it, from when on its enterprise is held; zero: not known
}

// State describes a projection as it is in the database.
type State struct {
	Name       string
	Version    int
	Generation int64
	Position   events.Seq
	Created    int64  // nanoseconds: when the log that was read was made; zero: none was
	Owner      string // empty: nobody writes it
	Stopped    string // why it does not follow the log any more; empty: it does
	Epoch      int64
	Beat       int64
	Dead       int
	Held       []Held
	Building   *Building // tables that are being made beside these; nil: none are
}

// Building describes tables that are made anew while others are read. Their
// maker may have died: it lives as long as Beat grows.
type Building struct {
	Generation int64
	Position   events.Seq
	Owner      string
	Shadow     bool // they are made to be compared, and will not be read
	Beat       int64
}

// stateRow is a row of the table projections.
type stateRow struct {
	Name          string `db:"name"`
	Version       int    `db:"version"`
	Generation    int64  `db:"generation"`
	Position      int64  `db:"position"`
	StreamCreated int64  `db:"stream_created"`
	Fingerprint   string `db:"fingerprint"`
	Epoch         int64  `db:"epoch"`
	Beat          int64  `db:"beat"`
	Owner         string `db:"owner"`
	Stopped       string `db:"stopped"`
	Retried       int64  `db:"retried"`
	Shadow        bool   `db:"shadow"`
}

const stateColumns = "name, version, generation, position, stream_created, fingerprint, epoch, beat, owner, stopped, retried, shadow"

func (r stateRow) generation() generation {
	return generation{projection: r.Name, version: r.Version, number: r.Generation}
}

func (r stateRow) mark() Mark {
	return Mark{Position: seq(r.Position), StreamCreated: r.StreamCreated, Fingerprint: r.Fingerprint}
}

// Positions describes every projection of every version that queries can read.
func (db *DB) Positions(ctx context.Context) ([]State, error) {
	var out []State
	err := db.reading(ctx, "read projections", func(tx *sqlx.Tx) error {
		var list []stateRow
		query := "SELECT " + stateColumns + " FROM projections WHERE active = 1 ORDER BY name, version"
		if err := tx.SelectContext(ctx, &list, query); err != nil {
			return err
		}
		out = nil
		for _, row := range list {
			s, err := describe(ctx, tx, row)
			if err != nil {
				return err
			}
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

// State describes the version of p that this program reads. The error wraps
// ErrUnavailable when it has no tables yet.
func (db *DB) State(ctx context.Context, p Projection) (State, error) {
	var out State
	err := db.reading(ctx, "read projection "+p.Name(), func(tx *sqlx.Tx) error {
		row, err := active(ctx, tx, p)
		if err != nil {
			return err
		}
		out, err = describe(ctx, tx, row)
		return err
	})
	return out, err
}

func describe(ctx context.Context, tx *sqlx.Tx, row stateRow) (State, error) {
	s := State{
		Name: row.Name, Version: row.Version, Generation: row.Generation, Position: seq(row.Position),
		Created: row.StreamCreated, Owner: row.Owner, Stopped: row.Stopped, Epoch: row.Epoch, Beat: row.Beat,
	}
	g := row.generation()
	query := tx.Rebind("SELECT COUNT(*) FROM dead_events WHERE name = ? AND version = ? AND generation = ?")
	if err := tx.GetContext(ctx, &s.Dead, query, g.projection, g.version, g.number); err != nil {
		return s, err
	}
	var err error
	if s.Held, err = heldOf(ctx, tx, g); err != nil {
		return s, err
	}
	s.Building, err = building(ctx, tx, g)
	return s, err
}

// building describes the newest tables that somebody makes beside g.
func building(ctx context.Context, tx *sqlx.Tx, g generation) (*Building, error) {
	var list []stateRow
	query := tx.Rebind("SELECT " + stateColumns + " FROM projections WHERE name = ? AND version = ? AND active = 0 AND owner <> ''" +
		" ORDER BY generation DESC LIMIT 1")
	if err := tx.SelectContext(ctx, &list, query, g.projection, g.version); err != nil || len(list) == 0 {
		return nil, err
	}
	row := list[0]
	return &Building{Generation: row.Generation, Position: seq(row.Position), Owner: row.Owner, Shadow: row.Shadow, Beat: row.Beat}, nil
}

func heldOf(ctx context.Context, tx *sqlx.Tx, g generation) ([]Held, error) {
	var list []struct {
		Enterprise events.EnterpriseID `db:"enterprise"`
		HeldAt     int64               `db:"held_at"`
	}
	query := tx.Rebind("SELECT enterprise, held_at FROM held WHERE name = ? AND version = ? AND generation = ? ORDER BY held_at, enterprise")
	if err := tx.SelectContext(ctx, &list, query, g.projection, g.version, g.number); err != nil {
		return nil, err
	}
	out := make([]Held, len(list))
	for i, h := range list {
		out[i] = Held{h.Enterprise, seq(h.HeldAt)}
	}
	return out, nil
}

// active returns the row of the generation that queries read.
func active(ctx context.Context, tx *sqlx.Tx, p Projection) (stateRow, error) {
	var list []stateRow
	query := tx.Rebind("SELECT " + stateColumns + " FROM projections WHERE name = ? AND version = ? AND active = 1")
	if err := tx.SelectContext(ctx, &list, query, p.Name(), p.Version()); err != nil {
		return stateRow{}, err
	}
	if len(list) != 1 {
		return stateRow{}, fmt.Errorf("%w: projection %s version %d has no tables yet", ErrUnavailable, p.Name(), p.Version())
	}
	return list[0], nil
}

// seq is a sequence as the databases keep it: below 2⁶³, as all of them are.
func seq(n int64) events.Seq { return events.Seq(max(n, 0)) } // #nosec G115 -- not negative

func integer(s events.Seq) int64 { return int64(min(s, 1<<63-1)) } // #nosec G115 -- limited
