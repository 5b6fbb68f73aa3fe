package domain

import (
	"fmt"

	"github.com/peering/peering/internal/events"
)

func registerEnterprise(e *Enterprise, c RegisterEnterprise, in Input) (Decision, *Error) {
	id, err := events.ParseEnterpriseID(c.ID)
	if err != nil {
		return Decision{}, invalid("id", "%v", err)
	}
	if id != e.id {
		return Decision{}, invalid("id", "the command was sent to enterprise %s and names %s", e.id, id)
	}
	if e.registered {
		return Decision{}, &Error{Code: Exists, Field: "id", Msg: fmt.Sprintf("enterprise %s exists already", id)}
	}
	if refusal := stale(in, "what is to be added", Stamp{}); refusal != nil {
		return Decision{}, refusal
	}
	next := profile{server: events.Server{Deployment: events.DeploymentStandard}}
	patch := EditEnterprise{Description: Give(c.Description), Domain: Give(c.Domain)}
	server := ChangeEnterpriseServer{
		Hostname: Give(c.Server.Hostname), Address: unlessZero(c.Server.Address),
		Version: unlessZero(c.Server.Version), Deployment: unlessZero(c.Server.Deployment),
	}
	refusal := firstError(next.patch(patch), next.patchServer(server, "server."))
	if refusal != nil {
		return Decision{}, refusal
	}
	return Decision{ID: string(id), Events: []events.Event{events.EnterpriseRegistered{
		Enterprise: id, Description: next.description, Domain: next.domain, Server: next.server,
	}}}, nil
}

func changeEnterpriseServer(e *Enterprise, c ChangeEnterpriseServer, in Input) (Decision, *Error) {
	return e.moveTo(in, "", func(p *profile) *Error { return p.patchServer(c, "") })
}

func editEnterprise(e *Enterprise, c EditEnterprise, in Input) (Decision, *Error) {
	return e.moveTo(in, "server.", func(p *profile) *Error {
		if c.Server.Null {
			return invalid("server", "the server cannot be withdrawn")
		}
		return firstError(p.patch(c), p.patchServer(c.Server.Value, "server."))
	})
}

func removeEnterprise(e *Enterprise, in Input) (Decision, *Error) {
	if err := stale(in, "the enterprise", e.changed); err != nil {
		return Decision{}, err
	}
	if n := e.peers.len(); n > 0 {
		return Decision{}, invalid("", "an enterprise that has peers cannot be removed: %s", e.countPeers())
	}
	if n := e.manual.len(); n >= maxEvents {
		return Decision{}, invalid("", "an enterprise with more than %d trusted servers cannot be removed at once: it has %d, remove some first", maxEvents-1, n)
	}
	d := Decision{ID: string(e.id)}
	for _, id := range sortedKeys(e.manual) {
		d.Events = append(d.Events, e.manual.at(id).removed())
	}
	d.Events = append(d.Events, events.EnterpriseRemoved{Description: e.description})
	return d, nil
}

// profile is what an edit of an enterprise leads to.
type profile struct {
	description, domain string
	server              events.Server
}

// moveTo decides an edit: change makes the new profile of the old one or
// refuses; path stands before the server's fields in the command's JSON.
func (e *Enterprise) moveTo(in Input, path string, change func(*profile) *Error) (Decision, *Error) {
	if err := stale(in, "the enterprise", e.changed); err != nil {
		return Decision{}, err
	}
	now := profile{e.description, e.domain, e.server}
	next := now
	if err := change(&next); err != nil {
		return Decision{}, err
	}
	if err := e.checkMove(next.server, path); err != nil {
		return Decision{}, err
	}
	d := Decision{ID: string(e.id)}
	if next.description != now.description {
		d.Events = append(d.Events, events.EnterpriseDescribed{From: now.description, To: next.description})
	}
	if next.domain != now.domain {
		d.Events = append(d.Events, events.EnterpriseDomainChanged{From: now.domain, To: next.domain})
	}
	if next.server != now.server {
		d.Events = append(d.Events, events.EnterpriseServerChanged{From: now.server, To: next.server})
	}
	return d, nil
}

// checkMove holds the rules between the enterprise's server and its peers.
func (e *Enterprise) checkMove(to events.Server, path string) *Error {
	if to.Deployment != e.server.Deployment && to.Deployment == events.DeploymentMiCloudGCP && e.peers.len() > 0 {
		return &Error{
			Code: Unsupported, Field: path + "deployment",
			Msg: "an enterprise that has peers cannot move to MiCloud Flex, where peering is not supported: " + e.countPeers(),
		}
	}
	if to.Hostname == e.server.Hostname {
		return nil
	}
	if peer, ok := e.peerings.other(peering{to.Hostname, e.id}, ""); ok {
		return invalid(path+"hostname", "the peer %q names this hostname and this enterprise: an enterprise cannot peer with itself", e.peers.at(peer).Description)
	}
	return nil
}

// countPeers tells how many peers stand in the way.
func (e *Enterprise) countPeers() string {
	if e.peers.len() == 1 {
		return "it has 1 peer (disabled ones count)"
	}
	return fmt.Sprintf("it has %d peers (disabled ones count)", e.peers.len())
}

func emptyAsNull(f Field[string]) Field[string] {
	if f.Value == "" {
		return Withdraw[string]()
	}
	return f
}

// patch applies description and domain.
func (p *profile) patch(c EditEnterprise) *Error {
	if c.Description.Set {
		if err := breaks("description", "the description", checkEnterpriseDescription(c.Description.Value)); err != nil {
			return err
		}
		p.description = c.Description.Value
	}
	if c.Domain.Set {
		domain, rule := NormaliseDomain(c.Domain.Value)
		if rule != nil {
			return breaks("domain", "the domain", rule)
		}
		p.domain = domain
	}
	return nil
}

// patchServer applies the fields of the server; path stands before their names.
// An empty address or version is one that is not known, as null is.
func (p *profile) patchServer(c ChangeEnterpriseServer, path string) *Error {
	if c.Hostname.Set {
		hostname, rule := NormaliseHostname(c.Hostname.Value)
		if rule != nil {
			return breaks(path+"hostname", "the server's hostname", rule)
		}
		p.server.Hostname = hostname
	}
	if c.Address.Set {
		address, rule := optional(emptyAsNull(c.Address), NormaliseHost)
		if rule != nil {
			return breaks(path+"address", "the server's address", rule)
		}
		p.server.Address = address
	}
	if c.Version.Set {
		version, rule := optional(emptyAsNull(c.Version), normaliseVersion)
		if rule != nil {
			return breaks(path+"version", "the server's version", rule)
		}
		p.server.Version = version
	}
	if c.Deployment.Set {
		switch c.Deployment.Value {
		case events.DeploymentStandard, events.DeploymentMiCloudGCP:
			p.server.Deployment = c.Deployment.Value
		default:
			return invalid(path+"deployment", "the deployment must be %s or %s", events.DeploymentStandard, events.DeploymentMiCloudGCP)
		}
	}
	return nil
}
