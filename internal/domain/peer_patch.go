package domain

import (
	"github.com/peering/peering/internal/events"
)

// patch applies the given fields of c and checks each of them by itself, then
// that nothing required is missing.
func (p *Peer) patch(c EditPeer) *Error {
	if c.Type.Set && (c.Type.Null || c.Type.Value != p.Type) {
		return invalid("type", "the type of a peer is fixed after adding: it is %s", p.Type)
	}
	if c.Enabled.Set {
		if c.Enabled.Null {
			return invalid("enabled", "enabled must be true or false")
		}
		p.Enabled = c.Enabled.Value
	}
	if c.Description.Set {
		p.Description = c.Description.Value
		if err := breaks("description", "the description", checkPeerDescription(p.Description)); err != nil {
			return err
		}
	}
	if p.Type == events.PeerExternal {
		return refuseMiCollabFields(c)
	}
	return firstError(p.patchServer(c), p.patchRest(c))
}

// refuseMiCollabFields names the first field that an external peer does not
// have. Null is no value and does no harm.
func refuseMiCollabFields(c EditPeer) *Error {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"hostname", c.Hostname.given()},
		{"port", c.Port.given()},
		{"address", c.Address.given()},
		{"peer_enterprise_id", c.PeerEnterpriseID.given()},
		{"dialing_prefix", c.DialingPrefix.given()},
		{"version", c.Version.given()},
	} {
		if f.given {
			return invalid(f.name, "an external peer has no %s: the field is for MiCollab peers only", f.name)
		}
	}
	return nil
}

// patchServer applies the fields that say where the peer's server is.
func (p *Peer) patchServer(c EditPeer) *Error {
	if c.Hostname.Set || p.Hostname == "" {
		hostname, rule := NormaliseHostname(c.Hostname.Value)
		if rule != nil {
			return breaks("hostname", "the hostname", rule)
		}
		p.Hostname = hostname
	}
	if c.Port.Set {
		p.Port = DefaultPort
		if !c.Port.Null {
			p.Port = c.Port.Value
		}
		if p.Port < 1 || p.Port > MaxPort {
			return invalid("port", "the port must be between 1 and %d", MaxPort)
		}
	}
	if c.Address.Set {
		address, rule := optional(c.Address, NormaliseHost)
		if rule != nil {
			return breaks("address", "the address", rule)
		}
		p.Address = address
	}
	return nil
}

// patchRest applies the other fields that only a MiCollab peer has.
func (p *Peer) patchRest(c EditPeer) *Error {
	if c.PeerEnterpriseID.Set || p.PeerEnterpriseID == "" {
		if c.PeerEnterpriseID.Value == "" {
			return breaks("peer_enterprise_id", "the peer enterprise id", errRequired)
		}
		id, err := events.ParseEnterpriseID(c.PeerEnterpriseID.Value)
		if err != nil {
			return invalid("peer_enterprise_id", "%v", err)
		}
		p.PeerEnterpriseID = id
	}
	if c.DialingPrefix.Set {
		p.DialingPrefix = c.DialingPrefix.Value
		if err := breaks("dialing_prefix", "the dialing prefix", checkDialingPrefix(p.DialingPrefix)); err != nil {
			return err
		}
	}
	if c.Version.Set {
		version, rule := optional(c.Version, normaliseVersion)
		if rule != nil {
			return breaks("version", "the version", rule)
		}
		p.Version = version
	}
	return nil
}

// peerChanges lists the facts that lead from now to next. Their order keeps a
// host that nobody asked to trust out of the list in between: disabling comes
// first, enabling last, and an address that pins the host before a new hostname.
func peerChanges(now, next Peer) []events.Event {
	var out []events.Event
	id := now.ID
	if now.Enabled && !next.Enabled {
		out = append(out, events.PeerDisabled{Peer: id})
	}
	if now.Description != next.Description {
		out = append(out, events.PeerRenamed{Peer: id, From: now.Description, To: next.Description})
	}
	out = append(out, moves(now, next)...)
	if now.PeerEnterpriseID != next.PeerEnterpriseID {
		out = append(out, events.PeerEnterpriseChanged{Peer: id, From: now.PeerEnterpriseID, To: next.PeerEnterpriseID})
	}
	if now.DialingPrefix != next.DialingPrefix {
		out = append(out, events.PeerDialingPrefixChanged{Peer: id, From: now.DialingPrefix, To: next.DialingPrefix})
	}
	if now.Version != next.Version {
		out = append(out, events.PeerVersionEntered{Peer: id, From: now.Version, To: next.Version})
	}
	if !now.Enabled && next.Enabled {
		out = append(out, events.PeerEnabled{Peer: id})
	}
	return out
}

// moves lists the changes of address and hostname; each says where the
// trusted-server entry stands before and after that one event.
func moves(now, next Peer) []events.Event {
	var out []events.Event
	at := now
	address := func() {
		if at.Address == next.Address {
			return
		}
		from := at
		at.Address = next.Address
		out = append(out, events.PeerAddressChanged{
			Peer: at.ID, From: from.Address, To: at.Address, FromHost: from.Host(), ToHost: at.Host(),
		})
	}
	hostname := func() {
		if at.Hostname == next.Hostname && at.Port == next.Port {
			return
		}
		from := at
		at.Hostname, at.Port = next.Hostname, next.Port
		out = append(out, events.PeerHostnameChanged{
			Peer: at.ID, From: from.Hostname, To: at.Hostname, FromPort: from.Port, ToPort: at.Port,
			FromHost: from.Host(), ToHost: at.Host(),
		})
	}
	if next.Address != "" {
		address()
		hostname()
	} else {
		hostname()
		address()
	}
	return out
}
