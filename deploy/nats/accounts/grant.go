package accounts

import (
	"fmt"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// The subjects of the bus that services see. The mark of who publishes stands
// behind the name of the command, in the deployment's account alone.
const (
	commandRoot  = "peering.commands."
	requestRoot  = "peering.rpc."
	lookupRoot   = "peering.outcome."
	outcomesRoot = "peering.outcomes."
)

// mark is what the import puts behind the name of each command of s.
func (s Service) mark() string { return "@" + s.Name + "+" + string(s.Role) }

// account is the name of the account of s.
func (s Service) account() string { return "service-" + s.Name }

// grant is one subject of the deployment's account that a service may use.
type grant struct {
	local, remote string
	stream        bool // it receives what is published there, else it publishes
}

// grants are all that s gets, in a fixed order. The error says that the program
// does not know what a command needs: a bug.
func (s Service) grants() ([]grant, error) {
	commands, err := Commands(s.Role)
	if err != nil {
		return nil, err
	}
	var all []grant
	for _, ent := range s.Enterprises {
		for _, root := range []string{commandRoot, requestRoot} {
			for _, name := range commands {
				subject := root + ent + "." + string(name)
				all = append(all, grant{local: subject, remote: subject + s.mark()})
			}
		}
		for _, subject := range []string{lookupRoot + ent + ".*"} {
			all = append(all, grant{local: subject, remote: subject})
		}
		received := []string{outcomesRoot + ent + ".*"}
		if s.Events {
			received = append(received, events.EnterpriseFilter(events.EnterpriseID(ent)))
		}
		for _, subject := range received {
			all = append(all, grant{local: subject, remote: subject, stream: true})
		}
	}
	return all, nil
}

// Commands lists the commands that a role may give, in alphabetical order.
// Those that may be given for some trusted servers only are among them: which
// one is asked for is in the body, and the bus looks at it.
func Commands(role access.Role) ([]domain.CommandName, error) {
	who := access.Principal{Role: role}
	var names []domain.CommandName
	for _, name := range command.Names() {
		needed, err := rightsFor(name)
		if err != nil {
			return nil, err
		}
		for _, right := range needed {
			if who.May(right) {
				names = append(names, name)
				break
			}
		}
	}
	return names, nil
}

// rightsFor lists what carrying out a command may need, by whether it acts on an
// entry that was added by hand or on one that a peer brought.
func rightsFor(name domain.CommandName) ([]access.Right, error) {
	cmd, err := command.Decode(name, []byte("{}"))
	if err != nil {
		return nil, fmt.Errorf("accounts: %s: %w", name, err)
	}
	rights := []access.Right{access.RightFor(cmd)}
	ofPeer := fmt.Sprintf(`{"trusted_server":%q}`, events.TrustedServerOfPeer("p"))
	if cmd, err := command.Decode(name, []byte(ofPeer)); err == nil {
		rights = append(rights, access.RightFor(cmd))
	}
	return rights, nil
}
