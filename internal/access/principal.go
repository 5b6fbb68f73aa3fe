package access

import (
	"slices"

	"github.com/peering/peering/internal/events"
)

// Principal is who a request comes from, and what that one may do.
type Principal struct {
	// Actor names it in the history.
	Actor string
	// Token is the id of its token; empty: a caller on loopback while there are
	// none.
	Token string
	Role  Role
	// Enterprise is the only one it may see; empty: all.
	Enterprise events.EnterpriseID
}

// loopbackActor is who a caller on loopback is while no token exists.
const loopbackActor = "loopback"

// Loopback is the principal of callers on this machine while no token exists:
// an administrator of everything.
func Loopback() Principal { return Principal{Actor: loopbackActor, Role: Admin} }

// May reports whether the principal has a right. What it has it for is another
// question: see Sees.
func (p Principal) May(right Right) bool {
	if right == Operate && !p.SeesAll() {
		return false
	}
	return slices.Contains(rights(p.Role), right)
}

// Sees reports whether an enterprise may exist for the principal. What it does
// not see has to look like what does not exist.
func (p Principal) Sees(ent events.EnterpriseID) bool {
	return p.Enterprise == "" || p.Enterprise == ent
}

// SeesAll reports whether the principal sees every enterprise.
func (p Principal) SeesAll() bool { return p.Enterprise == "" }
