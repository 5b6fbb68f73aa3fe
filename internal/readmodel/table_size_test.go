package readmodel

import (
	"fmt"
	"testing"

	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// TestWrite_theServerKnowsHowLargeATableHasGrown: while one writer fills it. Else
// PostgreSQL reads all of it for each key of the next batch.
func TestWrite_theServerKnowsHowLargeATableHasGrown(t *testing.T) {
	testkit.Databases(t, func(t *testing.T, d testkit.Database) {
		if !d.Postgres() {
			return // SQLite plans without figures
		}
		s := newStage(t, d)
		s.registers(acme)
		const batch = 6000
		for n := range 2 {
			list := make([]events.Event, batch)
			for i := range list {
				list[i] = added(events.PeerID(fmt.Sprintf("p%d-%d", n, i)), fmt.Sprintf("Peer %d %d", n, i))
			}
			s.happens(acme, list...)
			var rows float64
			query := "SELECT reltuples FROM pg_class WHERE relname = $1"
			if err := s.reader.GetContext(t.Context(), &rows, query, generation{projection: "directory", version: directoryVersion, number: s.state().Generation}.table(peers)); err != nil {
				t.Fatal(err)
			}
			if want := float64((n + 1) * batch); rows < 0.9*want || rows > 1.1*want {
				t.Errorf("the server takes the table for one of %.0f rows, it has %.0f", rows, want)
			}
		}
	})
}
