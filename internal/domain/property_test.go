package domain_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

// commands draws what an enterprise is told in one example.
func commands(t *rapid.T) []domain.Command {
	n := rapid.IntRange(1, 80).Draw(t, "length")
	return rapid.SliceOfN(domaintest.Commands(), n, n).Draw(t, "commands")
}

func snapshot(t *rapid.T, state *domain.Enterprise) []byte {
	b, err := state.MarshalSnapshot()
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	return b
}

func TestAnySequenceOfCommands_keepsTheInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := domaintest.NewHistory()
		for i, cmd := range commands(t) {
			before := snapshot(t, h.State)
			step := h.Do(cmd)
			if fold := (*domain.FoldError)(nil); errors.As(step.Refusal, &fold) {
				t.Fatalf("command %d, %+v: what was decided does not fold: %v", i, cmd, step.Refusal)
			}
			if step.Refusal != nil {
				checkRefusal(t, cmd, step.Refusal)
			}
			if len(step.Recorded) == 0 && !bytes.Equal(before, snapshot(t, h.State)) {
				t.Fatalf("command %d, %+v changed the state without an event", i, cmd)
			}
			if err := invariants(h.State); err != nil {
				t.Fatalf("after command %d, %+v: %v", i, cmd, err)
			}
		}
	})
}

// checkRefusal holds what every refusal promises.
func checkRefusal(t *rapid.T, cmd domain.Command, err error) {
	var refusal *domain.Error
	if !errors.As(err, &refusal) || refusal.Code == "" || refusal.Code == domain.Malformed || refusal.Msg == "" {
		t.Fatalf("%+v was refused with %#v", cmd, err)
	}
	if (refusal.Code == domain.Gone) != (refusal.Gone != nil) || (refusal.Code == domain.Stale) != (refusal.Stale != nil) ||
		(refusal.Code == domain.FollowsPeer && refusal.Peer == "") {
		t.Fatalf("%+v was refused without its story: %+v", cmd, refusal)
	}
}

// invariants checks the rules on a state as a person would, by going through it.
func invariants(e *domain.Enterprise) error {
	if err := e.CheckIndexes(); err != nil {
		return err
	}
	if !e.Registered() && len(e.Peers())+len(e.TrustedServers()) > 0 {
		return fmt.Errorf("an enterprise that does not exist has %v and %v", e.Peers(), e.TrustedServers())
	}
	if e.Server().Deployment == events.DeploymentMiCloudGCP && len(e.Peers()) > 0 {
		return fmt.Errorf("on MiCloud Flex there are peers: %v", e.Peers())
	}
	seen := map[string]bool{}
	once := func(kind, value string) error {
		key := kind + "|" + value
		if seen[key] {
			return fmt.Errorf("%s %q twice", kind, value)
		}
		seen[key] = true
		return nil
	}
	for _, p := range e.Peers() {
		if err := once("description", strings.ToLower(p.Description)); err != nil {
			return err
		}
		if err := peerInvariants(e, p, once); err != nil {
			return fmt.Errorf("peer %s: %w", p.ID, err)
		}
	}
	for _, s := range e.TrustedServers() {
		if s.Peer != "" {
			continue
		}
		if err := once("manual description", strings.ToLower(s.Description)); err != nil {
			return err
		}
		if err := once("manual host and type", s.Host+" "+string(s.Type)); err != nil {
			return err
		}
		if host, err := domain.NormaliseHost(s.Host); err != nil || host != s.Host {
			return fmt.Errorf("trusted server %s has the host %q", s.ID, s.Host)
		}
	}
	return nil
}

