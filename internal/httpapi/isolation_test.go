package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/events"
	"github.com/peering/peering/internal/testkit"
)

// marker is in everything that the other enterprise has: it must not be in any
// answer to a token that is not for it.
const marker = "zebra"

// walked is what the test needs of the OpenAPI document.
type walked struct {
	Paths map[string]map[string]struct {
		ID         string `json:"operationId"`
		Parameters []struct {
			Name   string `json:"name"`
			In     string `json:"in"`
			Schema struct {
				Type string `json:"type"`
				Enum []any  `json:"enum"`
			} `json:"schema"`
		} `json:"parameters"`
		Body *struct {
			Content map[string]struct {
				Examples map[string]struct {
					Value json.RawMessage `json:"value"`
				} `json:"examples"`
			} `json:"content"`
		} `json:"requestBody"`
	} `json:"paths"`
}

// tenants are two enterprises of one deployment, of which a token may see one.
type tenants struct {
	*stack
	own, foreign map[string]string // an id of each kind that exists
	missing      map[string]string // ids of nothing
}

func newTenants(t *testing.T) *tenants {
	t.Helper()
	s := newStack(t)
	id := s.acme()
	body := `{"id":"rival","description":"` + marker + `","domain":"acme.example","server":{"hostname":"uc.` + marker + `.example","version":"9.8"}}`
	s.write(201, "POST", enterprisesURL, body, "Reason", marker)
	peer := into[Receipt](t, s.write(201, "POST", enterprisesURL+"/rival/peers",
		`{"type":"micollab","description":"`+marker+`","hostname":"peer.`+marker+`.example","peer_enterprise_id":"`+marker+`-1","version":"9.7"}`, "Reason", marker)).ID
	entry := into[Receipt](t, s.write(201, "POST", enterprisesURL+"/rival/trusted-servers", `{"description":"`+marker+` gateway","host":"gw.`+marker+`.example","type":"im"}`)).ID
	own := into[Receipt](t, s.write(201, "POST", enterprisesURL+"/acme/trusted-servers", `{"description":"Gateway","host":"192.0.2.44","type":"im"}`)).ID
	rivals, _, err := s.tokens.Create(t.Context(), access.Loopback(), access.Grant{Role: access.Admin, Note: marker})
	if err != nil {
		t.Fatal(err)
	}
	return &tenants{
		stack:   s,
		own:     map[string]string{"enterprise": "acme", "peer": id, "trusted_server": own, "token": "none-of-mine"},
		foreign: map[string]string{"enterprise": "rival", "peer": peer, "trusted_server": entry, "token": rivals.ID},
		missing: map[string]string{"enterprise": "nowhere", "peer": "01990000-0000-7000-8000-000000000000", "trusted_server": "01990000-0000-7000-8000-000000000001", "token": "01990000-0000-7000-8000-000000000002"},
	}
}

// with returns the path with ids, those of names from changed, others from own.
func (x *tenants) with(path string, changed map[string]string, names ...string) string {
	for name, id := range x.own {
		if slices.Contains(names, name) {
			id = changed[name]
		}
		path = strings.ReplaceAll(path, "{"+name+"}", id)
	}
	return strings.NewReplacer("{projection}", "directory", "{sequence}", "3").Replace(path)
}

// alike is an answer without what names the ids that were asked for, and without
// what differs between any two answers.
func (x *tenants) alike(a answer) string {
	text := fmt.Sprint(a.Code, " ", a.Header.Get("Content-Type"), " ", a.Body)
	for _, ids := range []map[string]string{x.foreign, x.missing} {
		for name, id := range ids {
			text = strings.ReplaceAll(text, id, "<"+name+">")
		}
	}
	return text
}

// secrets fails when an answer has something of the other enterprise in it.
func secrets(t *testing.T, what string, a answer) {
	t.Helper()
	for name, values := range a.Header {
		if strings.Contains(strings.Join(values, " "), marker) {
			t.Errorf("%s: the header %s tells of another enterprise: %q", what, name, values)
		}
	}
	if strings.Contains(a.Body, marker) {
		t.Errorf("%s tells of another enterprise: %s", what, a.Body)
	}
}

