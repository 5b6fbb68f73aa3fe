package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
)

// given is every command, with how it goes over HTTP.
func given() []struct {
	cmd                Command
	method, path, body string
} {
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	const acme, peer, entry = "/api/v1/enterprises/acme", "/api/v1/enterprises/acme/peers/p1", "/api/v1/enterprises/acme/trusted-servers/t1"
	return []struct {
		cmd                Command
		method, path, body string
	}{
		{
			RegisterEnterprise{Description: "Acme", Domain: "acme.example", Server: Server{Hostname: "uc.acme.example"}},
			"POST", "/api/v1/enterprises", `{"id":"acme","description":"Acme","domain":"acme.example","server":{"hostname":"uc.acme.example"}}`,
		},
		{DescribeEnterprise{"A"}, "PATCH", acme, `{"description":"A"}`},
		{ChangeEnterpriseDomain{"b.example"}, "PATCH", acme, `{"domain":"b.example"}`},
		{ChangeEnterpriseServer{Hostname: new("h"), Address: Null[string]()}, "PATCH", acme, `{"server":{"hostname":"h","address":null}}`},
		{RemoveEnterprise{}, "DELETE", acme, ""},
		{AddPeer{Type: PeerExternal, Description: "X"}, "POST", "/api/v1/enterprises/acme/peers", `{"type":"external","description":"X"}`},
		{RenamePeer{"p1", "Y"}, "PATCH", peer, `{"description":"Y"}`},
		{ChangePeerAddress{"p1", new("192.0.2.1")}, "PATCH", peer, `{"address":"192.0.2.1"}`},
		{ChangePeerHostname{"p1", "h", Value(8443)}, "PATCH", peer, `{"hostname":"h","port":8443}`},
		{ChangePeerEnterprise{"p1", "ent-x"}, "PATCH", peer, `{"peer_enterprise_id":"ent-x"}`},
		{ChangePeerDialingPrefix{"p1", nil}, "PATCH", peer, `{"dialing_prefix":null}`},
		{EnterPeerVersion{"p1", new("9.8")}, "PATCH", peer, `{"version":"9.8"}`},
		{EnablePeer{"p1"}, "POST", peer + "/enable", ""},
		{DisablePeer{"p1"}, "POST", peer + "/disable", ""},
		{DeletePeer{"p1"}, "DELETE", peer, ""},
		{AcknowledgePeerNotice{"p1"}, "POST", peer + "/acknowledge", ""},
		{ScheduleMaintenance{"p1", at, at.Add(time.Hour), "n"}, "POST", peer + "/maintenance", `{"start":"2026-03-01T02:00:00Z","end":"2026-03-01T03:00:00Z","note":"n"}`},
		{CancelMaintenance{"p1"}, "DELETE", peer + "/maintenance", ""},
		{AddTrustedServer{"D", "h", "im"}, "POST", "/api/v1/enterprises/acme/trusted-servers", `{"description":"D","host":"h","type":"im"}`},
		{RenameTrustedServer{"t1", "D"}, "PATCH", entry, `{"description":"D"}`},
		{ChangeTrustedServer{TrustedServer: "t1", Type: new("im")}, "PATCH", entry, `{"type":"im"}`},
		{RemoveTrustedServer{"t1"}, "DELETE", entry, ""},
	}
}

func TestDo_sendsEachCommandWhereHTTPHasIt(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, aReceipt) })
	c := connect(t, s.URL)
	for i, g := range given() {
		out, err := c.Do(t.Context(), "acme", g.cmd, IdempotencyKey("c1"), Traceparent("00-x"))
		if err != nil || out.Result != Accepted || out.ID != "p1" || out.Sequence != 7 || out.CommandID != "c1" || out.Command != g.cmd.CommandName() {
			t.Errorf("%T: got %+v, %v", g.cmd, out, err)
		}
		got := s.got()[i]
		if got.method != g.method || got.uri != g.path || got.body != g.body || got.header.Get("Idempotency-Key") != "c1" || got.header.Get("Traceparent") != "00-x" {
			t.Errorf("%T: sent %s %s %s", g.cmd, got.method, got.uri, got.body)
		}
	}
}

