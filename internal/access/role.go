package access

import (
	"slices"
	"strings"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// Role is what a token is for.
type Role string

// The roles. None of them includes another, but for reading the directory, and
// but for Admin.
const (
	Viewer   Role = "viewer"   // reads the directory
	Operator Role = "operator" // reads the directory, and changes enterprises and peers with the trust that a peer implies
	Security Role = "security" // reads the directory, and changes the trusted servers that were added by hand
	Auditor  Role = "auditor"  // reads the directory, and reads and exports the history; changes nothing
	Admin    Role = "admin"    // has every right: also tokens and, when it is for all enterprises, projections
)

// Roles lists every role.
func Roles() []Role { return []Role{Viewer, Operator, Security, Auditor, Admin} }

// roleNames is every role, for a person.
func roleNames() string {
	names := make([]string, len(Roles()))
	for i, r := range Roles() {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

// Right is what an operation needs.
type Right string

// The rights.
const (
	Read        Right = "read"         // enterprises, peers, trusted servers, and the stream of their changes
	ReadHistory Right = "read_history" // events: who changed what, when and why
	ChangePeers Right = "change_peers" // enterprises and peers, with the entries that follow them
	ChangeTrust Right = "change_trust" // trusted servers that were added by hand
	Administer  Right = "administer"   // tokens
	Operate     Right = "operate"      // projections and what they could not apply; for all enterprises alone
)

// rights are those of each role; an administrator has all there are.
func rights(r Role) []Right {
	switch r {
	case Viewer:
		return []Right{Read}
	case Operator:
		return []Right{Read, ChangePeers}
	case Security:
		return []Right{Read, ChangeTrust}
	case Auditor:
		return []Right{Read, ReadHistory}
	case Admin:
		return []Right{Read, ReadHistory, ChangePeers, ChangeTrust, Administer, Operate}
	}
	return nil
}

// With lists the roles that have a right, for a person.
func With(right Right) string {
	var names []string
	for _, r := range Roles() {
		if slices.Contains(rights(r), right) {
			names = append(names, string(r))
		}
	}
	return strings.Join(names, ", ")
}

// RightFor is the right that carrying out cmd needs. The entry that a peer
// brings belongs to the peer; every other trusted server was added by hand.
func RightFor(cmd domain.Command) Right {
	switch order := cmd.(type) {
	case domain.AddTrustedServer:
		return ChangeTrust
	case domain.EditTrustedServer:
		return RightForEntry(order.TrustedServer)
	case domain.RenameTrustedServer:
		return RightForEntry(order.TrustedServer)
	case domain.ChangeTrustedServer:
		return RightForEntry(order.TrustedServer)
	case domain.RemoveTrustedServer:
		return RightForEntry(order.TrustedServer)
	}
	return ChangePeers
}

// RightForEntry is the right that changing a trusted server needs.
func RightForEntry(id events.TrustedServerID) Right {
	if _, ok := events.PeerOfTrustedServer(id); ok {
		return ChangePeers
	}
	return ChangeTrust
}