func peerInvariants(e *domain.Enterprise, p domain.Peer, once func(kind, value string) error) error {
	entry, trusted := e.TrustedServer(events.TrustedServerOfPeer(p.ID))
	if p.Type == events.PeerExternal {
		if trusted || p.Hostname != "" || p.Port != 0 || p.Address != "" || p.PeerEnterpriseID != "" || p.DialingPrefix != "" || p.Version != "" {
			return fmt.Errorf("an external peer has %+v, trusted %v", p, trusted)
		}
		return nil
	}
	if trusted != p.Enabled {
		return fmt.Errorf("enabled %v, trusted %v", p.Enabled, trusted)
	}
	host := p.Address
	if host == "" {
		host = p.Hostname
	}
	if trusted && (entry.Host != host || entry.Type != events.TrustPeer || entry.Peer != p.ID || entry.Description != p.EntryDescription) {
		return fmt.Errorf("the entry is %+v, the host %q", entry, host)
	}
	if name, err := domain.NormaliseHostname(p.Hostname); err != nil || name != p.Hostname {
		return fmt.Errorf("the hostname is %q", p.Hostname)
	}
	if p.Hostname == e.Server().Hostname && p.PeerEnterpriseID == e.ID() {
		return fmt.Errorf("the enterprise peers with itself")
	}
	return once("hostname and enterprise", p.Hostname+" "+string(p.PeerEnterpriseID))
}

// TestHistories_reachEveryEvent keeps the properties from being true of nothing.
func TestHistories_reachEveryEvent(t *testing.T) {
	seen, refused := map[events.Type]int{}, map[domain.Code]int{}
	for seed := range 300 {
		h := domaintest.NewHistory()
		for _, cmd := range rapid.SliceOfN(domaintest.Commands(), 60, 60).Example(seed) {
			var refusal *domain.Error
			if errors.As(h.Do(cmd).Refusal, &refusal) {
				refused[refusal.Code]++
			}
		}
		for _, r := range h.Log {
			seen[r.Event.Type()]++
		}
	}
	for _, typ := range events.Default().Types() {
		switch typ {
		case "PeerStatusChanged", "PeerVersionDetected", "PeerCertificateSeen": // a prober's
		default:
			if seen[typ] == 0 {
				t.Errorf("no history has a %s", typ)
			}
		}
	}
	for _, code := range []domain.Code{domain.Invalid, domain.NotFound, domain.Exists, domain.Gone, domain.Unsupported, domain.FollowsPeer} {
		if refused[code] == 0 {
			t.Errorf("no command is refused with %s", code)
		}
	}
	t.Logf("events: %v; refusals: %v", seen, refused)
}

func TestFolding_isDeterministicAndSnapshotsAreWorthAFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := domaintest.Histories(80).Draw(t, "log")
		cut := rapid.IntRange(0, len(log)).Draw(t, "cut")
		whole := fold(t, domain.NewEnterprise(domaintest.Enterprise), log)
		again := fold(t, domain.NewEnterprise(domaintest.Enterprise), log)
		if !bytes.Equal(snapshot(t, whole), snapshot(t, again)) {
			t.Fatalf("two folds of one log differ")
		}
		half := fold(t, domain.NewEnterprise(domaintest.Enterprise), log[:cut])
		restored, err := domain.UnmarshalSnapshot(half.ID(), half.Seq(), snapshot(t, half))
		if err != nil {
			t.Fatalf("snapshot at %d: %v", half.Seq(), err)
		}
		if err := restored.CheckIndexes(); err != nil {
			t.Fatalf("restored at %d: %v", half.Seq(), err)
		}
		if !bytes.Equal(snapshot(t, whole), snapshot(t, fold(t, restored, log[cut:]))) {
			t.Fatalf("the fold from a snapshot at %d differs", half.Seq())
		}
	})
}

func fold(t *rapid.T, state *domain.Enterprise, log []events.Recorded) *domain.Enterprise {
	for _, r := range log {
		if err := state.Evolve(r); err != nil {
			t.Fatalf("fold: %v", err)
		}
	}
	return state
}

