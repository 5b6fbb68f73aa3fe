package command

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// operationBodies has one of every operation.
var operationBodies = []struct {
	body string
	want domain.PeerOperation
}{
	{
		`{"op":"add","type":"micollab","description":"A","hostname":"a.example","port":8443}`,
		domain.AddPeer{Type: "micollab", Description: "A", Hostname: domain.Give("a.example"), Port: domain.Give(8443)},
	},
	{
		` { "description" : "A", "enabled":false,"address":null, "\u006fp" : "\u0070ut", "type":"external"} `,
		domain.PutPeer{
			Type: domain.Give(events.PeerExternal), Description: "A", Enabled: domain.Give(false), Address: domain.Withdraw[string](),
		},
	},
	{`{"peer":"p1","version":"9.8","op":"edit"}`, domain.EditPeer{Peer: "p1", Version: domain.Give("9.8")}},
	{`{"op":"delete","peer":"p1"}`, domain.DeletePeer{Peer: "p1"}},
	{`{"op":"enable","peer":"p1"}`, domain.EnablePeer{Peer: "p1"}},
	{`{"op":"disable","peer":"p1"}`, domain.DisablePeer{Peer: "p1"}},
	{`{"op":"acknowledge","peer":"p1"}`, domain.AcknowledgePeerNotice{Peer: "p1"}},
}

func TestDecodeOperation_readsEveryKind(t *testing.T) {
	seen := map[domain.Op]bool{}
	for _, c := range operationBodies {
		got, err := DecodeOperation([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.body, diff)
		}
		seen[got.Op()] = true
	}
	for op := range operationKinds() {
		if !seen[domain.Op(op)] {
			t.Errorf("%s was not tried", op)
		}
	}
}

// malformedOperations are refused, each with the field and a part of the sentence.
var malformedOperations = []struct{ rule, body, field, msg string }{
	{"no operation", `{"peer":"p1"}`, "op", "is missing: an operation is one of acknowledge, add, delete, disable, edit, enable, put"},
	{"nothing at all", `{}`, "op", "is missing"},
	{"an unknown one", `{"peer":"p1", "op":"drop"}`, "op", `not "drop", at line 1, column 20`},
	{"a long one", `{"op":"` + strings.Repeat("x", 5000) + `"}`, "op", "xxx…"},
	{"another case", `{"OP":"add"}`, "op", "is missing"},
	{"another case beside", `{"op":"add","OP":"put"}`, "OP", `the field is written "op"`},
	{"not a text", `{"op":1}`, "op", "must be a text, not a number"},
	{"null", `{"op":null}`, "op", "must be a text, not null"},
	{"a list", `{"op":["add"]}`, "op", "must be a text, not a list"},
	{"given twice", `{"op":"delete","peer":"p1","op":"enable"}`, "op", "given twice, again at line 1, column 28"},
	{"a lone surrogate", `{"op":"\ud800"}`, "op", "lone surrogate"},
	{"a control character in a key before it", `{"a\u0007":1,"op":"add"}`, "", "control character"},
	{"a field of another", `{"op":"delete","peer":"p1","port":1}`, "port", `the operation "delete" has no field "port"`},
	{"a peer for what is added", `{"peer":"p1","op":"add"}`, "peer", `the operation "add" has no field "peer"`},
	{"an object before it", `{"server":{"op":"x"},"op":"add"}`, "server", "has no field"},
	{"a wrong type", `{"op":"edit","port":"1"}`, "port", "must be a whole number"},
	{"a list of them", `[]`, "", "must be an object, not a list"},
	{"empty", " ", "", "the body is empty; an operation needs a JSON object"},
	{"two of them", `{"op":"delete","peer":"a"}{}`, "", "not JSON"},
}

