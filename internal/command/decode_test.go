package command

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

func TestDecode_readsWhatWasGivenAndWhatWasLeftOut(t *testing.T) {
	start := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name domain.CommandName
		body string
		want domain.Command
	}{
		{
			"RegisterEnterprise",
			`{"id":"Acme","description":"Acme GmbH","domain":"acme.example","server":{"hostname":"uc.acme.example","address":"10.0.0.1","version":"9.8","deployment":"standard"}}`,
			domain.RegisterEnterprise{ID: "Acme", Description: "Acme GmbH", Domain: "acme.example", Server: domain.Server{
				Hostname: "uc.acme.example", Address: "10.0.0.1", Version: "9.8", Deployment: events.DeploymentStandard,
			}},
		},
		{
			"AddPeer", ` { "type" : "micollab", "description":"Caf\u0065", "hostname":"a.example", "port":8443 } `,
			domain.AddPeer{Type: "micollab", Description: "Cafe", Hostname: domain.Give("a.example"), Port: domain.Give(8443)},
		},
		{
			"EditPeer", `{"address":null,"enabled":false,"port":-0}`,
			domain.EditPeer{Address: domain.Withdraw[string](), Enabled: domain.Give(false), Port: domain.Give(0)},
		},
		{
			"EditEnterprise", `{"server":{"version":null,"address":"10.0.0.2"}}`,
			domain.EditEnterprise{Server: domain.Give(domain.ChangeEnterpriseServer{
				Version: domain.Withdraw[string](), Address: domain.Give("10.0.0.2"),
			})},
		},
		{"EditEnterprise", `{"server":null}`, domain.EditEnterprise{Server: domain.Withdraw[domain.ChangeEnterpriseServer]()}},
		{"EditPeer", `{}`, domain.EditPeer{}},
		{
			"ScheduleMaintenance", `{"peer":"p1","start":"2026-03-01T03:00:00+01:00","end":"2026-03-01T04:00:00Z","note":"\ud83d\ude00 \u00e9 \\u0001"}`,
			domain.ScheduleMaintenance{Peer: "p1", Start: start, End: start.Add(2 * time.Hour), Note: `😀 é \u0001`},
		},
		{"DeletePeer", "", domain.DeletePeer{}},
		{"DeletePeer", " \n", domain.DeletePeer{}},
		{"DeletePeer", `{"peer":"p1"}`, domain.DeletePeer{Peer: "p1"}},
		{"RemoveEnterprise", "", domain.RemoveEnterprise{}},
		{"RemoveTrustedServer", "{}", domain.RemoveTrustedServer{}},
	} {
		got, err := Decode(c.name, []byte(c.body))
		if err != nil {
			t.Errorf("%s %s: %v", c.name, c.body, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.name, c.body, diff)
		}
	}
}

