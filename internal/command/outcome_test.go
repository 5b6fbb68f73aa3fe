package command

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/peering/peering/internal/domain"
)

// An outcome of another command under the same id, as two processes can leave
// one behind (see Handler): it contradicts the log whatever its result, and
// nothing of it gets into the answer.
func TestPromise_outcomeThatContradictsTheLogIsSomebodysToLookAt(t *testing.T) {
	for name, other := range map[string]Outcome{
		"accepted, another body": {Result: Accepted, Hash: Hash(addPeer("Paris").Command)},
		"rejected, this body":    {Result: Rejected, Hash: Hash(addPeer("Berlin").Command), Error: &domain.Error{Code: domain.Exists}},
	} {
		t.Run(name, func(t *testing.T) {
			b := inMemory()
			must(t, b.handler(), register(acme))
			crashing := b
			crashing.outcomes = &hookedOutcomes{Outcomes: b.outcomes, beforeKeep: fail}
			if r, err := crashing.handler().Handle(t.Context(), withID("c1", addPeer("Berlin"))); err == nil {
				t.Fatalf("got %+v without an outcome", r)
			}
			other.CommandID, other.Command = "c1", "AddPeer"
			other.Warnings = []domain.Warning{{Code: "of_another"}}
			data, err := json.Marshal(other)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.outcomes.Keep(t.Context(), acme, "c1", data); err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			h := New(b.store, b.outcomes, b.snapshots, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			r := must(t, h, withID("c1", addPeer("Berlin")))
			if !r.Repeated || r.Sequence != 2 || len(r.Warnings) != 0 {
				t.Errorf("got %+v; want what the log says", r)
			}
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "outcome contradicts the log") {
				t.Errorf("nobody is told: %q", log.String())
			}
		})
	}
}