// TestCommands_areThoseOfTheBus: all that a client may give but for the edits,
// which are HTTP's, under the same names and with the same fields.
func TestCommands_areThoseOfTheBus(t *testing.T) {
	var names []domain.CommandName
	for _, g := range given() {
		name := g.cmd.CommandName()
		names = append(names, domain.CommandName(name))
		if got := reflect.TypeOf(g.cmd).Name(); got != name {
			t.Errorf("the type %s is called %s", got, name)
		}
		zero, err := command.Decode(domain.CommandName(name), []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		theirs := slices.DeleteFunc(fields(reflect.TypeOf(zero), ""), func(f string) bool { return f == ".expect" })
		if mine := fields(reflect.TypeOf(g.cmd), ""); !slices.Equal(mine, theirs) && len(mine)+len(theirs) > 2 {
			t.Errorf("%s has  %v\nthe bus has %v", name, mine, theirs)
		}
		body, err := json.Marshal(g.cmd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := command.Decode(domain.CommandName(name), body); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	slices.Sort(names)
	want := slices.DeleteFunc(command.Names(), func(n domain.CommandName) bool {
		return strings.HasPrefix(string(n), "Edit") || n == "PutPeer" || n == "ChangePeers"
	})
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("commands of the bus and of the client:\n%s", diff)
	}
}

func TestDo_overHTTPSaysWhatIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		status  int // 0: the connection is cut
		code    string
		unknown bool
		result  Result
	}{
		"a rule":       {422, CodeInvalid, false, Rejected},
		"gone":         {410, CodeGone, false, Rejected},
		"no token":     {401, CodeUnauthenticated, false, ""},
		"not now":      {503, CodeUnavailable, true, ""},
		"too many":     {429, CodeTooMany, true, ""},
		"a bug":        {500, "internal", true, ""},
		"no answer":    {0, CodeNoAnswer, true, ""},
		"another site": {302, CodeUnexpected, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				switch c.status {
				case 0:
					cut(t, w, "")
				case 302:
					answerJSON(w, 302, "")
				default:
					answerProblem(w, c.status, `{"code":"`+c.code+`","detail":"no","field":"f"}`)
				}
			})
			out, err := connect(t, s.URL, WithRetries(2, time.Second)).Do(t.Context(), "acme", EnablePeer{"p1"}, IdempotencyKey("c1"))
			var unknown *UnknownError
			if errors.As(err, &unknown) != c.unknown || Code(err) != c.code || out.Result != c.result || out.CommandID != "c1" {
				t.Errorf("got %+v, %#v", out, err)
			}
			if c.unknown && unknown.ID != "c1" {
				t.Errorf("got %#v", unknown)
			}
			if c.result == Rejected && (out.Error == nil || out.Err() == nil || out.Error.Field != "f") {
				t.Errorf("got %+v", out)
			}
		})
	}
	s := serve(t, func(int, http.ResponseWriter, *http.Request) {})
	for name, give := range map[string]Command{"an id that is a path": EnablePeer{"a/b"}, "another enterprise": RegisterEnterprise{ID: "globex"}, "nothing": nil} {
		out, err := connect(t, s.URL).Do(t.Context(), "acme", give)
		var e *Error
		if !errors.As(err, &e) || e.Status != 0 || out.Result != "" || len(s.got()) > 0 {
			t.Errorf("%s: got %+v, %#v", name, out, err)
		}
	}
}

func TestOutcome_tellsAllThatARefusalSays(t *testing.T) {
	var out Outcome
	err := json.Unmarshal([]byte(`{"command_id":"c1","command":"EnablePeer","hash":"x","result":"rejected","events":[],
		"error":{"code":"gone","message":"it is gone","gone":{"sequence":4,"by":"j.doe","at":"2026-03-01T02:00:00Z","reason":"moved"}},"at":"2026-03-01T02:00:00Z"}`), &out)
	if err != nil || out.Error == nil {
		t.Fatal(out, err)
	}
	e := out.Error
	if e.Code != CodeGone || e.Status != 410 || e.Sequence != 4 || e.DeletedBy != "j.doe" || e.Reason != "moved" || e.DeletedAt.IsZero() || e.IdempotencyKey != "c1" || e.Error() != "it is gone" {
		t.Errorf("got %#v", e)
	}
	for _, text := range []string{`{"result":"rejected"}`, `{"result":"failed","command":"X"}`} {
		if err := json.Unmarshal([]byte(text), &out); err != nil || out.Error == nil || out.Err() == nil {
			t.Errorf("%s: %+v, %v", text, out, err)
		}
	}
	for _, code := range []domain.Code{domain.Malformed, domain.Invalid, domain.NotFound, domain.Exists, domain.Gone, domain.Unsupported, domain.Forbidden, domain.Stale, domain.FollowsPeer, domain.IDReused} {
		if status := statusOf(string(code)); status < 400 || status > 422 {
			t.Errorf("%s: %d", code, status)
		}
	}
}
