package bus

import (
	"testing"

	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// TestReactions_removedEnterpriseLosesItsTokens, those issued until then.
func TestReactions_removedEnterpriseLosesItsTokens(t *testing.T) {
	s := &stub{}
	r := s.reactions(t)
	if err := r.react(t.Context(), happening(t, 7, events.EnterpriseRemoved{}), 1); err != nil {
		t.Fatal(err)
	}
	if len(s.revoked) != 1 || !s.revoked[0].Equal(domaintest.Start()) || r.ended(reactionRevoked) != 1 {
		t.Errorf("got %v", s.revoked)
	}
}