func mustBeMalformed(t *testing.T, rule string, err error, field, msg string) {
	t.Helper()
	var refusal *domain.Error
	if !errors.As(err, &refusal) {
		t.Errorf("%s: got %v; want a refusal", rule, err)
		return
	}
	if refusal.Code != domain.Malformed || refusal.Field != field || !strings.Contains(refusal.Msg, msg) {
		t.Errorf("%s: got %q, %q, %q; want %q, %q, …%q…", rule, refusal.Code, refusal.Field, refusal.Msg, domain.Malformed, field, msg)
	}
	if len(refusal.Msg)+len(refusal.Field) > 500 {
		t.Errorf("%s: the refusal repeats too much of the body: %d bytes", rule, len(refusal.Msg))
	}
}

func TestDecodeOperation_refusesWhatItDoesNotUnderstandToTheLetter(t *testing.T) {
	for _, c := range malformedOperations {
		_, err := DecodeOperation([]byte(c.body))
		mustBeMalformed(t, c.rule, err, c.field, c.msg)
	}
}

func TestDecodeChangePeers_readsTheOperationsInTheirOrder(t *testing.T) {
	var bodies []string
	want := domain.ChangePeers{Atomic: true}
	for _, c := range operationBodies {
		bodies = append(bodies, c.body)
		want.Operations = append(want.Operations, c.want)
	}
	list := "[" + strings.Join(bodies, ",\n") + "]"
	for _, c := range []struct {
		body        string
		atomic, dry bool
	}{
		{`{"operations":` + list + `}`, true, false},
		{`{"operations":` + list + `,"dry_run":true}`, true, true},
		{`{"atomic":false, "operations": ` + list + ` , "dry_run":false}`, false, false},
	} {
		got, dry, err := DecodeChangePeers([]byte(c.body))
		want.Atomic = c.atomic
		if diff := cmp.Diff(want, got); err != nil || dry != c.dry || diff != "" {
			t.Errorf("dry run %t, %v (-want +got):\n%s", dry, err, diff)
		}
	}
	for _, empty := range []string{`{}`, `{"operations":[]}`, `{"operations":[ ]}`} {
		if got, _, err := DecodeChangePeers([]byte(empty)); err != nil || len(got.Operations) != 0 || !got.Atomic {
			t.Errorf("%s: got %+v, %v", empty, got, err)
		}
	}
}

func TestDecode_takesChangePeersWithoutADryRun(t *testing.T) {
	cmd, err := Decode("ChangePeers", []byte(`{"atomic":false,"operations":[{"op":"enable","peer":"p1"}]}`))
	want := domain.ChangePeers{Operations: []domain.PeerOperation{domain.EnablePeer{Peer: "p1"}}}
	if diff := cmp.Diff(domain.Command(want), cmd); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	_, err = Decode("ChangePeers", []byte(`{"dry_run":true}`))
	mustBeMalformed(t, "dry run", err, "dry_run", "ChangePeers has no field")
}

func TestDecodeChangePeers_namesTheOperationAndThePlace(t *testing.T) {
	for _, c := range malformedOperations {
		if c.field == "" || c.rule == "empty" {
			continue
		}
		body := "{\"operations\":[{\"op\":\"add\"},\n" + c.body + "]}"
		_, _, err := DecodeChangePeers([]byte(body))
		msg, _, _ := strings.Cut(c.msg, ", at line")
		msg, _, _ = strings.Cut(msg, ", again at")
		mustBeMalformed(t, c.rule, err, "operations[1]."+c.field, msg)
		if err != nil && !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v: want it to name line 2", c.rule, err)
		}
	}
	for _, c := range []struct{ rule, body, field, msg string }{
		{"not a list", `{"operations":{}}`, "operations", "must be a list, not an object"},
		{"null", `{"operations":null}`, "operations", "must be a list, not null"},
		{"not an object", `{"operations":[{"op":"add"},"x"]}`, "operations[1]", "must be an object, not the text"},
		{"a list in the list", `{"operations":[[]]}`, "operations[0]", "must be an object, not a list"},
		{"atomic is no text", `{"atomic":"no"}`, "atomic", "must be true or false"},
		{"atomic is not null", `{"atomic":null}`, "atomic", "must be true or false, not null"},
		{"unknown field", `{"operation":[]}`, "operation", "ChangePeers has no field"},
		{"twice", `{"operations":[],"operations":[]}`, "operations", "given twice"},
		{"empty", ``, "", "the body is empty"},
		{"too large", `{"operations":[` + strings.Repeat(" ", MaxBody) + `]}`, "", "at most 1048576"},
	} {
		_, _, err := DecodeChangePeers([]byte(c.body))
		mustBeMalformed(t, c.rule, err, c.field, c.msg)
	}
}

