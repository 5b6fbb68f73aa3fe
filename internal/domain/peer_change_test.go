package domain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/domain/domaintest"
	"github.com/peering/peering/internal/events"
)

func bulk(atomic bool, ops ...domain.PeerOperation) domain.ChangePeers {
	return domain.ChangePeers{Atomic: atomic, Operations: ops}
}

// addedBy is the id of the peer that the operation at index adds.
func addedBy(index int) events.PeerID {
	return events.PeerID(domain.OperationID(domaintest.NewID, index))
}

// ends are the results in short: "done p1", "refused exists description".
func ends(results []domain.OperationResult) []string {
	var out []string
	for i, r := range results {
		s := strings.TrimSpace(string(r.Result) + " " + r.ID)
		if r.Error != nil {
			s += " " + string(r.Error.Code) + " " + r.Error.Field
		}
		if r.Index != i {
			s += fmt.Sprint(" out of place at ", r.Index)
		}
		out = append(out, s)
	}
	return out
}

func sameEnds(t *testing.T, results []domain.OperationResult, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, ends(results)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestChangePeers_eachOperationSeesTheOnesBefore(t *testing.T) {
	for _, atomic := range []bool{true, false} {
		d := given(lyonNamed("p1"), peerAdded("p2", "Turin", "pbx.turin.example")).When(bulk(
			atomic,
			domain.EditPeer{Peer: "p1", Description: domain.Give("Lyon Old")},
			boston(func(c *domain.AddPeer) { c.Description = "Lyon" }),
			domain.DisablePeer{Peer: "p2"},
			domain.DisablePeer{Peer: "p2"},
			domain.EnablePeer{Peer: "p2"},
			domain.AcknowledgePeerNotice{Peer: "p2"},
			domain.DeletePeer{Peer: "p1"},
			putBoston(func(c *domain.PutPeer) { c.Description = "lyon old"; c.Hostname = domain.Give("pbx.lyon.example") }),
		)).Then(
			t,
			events.PeerRenamed{Peer: "p1", From: "Lyon", To: "Lyon Old"},
			bostonAdded(func(ev *events.PeerAdded) { ev.Peer, ev.Description = addedBy(1), "Lyon" }),
			events.PeerDisabled{Peer: "p2"},
			events.PeerEnabled{Peer: "p2"},
			events.PeerDeleted{
				Peer: "p1", Description: "Lyon Old", Hostname: "pbx.lyon.example", PeerEnterpriseID: "p1-ent", Host: "pbx.lyon.example",
			},
			bostonAdded(func(ev *events.PeerAdded) {
				ev.Peer, ev.Description, ev.Hostname = addedBy(7), "lyon old", "pbx.lyon.example"
			}),
		)
		sameEnds(
			t, d.Results, "done p1", "done "+string(addedBy(1)), "done p2", "unchanged p2", "done p2", "unchanged p2",
			"done p1", "done "+string(addedBy(7)),
		)
		if d.ID != string(domaintest.Enterprise) {
			t.Errorf("the resource is %q", d.ID)
		}
	}
}

// spoilt has three refusals among what is fine.
func spoilt(atomic bool) domain.ChangePeers {
	return bulk(
		atomic,
		boston(nil),
		domain.DeletePeer{Peer: "p7"},
		boston(func(c *domain.AddPeer) { c.Description = "boston" }),
		domain.EnablePeer{Peer: "p1"},
		domain.DeletePeer{Peer: "p1"},
		domain.EditPeer{Peer: "p1", Port: domain.Give(1)},
	)
}

func TestChangePeers_atomicIsAllOrNothingAndSaysWhatOfEach(t *testing.T) {
	refusal := given(lyonNamed("p1")).When(spoilt(true)).ThenRefused(t, domain.NotFound, "operations[1].peer", "p7")
	sameEnds(
		t, refusal.Results, "done", "refused not_found peer", "refused exists description", "unchanged p1", "done p1",
		"refused not_found peer",
	)
	for i, words := range map[int]string{2: "operations[0]", 5: "operations[4] deletes it"} {
		if msg := refusal.Results[i].Error.Msg; !strings.Contains(msg, words) {
			t.Errorf("operation %d was refused with %q, want %q in it", i, msg, words)
		}
	}
	first := refusal.Results[1].Error
	if first.Field != "peer" || first.Results != nil {
		t.Errorf("the result of the first refusal was changed: %+v", first)
	}
	noField := given().When(bulk(true, domain.AddPeer{Type: events.PeerExternal, Description: "A"}, nil))
	noField.ThenRefused(t, domain.Malformed, "operations[1]", "not a command")
}

func TestChangePeers_notAtomicLeavesOutWhatIsRefused(t *testing.T) {
	d := given(lyonNamed("p1")).When(spoilt(false)).Then(
		t,
		bostonAdded(func(ev *events.PeerAdded) { ev.Peer = addedBy(0) }),
		events.PeerDeleted{Peer: "p1", Description: "Lyon", Hostname: "pbx.lyon.example", PeerEnterpriseID: "p1-ent", Host: "pbx.lyon.example"},
	)
	sameEnds(
		t, d.Results, "done "+string(addedBy(0)), "refused not_found peer", "refused exists description", "unchanged p1",
		"done p1", "refused not_found peer",
	)
	none := given().When(bulk(false, domain.DeletePeer{Peer: "p7"})).Then(t)
	sameEnds(t, none.Results, "refused not_found peer")
}

func TestChangePeers_aStoryOfTheLogIsToldAsItIs(t *testing.T) {
	d := given(lyonNamed("p1"), events.PeerDeleted{Peer: "p1"}).When(bulk(false, domain.EnablePeer{Peer: "p1"})).Then(t)
	sameEnds(t, d.Results, "refused gone peer")
	if story := d.Results[0].Error.Gone; story == nil || story.Seq != 3 || story.By != domaintest.Actor {
		t.Errorf("the story is %+v", story)
	}
}

func TestChangePeers_warnsOfWhatIsTrueInTheEnd(t *testing.T) {
	twin := lyonNamed("p2")
	twin.Description = "Lyon 2"
	s := given(lyonNamed("p1"), twin)
	decided, err := domain.Decide(s.State(t), bulk(true, domain.DeletePeer{Peer: "p1"}, domain.DisablePeer{Peer: "p2"}), domain.Input{Now: s.Now()})
	if err != nil || len(decided.Results[0].Warnings) != 0 || len(decided.Results[1].Warnings) != 0 {
		t.Errorf("nothing trusts the host any more: got %+v, %v", decided.Results, err)
	}
	one := s.When(bulk(true, domain.DeletePeer{Peer: "p1"})).Then(
		t, events.PeerDeleted{Peer: "p1", Description: "Lyon", Hostname: "pbx.lyon.example", PeerEnterpriseID: "p1-ent", Host: "pbx.lyon.example"},
	)
	if w := one.Results[0].Warnings; len(w) != 1 || w[0].Peer != "p2" || len(one.Warnings) != 0 {
		t.Errorf("got %+v and %+v", w, one.Warnings)
	}
}

func TestChangePeers_doesNotWarnOfThePeerItself(t *testing.T) {
	twin := lyonNamed("p2")
	twin.Description = "Lyon 2"
	s := given(lyonNamed("p1"), twin)
	there, back := domain.DisablePeer{Peer: "p1"}, domain.EnablePeer{Peer: "p1"}
	d, err := domain.Decide(s.State(t), bulk(true, there, back, domain.DisablePeer{Peer: "p2"}), domain.Input{Now: s.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if of := d.Results; len(of[0].Warnings) != 0 || len(of[2].Warnings) != 1 || of[2].Warnings[0].Peer != "p1" {
		t.Errorf("got %+v", of)
	}
}

func TestChangePeers_insistsOnTheRevisionOfTheEnterprise(t *testing.T) {
	s := given(lyonNamed("p1"))
	s.IfRevision(1).When(bulk(true, domain.DisablePeer{Peer: "p1"})).Then(t, events.PeerDisabled{Peer: "p1"})
	s.IfRevision(2).When(bulk(true, domain.DisablePeer{Peer: "p1"})).ThenRefused(t, domain.Stale, "", "the enterprise")
}

// adds are n additions of peers that do not get into one another's way.
func adds(n int) []domain.PeerOperation {
	ops := make([]domain.PeerOperation, n)
	for i := range ops {
		ops[i] = boston(func(c *domain.AddPeer) {
			c.Description, c.Hostname = fmt.Sprintf("New %04d", i), domain.Give(fmt.Sprintf("pbx%04d.new.example", i))
		})
	}
	return ops
}

func TestChangePeers_limits(t *testing.T) {
	given().When(bulk(true)).ThenRefused(t, domain.Invalid, "operations", "1 to 1000 operations, not 0")
	given().When(bulk(true, adds(domain.MaxOperations+1)...)).ThenRefused(t, domain.Invalid, "operations", "not 1001")
	d, err := domain.Decide(given().State(t), bulk(true, adds(domain.MaxOperations)...), domain.Input{NewID: "n"})
	if err != nil || len(d.Events) != domain.MaxOperations {
		t.Fatalf("%d events, %v", len(d.Events), err)
	}
	ids := map[string]bool{}
	for _, r := range d.Results {
		ids[r.ID] = true
	}
	if len(ids) != domain.MaxOperations {
		t.Errorf("%d ids for %d peers", len(ids), domain.MaxOperations)
	}
}

func TestChangePeers_whatDoesNotFitInOneWriteIsRefusedWhole(t *testing.T) {
	for _, atomic := range []bool{true, false} {
		ops := adds(domain.MaxOperations)
		ops[7] = putBoston(func(c *domain.PutPeer) { c.Enabled = domain.Give(false) })
		refusal := given().When(bulk(atomic, ops...)).ThenRefused(t, domain.Invalid, "operations", "1001 events", "at most 1000")
		if len(refusal.Results) != len(ops) || refusal.Results[7].ID != "" {
			t.Errorf("%d results, %+v", len(refusal.Results), refusal.Results[7])
		}
	}
}

func TestChangePeers_safeOperationsFitWhateverTheyAre(t *testing.T) {
	var history []events.Event
	var ops []domain.PeerOperation
	for i := range domain.SafeOperations {
		id := events.PeerID(fmt.Sprint("p", i))
		history = append(history, peerAdded(id, fmt.Sprint("Peer ", i), fmt.Sprintf("pbx%d.example", i)), events.PeerDisabled{Peer: id})
		ops = append(ops, domain.EditPeer{
			Peer: id, Description: domain.Give(fmt.Sprint("New ", i)), Hostname: domain.Give(fmt.Sprintf("new%d.example", i)),
			Port: domain.Give(8443), Address: domain.Give("192.0.2.1"), PeerEnterpriseID: domain.Give("other"),
			DialingPrefix: domain.Give("9"), Version: domain.Give("9.9"), Enabled: domain.Give(true),
		})
	}
	d, err := domain.Decide(given(history...).State(t), bulk(true, ops...), domain.Input{})
	if err != nil || len(d.Events) != 7*domain.SafeOperations {
		t.Errorf("%d events, %v", len(d.Events), err)
	}
}
