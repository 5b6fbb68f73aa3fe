package domaintest

import (
	"pgregory.net/rapid"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// Operations draws the operations of one ChangePeers, like Commands.
func Operations() *rapid.Generator[[]domain.PeerOperation] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) domain.PeerOperation {
		switch n := dice(t, 8); {
		case n < 2:
			return addPeer(t)
		case n < 4:
			return putPeer(t)
		}
		return operationOn(t, peerID(t))
	}), 1, 12)
}

func operationOn(t *rapid.T, peer events.PeerID) domain.PeerOperation {
	switch dice(t, 6) {
	case 0:
		return domain.DeletePeer{Peer: peer}
	case 1:
		return domain.EnablePeer{Peer: peer}
	case 2:
		return domain.DisablePeer{Peer: peer}
	case 3:
		return domain.AcknowledgePeerNotice{Peer: peer}
	}
	return editPeer(t, peer)
}

func putPeer(t *rapid.T) domain.PutPeer {
	add := addPeer(t)
	c := domain.PutPeer{
		Description: add.Description, Hostname: add.Hostname, PeerEnterpriseID: add.PeerEnterpriseID,
		Address: add.Address, DialingPrefix: add.DialingPrefix, Version: add.Version,
		Port: rarely(t, oneOf(443, 8443, 0)), Enabled: rarely(t, oneOf(true, false)),
	}
	if dice(t, 8) > 0 {
		c.Type = domain.Give(add.Type)
	}
	return c
}
