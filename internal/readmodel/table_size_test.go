package readmodel

import (
	"fmt"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// TestWrite_theServerKnowsWhatIsInATable: while one writer fills it. Else
// PostgreSQL reads all of an enterprise for each key of the next batch.
func TestWrite_theServerKnowsWhatIsInATable(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		if !d.Postgres() {
			return // SQLite plans without figures
		}
		s := newStage(t, d)
		s.registers(acme)
		const batch = 6000
		list := make([]events.Event, batch)
		for i := range list {
			list[i] = added(events.PeerID(fmt.Sprintf("p%d", i)), fmt.Sprintf("Peer %d", i))
		}
		s.happens(acme, list...)
		var rows float64
		table := generation{projection: "directory", version: directoryVersion, number: s.state().Generation}.table(peers)
		if err := s.reader.GetContext(t.Context(), &rows, "SELECT reltuples FROM pg_class WHERE relname = $1", table); err != nil {
			t.Fatal(err)
		}
		if rows < 0.9*batch || rows > 1.1*batch {
			t.Errorf("the server takes the table for one of %.0f rows, it has %d", rows, batch)
		}
		var enterprises float64
		if err := s.reader.GetContext(t.Context(), &enterprises, "SELECT n_distinct FROM pg_stats WHERE tablename = $1 AND attname = 'enterprise'", table); err != nil {
			t.Fatal(err)
		}
		if enterprises != 1 {
			t.Errorf("the server takes the peers for those of %.0f enterprises, they are of one", enterprises)
		}
	})
}
