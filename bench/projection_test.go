package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/eventstore"
	"github.com/peering/peering/internal/projection"
	"github.com/peering/peering/internal/readmodel"
	"github.com/peering/peering/internal/testkit"
)

// BenchmarkProject is target P5: projecting 1,000,000 events into the directory
// from nothing, exactly once, from a server over TCP on this machine.
//
//	events/s     ours, to the position of the last event
//	read/s       the reference for what reading can give: an ordered consumer of
//	             the same log that looks at nothing
//	one-by-one/s the reference for the way without batches: one event a
//	             transaction, an upsert and a position in it, on the same disk
//	speedup      events/s / one-by-one/s
//	MiB          what the database takes in the end, indexes included
func BenchmarkProject(b *testing.B) {
	benchmarkProjection(b, projection.Options{Projection: readmodel.DirectoryProjection()})
}

// BenchmarkProjectAudit is the same for the audit projection, which writes each
// event with all its indexes and can fold none, in batches as small as those of
// the product.
func BenchmarkProjectAudit(b *testing.B) {
	benchmarkProjection(b, projection.Options{Projection: readmodel.AuditProjection()})
}

func benchmarkProjection(b *testing.B, o projection.Options) {
	b.Helper()
	h := sized()
	s, nc := server(b, b.TempDir(), false)
	defer s.Shutdown()
	defer nc.Close()
	h.write(b, nc)
	for _, c := range []struct {
		name string
		open func() testkit.Database
	}{
		{"SQLite", func() testkit.Database { return testkit.SQLite(b) }},
		{"PostgreSQL", func() testkit.Database { return testkit.Postgres(b) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				single := oneByOne(b, nc, c.open())
				read := readAll(b, nc)
				d := c.open()
				ours := projectAll(b, nc, d, o)
				b.ReportMetric(ours, "events/s")
				b.ReportMetric(read, "read/s")
				b.ReportMetric(single, "one-by-one/s")
				b.ReportMetric(ours/single, "speedup")
				b.ReportMetric(size(b, d), "MiB")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// size is what a database takes on disk, in MiB.
func size(b *testing.B, d testkit.Database) float64 {
	b.Helper()
	db, query := plainDB(b, d), "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
	defer db.Close()
	if d.Postgres() {
		query = "SELECT pg_database_size(current_database())"
	}
	var n int64
	if err := db.QueryRowContext(b.Context(), query).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return float64(n) / (1 << 20)
}

// projectAll is how many events a second reach the tables of an empty database.
func projectAll(b *testing.B, nc *nats.Conn, d testkit.Database, o projection.Options) float64 {
	b.Helper()
	db, err := readmodel.Open(b.Context(), d.URL)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	reader := eventstore.NewReader(nc)
	log, err := reader.Identity(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	o.TakeOver, o.Logger = true, slog.New(slog.DiscardHandler)
	r := projection.New(reader, db, o)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	began := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	for r.Status().Position < log.Last {
		pause(ctx, time.Millisecond)
	}
	took := time.Since(began)
	if s := r.Status(); s.Dead > 0 || s.Err != nil {
		b.Fatalf("%+v", s)
	}
	cancel()
	<-ended
	return float64(log.Last) / took.Seconds()
}

// readAll is how many messages a second an ordered consumer reads.
func readAll(b *testing.B, nc *nats.Conn) float64 {
	b.Helper()
	messages, last := ordered(b, nc)
	defer messages.Stop()
	began := time.Now()
	for {
		if at := next(b, messages).Sequence.Stream; at == last {
			return float64(last) / time.Since(began).Seconds()
		}
	}
}

func ordered(b *testing.B, nc *nats.Conn) (messages jetstream.MessagesContext, last uint64) {
	b.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	stream, err := js.Stream(b.Context(), events.Stream)
	if err != nil {
		b.Fatal(err)
	}
	c, err := stream.OrderedConsumer(b.Context(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	if messages, err = c.Messages(); err != nil {
		b.Fatal(err)
	}
	return messages, stream.CachedInfo().State.LastSeq
}

func next(b *testing.B, messages jetstream.MessagesContext) *jetstream.MsgMetadata {
	b.Helper()
	m, err := messages.Next()
	if err != nil {
		b.Fatal(err)
	}
	meta, err := m.Metadata()
	if err != nil {
		b.Fatal(err)
	}
	return meta
}

// oneByOne is how many events a second the plainest exactly-once loop applies:
// for each one a transaction with an upsert and the new position.
func oneByOne(b *testing.B, nc *nats.Conn, d testkit.Database) float64 {
	b.Helper()
	const sample = 5_000
	db := plain(b, d)
	defer db.Close()
	messages, last := ordered(b, nc)
	defer messages.Stop()
	codec := events.NewCodec(events.Default())
	began := time.Now()
	n := min(sample, int(last)) // #nosec G115 -- small
	for range n {
		m, err := messages.Next()
		if err != nil {
			b.Fatal(err)
		}
		r, _ := recorded(b, codec, m)
		applyOne(b, db, r)
	}
	return float64(n) / time.Since(began).Seconds()
}

// plainDB opens the database without the product in between.
func plainDB(b *testing.B, d testkit.Database) *sql.DB {
	b.Helper()
	driver, source := "pgx", d.URL
	if !d.Postgres() {
		driver = "sqlite"
		source = fmt.Sprintf("file:%s?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate", filepath.ToSlash(strings.TrimPrefix(d.URL, "sqlite:")))
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		b.Fatal(err)
	}
	return db
}

func plain(b *testing.B, d testkit.Database) *sql.DB {
	b.Helper()
	db := plainDB(b, d)
	for _, statement := range []string{
		"CREATE TABLE one (enterprise TEXT NOT NULL, peer TEXT NOT NULL, seq BIGINT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (enterprise, peer))",
		"CREATE TABLE position (at BIGINT NOT NULL)", "INSERT INTO position VALUES (0)",
	} {
		if _, err := db.ExecContext(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	return db
}

func applyOne(b *testing.B, db *sql.DB, r events.Recorded) {
	b.Helper()
	tx, err := db.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	peer := ""
	if e, ok := r.Event.(events.PeerEvent); ok {
		peer = string(e.PeerID())
	}
	_, err = tx.ExecContext(b.Context(), "INSERT INTO one (enterprise, peer, seq, data) VALUES ($1, $2, $3, $4)"+
		" ON CONFLICT (enterprise, peer) DO UPDATE SET seq = excluded.seq, data = excluded.data",
		string(r.Enterprise), peer, int64(r.Seq), string(r.Event.Type())) // #nosec G115 -- small
	if err != nil {
		b.Fatal(err)
	}
	if _, err := tx.ExecContext(b.Context(), "UPDATE position SET at = $1", int64(r.Seq)); err != nil { // #nosec G115 -- small
		b.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}
