package client

import "net/http"

// Commands to a trusted server.
type (
	// AddTrustedServer trusts a host by hand.
	AddTrustedServer NewTrustedServer

	// RenameTrustedServer changes the description, of a peer's entry too.
	RenameTrustedServer struct {
		TrustedServer TrustedServerID `json:"trusted_server"`
		Description   string          `json:"description"`
	}

	// ChangeTrustedServer changes what is not nil of a manual entry.
	ChangeTrustedServer struct {
		TrustedServer TrustedServerID `json:"trusted_server"`
		Host          *string         `json:"host,omitempty"`
		Type          *string         `json:"type,omitempty"`
	}

	// RemoveTrustedServer removes a manual entry.
	RemoveTrustedServer struct {
		TrustedServer TrustedServerID `json:"trusted_server"`
	}
)

// CommandName implements Command.
func (AddTrustedServer) CommandName() string { return "AddTrustedServer" }

// CommandName implements Command.
func (RenameTrustedServer) CommandName() string { return "RenameTrustedServer" }

// CommandName implements Command.
func (ChangeTrustedServer) CommandName() string { return "ChangeTrustedServer" }

// CommandName implements Command.
func (RemoveTrustedServer) CommandName() string { return "RemoveTrustedServer" }

func (c AddTrustedServer) overHTTP(ent EnterpriseID) *request {
	return trustedServerRequest(http.MethodPost, ent).send(c)
}

func (c RenameTrustedServer) overHTTP(ent EnterpriseID) *request {
	return editTrustedServer(ent, c.TrustedServer, TrustedServerPatch{Description: &c.Description})
}

func (c ChangeTrustedServer) overHTTP(ent EnterpriseID) *request {
	return editTrustedServer(ent, c.TrustedServer, TrustedServerPatch{Host: c.Host, Type: c.Type})
}

func (c RemoveTrustedServer) overHTTP(ent EnterpriseID) *request {
	return trustedServerRequest(http.MethodDelete, ent, string(c.TrustedServer))
}

func editTrustedServer(ent EnterpriseID, id TrustedServerID, p TrustedServerPatch) *request {
	return trustedServerRequest(http.MethodPatch, ent, string(id)).send(p)
}