// malformedBodies are bodies of AddPeer, EditEnterprise or ScheduleMaintenance
// that must be refused, each with the field and a part of the sentence.
var malformedBodies = []struct {
	rule  string
	name  domain.CommandName
	body  string
	field string
	msg   string
}{
	{"empty", "AddPeer", "", "", "the body is empty"},
	{"blank", "AddPeer", " \r\n\t", "", "the body is empty"},
	{"empty patch", "EditPeer", "", "", "needs a JSON object"},
	{"not JSON", "AddPeer", "{", "", "not JSON"},
	{"not quoted", "AddPeer", `{type:"micollab"}`, "", "line 1, column 2"},
	{"trailing comma", "AddPeer", `{"type":"micollab",}`, "", "not JSON"},
	{"trailing data", "AddPeer", `{} {}`, "", "line 1, column 4"},
	{"trailing bracket", "AddPeer", `{}]`, "", "not JSON"},
	{"comment", "AddPeer", "{} // x", "", "not JSON"},
	{"byte order mark", "AddPeer", "\xef\xbb\xbf{}", "", "not JSON"},
	{"list", "AddPeer", `[]`, "", "must be an object, not a list"},
	{"null", "AddPeer", `null`, "", "must be an object, not null"},
	{"text", "AddPeer", `"x"`, "", "must be an object, not the text"},
	{"number", "AddPeer", `1`, "", "must be an object, not a number"},
	{"true", "AddPeer", `true`, "", "must be an object, not true or false"},
	{"unknown field", "AddPeer", "{\n \"colour\":1}", "colour", `has no field "colour", at line 2, column 2`},
	{"unknown nested field", "EditEnterprise", `{"server":{"port":1}}`, "server.port", `has no field "port"`},
	{"another case", "AddPeer", `{"Description":"x"}`, "Description", `the field is written "description"`},
	{"folded letter", "AddPeer", `{"de\u017fcription":"x"}`, "deſcription", `the field is written "description"`},
	{"empty key", "AddPeer", `{"":1}`, "", `has no field ""`},
	{"duplicate", "AddPeer", `{"type":"a","type":"a"}`, "type", "given twice, again at line 1, column 13"},
	{"duplicate, escaped", "AddPeer", `{"type":"a","\u0074ype":"a"}`, "type", "given twice"},
	{"duplicate, nested", "EditEnterprise", `{"server":{"version":null,"version":null}}`, "server.version", "given twice"},
	{"text for number", "AddPeer", `{"port":"443"}`, "port", `must be a whole number, not the text "443"`},
	{"number for text", "AddPeer", `{"description":5}`, "description", "must be a text, not a number"},
	{"bool for text", "AddPeer", `{"description":true}`, "description", "must be a text, not true or false"},
	{"object for text", "AddPeer", `{"description":{}}`, "description", "must be a text, not an object"},
	{"list for text", "AddPeer", `{"description":["x"]}`, "description", "must be a text, not a list"},
	{"text for bool", "EditPeer", `{"enabled":"true"}`, "enabled", "must be true or false"},
	{"text for object", "EditEnterprise", `{"server":"x"}`, "server", "must be an object"},
	{"null for what cannot be withdrawn", "AddPeer", `{"description":null}`, "description", "must be a text, not null"},
	{"fraction", "AddPeer", `{"port":443.0}`, "port", "must be a whole number, not 443.0"},
	{"exponent", "AddPeer", `{"port":4e2}`, "port", "must be a whole number"},
	{"out of range", "AddPeer", `{"port":9223372036854775808}`, "port", "out of range"},
	{"far out of range", "AddPeer", `{"port":-` + strings.Repeat("9", 400) + `}`, "port", "out of range"},
	{"control character", "AddPeer", `{"description":"a\u0000b"}`, "description", "control character"},
	{"line break", "AddPeer", `{"description":"a\nb"}`, "description", "control character"},
	{"delete character", "AddPeer", "{\"description\":\"a\x7f\"}", "description", "control character"},
	{"C1 control character", "AddPeer", `{"description":"a\u0085"}`, "description", "control character"},
	{"raw control character", "AddPeer", "{\"description\":\"a\x01\"}", "", "not JSON"},
	{"control character in a key", "AddPeer", `{"a\u0007":1}`, "", "control character"},
	{"invalid UTF-8", "AddPeer", "{\"description\":\n\"\xff\"}", "", "not valid UTF-8 at line 2, column 2"},
	{"overlong UTF-8", "AddPeer", "{\"description\":\"\xc0\xaf\"}", "", "not valid UTF-8"},
	{"lone surrogate", "AddPeer", `{"description":"\ud800"}`, "description", "lone surrogate"},
	{"lone low surrogate", "AddPeer", `{"description":"\udc00\ud800"}`, "description", "lone surrogate"},
	{"surrogate and another", "AddPeer", `{"description":"\ud800\ud800"}`, "description", "lone surrogate"},
	{"surrogate and a letter", "AddPeer", `{"description":"\ud800\u0041"}`, "description", "lone surrogate"},
	{"deep objects", "AddPeer", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), "", "nested deeper than 32"},
	{"deep lists", "AddPeer", strings.Repeat(`[`, 33) + strings.Repeat("]", 33), "", "nested deeper than 32"},
	{"very deep", "AddPeer", strings.Repeat(`[`, 1<<19), "", "not JSON"},
	{"too large", "AddPeer", `{"description":"` + strings.Repeat("x", MaxBody) + `"}`, "", "at most 1048576 are allowed"},
	{"not a time", "ScheduleMaintenance", `{"start":"tomorrow"}`, "start", `must be a time such as 2026-01-31T12:00:00Z, not the text "tomorrow"`},
	{"time without zone", "ScheduleMaintenance", `{"start":"2026-01-31T12:00:00"}`, "start", "must be a time"},
	{"number for time", "ScheduleMaintenance", `{"start":5}`, "start", "must be a time"},
}

