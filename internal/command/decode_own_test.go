package command

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// TestDecodeOwn_readsWhatEncodeWrites, and what every client may send; a client
// may not send what follows from events.
func TestDecodeOwn_readsWhatEncodeWrites(t *testing.T) {
	for _, want := range []domain.Command{
		domain.FollowServer{Peer: "p1", PeerEnterpriseID: "acme", From: domain.ServerIdentity{Hostname: "a.example", Address: "192.0.2.1", Version: "9.4"}, To: domain.ServerIdentity{Hostname: "b.example"}},
		domain.RaisePeerNotice{Peer: "p1", Changes: []events.NoticeChange{{Field: events.NoticeHostname, From: "a.example", To: "b.example"}}},
		domain.DeletePeer{Peer: "p1"},
	} {
		body, err := Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeOwn(want.Name(), body)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", want.Name(), err, diff)
		}
		if _, own := ownKinds()[want.Name()]; !own {
			continue
		}
		var refused *domain.Error
		if _, err := Decode(want.Name(), body); !errors.As(err, &refused) || refused.Code != domain.NotFound {
			t.Errorf("a client gave %s: %v", want.Name(), err)
		}
		if _, err := DecodeOwn(want.Name(), []byte(`{"peer":"p1","more":1}`)); !errors.As(err, &refused) || refused.Code != domain.Malformed {
			t.Errorf("%s with a field too many: %v", want.Name(), err)
		}
	}
}