// TestIsolation_everyRouteAndFilter walks the OpenAPI document with tokens for
// one enterprise: what is another's looks like what does not exist, in every
// path, filter and id, for every role.
func TestIsolation_everyRouteAndFilter(t *testing.T) {
	x := newTenants(t)
	x.settle()
	doc := into[walked](t, ask(x.http, "GET", "/openapi.json", ""))
	asked := 0
	for _, role := range access.Roles() {
		secret := x.bearerOf(role, "acme")
		send := func(method, target, body, contentType string) answer {
			asked++
			a := x.bearer(secret, method, target, body, contentType)
			secrets(t, fmt.Sprintf("%s %s as %s", method, target, role), a)
			if a.Code >= 500 {
				t.Errorf("%s %s as %s: status %d: %s", method, target, role, a.Code, a.Body)
			}
			return a
		}
		for path, operations := range doc.Paths {
			if path == streamPath {
				continue // see TestIsolation_stream
			}
			for method, op := range operations {
				method = strings.ToUpper(method)
				contentType, body := "", ""
				if op.Body != nil {
					contentType = "application/json"
					for _, e := range op.Body.Content[contentType].Examples {
						body = string(e.Value)
					}
				}
				same := func(kind string, there, nowhere string) {
					was, wasNot := x.alike(send(method, there, body, contentType)), x.alike(send(method, nowhere, body, contentType))
					if was != wasNot {
						t.Errorf("%s as %s: %s of another enterprise differs from none:\n%s\n%s", op.ID, role, kind, was, wasNot)
					}
				}
				var names []string
				for _, p := range op.Parameters {
					if p.In == "path" {
						names = append(names, p.Name)
					}
				}
				for _, name := range names {
					if _, ok := x.foreign[name]; ok {
						same(name, x.with(path, x.foreign, name), x.with(path, x.missing, name))
					}
				}
				if len(names) > 1 {
					same("everything", x.with(path, x.foreign, names...), x.with(path, x.missing, names...))
				}
				if method != http.MethodGet {
					continue
				}
				for _, p := range op.Parameters {
					if p.In != "query" {
						continue
					}
					target := x.with(path, nil)
					if _, ok := x.foreign[p.Name]; ok {
						same("the filter "+p.Name, target+"?"+p.Name+"="+x.foreign[p.Name], target+"?"+p.Name+"="+x.missing[p.Name])
					}
					for _, v := range sampleValues(p.Schema.Type, p.Schema.Enum) {
						send(method, target+"?"+p.Name+"="+v, "", "")
					}
				}
			}
		}
	}
	if asked < 1500 {
		t.Errorf("only %d requests were sent", asked)
	}
}

func sampleValues(kind string, enum []any) []string {
	if len(enum) > 0 {
		var out []string
		for _, v := range enum {
			out = append(out, fmt.Sprint(v))
		}
		return out
	}
	switch kind {
	case "boolean":
		return []string{"true", "false"}
	case "integer":
		return []string{"1", "2"}
	}
	return []string{marker, "e", "1", "-updated_at"}
}

// bearer sends a request with a token, from elsewhere.
func (s *stack) bearer(secret, method, target, body, contentType string) answer {
	headers := []string{"Authorization", "Bearer " + secret, "Host", "peering.example"}
	if contentType != "" {
		headers = append(headers, "Content-Type", contentType)
	}
	return ask(s.http, method, target, body, headers...)
}

