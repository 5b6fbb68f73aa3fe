package events

import "time"

// Change is one value that an event replaced, under the name that the field has
// where the thing can be read. Nil: there was, or is, none.
type Change struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// Changes lists what e replaced, from the event alone. An empty text in an event
// means that there was none, and is nil here.
func Changes(e Event) []Change {
	var c changes
	switch e := e.(type) {
	case EnterpriseRegistered:
		c.set("description", "", e.Description)
		c.set("domain", "", e.Domain)
		c.server(Server{}, e.Server)
	case EnterpriseDescribed:
		c.set("description", e.From, e.To)
	case EnterpriseDomainChanged:
		c.set("domain", e.From, e.To)
	case EnterpriseServerChanged:
		c.server(e.From, e.To)
	case EnterpriseRemoved:
		c.set("description", e.Description, "")
	case TrustedServerAdded:
		c.set("description", "", e.Description)
		c.set("host", "", e.Host)
		c.set("type", "", string(e.TrustType))
	case TrustedServerRenamed:
		c.set("description", e.From, e.To)
	case TrustedServerChanged:
		c.set("host", e.FromHost, e.ToHost)
		c.set("type", string(e.FromType), string(e.ToType))
	case TrustedServerRemoved:
		c.set("description", e.Description, "")
		c.set("host", e.Host, "")
		c.set("type", string(e.TrustType), "")
	default:
		c.peer(e)
	}
	return c
}

type changes []Change

// set notes a text unless it stayed what it was.
func (c *changes) set(field, before, after string) {
	if before != after {
		*c = append(*c, Change{field, orNil(before), orNil(after)})
	}
}

// put notes any other value.
func (c *changes) put(field string, before, after any) {
	*c = append(*c, Change{field, before, after})
}

func (c *changes) server(before, after Server) {
	c.set("server.hostname", before.Hostname, after.Hostname)
	c.set("server.address", before.Address, after.Address)
	c.set("server.version", before.Version, after.Version)
	c.set("server.deployment", string(before.Deployment), string(after.Deployment))
}

func (c *changes) peer(e Event) {
	switch e := e.(type) {
	case PeerAdded:
		c.added(e)
	case PeerRenamed:
		c.set("description", e.From, e.To)
	case PeerAddressChanged:
		c.set("address", e.From, e.To)
		c.set("host", e.FromHost, e.ToHost)
	case PeerHostnameChanged:
		c.set("hostname", e.From, e.To)
		c.port(e.FromPort, e.ToPort)
		c.set("host", e.FromHost, e.ToHost)
	case PeerEnterpriseChanged:
		c.set("peer_enterprise_id", string(e.From), string(e.To))
	case PeerDialingPrefixChanged:
		c.set("dialing_prefix", e.From, e.To)
	case PeerVersionEntered:
		c.set("version", e.From, e.To)
	case PeerEnabled:
		c.put("enabled", false, true)
	case PeerDisabled:
		c.put("enabled", true, false)
	case PeerDeleted:
		c.set("description", e.Description, "")
		c.set("hostname", e.Hostname, "")
		c.set("peer_enterprise_id", string(e.PeerEnterpriseID), "")
		c.set("host", e.Host, "")
	default:
		c.state(e)
	}
}

// added notes what a peer came with.
func (c *changes) added(e PeerAdded) {
	c.set("type", "", string(e.PeerType))
	c.set("description", "", e.Description)
	c.set("hostname", "", e.Hostname)
	c.port(0, e.Port)
	c.set("address", "", e.Address)
	c.set("peer_enterprise_id", "", string(e.PeerEnterpriseID))
	c.set("dialing_prefix", "", e.DialingPrefix)
	c.set("version", "", e.Version)
}

// state notes what is about a peer and not of its configuration.
func (c *changes) state(e Event) {
	switch e := e.(type) {
	case PeerNoticeRaised:
		c.put("notice", nil, e.Changes)
	case PeerNoticeAcknowledged:
		c.put("notice", e.Changes, nil)
	case PeerMaintenanceScheduled:
		c.put("maintenance.start", nil, e.Start.UTC())
		c.put("maintenance.end", nil, e.End.UTC())
		c.set("maintenance.note", "", e.Note)
	case PeerMaintenanceCancelled:
		c.put("maintenance.start", e.Start.UTC(), nil)
		c.put("maintenance.end", e.End.UTC(), nil)
	case PeerStatusChanged:
		c.set("status", string(e.From), string(e.To))
		c.set("status_cause.code", "", e.Cause.Code) // the event does not tell the one before
		c.set("status_cause.message", "", e.Cause.Message)
	case PeerVersionDetected:
		c.set("version", e.From, e.To)
	case PeerCertificateSeen:
		c.put("certificate.not_after", nil, e.NotAfter.UTC().Truncate(time.Second))
		c.set("certificate.issuer", "", e.Issuer)
		c.set("certificate.subject", "", e.Subject)
	}
}

func (c *changes) port(before, after int) {
	if before != after {
		c.put("port", number(before), number(after))
	}
}

// number is n, or nil for a port that there is none of.
func number(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
