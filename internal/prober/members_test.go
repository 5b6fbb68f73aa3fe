package prober

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// beatAt has beats acknowledged, and come back.
func beatAt(r *roster, seconds ...int) {
	for _, s := range seconds {
		r.acknowledged(at(s), at(s))
		r.hear(Member{ID: r.self, At: at(s)}, at(s))
	}
}

func wantLive(t *testing.T, r *roster, now int, want ...string) {
	t.Helper()
	if got := r.live(at(now)); !slices.Equal(got, want) {
		t.Errorf("after %d s there are %v, want %v", now, got, want)
	}
}

func TestRoster_withoutAnAcknowledgedBeatNobodyIsThere(t *testing.T) {
	r := newRoster("a")
	r.hear(Member{ID: "b", At: at(0)}, at(0))
	if _, _, held := r.lease(at(0)); held {
		t.Error("a lease without a beat")
	}
	wantLive(t, r, 0)
}

func TestRoster_theLeaseEndsFourSecondsAfterTheBeatBegan(t *testing.T) {
	r := newRoster("a")
	r.acknowledged(at(0), at(3)) // it took long
	since, until, held := r.lease(at(3))
	if !held || !since.Equal(at(0)) || !until.Equal(at(4)) {
		t.Errorf("held %t since %s until %s", held, since, until)
	}
	if _, _, held := r.lease(at(4)); held {
		t.Error("the lease is held when it has ended")
	}
	wantLive(t, r, 4)
}

func TestRoster_theLeaseIsWithoutAGapAsLongAsBeatsComeInTime(t *testing.T) {
	r := newRoster("a")
	beatAt(r, 0, 1, 2, 5)
	if since, _, _ := r.lease(at(5)); !since.Equal(at(0)) {
		t.Errorf("since %s, want the first beat", since)
	}
	beatAt(r, 9)
	if since, _, _ := r.lease(at(9)); !since.Equal(at(9)) {
		t.Errorf("since %s, want the beat after the gap", since)
	}
}

func TestRoster_whoIsSilentIsGoneAfterSixSeconds(t *testing.T) {
	r := newRoster("b")
	r.hear(Member{ID: "a", At: at(0)}, at(0))
	beatAt(r, 0, 1, 2, 3, 4, 5)
	wantLive(t, r, 5, "a", "b")
	beatAt(r, 6)
	wantLive(t, r, 6, "b")
}

func TestRoster_whoLeftIsGoneAtOnce(t *testing.T) {
	r := newRoster("b")
	beatAt(r, 0)
	r.hear(Member{ID: "a", At: at(0)}, at(0))
	wantLive(t, r, 0, "a", "b")
	r.hear(Member{ID: "a", Left: true, At: at(0)}, at(0))
	wantLive(t, r, 0, "b")
	r.hear(Member{ID: "a", At: at(1)}, at(1))
	wantLive(t, r, 1, "a", "b")
}

// TestRoster_afterAnOutageEverybodyGetsTimeToBeHeard: it may have been the
// registry that was away, and then the others are as alive as this one.
func TestRoster_afterAnOutageEverybodyGetsTimeToBeHeard(t *testing.T) {
	r := newRoster("b")
	beatAt(r, 0)
	r.hear(Member{ID: "a", At: at(0)}, at(0))
	wantLive(t, r, 30)
	beatAt(r, 30)
	wantLive(t, r, 30, "a", "b")
	beatAt(r, 31, 32, 33, 34, 35, 36)
	wantLive(t, r, 36, "b")
}

func TestRoster_whatWasSaidLongAgoIsForgottenOnce(t *testing.T) {
	r := newRoster("b")
	beatAt(r, 0)
	r.hear(Member{ID: "a", Left: true, At: epoch.Add(-25 * time.Hour)}, at(0))
	r.hear(Member{ID: "b", At: epoch.Add(-25 * time.Hour)}, at(0))
	r.hear(Member{ID: "c", At: at(0)}, at(0))
	if got := r.forgotten(at(0)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("forgotten %v", got)
	}
	if got := r.forgotten(at(1)); got != nil {
		t.Errorf("forgotten again: %v", got)
	}
	wantLive(t, r, 0, "b", "c")
}

func membersNamed(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("prober-%d", i))
	}
	return out
}

func TestOwner_nobodyOwnsAnythingWithoutMembers(t *testing.T) {
	if id := owner(nil, keyOf(0)); id != "" {
		t.Errorf("%q owns a peer", id)
	}
}

func TestOwner_isOneOfTheMembersInWhateverOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9-]{1,12}`), 1, 6, rapid.ID).Draw(t, "members")
		key := domain.PeerKey{Enterprise: events.EnterpriseID(rapid.StringMatching(`[a-z]{4}`).Draw(t, "ent")), Peer: events.PeerID(rapid.StringMatching(`[a-z0-9]{1,8}`).Draw(t, "peer"))}
		first := owner(members, key)
		again := rapid.Permutation(members).Draw(t, "order")
		if second := owner(again, key); second != first || !slices.Contains(members, first) {
			t.Fatalf("%q and %q own %v", first, second, key)
		}
	})
}

func TestOwner_aMemberThatLeavesMovesOnlyItsOwnShare(t *testing.T) {
	members := membersNamed(5)
	for gone := range members {
		rest := slices.Delete(slices.Clone(members), gone, gone+1)
		for i := range 2000 {
			before, after := owner(members, keyOf(i)), owner(rest, keyOf(i))
			if before != members[gone] && before != after {
				t.Fatalf("%s moved from %s to %s when %s left", peerID(i), before, after, members[gone])
			}
		}
	}
}

func TestOwner_sharesAreAboutEqual(t *testing.T) {
	const keys = 10_000
	for n := 3; n <= 5; n++ {
		shares := map[string]int{}
		for i := range keys {
			shares[owner(membersNamed(n), keyOf(i))]++
		}
		for id, share := range shares {
			if fair := keys / n; share < fair*9/10 || share > fair*11/10 {
				t.Errorf("%s owns %d of %d among %d", id, share, keys, n)
			}
		}
	}
}