// TestIsolation_listsAndCountsAreOfOneEnterprise: what a token for one enterprise
// sees is what there would be without the other.
func TestIsolation_listsAndCountsAreOfOneEnterprise(t *testing.T) {
	x := newTenants(t)
	x.settle()
	secret := x.bearerOf(access.Admin, "acme")
	get := func(target string) answer {
		a := x.bearer(secret, "GET", target, "", "")
		if a.Code >= 500 {
			t.Errorf("%s: %d %s", target, a.Code, a.Body)
		}
		return a
	}
	list := into[List[Enterprise]](t, get(enterprisesURL))
	if len(list.Items) != 1 || list.Items[0].ID != "acme" || list.Items[0].Peers.Total != 1 || len(list.Items[0].Warnings) != 0 {
		t.Errorf("the list of enterprises reads %+v", list.Items)
	}
	if one := into[Enterprise](t, get(enterprisesURL+"/acme")); len(one.Warnings) != 0 {
		t.Errorf("the enterprise warns of what is not there: %+v", one.Warnings)
	}
	for _, target := range []string{allTrustedURL, allTrustedURL + "?enterprise=rival", allTrustedURL + "?q=" + marker} {
		for _, row := range into[List[TrustedServer]](t, get(target)).Items {
			if row.Enterprise != "acme" {
				t.Errorf("%s shows %+v", target, row)
			}
		}
	}
	seen := map[events.EnterpriseID]int{}
	for _, e := range into[List[Event]](t, get(eventsPath+"?limit=1000")).Items {
		seen[e.Enterprise]++
	}
	lines := ask(x.http, "GET", eventsPath, "", "Authorization", "Bearer "+secret, "Accept", typeNDJSON)
	for line := range strings.Lines(lines.Body) {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		seen[e.Enterprise]++
	}
	if keys := slices.Collect(maps.Keys(seen)); len(keys) != 1 || seen["acme"] != 6 {
		t.Errorf("the history shows %v", seen)
	}
	if tokens := into[List[Token]](t, get(tokensPath)).Items; len(tokens) != 1 {
		t.Errorf("the list of tokens reads %+v", tokens)
	}
	for _, path := range []string{"/health", "/metrics", projectionsPath, deadEventsPath, parkedPath, parkedPath + "/3"} {
		if a := get(path); a.Code != 403 && a.Code != 404 {
			t.Errorf("%s: status %d", path, a.Code)
		}
	}
	wantCode(t, x.bearer(secret, "POST", enterprisesURL, strings.Replace(hq, "Acme", "rival", 1), "application/json"), 403, "forbidden")
	wantCode(t, x.bearer(secret, "POST", enterprisesURL, strings.Replace(hq, "Acme", "nowhere", 1), "application/json"), 403, "forbidden")
	wantCode(t, x.bearer(secret, "POST", tokensPath, `{"role":"viewer"}`, "application/json"), 403, "forbidden")
	wantCode(t, x.bearer(secret, "POST", tokensPath, `{"role":"viewer","enterprise":"rival"}`, "application/json"), 403, "forbidden")
}

// TestIsolation_stream: what happens elsewhere is not on the stream, whatever it
// is asked for.
func TestIsolation_stream(t *testing.T) {
	x := newTenants(t)
	x.settle()
	secrets := map[access.Role]string{}
	for _, role := range access.Roles() {
		secret := x.bearerOf(role, "acme")
		secrets[role] = secret
	}
	root := x.bearerOf(access.Admin, "")
	server := x.server()
	var own []*listener
	for _, secret := range secrets {
		for _, query := range []string{"&peer=" + x.foreign["peer"], "&enterprise=rival", "&enterprise=nowhere"} {
			l := listen(t, server.URL+streamPath+"?after_seq=0"+query, "Authorization", "Bearer "+secret)
			if e := <-l.in; e.Event != "ping" { // which comes after all that had happened
				t.Errorf("%s: a reader of what is not there for it was told %+v", query, e)
			}
		}
		own = append(own, listen(t, server.URL+streamPath+"?after_seq=0", "Authorization", "Bearer "+secret))
	}
	for _, path := range []string{"rival", "acme"} {
		a := x.bearer(root, "PATCH", enterprisesURL+"/"+path, `{"description":"`+marker+` of `+path+`"}`, "application/json")
		if a.Code != 200 {
			t.Fatalf("%d: %s", a.Code, a.Body)
		}
	}
	// Each ends with the change of acme; nobody was told of rival's before it.
	for _, l := range own {
		for done := false; !done; {
			e, ev := l.next()
			if ev.Enterprise != "acme" {
				t.Fatalf("the stream tells of %s: %s", ev.Enterprise, e.Data)
			}
			done = ev.Type == "EnterpriseDescribed"
		}
	}
}

