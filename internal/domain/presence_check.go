package domain

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/peering/peering/internal/events"
)

// The results of a step of the presence check.
const (
	CheckOK      = "ok"
	CheckFailed  = "failed"
	CheckUnknown = "unknown" // not found out, or not applicable to an external peer
)

// PresenceFacts is what is known of the way of presence to one peer.
type PresenceFacts struct {
	Now time.Time

	// The enterprise and its local server.
	Enterprise     events.EnterpriseID
	Deployment     events.Deployment
	LocalHostname  string
	LocalAddress   string // may be empty
	LocalVersion   string // "" not known
	Type           events.PeerType
	Enabled        bool
	Hostname       string
	PeerEnterprise events.EnterpriseID // on the other server
	PeerVersion    string              // detected or entered; "" not known

	// Host is what the trusted entry of the peer has to name (Peer.Host), and
	// TrustedHost what it names; "" when there is none.
	Host        string
	TrustedHost string

	// Probe is the latest probe of the peer under its present configuration; nil:
	// there is none.
	Probe *events.Sample
	// Cause is the cause of the status that the peer is shown with.
	Cause events.Cause

	Other OtherSide
}

// OtherSide is what is known of the entry that the other server has for this
// enterprise. Where it is not known (another deployment, or an enterprise that
// whoever asks may not see), the rest is not looked at.
type OtherSide struct {
	Known       bool
	Exists      bool   // the enterprise on the other server
	HasPeer     bool   // it has a peer for this enterprise
	Enabled     bool   // which is enabled
	TrustedHost string // what the trusted entry of that peer names
}

// PresenceStep is one line of the checklist. Evidence and Fix are sentences for
// an administrator; there is a fix unless the result is ok.
type PresenceStep struct {
	Step, Result, Evidence, Fix string
}

// CheckPresence answers why the presence of a peer does not show: always all of
// platform, enabled, trusted_entry, dns, connect, tls, versions and other_side,
// in the order in which they are worth repairing. A layer behind one that
// failed was not tried, which makes it unknown; an old probe is evidence but
// makes its layers unknown. What the status of the peer says of its certificate or
// its trusted entry counts besides the probe, so that the two never differ. An answer that is no sound HTTP fails at versions,
// where it would have been read. Of an external peer all but platform and
// enabled is unknown: its presence comes through a gateway that is not looked at.
func CheckPresence(f PresenceFacts) []PresenceStep {
	list := []PresenceStep{f.platform(), f.enabled()}
	if f.Type == events.PeerExternal {
		for _, name := range [...]string{"trusted_entry", "dns", "connect", "tls", "versions", "other_side"} {
			list = append(list, PresenceStep{
				name, CheckUnknown, "Does not apply: an external peer is reached through a gateway and is not probed.",
				"Look at the gateway that connects to the external server.",
			})
		}
		return list
	}
	return append(list, f.trustedEntry(),
		f.layer(events.LayerDNS), f.layer(events.LayerConnect), f.layer(events.LayerTLS),
		f.versions(), f.otherSide())
}

func (f PresenceFacts) platform() PresenceStep {
	const name = "platform"
	switch f.Deployment {
	case events.DeploymentMiCloudGCP:
		return PresenceStep{
			name, CheckFailed, "The local server is on MiCloud Flex, where peering is not supported.",
			"Host the enterprise on a server of the deployment standard.",
		}
	case events.DeploymentStandard:
		return PresenceStep{name, CheckOK, "The local server supports peering.", ""}
	}
	return PresenceStep{
		name, CheckUnknown, "It is not known on what platform the local server is.",
		"Set the deployment of the enterprise's server.",
	}
}

func (f PresenceFacts) enabled() PresenceStep {
	if f.Enabled {
		return PresenceStep{"enabled", CheckOK, "The peer is enabled.", ""}
	}
	return PresenceStep{"enabled", CheckFailed, "The peer is disabled.", "Enable the peer."}
}

