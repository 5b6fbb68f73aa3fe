package cli

import (
	"slices"
	"strconv"

	"github.com/peering/peering/client"
)

// peerColumns are all of a peer: what it is configured to be, how it is, and what
// there is besides.
func peerColumns() []column[client.Peer] {
	return slices.Concat(configColumns(), statusColumns(), otherColumns())
}

// own hides what an external peer does not have.
func own(value func(client.Peer) any) func(client.Peer) any {
	return func(p client.Peer) any {
		if p.Type == client.PeerExternal {
			return remark(client.NotApplicable)
		}
		return value(p)
	}
}

func configColumns() []column[client.Peer] {
	type p = client.Peer
	return []column[p]{
		{field: "description", value: func(p p) any { return p.Description }},
		{field: "type", value: func(p p) any { return p.Type }},
		{field: "server", value: func(p p) any { return p.Server }},
		{field: "port", spare: 4, value: own(func(p p) any { return p.Port })},
		{field: "address", value: own(func(p p) any {
			if p.Address == "" {
				return remark("follows the hostname")
			}
			return p.Address
		})},
		{field: "peer_enterprise_id", spare: 3, value: own(func(p p) any { return key(p.PeerEnterpriseID) })},
		{field: "dialing_prefix", spare: 2, value: own(func(p p) any { return p.DialingPrefix })},
		{field: "version", value: func(p p) any { return p.Version }},
		{field: "version_source", wide: true, value: func(p p) any { return p.VersionSource }},
		{field: "upn_presence", value: func(p p) any { return p.UPNPresence.Value }},
		{field: "upn_presence.reason", wide: true, value: func(p p) any { return p.UPNPresence.Reason }},
	}
}

func statusColumns() []column[client.Peer] {
	type p = client.Peer
	return []column[p]{
		{field: "status", value: func(p p) any { return p.Status }},
		{field: "status_cause.code", head: "CAUSE", value: func(p p) any { return causeOf(p.StatusCause).Code }},
		{field: "status_cause.message", head: "CAUSE MESSAGE", wide: true, value: func(p p) any { return causeOf(p.StatusCause).Message }},
		{field: "status_since", wide: true, value: func(p p) any { return p.StatusSince }},
		{field: "last_probe", spare: 5, value: func(p p) any { return age(p.LastProbe) }},
		{field: "latency_ms", spare: 1, value: func(p p) any { return millis(p.LatencyMS) }},
		{field: "certificate.not_after", wide: true, value: func(p p) any {
			if p.Certificate == nil {
				return ""
			}
			return p.Certificate.NotAfter
		}},
	}
}

func otherColumns() []column[client.Peer] {
	type p = client.Peer
	maintenance := func(p p) client.Maintenance {
		if p.Maintenance == nil {
			return client.Maintenance{}
		}
		return *p.Maintenance
	}
	return []column[p]{
		{field: "enabled", wide: true, value: func(p p) any { return p.Enabled }},
		{field: "notice", wide: true, value: func(p p) any { return notice(p) }},
		{field: "maintenance.start", wide: true, value: func(p p) any { return maintenance(p).Start }},
		{field: "maintenance.end", wide: true, value: func(p p) any { return maintenance(p).End }},
		{field: "maintenance.note", wide: true, value: func(p p) any { return maintenance(p).Note }},
		{field: "admin_url", wide: true, value: func(p p) any { return p.AdminURL }},
		{field: "revision", wide: true, value: func(p p) any { return p.Revision }},
		{field: "updated_at", wide: true, value: func(p p) any { return p.UpdatedAt }},
		{field: "id", wide: true, value: func(p p) any { return key(p.ID) }},
	}
}

// deletedColumns tell the story of each deleted peer.
func deletedColumns() []column[client.Peer] {
	type p = client.Peer
	story := func(value func(client.Deleted) any) func(p) any {
		return func(p p) any {
			if p.Deleted == nil {
				return ""
			}
			return value(*p.Deleted)
		}
	}
	return []column[p]{
		{field: "description", value: func(p p) any { return p.Description }},
		{field: "type", value: func(p p) any { return p.Type }},
		{field: "server", value: func(p p) any { return p.Server }},
		{field: "deleted.by", value: story(func(d client.Deleted) any { return d.By })},
		{field: "deleted.at", value: story(func(d client.Deleted) any { return d.At })},
		{field: "deleted.reason", value: story(func(d client.Deleted) any { return d.Reason })},
		{field: "deleted.sequence", wide: true, value: story(func(d client.Deleted) any { return d.Sequence })},
		{field: "id", value: func(p p) any { return key(p.ID) }},
	}
}

func notice(p client.Peer) string {
	if p.Notice == nil {
		return ""
	}
	text := "to be told:"
	for _, ch := range p.Notice.Changes {
		text += " " + ch.Field + " " + strconv.Quote(ch.From) + " is now " + strconv.Quote(ch.To)
	}
	return text
}
