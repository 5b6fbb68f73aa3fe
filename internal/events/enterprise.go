package events

// Deployment is the kind of the local server that hosts an enterprise.
type Deployment string

// The deployments there are. Peering is not supported on MiCloud Flex.
const (
	DeploymentStandard   Deployment = "standard"
	DeploymentMiCloudGCP Deployment = "micloud-flex-gcp"
)

// Server is the local server that hosts an enterprise.
type Server struct {
	Hostname   string     `json:"hostname"`
	Address    string     `json:"address"`
	Version    string     `json:"version"`
	Deployment Deployment `json:"deployment"`
}

// EnterpriseRegistered opens the log of an enterprise, or opens it again after
// a removal.
type EnterpriseRegistered struct {
	Enterprise  EnterpriseID `json:"enterprise"`
	Description string       `json:"description"`
	Domain      string       `json:"domain"`
	Server      Server       `json:"server"`
}

// EnterpriseDescribed says that the description was changed.
type EnterpriseDescribed struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// EnterpriseDomainChanged says that the domain was changed.
type EnterpriseDomainChanged struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// EnterpriseServerChanged says that the local server became another one, moved
// or was upgraded.
type EnterpriseServerChanged struct {
	From Server `json:"from"`
	To   Server `json:"to"`
}

// EnterpriseRemoved closes the enterprise; its history stays.
type EnterpriseRemoved struct {
	Description string `json:"description"`
}

// Type returns the stored name.
func (EnterpriseRegistered) Type() Type { return "EnterpriseRegistered" }

// Type returns the stored name.
func (EnterpriseDescribed) Type() Type { return "EnterpriseDescribed" }

// Type returns the stored name.
func (EnterpriseDomainChanged) Type() Type { return "EnterpriseDomainChanged" }

// Type returns the stored name.
func (EnterpriseServerChanged) Type() Type { return "EnterpriseServerChanged" }

// Type returns the stored name.
func (EnterpriseRemoved) Type() Type { return "EnterpriseRemoved" }
