package command

import (
	"encoding/json"
	"reflect"
	"slices"
	"sync"

	"github.com/peering/peering/internal/domain"
)

// MaxBody is the largest body of a command in bytes, over HTTP and on the bus.
const MaxBody = 1 << 20

// kind is what is known of one command: the shape of its JSON and how to make
// one from JSON of that shape.
type kind struct {
	shape *shape
	// bodyless: the command says nothing but which resource it acts on, and that
	// is in the path of an HTTP request, so the body may be empty.
	bodyless bool
	decode   func([]byte) (domain.Command, error)
}

// kinds are the commands that a client may give. RaisePeerNotice is not among
// them: it follows from a change of the local server.
var kinds = sync.OnceValue(func() map[domain.CommandName]kind {
	all := map[domain.CommandName]kind{}
	add[domain.RegisterEnterprise](all)
	add[domain.DescribeEnterprise](all)
	add[domain.ChangeEnterpriseDomain](all)
	add[domain.ChangeEnterpriseServer](all)
	add[domain.EditEnterprise](all)
	add[domain.RemoveEnterprise](all)
	add[domain.AddPeer](all)
	add[domain.EditPeer](all)
	add[domain.RenamePeer](all)
	add[domain.ChangePeerAddress](all)
	add[domain.ChangePeerHostname](all)
	add[domain.ChangePeerEnterprise](all)
	add[domain.ChangePeerDialingPrefix](all)
	add[domain.EnterPeerVersion](all)
	add[domain.EnablePeer](all)
	add[domain.DisablePeer](all)
	add[domain.DeletePeer](all)
	add[domain.AcknowledgePeerNotice](all)
	add[domain.ScheduleMaintenance](all)
	add[domain.CancelMaintenance](all)
	add[domain.AddTrustedServer](all)
	add[domain.EditTrustedServer](all)
	add[domain.RenameTrustedServer](all)
	add[domain.ChangeTrustedServer](all)
	add[domain.RemoveTrustedServer](all)
	add[domain.PutPeer](all)
	add[domain.ChangePeers](all)
	many := all[domain.ChangePeers{}.Name()]
	many.decode = func(body []byte) (domain.Command, error) {
		cmd, _, err := readChangePeers(body)
		return cmd, err
	}
	all[domain.ChangePeers{}.Name()] = many
	return all
})

func add[C domain.Command](all map[domain.CommandName]kind) {
	var zero C
	s := shapeOf(reflect.TypeFor[C]())
	all[zero.Name()] = kind{
		shape:    s,
		bodyless: !slices.ContainsFunc(s.fields, func(f field) bool { return f.name != "peer" && f.name != "trusted_server" }),
		decode: func(body []byte) (domain.Command, error) {
			var c C
			err := json.Unmarshal(body, &c)
			return c, err
		},
	}
}

// Names lists the commands that Decode knows, in alphabetical order.
func Names() []domain.CommandName {
	names := make([]domain.CommandName, 0, len(kinds()))
	for name := range kinds() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Decode reads the JSON of the command called name. It is the one decoder of
// commands, whatever way they come (ADR 0010), and it is strict: what it does
// not understand to the letter it refuses, so that nothing a client said is
// silently lost.
//
// The error is a *domain.Error: with the code NotFound there is no such
// command; with Malformed the body is not one, and the error names the field and
// the place. Whether the values obey the rules is not decided here.
func Decode(name domain.CommandName, body []byte) (domain.Command, error) {
	k, ok := kinds()[name]
	if !ok {
		return nil, &domain.Error{Code: domain.NotFound, Msg: "there is no command " + quote(string(name))}
	}
	if k.bodyless && isBlank(body) {
		body = []byte("{}")
	}
	return k.read(name, body)
}

// read decodes a body of this kind, which is called name.
func (k kind) read(name domain.CommandName, body []byte) (domain.Command, error) {
	if refusal := check(body, k.shape, name); refusal != nil {
		return nil, refusal
	}
	cmd, err := k.decode(body)
	if err != nil {
		return nil, notA(name)
	}
	return cmd, nil
}

// check refuses a body that does not have the shape s, of what is called name.
func check(body []byte, s *shape, name domain.CommandName) *domain.Error {
	if refusal := checkText(body); refusal != nil {
		return refusal
	}
	if isBlank(body) {
		return malformed("", "the body is empty; %s needs a JSON object", name)
	}
	if refusal := checkSyntax(body); refusal != nil {
		return refusal
	}
	w := walker{data: body}
	return w.value(s, "", name)
}

// notA refuses what encoding/json cannot read; check has refused all that is
// known to fail there.
func notA(name domain.CommandName) *domain.Error { return malformed("", "the body is not a %s", name) }
