package bus

import (
	"errors"
	"slices"
	"strings"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/domain"
)

// origin is what the subject of a command says: what for, which, and from whom.
//
// Whoever publishes within the account of the deployment itself is trusted with
// everything there. A service has an account of its own, and what it imports
// there puts a mark behind the name of the command, which it can neither leave
// out nor change (ADR 0025):
//
//	<enterprise>.<Command>                    within the account of the deployment
//	<enterprise>.<Command>@<service>+<role>   from the account of a service
type origin struct {
	enterprise string // as it came
	command    domain.CommandName
	principal  access.Principal
}

// insider is the actor of commands that come from the deployment's own account.
const insider = "bus"

// errMark says that the mark in a subject is none that a configuration of ours
// makes.
var errMark = errors.New("bus: the subject does not say who published this")

// parseTail reads what stands in a subject behind its root.
func parseTail(tail string) (origin, error) {
	enterprise, name, _ := strings.Cut(tail, ".")
	name, mark, marked := strings.Cut(name, "@")
	o := origin{enterprise: enterprise, command: domain.CommandName(name)}
	if !marked {
		o.principal = access.Principal{Actor: insider, Role: access.Admin}
		return o, nil
	}
	service, role, _ := strings.Cut(mark, "+")
	if !isServiceName(service) || !slices.Contains(access.Roles(), access.Role(role)) {
		return o, errMark
	}
	o.principal = access.Principal{Actor: "service " + service, Role: access.Role(role)}
	return o, nil
}

// isServiceName reports whether s is the name of a service: up to 64 lower-case
// letters, digits and dashes.
func isServiceName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
