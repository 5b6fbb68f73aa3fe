package bus

import "github.com/peering/peering/internal/domain"

const (
	ofPeer    = `"peer":"0198c5c6-2a6f-7c80-9d4e-0d6f5a1b2c3d"`
	ofTrusted = `"trusted_server":"0198c5c7-11aa-7d10-8e5f-6a7b8c9d0e1f"`
)

// exampleBody is the body of a command as it may be published.
func exampleBody(name domain.CommandName) string {
	return map[domain.CommandName]string{
		"RegisterEnterprise":      `{"id":"acme","description":"Acme headquarters","domain":"acme.example","server":{"hostname":"uc1.acme.example","address":"192.0.2.10","version":"9.8","deployment":"standard"}}`,
		"DescribeEnterprise":      `{"description":"Acme Europe"}`,
		"ChangeEnterpriseDomain":  `{"domain":"acme.example"}`,
		"ChangeEnterpriseServer":  `{"address":"192.0.2.11","version":"9.8"}`,
		"EditEnterprise":          `{"description":"Acme Europe","server":{"address":null}}`,
		"RemoveEnterprise":        `{}`,
		"AddPeer":                 `{"type":"micollab","description":"Branch Lyon","hostname":"uc1.lyon.example","port":443,"address":"192.0.2.20","peer_enterprise_id":"lyon","dialing_prefix":"81","version":"9.7.1"}`,
		"EditPeer":                `{` + ofPeer + `,"hostname":"uc2.lyon.example","address":null,"enabled":true}`,
		"PutPeer":                 `{"type":"external","description":"Branch Lyon","enabled":false}`,
		"RenamePeer":              `{` + ofPeer + `,"description":"Lyon"}`,
		"ChangePeerAddress":       `{` + ofPeer + `,"address":"192.0.2.21","expect":"192.0.2.20"}`,
		"ChangePeerHostname":      `{` + ofPeer + `,"hostname":"uc2.lyon.example","port":8443}`,
		"ChangePeerEnterprise":    `{` + ofPeer + `,"peer_enterprise_id":"lyon-2"}`,
		"ChangePeerDialingPrefix": `{` + ofPeer + `,"dialing_prefix":null}`,
		"EnterPeerVersion":        `{` + ofPeer + `,"version":"9.10"}`,
		"EnablePeer":              `{` + ofPeer + `}`,
		"DisablePeer":             `{` + ofPeer + `}`,
		"DeletePeer":              `{` + ofPeer + `}`,
		"AcknowledgePeerNotice":   `{` + ofPeer + `}`,
		"ScheduleMaintenance":     `{` + ofPeer + `,"start":"2026-03-01T22:00:00Z","end":"2026-03-02T04:00:00Z","note":"Upgrade"}`,
		"CancelMaintenance":       `{` + ofPeer + `}`,
		"AddTrustedServer":        `{"description":"Presence gateway","host":"192.0.2.30","type":"presence"}`,
		"EditTrustedServer":       `{` + ofTrusted + `,"host":"192.0.2.31"}`,
		"RenameTrustedServer":     `{` + ofTrusted + `,"description":"Gateway"}`,
		"ChangeTrustedServer":     `{` + ofTrusted + `,"host":"192.0.2.31","type":"im"}`,
		"RemoveTrustedServer":     `{` + ofTrusted + `}`,
		"ChangePeers":             `{"atomic":true,"operations":[{"op":"add","type":"external","description":"Partner"},{"op":"delete",` + ofPeer + `}]}`,
	}[name]
}
