package command

import (
	"testing"
	"time"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// The hashes of commands lie in the log for ever and are compared for seven
// days: another hash of the same body makes every repeat of it an id that was
// used for something else. What fails here is not to be mended here.
func TestHash_isFrozen(t *testing.T) {
	for _, c := range []struct {
		what string
		cmd  domain.Command
		want string
	}{
		{"a command without fields", domain.RemoveEnterprise{}, "3037758472c7d9051e3ad4de108b566dc95ac403a0f8b5f81a9916d145a1f7ef"},
		{"texts, and a struct in it", domain.RegisterEnterprise{
			ID: "acme", Description: "Acme ü", Domain: "acme.example",
			Server: domain.Server{Hostname: "mas.acme.example", Version: "9.8", Deployment: events.DeploymentStandard},
		}, "11b206824c0a9846f548f5bbb405eb776aba95d8a04f08b6e94e58298cc231f0"},
		{"fields that may be left out", domain.AddPeer{
			Type: events.PeerMiCollab, Description: "Boston", Hostname: domain.Give("pbx.boston.example"),
			Port: domain.Give(8443), PeerEnterpriseID: domain.Give("boston"), Version: domain.Withdraw[string](),
		}, "b87711ba0a4b9fe33d6518700b7735ea67f69a0d129cdc4c0de87629363da856"},
		{"given and empty", domain.ChangePeerAddress{Peer: "p1", Address: domain.Give("")}, "b23e6f16f90c314d62f9c1ba24a3c9a8fcda6365e9a2b93d84336b1d798ec97f"},
		{"null", domain.ChangePeerAddress{Peer: "p1", Address: domain.Withdraw[string]()}, "bbecbe0376e602ab7f58c4cabc69c5d4fb48941c8b8d5d7b62a01f30451df91d"},
		{"left out", domain.ChangePeerAddress{Peer: "p1"}, "e076da3bed7cbb8e6b0131192157a3c48a5f5c2243efd2cc4161f65949c32044"},
		{"a struct that may be left out", domain.EditEnterprise{
			Server: domain.Give(domain.ChangeEnterpriseServer{Hostname: domain.Give("new.acme.example"), Address: domain.Withdraw[string]()}),
		}, "87283c9993f2e83c8bf338fb4accf8183477fafa2a4cf366aac7510d8fd13251"},
		{"true", domain.EditPeer{Peer: "p1", Enabled: domain.Give(true)}, "b796e9f7257e753df2372c5f8011941445bc78412254a9516c8509a6d88a5ca7"},
		{"false", domain.EditPeer{Peer: "p1", Enabled: domain.Give(false)}, "889f63c9922a9af63bf478256568c5df04e83b7c8dc8836b22a9eaa68ad59769"},
		{"times", domain.ScheduleMaintenance{
			Peer:  "p1",
			Start: time.Date(2026, 1, 5, 13, 0, 0, 500, time.FixedZone("", 3600)),
			End:   time.Date(2026, 1, 5, 14, 0, 0, 0, time.UTC),
			Note:  "move",
		}, "ab3910cb337b6a11bee7cf48d65928e72e371e6e195c818eefb5358aae840222"},
		{"a list", domain.RaisePeerNotice{Peer: "p1", Changes: []events.NoticeChange{{Field: "hostname", From: "a", To: "b"}}}, "f4f0b2df3a0e3f5971293a0990c2779bba93ec22c0d7660e800546f340405e8a"},
		{"a named text", domain.EditTrustedServer{TrustedServer: "t1", Type: domain.Give(events.TrustIM)}, "19856e2c2586bb32c44e3e5e913842a8aaf9074a72f87ee95b9287ef8cbf7e50"},
	} {
		if got := Hash(c.cmd); got != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.what, got, c.want)
		}
	}
}