func TestDecode_refusesWhatItDoesNotUnderstandToTheLetter(t *testing.T) {
	for _, c := range malformedBodies {
		cmd, err := Decode(c.name, []byte(c.body))
		var refusal *domain.Error
		if !errors.As(err, &refusal) {
			t.Errorf("%s: got %#v, %v; want a refusal", c.rule, cmd, err)
			continue
		}
		if refusal.Code != domain.Malformed || refusal.Field != c.field || !strings.Contains(refusal.Msg, c.msg) {
			t.Errorf("%s: got %q, %q, %q; want %q, %q, …%q…", c.rule, refusal.Code, refusal.Field, refusal.Msg, domain.Malformed, c.field, c.msg)
		}
		if len(refusal.Msg)+len(refusal.Field) > 500 {
			t.Errorf("%s: the refusal repeats too much of the body: %d bytes", c.rule, len(refusal.Msg))
		}
	}
}

func TestDecode_depthInsideATextDoesNotCount(t *testing.T) {
	body := `{"peer":"p1","description":"` + strings.Repeat(`{[\"\\`, 40) + `"}`
	if _, err := Decode("RenamePeer", []byte(body)); err != nil {
		t.Error(err)
	}
}

func TestDecode_longUnknownFieldIsNotRepeatedWhole(t *testing.T) {
	_, err := Decode("AddPeer", []byte(`{"`+strings.Repeat("é", 5000)+`":1}`))
	var refusal *domain.Error
	if !errors.As(err, &refusal) || len(refusal.Field) > 80 || len(refusal.Msg) > 200 {
		t.Errorf("got %v", err)
	}
}

func TestDecode_unknownCommandIsNotFound(t *testing.T) {
	for _, name := range []domain.CommandName{"", "addpeer", "FlyToTheMoon", "RaisePeerNotice"} {
		_, err := Decode(name, []byte("{}"))
		var refusal *domain.Error
		if !errors.As(err, &refusal) || refusal.Code != domain.NotFound {
			t.Errorf("%q: got %v; want code %s", name, err, domain.NotFound)
		}
	}
}

func TestNames_areTheCommandsThatClientsMayGive(t *testing.T) {
	names := Names()
	if !slices.IsSorted(names) {
		t.Errorf("not sorted: %v", names)
	}
	for _, published := range strings.Fields(`RegisterEnterprise DescribeEnterprise ChangeEnterpriseDomain
		ChangeEnterpriseServer RemoveEnterprise AddPeer RenamePeer ChangePeerAddress ChangePeerHostname
		ChangePeerEnterprise ChangePeerDialingPrefix EnterPeerVersion EnablePeer DisablePeer DeletePeer
		AcknowledgePeerNotice ScheduleMaintenance CancelMaintenance AddTrustedServer RenameTrustedServer
		ChangeTrustedServer RemoveTrustedServer`) {
		if !slices.Contains(names, domain.CommandName(published)) {
			t.Errorf("%s is missing", published)
		}
	}
	for _, name := range names {
		if cmd, err := kinds()[name].decode([]byte("{}")); err != nil || cmd.Name() != name {
			t.Errorf("%s makes a %v, %v", name, cmd, err)
		}
	}
}

