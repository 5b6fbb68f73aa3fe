package client

import (
	"net/http"
	"strings"
)

// Commands to an enterprise.
type (
	// RegisterEnterprise opens an enterprise. Without an ID it is the one that the
	// command is given to.
	RegisterEnterprise NewEnterprise

	// DescribeEnterprise changes the description.
	DescribeEnterprise struct {
		Description string `json:"description"`
	}

	// ChangeEnterpriseDomain changes the domain.
	ChangeEnterpriseDomain struct {
		Domain string `json:"domain"`
	}

	// ChangeEnterpriseServer changes the fields of the local server that are not
	// nil. The enterprises of the deployment that peer with it follow.
	ChangeEnterpriseServer ServerPatch

	// RemoveEnterprise closes an enterprise that has no peers.
	RemoveEnterprise struct{}
)

// CommandName implements Command.
func (RegisterEnterprise) CommandName() string { return "RegisterEnterprise" }

// CommandName implements Command.
func (DescribeEnterprise) CommandName() string { return "DescribeEnterprise" }

// CommandName implements Command.
func (ChangeEnterpriseDomain) CommandName() string { return "ChangeEnterpriseDomain" }

// CommandName implements Command.
func (ChangeEnterpriseServer) CommandName() string { return "ChangeEnterpriseServer" }

// CommandName implements Command.
func (RemoveEnterprise) CommandName() string { return "RemoveEnterprise" }

// named is the command with the id of the enterprise that it is given to.
func (c RegisterEnterprise) named(ent EnterpriseID) (Command, *Error) {
	if c.ID == "" {
		c.ID = ent
	}
	if !strings.EqualFold(string(c.ID), string(ent)) {
		return nil, refused(CodeInvalid, "id", "the command is given to "+string(ent)+" and names "+string(c.ID))
	}
	return c, nil
}

func (c RegisterEnterprise) overHTTP(EnterpriseID) *request {
	return newRequest(http.MethodPost, enterprisesPath).send(c)
}

func (c DescribeEnterprise) overHTTP(ent EnterpriseID) *request {
	return editEnterprise(ent, EnterprisePatch{Description: &c.Description})
}

func (c ChangeEnterpriseDomain) overHTTP(ent EnterpriseID) *request {
	return editEnterprise(ent, EnterprisePatch{Domain: &c.Domain})
}

func (c ChangeEnterpriseServer) overHTTP(ent EnterpriseID) *request {
	return editEnterprise(ent, EnterprisePatch{Server: (*ServerPatch)(&c)})
}

func (RemoveEnterprise) overHTTP(ent EnterpriseID) *request {
	return newRequest(http.MethodDelete, enterprisesPath, string(ent))
}

func editEnterprise(ent EnterpriseID, p EnterprisePatch) *request {
	return newRequest(http.MethodPatch, enterprisesPath, string(ent)).send(p)
}
