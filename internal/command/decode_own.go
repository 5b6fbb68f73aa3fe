package command

import (
	"encoding/json"
	"sync"

	"github.com/peering/peering/internal/domain"
)

// ownKinds are the commands that only the deployment itself gives: they follow
// from events (ADR 0026), and no client may.
var ownKinds = sync.OnceValue(func() map[domain.CommandName]kind {
	all := map[domain.CommandName]kind{}
	add[domain.FollowServer](all)
	add[domain.RaisePeerNotice](all)
	return all
})

// DecodeOwn is Decode for whoever acts for the deployment itself: it reads the
// commands that follow from events too, as Encode wrote them, so that one that
// was parked can be given again.
func DecodeOwn(name domain.CommandName, body []byte) (domain.Command, error) {
	k, ok := ownKinds()[name]
	if !ok {
		return Decode(name, body)
	}
	return k.read(name, body)
}

// Encode returns the JSON that DecodeOwn reads.
func Encode(cmd domain.Command) ([]byte, error) { return json.Marshal(cmd) }