func TestHash_isTheSameForEverySpellingOfABody(t *testing.T) {
	decode := func(name domain.CommandName, body string) domain.Command {
		t.Helper()
		cmd, err := Decode(name, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	a := decode("AddPeer", `{"type":"micollab","description":"A b","port":443}`)
	b := decode("AddPeer", ` {"port" : 443,`+"\n"+`"description":"\u0041 b", "type":"micollab"}`)
	if Hash(a) != Hash(b) {
		t.Error("key order, spacing or escapes change the hash")
	}
	x := decode("ScheduleMaintenance", `{"start":"2026-03-01T03:00:00+01:00"}`)
	y := decode("ScheduleMaintenance", `{"start":"2026-03-01T02:00:00.000Z"}`)
	if Hash(x) != Hash(y) {
		t.Error("the zone of a time changes the hash")
	}
}

func TestHash_tellsDifferentCommandsApart(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []struct {
		name domain.CommandName
		body string
	}{
		{"EnablePeer", `{"peer":"p1"}`},
		{"DisablePeer", `{"peer":"p1"}`},
		{"DisablePeer", `{"peer":"p2"}`},
		{"ChangePeerAddress", `{"peer":"p1"}`},
		{"ChangePeerAddress", `{"peer":"p1","address":null}`},
		{"ChangePeerAddress", `{"peer":"p1","address":""}`},
		{"ChangePeerAddress", `{"peer":"p1","expect":""}`},
		{"EditPeer", `{}`},
		{"EditPeer", `{"port":0}`},
		{"EditPeer", `{"port":null}`},
		{"EditPeer", `{"enabled":false}`},
		{"EditPeer", `{"enabled":true}`},
		{"EditPeer", `{"description":"a","hostname":"b"}`},
		{"EditPeer", `{"description":"a8:hostname;1:b;"}`},
		{"EditEnterprise", `{"server":{}}`},
		{"EditEnterprise", `{"server":null}`},
		{"EditEnterprise", `{"server":{"version":"9.4"}}`},
		{"EditEnterprise", `{"server":{"address":"9.4"}}`},
	} {
		cmd, err := Decode(c.name, []byte(c.body))
		if err != nil {
			t.Fatalf("%s %s: %v", c.name, c.body, err)
		}
		h, what := Hash(cmd), string(c.name)+" "+c.body
		if other, dup := seen[h]; dup {
			t.Errorf("%s and %s have the same hash", what, other)
		}
		seen[h] = what
	}
}

func TestHash_coversLists(t *testing.T) {
	one := domain.RaisePeerNotice{Peer: "p", Changes: []events.NoticeChange{{Field: "a", From: "b", To: "c"}}}
	two := domain.RaisePeerNotice{Peer: "p", Changes: []events.NoticeChange{{Field: "a", From: "b"}, {To: "c"}}}
	if Hash(one) == Hash(two) {
		t.Error("lists of another length have the same hash")
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range malformedBodies {
		if len(c.body) < 1000 {
			f.Add(string(c.name), []byte(c.body))
		}
	}
	f.Add("EditEnterprise", []byte(`{"server":{"version":null}}`))
	f.Add("ScheduleMaintenance", []byte(`{"start":"2026-03-01T02:00:00Z","end":"2026-03-01T02:00:00Z","note":"\ud83d\ude00"}`))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		cmd, err := Decode(domain.CommandName(name), body)
		if err != nil {
			var refusal *domain.Error
			if !errors.As(err, &refusal) || refusal.Code == "" || refusal.Msg == "" {
				t.Fatalf("%q %q: got %#v; want a refusal", name, body, err)
			}
			return
		}
		if string(cmd.Name()) != name {
			t.Fatalf("%q made a %s", name, cmd.Name())
		}
		again, err := Decode(cmd.Name(), body)
		if err != nil || Hash(again) != Hash(cmd) {
			t.Fatalf("%q %q: decoding again gives %v, %v", name, body, again, err)
		}
	})
}