// TestIsolation_heldEnterprises: whether another enterprise is held shows in
// nothing that a reader is told.
func TestIsolation_heldEnterprises(t *testing.T) {
	x := newTenants(t)
	x.settle()
	held := x.log.Put("peering.events.rival.config", nil, []byte("garbage"))
	x.bearerOf(access.Admin, "")
	secret := x.bearerOf(access.Auditor, "acme")
	testkit.Eventually(t, "the enterprise to be held", func() bool {
		_, h, err := x.db.Audit().Passed(t.Context(), "", 0, 1000)
		return err == nil && h.Held["rival"] == held && h.Position == held
	})
	server := x.server()
	var told []sse
	for _, ent := range []string{"rival", "nowhere"} {
		l := listen(t, server.URL+streamPath+"?after_seq=1&enterprise="+ent, "Authorization", "Bearer "+secret)
		told = append(told, <-l.in)
		a := x.bearer(secret, "GET", fmt.Sprintf("%s?enterprise=%s&min_seq=%d", eventsPath, ent, held), "", "")
		if a.Code != 200 {
			t.Errorf("the events of %s: %d %s", ent, a.Code, a.Body)
		}
	}
	if told[0] != told[1] || told[0].Event != "ping" {
		t.Errorf("a held enterprise is told of as %+v, none as %+v", told[0], told[1])
	}
}

// bearerOf makes a token.
func (s *stack) bearerOf(role access.Role, ent events.EnterpriseID) string {
	s.t.Helper()
	_, secret, err := s.tokens.Create(s.t.Context(), access.Loopback(), access.Grant{Role: role, Enterprise: ent})
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// TestIsolation_whoRegistersTheIdAgainSharesItWithNobody: removing an enterprise
// revokes the tokens that are for it.
func TestIsolation_whoRegistersTheIdAgainSharesItWithNobody(t *testing.T) {
	s := newStack(t)
	s.write(201, "POST", enterprisesURL, hq)
	s.settle()
	root, mine, all := s.bearerOf(access.Admin, ""), s.bearerOf(access.Operator, "acme"), s.bearerOf(access.Viewer, "")
	a := s.bearer(root, "DELETE", enterprisesURL+"/acme", "", "")
	if r := into[Receipt](t, a); a.Code != 200 || len(r.Warnings) != 1 || r.Warnings[0].Code != warnTokensRevoked {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	if a := s.bearer(root, "POST", enterprisesURL, hq, "application/json"); a.Code != 201 {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	wantProblem(t, s.bearer(mine, "GET", enterprisesURL+"/acme", "", ""), 401, codeUnauthenticated, "Authorization")
	if a := s.bearer(all, "GET", enterprisesURL, "", ""); a.Code != 200 {
		t.Errorf("a token for all is revoked too: %d %s", a.Code, a.Body)
	}
}

// TestIsolation_aRepeatedRemovalLeavesTheTokensOfWhoCameAfter: one command has one
// effect, whenever it is repeated.
func TestIsolation_aRepeatedRemovalLeavesTheTokensOfWhoCameAfter(t *testing.T) {
	s := newStack(t)
	s.write(201, "POST", enterprisesURL, hq)
	s.settle()
	root, before := s.bearerOf(access.Admin, ""), s.bearerOf(access.Operator, "acme")
	remove := func() Receipt {
		a := ask(s.http, "DELETE", enterprisesURL+"/acme", "", "Authorization", "Bearer "+root, "Host", "peering.example", "Idempotency-Key", "gone")
		if a.Code != 200 {
			t.Fatalf("%d %s", a.Code, a.Body)
		}
		return into[Receipt](t, a)
	}
	first := remove()
	a := s.bearer(root, "POST", enterprisesURL, hq, "application/json")
	if a.Code != 201 {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	s.seen = into[Receipt](t, a).Sequence
	s.settle()
	after := s.bearerOf(access.Operator, "acme")
	if again := remove(); again.Sequence != first.Sequence || len(again.Warnings) != 0 {
		t.Errorf("the repeat: %+v, first %+v", again, first)
	}
	wantProblem(t, s.bearer(before, "GET", enterprisesURL+"/acme", "", ""), 401, codeUnauthenticated, "Authorization")
	if a := s.bearer(after, "GET", enterprisesURL+"/acme", "", ""); a.Code != 200 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}