func TestHash_coversEverythingInOperations(t *testing.T) {
	seen := map[string]string{}
	for _, body := range []string{
		`{}`, `{"atomic":false}`,
		`{"operations":[{"op":"enable","peer":"p1"}]}`,
		`{"atomic":false,"operations":[{"op":"enable","peer":"p1"}]}`,
		`{"operations":[{"op":"disable","peer":"p1"}]}`,
		`{"operations":[{"op":"enable","peer":"p1"},{"op":"disable","peer":"p1"}]}`,
		`{"operations":[{"op":"disable","peer":"p1"},{"op":"enable","peer":"p1"}]}`,
		`{"operations":[{"op":"edit","peer":"p1"}]}`,
		`{"operations":[{"op":"edit","peer":"p1","port":null}]}`,
		`{"operations":[{"op":"put","description":"a"}]}`,
		`{"operations":[{"op":"add","description":"a"}]}`,
		`{"operations":[{"op":"put","description":"a","enabled":false}]}`,
	} {
		cmd, err := Decode("ChangePeers", []byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if other, dup := seen[Hash(cmd)]; dup {
			t.Errorf("%s and %s have the same hash", body, other)
		}
		seen[Hash(cmd)] = body
	}
	one, _ := Decode("ChangePeers", []byte(`{"operations":[{"op":"edit","peer":"p1","port":1}]}`))
	two, _ := Decode("ChangePeers", []byte(`{"operations": [{"port":1, "peer":"p1","op":"edit"}],"atomic":true}`))
	if Hash(one) != Hash(two) {
		t.Error("order, spacing or a default change the hash")
	}
}

func FuzzDecodeOperation(f *testing.F) {
	for _, c := range operationBodies {
		f.Add([]byte(c.body))
	}
	for _, c := range malformedOperations {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		op, err := DecodeOperation(data)
		mustBeOpOrRefusal(t, data, op != nil, err)
		// Within a list it is read the same.
		cmd, _, listErr := DecodeChangePeers(fmt.Appendf(nil, `{"operations":[%s]}`, data))
		if err == nil && (listErr != nil || len(cmd.Operations) != 1 || !cmp.Equal(op, cmd.Operations[0])) {
			t.Fatalf("%q: alone %+v, in a list %+v, %v", data, op, cmd, listErr)
		}
	})
}

func FuzzDecodeChangePeers(f *testing.F) {
	for _, c := range operationBodies {
		f.Add(fmt.Appendf(nil, `{"dry_run":true,"operations":[%s,%s]}`, c.body, c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		cmd, dry, err := DecodeChangePeers(body)
		mustBeOpOrRefusal(t, body, cmd.Atomic || cmd.Operations != nil || dry, err)
		again, dryAgain, errAgain := DecodeChangePeers(body)
		if Hash(cmd) != Hash(again) || dry != dryAgain || (err == nil) != (errAgain == nil) {
			t.Fatalf("%q: decoding again gives %+v, %v", body, again, errAgain)
		}
	})
}

// mustBeOpOrRefusal fails unless there is a whole refusal, or none.
func mustBeOpOrRefusal(t *testing.T, data []byte, read bool, err error) {
	t.Helper()
	var refusal *domain.Error
	if err != nil && (!errors.As(err, &refusal) || refusal.Code == "" || refusal.Msg == "" || read) {
		t.Fatalf("%q: got %#v, something was read: %t; want a refusal and nothing else", data, err, read)
	}
}
