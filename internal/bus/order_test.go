package bus

import (
	"errors"
	"strings"
	"testing"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

func TestDecode_whatCannotBeACommandSaysWhy(t *testing.T) {
	const rename = `{"peer":"p1","description":"Berlin"}`
	for name, c := range map[string]struct {
		tail, id, body string
		result         command.Result
		park           string
		code           domain.Code
		place          bool
	}{
		"no id":                    {"acme.RenamePeer", "", rename, command.Failed, parkUnusableID, domain.Invalid, false},
		"id with a dot":            {"acme.RenamePeer", "a.b", rename, command.Failed, parkUnusableID, domain.Invalid, false},
		"id with a wildcard":       {"acme.RenamePeer", ">", rename, command.Failed, parkUnusableID, domain.Invalid, false},
		"id too long":              {"acme.RenamePeer", strings.Repeat("x", 129), rename, command.Failed, parkUnusableID, domain.Invalid, false},
		"id not UTF-8":             {"acme.RenamePeer", "a\xff", rename, command.Failed, parkUnusableID, domain.Invalid, false},
		"enterprise too short":     {"abc.RenamePeer", "c1", rename, command.Failed, parkUnusableEnterprise, domain.Invalid, false},
		"enterprise not ASCII":     {"acmé.RenamePeer", "c1", rename, command.Failed, parkUnusableEnterprise, domain.Invalid, false},
		"neither":                  {"abc.RenamePeer", "", rename, command.Failed, parkUnusableEnterprise, domain.Invalid, false},
		"unknown name":             {"acme.FlyToTheMoon", "c1", rename, command.Rejected, "", domain.NotFound, true},
		"name in another case":     {"acme.renamepeer", "c1", rename, command.Rejected, "", domain.NotFound, true},
		"internal command":         {"acme.RaisePeerNotice", "c1", "{}", command.Rejected, "", domain.NotFound, true},
		"random bytes":             {"acme.RenamePeer", "c1", "\x00\xfe\xff", command.Failed, parkUndecodable, domain.Malformed, true},
		"empty":                    {"acme.RenamePeer", "c1", "", command.Failed, parkUndecodable, domain.Malformed, true},
		"other JSON":               {"acme.RenamePeer", "c1", "[1,2]", command.Failed, parkUndecodable, domain.Malformed, true},
		"unknown field":            {"acme.RenamePeer", "c1", `{"colour":1}`, command.Failed, parkUndecodable, domain.Malformed, true},
		"too large":                {"acme.RenamePeer", "c1", `{"peer":"` + strings.Repeat("x", command.MaxBody) + `"}`, command.Failed, parkTooLarge, domain.Malformed, true},
		"mark without a role":      {"acme.RenamePeer@portal", "c1", rename, command.Rejected, parkUnknownPublisher, domain.Forbidden, true},
		"mark of an unknown role":  {"acme.RenamePeer@portal+root", "c1", rename, command.Rejected, parkUnknownPublisher, domain.Forbidden, true},
		"mark without a service":   {"acme.RenamePeer@+admin", "c1", rename, command.Rejected, parkUnknownPublisher, domain.Forbidden, true},
		"role without the right":   {"acme.RenamePeer@portal+viewer", "c1", rename, command.Rejected, "", domain.Forbidden, true},
		"trust by an operator":     {"acme.AddTrustedServer@portal+operator", "c1", "{}", command.Rejected, "", domain.Forbidden, true},
		"peers by security people": {"acme.RenamePeer@portal+security", "c1", rename, command.Rejected, "", domain.Forbidden, true},
	} {
		t.Run(name, func(t *testing.T) {
			req, no := incomingFrom(c.tail, header{commandID: c.id}, []byte(c.body)).decode()
			if no == nil {
				t.Fatalf("it is a command: %+v", req)
			}
			if no.result != c.result || no.park != c.park || no.err.Code != c.code || no.hasPlace() != c.place || no.err.Msg == "" {
				t.Errorf("got %s, park %q, %+v, place %t; want %+v", no.result, no.park, no.err, no.hasPlace(), c)
			}
			var refused *domain.Error
			if !errors.As(error(no), &refused) || len(refused.Msg) > 500 {
				t.Errorf("got %v", no)
			}
		})
	}
}

func TestDecode_saysWhoGivesTheCommand(t *testing.T) {
	h := header{commandID: "c1", actor: "alice", reason: "because", correlationID: "corr", causationID: "cause", traceparent: "trace"}
	for tail, want := range map[string]struct{ actor, cause string }{
		"ACME.EnablePeer":                 {"bus", "cause"},
		"acme.EnablePeer@portal+operator": {"service portal", ""},
		"acme.EnablePeer@portal+admin":    {"service portal", ""},
	} {
		req, no := incomingFrom(tail, h, []byte(`{"peer":"p1"}`)).decode()
		if no != nil {
			t.Fatalf("%s: %v", tail, no)
		}
		if req.Enterprise != "acme" || req.ID != "c1" || req.Command != (domain.EnablePeer{Peer: "p1"}) {
			t.Errorf("%s: got %+v", tail, req)
		}
		if req.Actor != want.actor || req.CausationID != want.cause || req.OnBehalfOf != "alice" || req.Reason != "because" || req.CorrelationID != "corr" || req.Traceparent != "trace" {
			t.Errorf("%s: got %+v", tail, req)
		}
	}
}

func TestHeader_firstValueCountsWhateverItsCase(t *testing.T) {
	h := selectHeader(map[string][]string{
		"COMMAND-ID": {"upper"}, "command-id": {"lower"}, "Command-Id": {" c1 ", "c2"},
		"aCTOR": {"alice", "bob"}, "Reason": {}, "reason": {"because"}, "TraceParent": {"t"},
		"Nats-Msg-Id": {"x"}, "Status": {"100"},
	})
	want := header{commandID: "c1", actor: "alice", reason: "because", traceparent: "t"}
	if h != want {
		t.Errorf("got %+v, want %+v", h, want)
	}
	for range 50 {
		if got := selectHeader(map[string][]string{"b-x": {"1"}, "COMMAND-ID": {"upper"}, "command-id": {"lower"}}); got.commandID != "upper" {
			t.Fatalf("the same message means something else: %+v", got)
		}
	}
}

func TestHeader_brokenBlockIsGarbageWithoutAPlace(t *testing.T) {
	_, no := incomingFrom("acme.EnablePeer", header{broken: true}, []byte(`{"peer":"p1"}`)).decode()
	if no == nil || no.park != parkUndecodable || no.hasPlace() {
		t.Errorf("got %+v", no)
	}
}

// FuzzDecode: nothing that comes is both a command and refused, and every
// refusal says enough for an outcome or a parked command.
func FuzzDecode(f *testing.F) {
	f.Add("acme.EnablePeer", "c1", `{"peer":"p1"}`)
	f.Add("acme.EnablePeer@portal+viewer", "c1", `{"peer":"p1"}`)
	f.Add("..", "", "")
	f.Fuzz(func(t *testing.T, tail, id, body string) {
		req, no := incomingFrom(tail, header{commandID: id}, []byte(body)).decode()
		switch {
		case no == nil && (req.Command == nil || req.ID != events.CommandID(id) || req.Actor == ""):
			t.Errorf("got %+v", req)
		case no == nil:
		case no.err == nil || no.err.Code == "" || no.result != command.Failed && no.result != command.Rejected:
			t.Errorf("got %+v", no)
		case !no.hasPlace() && no.park == "":
			t.Errorf("it leaves no trace: %+v", no)
		}
	})
}
