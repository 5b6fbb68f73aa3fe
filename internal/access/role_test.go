package access

import (
	"slices"
	"strings"
	"testing"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// TestRole_hasTheRightsThatAreMeant is the whole table.
func TestRole_hasTheRightsThatAreMeant(t *testing.T) {
	table := map[Role]string{
		Viewer:   "read",
		Operator: "read change_peers",
		Security: "read change_trust",
		Auditor:  "read read_history",
		Admin:    "read read_history change_peers change_trust administer operate",
	}
	all := []Right{Read, ReadHistory, ChangePeers, ChangeTrust, Administer, Operate}
	for _, role := range append(Roles(), "king", "") {
		want := strings.Fields(table[role])
		for _, right := range all {
			has := slices.Contains(want, string(right))
			if got := (Principal{Role: role}).May(right); got != has {
				t.Errorf("%q, for all, may %s: %t, want %t", role, right, got, has)
			}
			// For one enterprise it is the same, but for what shows all of them.
			if got := (Principal{Role: role, Enterprise: "acme"}).May(right); got != (has && right != Operate) {
				t.Errorf("%q, for one, may %s: %t", role, right, got)
			}
			if got := slices.Contains(strings.Split(With(right), ", "), string(role)); got != has {
				t.Errorf("With(%s) is %q", right, With(right))
			}
		}
	}
}

// TestRightFor_everyCommandIsConsidered fails when a command is new: say here
// who may give it.
func TestRightFor_everyCommandIsConsidered(t *testing.T) {
	table := map[Right]string{
		ChangePeers: `RegisterEnterprise DescribeEnterprise ChangeEnterpriseDomain ChangeEnterpriseServer EditEnterprise RemoveEnterprise
			AddPeer PutPeer ChangePeers EditPeer RenamePeer ChangePeerAddress ChangePeerHostname ChangePeerEnterprise ChangePeerDialingPrefix EnterPeerVersion
			EnablePeer DisablePeer DeletePeer AcknowledgePeerNotice ScheduleMaintenance CancelMaintenance`,
		ChangeTrust: `AddTrustedServer EditTrustedServer RenameTrustedServer ChangeTrustedServer RemoveTrustedServer`,
	}
	var considered []domain.CommandName
	for right, names := range table {
		for _, name := range strings.Fields(names) {
			considered = append(considered, domain.CommandName(name))
			cmd, err := command.Decode(domain.CommandName(name), []byte("{}"))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := RightFor(cmd); got != right {
				t.Errorf("%s needs %s, want %s", name, got, right)
			}
		}
	}
	for _, name := range command.Names() {
		if !slices.Contains(considered, name) {
			t.Errorf("nobody has considered who may give %s", name)
		}
	}
}

// TestRightFor_theEntryOfAPeerBelongsToThePeer: an operator may name it, and
// security keeps what was added by hand.
func TestRightFor_theEntryOfAPeerBelongsToThePeer(t *testing.T) {
	byHand, ofPeer := events.TrustedServerID("t1"), events.TrustedServerOfPeer("p1")
	for id, want := range map[events.TrustedServerID]Right{byHand: ChangeTrust, ofPeer: ChangePeers} {
		for _, cmd := range []domain.Command{
			domain.EditTrustedServer{TrustedServer: id},
			domain.RenameTrustedServer{TrustedServer: id},
			domain.ChangeTrustedServer{TrustedServer: id},
			domain.RemoveTrustedServer{TrustedServer: id},
		} {
			if got := RightFor(cmd); got != want {
				t.Errorf("%T of %s needs %s, want %s", cmd, id, got, want)
			}
		}
	}
}

func TestPrincipal_seesItsEnterpriseAlone(t *testing.T) {
	one, all := Principal{Enterprise: "acme"}, Principal{}
	if !one.Sees("acme") || one.Sees("other") || one.Sees("") || one.SeesAll() {
		t.Error("one for acme sees another, or not its own")
	}
	if !all.Sees("acme") || !all.Sees("") || !all.SeesAll() {
		t.Error("one for all does not see all")
	}
}