func (f PresenceFacts) trustedEntry() PresenceStep {
	const name = "trusted_entry"
	switch {
	case !f.Enabled:
		return PresenceStep{
			name, CheckFailed, "The trusted entry is withdrawn while the peer is disabled.",
			"Enable the peer: that restores its trusted entry.",
		}
	case f.TrustedHost == "":
		return PresenceStep{
			name, CheckFailed, "The peer has no trusted entry.",
			"Disable the peer and enable it again: that restores its trusted entry.",
		}
	case f.TrustedHost != f.Host:
		return PresenceStep{
			name, CheckFailed, fmt.Sprintf("The trusted entry names %s, but the peer connects from %s.", f.TrustedHost, f.Host),
			"Set the address of the peer to where it connects from: its trusted entry follows.",
		}
	}
	if drifted := f.attention(CauseAddressDrift, CauseNameDrift); drifted != "" {
		return PresenceStep{
			name, CheckFailed, drifted,
			"Set the address of the peer to where its server is now, or let it follow the hostname.",
		}
	}
	return PresenceStep{name, CheckOK, fmt.Sprintf("The trusted entry names %s, as the peer does.", f.TrustedHost), ""}
}

func (f PresenceFacts) versions() PresenceStep {
	const name = "versions"
	if f.Enabled && f.fresh() {
		if http, found := f.step(events.LayerHTTP); found && !http.OK {
			return PresenceStep{name, CheckFailed, f.said(http.Message), fixFor(http)}
		}
	}
	upn := UPNPresence(f.LocalVersion, f.PeerVersion)
	switch upn.Value {
	case UPNYes:
		return PresenceStep{name, CheckOK, sentence(upn.Reason), ""}
	case UPNNo:
		return PresenceStep{
			name, CheckFailed, sentence(upn.Reason + ": the presence of users whose login ID is a UPN is not visible"),
			"Upgrade what is older to " + upnVersion + " or later.",
		}
	}
	return PresenceStep{name, CheckUnknown, sentence(upn.Reason), "Enter the version, or make it readable to the probe."}
}

func (f PresenceFacts) otherSide() PresenceStep {
	const name = "other_side"
	o := f.Other
	failed := func(evidence, fix string, args ...any) PresenceStep {
		return PresenceStep{name, CheckFailed, evidence, fmt.Sprintf(fix, args...)}
	}
	where := fmt.Sprintf("enterprise %s on %s", f.PeerEnterprise, f.Hostname)
	switch {
	case !o.Known:
		return PresenceStep{
			name, CheckUnknown, sentence(where + " cannot be looked up from here"),
			fmt.Sprintf("Ask its administrator whether it has an enabled peer for enterprise %s on %s, trusted under that name.", f.Enterprise, f.LocalHostname),
		}
	case !o.Exists:
		return failed(sentence("there is no "+where), "Correct the enterprise of the peer, or register it there.")
	case !o.HasPeer:
		return failed(sentence(where+" has no peer for this enterprise"), "Add a peer for enterprise %s on %s there.", f.Enterprise, f.LocalHostname)
	case !o.Enabled:
		return failed(sentence(where+" has its peer for this enterprise disabled"), "Enable the peer for enterprise %s there.", f.Enterprise)
	case !f.isLocal(o.TrustedHost):
		return failed(sentence(fmt.Sprintf("%s trusts %s for this enterprise, which is not the local server", where, cmp.Or(o.TrustedHost, "nothing"))),
			"Set the address of the peer there to %s.", cmp.Or(f.LocalAddress, f.LocalHostname))
	}
	return PresenceStep{name, CheckOK, sentence(fmt.Sprintf("%s has an enabled peer for this enterprise and trusts %s", where, o.TrustedHost)), ""}
}

func (f PresenceFacts) isLocal(host string) bool {
	return host != "" && (strings.EqualFold(host, f.LocalHostname) || host == f.LocalAddress)
}
