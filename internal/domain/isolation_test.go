package domain_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

func key(n int) domain.PeerKey {
	return domain.PeerKey{Enterprise: "acme", Peer: events.PeerID(fmt.Sprint("p", n))}
}

func host(n int) string { return fmt.Sprintf("pbx%d.example", n) }

// expecting knows of n peers that answer, each on a host of its own.
func expecting(n int) *domain.Isolation {
	i := &domain.Isolation{}
	for n := range n {
		i.Expect(key(n), host(n))
	}
	return i
}

func failed(i *domain.Isolation, peers ...int) {
	for _, n := range peers {
		i.Observe(key(n), host(n), true)
	}
}

func TestIsolation_moreThanHalfOfTheHosts(t *testing.T) {
	for _, test := range []struct {
		hosts, failing int
		want           bool
	}{
		{0, 0, false},
		{1, 1, false},
		{2, 2, false},
		{3, 1, false},
		{3, 2, true},
		{4, 2, false},
		{4, 3, true},
		{4, 4, true},
		{100, 50, false},
		{100, 51, true},
	} {
		i := expecting(test.hosts)
		for n := range test.failing {
			failed(i, n)
		}
		if got := i.Suspected(); got != test.want {
			t.Errorf("%d of %d fail: got %v, want %v", test.failing, test.hosts, got, test.want)
		}
	}
}

func TestIsolation_whoNeverAnsweredDoesNotCount(t *testing.T) {
	i := expecting(2)
	failed(i, 0, 1, 2, 3, 4)
	if i.Suspected() {
		t.Error("three hosts that never answered made it suspect itself")
	}
	for _, n := range []int{2, 3, 4} {
		i.Observe(key(n), host(n), false)
	}
	if i.Suspected() {
		t.Error("three of five answer")
	}
	if failed(i, 2); !i.Suspected() {
		t.Error("three of five that answered before fail")
	}
}

func TestIsolation_aHundredPeersOnOneHostAreOne(t *testing.T) {
	i := expecting(4)
	for n := 10; n < 110; n++ {
		i.Expect(key(n), host(0))
		i.Observe(key(n), host(0), true)
	}
	if failed(i, 1); i.Suspected() {
		t.Error("two of four hosts fail")
	}
	if failed(i, 2); !i.Suspected() {
		t.Error("three of four hosts fail; that one peer of a hundred answers does not save the first")
	}
}

func TestIsolation_halfOfAHostIsNotMostOfIt(t *testing.T) {
	i := expecting(3)
	i.Expect(key(9), host(0))
	if failed(i, 0, 1); i.Suspected() {
		t.Error("one of three hosts fails, and half of another")
	}
}

func TestIsolation_endsWhenTheyAnswerOrCountNoMore(t *testing.T) {
	for name, end := range map[string]func(*domain.Isolation){
		"answers":    func(i *domain.Isolation) { i.Observe(key(0), host(0), false) },
		"forgotten":  func(i *domain.Isolation) { i.Forget(key(0)); i.Forget(key(0)) },
		"elsewhere":  func(i *domain.Isolation) { i.Expect(key(0), host(3)) },
		"moved away": func(i *domain.Isolation) { i.Observe(key(0), host(9), true) },
	} {
		i := expecting(4)
		if failed(i, 0, 1, 2); !i.Suspected() {
			t.Fatal("three of four fail")
		}
		i.Expect(key(0), host(0)) // known already: that it fails stays
		if !i.Suspected() {
			t.Error("what was expected hid what was observed")
		}
		end(i)
		if name != "answers" { // two of the three that are left are still most
			i.Observe(key(1), host(1), false)
		}
		if i.Suspected() {
			t.Errorf("%s: still suspected", name)
		}
	}
}

// known is what the model knows of a peer, in the words of the rules.
type known struct {
	host     string
	answered bool
	failed   bool
}

// suspected goes through all that is known and counts anew.
func suspected(peers map[int]known) bool {
	all, bad := map[string]int{}, map[string]int{}
	for _, p := range peers {
		if !p.answered {
			continue
		}
		all[p.host]++
		if p.failed {
			bad[p.host]++
		}
	}
	failing := 0
	for h := range all {
		if bad[h]*2 > all[h] {
			failing++
		}
	}
	return len(all) >= 3 && failing*2 > len(all)
}

func TestIsolation_countsLikeOneWhoCountsAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i, model := &domain.Isolation{}, map[int]known{}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			n, h := rapid.IntRange(0, 9).Draw(t, "peer"), host(rapid.IntRange(0, 5).Draw(t, "host"))
			if was, ok := model[n]; ok && rapid.IntRange(0, 3).Draw(t, "moves") > 0 {
				h = was.host
			}
			was := model[n]
			here := was.answered && was.host == h
			switch rapid.SampledFrom([]string{"expect", "fails", "fails", "fails", "answers", "forget"}).Draw(t, "what") {
			case "expect":
				i.Expect(key(n), h)
				model[n] = known{h, true, here && was.failed}
			case "fails":
				i.Observe(key(n), h, true)
				model[n] = known{h, here, true}
			case "answers":
				i.Observe(key(n), h, false)
				model[n] = known{h, true, false}
			case "forget":
				i.Forget(key(n))
				delete(model, n)
			}
			got, want := i.Suspected(), suspected(model)
			if got != want {
				t.Fatalf("got %v, want %v of %+v", got, want, model)
			}
		}
	})
}
