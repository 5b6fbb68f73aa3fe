package client_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/client"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// TestCommander_bothWaysLeadToTheSameEvents: every command over HTTP in one
// enterprise and over NATS in another, and the histories are the same but for
// the ids.
func TestCommander_bothWaysLeadToTheSameEvents(t *testing.T) {
	httpURL, natsURL := serveAll(t)
	a, err := startAPI(natsURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.stop)
	overHTTP, err := client.New(httpURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(overHTTP.CloseIdle)
	var told [2][]string
	var happened [2][]string
	start := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	for i, c := range []client.Commander{overHTTP, connectBus(t, natsURL)} {
		ent := fmt.Sprintf("acme-%d", i)
		var ids []string
		// What follows from an event comes by itself; it takes its place in the
		// history before the next command does.
		noticed := func() {
			testkit.Eventually(t, "a notice in "+ent, func() bool {
				return slices.ContainsFunc(historyAt(t, natsURL, events.EnterpriseID(ent)), func(r events.Recorded) bool {
					return r.Event.Type() == events.PeerNoticeRaised{}.Type()
				})
			})
		}
		told[i], ids = everything(t, c, client.EnterpriseID(ent), start, noticed)
		words := strings.NewReplacer(ent, "ENTERPRISE", ids[0], "PEER", ids[1], "ENTRY")
		happened[i] = texts(t, historyAt(t, natsURL, events.EnterpriseID(ent)), words)
	}
	if diff := cmp.Diff(told[0], told[1]); diff != "" {
		t.Errorf("outcomes over HTTP and NATS:\n%s", diff)
	}
	if diff := cmp.Diff(happened[0], happened[1]); diff != "" {
		t.Errorf("events over HTTP and NATS:\n%s", diff)
	}
	if len(happened[0]) < 20 {
		t.Errorf("%d events, want one for nearly every command", len(happened[0]))
	}
}

// everything gives every command, and returns what it was told, and the ids of
// the peer and the trusted server that it added. It calls noticed after the
// command that a notice follows from.
func everything(t *testing.T, c client.Commander, ent client.EnterpriseID, start time.Time, noticed func()) (told, ids []string) {
	t.Helper()
	do := func(cmd client.Command) string {
		out, err := c.Do(t.Context(), ent, cmd)
		told = append(told, fmt.Sprintf("%s %s %s", cmd.CommandName(), out.Result, client.Code(err)))
		return out.ID
	}
	do(client.RegisterEnterprise{Description: "Acme", Domain: "acme.example", Server: client.Server{Hostname: "uc.acme.example", Version: "9.8"}})
	do(client.DescribeEnterprise{Description: "Acme Ltd"})
	do(client.ChangeEnterpriseDomain{Domain: "acme.test"})
	peer := client.PeerID(do(berlin()))
	do(client.RenamePeer{Peer: peer, Description: "Berlin Mitte"})
	do(client.ChangePeerAddress{Peer: peer, Address: new("192.0.2.7")})
	do(client.ChangePeerAddress{Peer: peer})
	do(client.ChangePeerHostname{Peer: peer, Hostname: "uc2.berlin.example", Port: client.Value(8443)})
	do(client.ChangePeerHostname{Peer: peer, Hostname: "uc3.berlin.example"})
	do(client.ChangePeerEnterprise{Peer: peer, PeerEnterpriseID: "ent-mitte"})
	do(client.ChangePeerDialingPrefix{Peer: peer, DialingPrefix: new("81")})
	do(client.ChangePeerDialingPrefix{Peer: peer})
	do(client.EnterPeerVersion{Peer: peer, Version: new("9.7")})
	do(client.DisablePeer{Peer: peer})
	do(client.EnablePeer{Peer: peer})
	do(client.ScheduleMaintenance{Peer: peer, Start: start, End: start.Add(time.Hour), Note: "upgrade"})
	do(client.CancelMaintenance{Peer: peer})
	do(client.AcknowledgePeerNotice{Peer: peer}) // there is none
	do(client.ChangeEnterpriseServer{Hostname: new("uc2.acme.example"), Version: client.Value("9.8.1")})
	noticed()
	do(client.AcknowledgePeerNotice{Peer: peer})
	entry := client.TrustedServerID(do(client.AddTrustedServer{Description: "Gateway", Host: "gw.acme.example", Type: "im"}))
	do(client.RenameTrustedServer{TrustedServer: entry, Description: "Gateway 1"})
	do(client.ChangeTrustedServer{TrustedServer: entry, Host: new("gw1.acme.example"), Type: new("presence")})
	do(client.RemoveTrustedServer{TrustedServer: entry})
	do(client.RemoveEnterprise{}) // it has a peer
	do(client.DeletePeer{Peer: peer})
	do(client.DeletePeer{Peer: peer})
	do(client.RemoveEnterprise{})
	return told, []string{string(peer), string(entry)}
}

// texts are events as they are stored, with other words for some.
func texts(t *testing.T, all []events.Recorded, words *strings.Replacer) (out []string) {
	t.Helper()
	for _, r := range all {
		data, err := json.Marshal(r.Event)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, words.Replace(string(r.Event.Type())+" "+string(data)))
	}
	return out
}