func TestDecide_isPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := domaintest.NewHistory()
		for _, cmd := range commands(t) {
			h.Do(cmd)
		}
		before := snapshot(t, h.State)
		cmd := domaintest.Commands().Draw(t, "one more")
		in := domain.Input{Now: domaintest.Start(), NewID: "fresh"}
		first, err1 := domain.Decide(h.State, cmd, in)
		second, err2 := domain.Decide(h.State, cmd, in)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("the second decision differs:\n%s", diff)
		}
		if diff := cmp.Diff(err1, err2); diff != "" {
			t.Fatalf("the second refusal differs:\n%s", diff)
		}
		if !bytes.Equal(before, snapshot(t, h.State)) {
			t.Fatalf("deciding %+v changed the state", cmd)
		}
	})
}

// TestRepeatedCommand_isRemembered: whatever a command with an id did, the fold
// tells of it, so that a repeat does nothing but return what was done; and the
// order to bring about what holds already makes no event.
func TestRepeatedCommand_isRemembered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := domaintest.NewHistory()
		for _, cmd := range commands(t) {
			step := h.Do(cmd)
			if len(step.Recorded) == 0 {
				continue
			}
			last := step.Recorded[len(step.Recorded)-1]
			got, ok := h.State.Remembered(last.CommandID)
			want := domain.RememberedCommand{
				ID: last.CommandID, Hash: last.CommandHash, Seq: last.Seq, Resource: step.Decision.ID, Time: last.Time,
			}
			for _, r := range step.Recorded {
				want.Events = append(want.Events, r.ID)
			}
			if _, many := cmd.(domain.ChangePeers); many { // the log tells of its last peer
				want.Resource = got.Resource
			}
			if diff := cmp.Diff(want, got); diff != "" || !ok {
				t.Fatalf("%+v (-want +got):\n%s", cmd, diff)
			}
			if repeatable(cmd) {
				repeat, err := domain.Decide(h.State, cmd, step.Input)
				if err != nil || len(repeat.Events) > 0 {
					t.Fatalf("%+v once more: %+v, %v", cmd, repeat.Events, err)
				}
			}
		}
	})
}

// repeatable tells the commands that say what is to hold from those that add or
// remove, and from those that merge.
func repeatable(cmd domain.Command) bool {
	switch c := cmd.(type) {
	case domain.AddPeer, domain.AddTrustedServer, domain.DeletePeer, domain.RemoveTrustedServer,
		domain.RegisterEnterprise, domain.RemoveEnterprise, domain.RaisePeerNotice, domain.FollowServer, domain.ChangePeers:
		return false
	case domain.ChangePeerAddress:
		return !c.Expect.Set
	}
	return true
}

func TestIndex_likeAListOfPairs(t *testing.T) {
	type pair struct {
		k string
		v events.PeerID
	}
	rapid.Check(t, func(t *rapid.T) {
		x := domain.NewIndex()
		var list []pair
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			p := pair{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), rapid.SampledFrom([]events.PeerID{"1", "2", "3", "4"}).Draw(t, "value")}
			list = slices.DeleteFunc(list, func(q pair) bool { return q == p })
			if rapid.Bool().Draw(t, "add") {
				list = append(list, p)
				x.Add(p.k, p.v)
			} else {
				x.Remove(p.k, p.v)
			}
			for _, besides := range []events.PeerID{"", "1", "3"} {
				var want []events.PeerID
				for _, q := range list {
					if q.k == p.k && q.v != besides {
						want = append(want, q.v)
					}
				}
				slices.Sort(want)
				for _, most := range []int{1, 2, 9} {
					got, total := x.Others(p.k, besides, most)
					if !slices.Equal(got, want[:min(most, len(want))]) || total != len(want) {
						t.Fatalf("%d others of %q besides %q: got %v of %d, want those of %v", most, p.k, besides, got, total, want)
					}
				}
				if got, ok := x.Other(p.k, besides); ok != (len(want) > 0) || ok && got != want[0] {
					t.Fatalf("other of %q besides %q: got %q %v, want the first of %v", p.k, besides, got, ok, want)
				}
			}
		}
	})
}
