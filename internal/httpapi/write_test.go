package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peering/peering/internal/command"
	"github.com/peering/peering/internal/domain"
	"github.com/peering/peering/internal/events"
)

// writes are all operations that give a command, with a body they take.
func writes() []struct {
	method, path, body string
	status             int
	command            domain.Command
} {
	const ent = "/api/v1/enterprises/acme"
	const peer = ent + "/peers/p1"
	const trusted = ent + "/trusted-servers/t1"
	server := domain.Server{Hostname: "uc1.acme.example", Address: "192.0.2.10", Version: "9.8", Deployment: events.DeploymentStandard}
	start, end := time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)
	return []struct {
		method, path, body string
		status             int
		command            domain.Command
	}{
		{
			"POST", "/api/v1/enterprises", `{"id":"Acme","description":"HQ","domain":"acme.example","server":{"hostname":"uc1.acme.example","address":"192.0.2.10","version":"9.8","deployment":"standard"}}`, 201,
			domain.RegisterEnterprise{ID: "Acme", Description: "HQ", Domain: "acme.example", Server: server},
		},
		{"PATCH", ent, `{"description":"Head office"}`, 200, domain.EditEnterprise{Description: domain.Give("Head office")}},
		{"DELETE", ent, "", 200, domain.RemoveEnterprise{}},
		{"POST", ent + "/peers", `{"type":"external","description":"Partner"}`, 201, domain.AddPeer{Type: events.PeerExternal, Description: "Partner"}},
		{"PATCH", peer, `{"address":null}`, 200, domain.EditPeer{Peer: "p1", Address: domain.Withdraw[string]()}},
		{"DELETE", peer, "", 200, domain.DeletePeer{Peer: "p1"}},
		{"POST", peer + "/enable", "", 200, domain.EnablePeer{Peer: "p1"}},
		{"POST", peer + "/disable", "{}", 200, domain.DisablePeer{Peer: "p1"}},
		{"POST", peer + "/acknowledge", "", 200, domain.AcknowledgePeerNotice{Peer: "p1"}},
		{"POST", peer + "/maintenance", `{"start":"2026-03-01T22:00:00Z","end":"2026-03-02T04:00:00Z","note":"Upgrade"}`, 200, domain.ScheduleMaintenance{Peer: "p1", Start: start, End: end, Note: "Upgrade"}},
		{"DELETE", peer + "/maintenance", "", 200, domain.CancelMaintenance{Peer: "p1"}},
		{"POST", ent + "/trusted-servers", `{"description":"Gateway","host":"192.0.2.30","type":"im"}`, 201, domain.AddTrustedServer{Description: "Gateway", Host: "192.0.2.30", Type: events.TrustIM}},
		{"PATCH", trusted, `{"host":"192.0.2.31"}`, 200, domain.EditTrustedServer{TrustedServer: "t1", Host: domain.Give("192.0.2.31")}},
		{"DELETE", trusted, "", 200, domain.RemoveTrustedServer{TrustedServer: "t1"}},
	}
}

func TestWrite_everyRouteGivesItsCommandAndAnswersWithTheReceipt(t *testing.T) {
	for _, w := range writes() {
		t.Run(w.method+" "+w.path, func(t *testing.T) {
			var got command.Request
			h := newAPI(t, commandsFunc(func(_ context.Context, req command.Request) (command.Receipt, error) {
				got = req
				return command.Receipt{ID: "made-1", Sequence: 41, Warnings: []domain.Warning{{Code: "still_trusted", Message: "m"}}}, nil
			}), &condition{})
			a := ask(h, w.method, w.path, w.body,
				"Idempotency-Key", "key_1", "Reason", "because Ünïcode", "Actor", "j.doe",
				"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			if a.Code != w.status {
				t.Fatalf("status %d, want %d: %s", a.Code, w.status, a.Body)
			}
			want := command.Request{
				Enterprise: "acme", ID: "key_1", Command: w.command, Actor: loopbackActor, OnBehalfOf: "j.doe", Reason: "because Ünïcode",
				Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the request (-want +got):\n%s", diff)
			}
			receipt := into[Receipt](t, a)
			if receipt.ID != "made-1" || receipt.Sequence != 41 || len(receipt.Warnings) != 1 {
				t.Errorf("the receipt is %s", a.Body)
			}
			location := a.Header.Get("Location")
			if (w.status == 201) != (location != "") || a.Header.Get("ETag") != "" {
				t.Errorf("Location %q, ETag %q", location, a.Header.Get("ETag"))
			}
		})
	}
}

func TestWrite_locationIsWhereTheNewThingReads(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	for target, want := range map[string]string{
		"/api/v1/enterprises":                      "/api/v1/enterprises/acme",
		"/api/v1/enterprises/ACME/peers":           "/api/v1/enterprises/acme/peers/made-1",
		"/api/v1/enterprises/Acme/trusted-servers": "/api/v1/enterprises/acme/trusted-servers/made-1",
	} {
		for _, w := range writes() {
			if w.status != 201 || !strings.EqualFold(w.path, target) {
				continue
			}
			a := ask(h, "POST", target, w.body)
			if got := a.Header.Get("Location"); got != want {
				t.Errorf("%s: Location %q, want %q (status %d)", target, got, want, a.Code)
			}
		}
	}
}

func TestWrite_withoutWarningsTheReceiptIsIDAndSequence(t *testing.T) {
	a := ask(newAPI(t, commandsFunc(accept), &condition{}), "DELETE", "/api/v1/enterprises/acme/peers/p1", "")
	if got := strings.TrimSpace(a.Body); got != `{"id":"made-1","sequence":41}` {
		t.Errorf("got %s", got)
	}
}

func TestWrite_refusalsOfTheDomainAreShownInFull(t *testing.T) {
	at := time.Date(2026, 2, 1, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		err    *domain.Error
		status int
		more   string // a part of the body
	}{
		{&domain.Error{Code: domain.Malformed, Field: "type", Msg: "m"}, 400, ""},
		{&domain.Error{Code: domain.Invalid, Field: "hostname", Msg: "m"}, 422, `"detail":"m"`},
		{&domain.Error{Code: domain.Unsupported, Field: "server.deployment", Msg: "m"}, 422, ""},
		{&domain.Error{Code: domain.IDReused, Msg: "m"}, 422, ""},
		{&domain.Error{Code: domain.FollowsPeer, Field: "host", Msg: "m", Peer: "p9"}, 422, `"peer":"p9"`},
		{&domain.Error{Code: domain.Forbidden, Msg: "m"}, 403, ""},
		{&domain.Error{Code: domain.NotFound, Msg: "m"}, 404, ""},
		{&domain.Error{Code: domain.Exists, Field: "description", Msg: "100 % taken"}, 409, `"detail":"100 % taken"`},
		{
			&domain.Error{Code: domain.Stale, Msg: "m", Stale: &domain.StaleInfo{Current: 12, ChangedBy: "ann", ChangedAt: at}}, 412,
			`"current":12,"changed_by":"ann","changed_at":"2026-02-01T08:00:00Z"`,
		},
		{
			&domain.Error{Code: domain.Gone, Msg: "m", Gone: &domain.Removal{Seq: 9, By: "bob", At: at, Reason: "moved"}}, 410,
			`"deleted_by":"bob","deleted_at":"2026-02-01T08:00:00Z","reason":"moved","sequence":9`,
		},
	} {
		h := newAPI(t, refuse(fmt.Errorf("handle: %w", c.err)), &condition{})
		for _, w := range writes() {
			a := ask(h, w.method, w.path, w.body)
			wantProblem(t, a, c.status, c.err.Code, c.err.Field)
			if !strings.Contains(a.Body, c.more) {
				t.Errorf("%s %s: %s lacks %s", w.method, w.path, a.Body, c.more)
			}
		}
	}
}

func TestWrite_whenTheLogDoesNotAnswer503(t *testing.T) {
	for _, c := range []struct {
		err   error
		retry string
	}{
		{fmt.Errorf("append: %w", command.ErrUnavailable), "1"},
		{fmt.Errorf("append: %w", command.ErrFull), "30"},
		{context.DeadlineExceeded, "1"},
	} {
		h := newAPI(t, refuse(c.err), &condition{})
		for _, w := range writes() {
			a := ask(h, w.method, w.path, w.body)
			wantProblem(t, a, 503, codeUnavailable, "")
			if got := a.Header.Get("Retry-After"); got != c.retry {
				t.Errorf("Retry-After %q, want %q", got, c.retry)
			}
		}
	}
}

func TestWrite_anUnforeseenErrorIsNotShown(t *testing.T) {
	const secret = "pq: password of user peering"
	h := newAPI(t, refuse(errors.New(secret)), &condition{})
	for _, w := range writes() {
		a := ask(h, w.method, w.path, w.body)
		p := wantProblem(t, a, 500, codeInternal, "")
		if strings.Contains(a.Body, "password") || !strings.HasPrefix(p.Instance, "urn:uuid:") {
			t.Errorf("got %s", a.Body)
		}
	}
}

func TestWrite_headersAreChecked(t *testing.T) {
	const path = "/api/v1/enterprises/acme/peers/p1/enable"
	h := newAPI(t, forbidden(t), &condition{})
	for _, c := range []struct {
		status  int
		code    domain.Code
		field   string
		headers []string
	}{
		{400, domain.Malformed, "Idempotency-Key", []string{"Idempotency-Key", "a", "Idempotency-Key", "b"}},
		{400, domain.Malformed, "Reason", []string{"Reason", "a", "Reason", "b"}},
		{400, domain.Malformed, "Actor", []string{"Actor", "a", "Actor", "b"}},
		{400, domain.Malformed, "If-Match", []string{"If-Match", "41"}},
		{400, domain.Malformed, "If-Match", []string{"If-Match", `W/"41.57"`}},
		{400, domain.Malformed, "If-Match", []string{"If-Match", `"41.57", "42.57"`}},
		{400, domain.Malformed, "If-Match", []string{"If-Match", `"x"`}},
		{400, domain.Malformed, "If-Match", []string{"If-Match", `""`}},
		{400, domain.Malformed, "If-Match", []string{"If-Match", `"-1.2"`}},
		{400, domain.Malformed, "If-Match", []string{"If-Match", `"99999999999999999999.2"`}},
		{400, domain.Malformed, "If-Match", []string{"If-Match", `"1.2"`, "If-Match", `"1.2"`}},
	} {
		wantProblem(t, ask(h, "POST", path, "", c.headers...), c.status, c.code, c.field)
	}
}

func TestWrite_idempotencyKeyMayBeQuoted(t *testing.T) {
	var got events.CommandID
	h := newAPI(t, commandsFunc(func(ctx context.Context, req command.Request) (command.Receipt, error) {
		got = req.ID
		return accept(ctx, req)
	}), &condition{})
	ask(h, "POST", "/api/v1/enterprises/acme/peers/p1/enable", "", "Idempotency-Key", `"8e03978e-40d5"`)
	if got != "8e03978e-40d5" {
		t.Errorf("got %q", got)
	}
}

func TestWrite_ifMatchIsTheRevisionAlone(t *testing.T) {
	for header, want := range map[string]*events.Seq{
		`"41.57"`: seq(41), `"41"`: seq(41), `"0.0"`: seq(0), "*": nil, "": nil,
	} {
		var got *events.Seq
		h := newAPI(t, commandsFunc(func(ctx context.Context, req command.Request) (command.Receipt, error) {
			got = req.IfRevision
			return accept(ctx, req)
		}), &condition{})
		a := ask(h, "PATCH", "/api/v1/enterprises/acme/peers/p1", `{"enabled":true}`, "If-Match", header)
		if a.Code != 200 || !cmp.Equal(got, want) {
			t.Errorf("If-Match %s: status %d, revision %v, want %v", header, a.Code, got, want)
		}
	}
}

func seq(n events.Seq) *events.Seq { return &n }

func TestWrite_ifMatchNeedsSomethingToCompare(t *testing.T) {
	for _, w := range writes() {
		if w.status != 201 {
			continue
		}
		a := ask(newAPI(t, forbidden(t), &condition{}), w.method, w.path, w.body, "If-Match", `"1.1"`)
		wantProblem(t, a, 422, domain.Invalid, "If-Match")
	}
}

func TestWrite_theBodyMayOnlyRepeatThePath(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{})
	const peer, trusted = "/api/v1/enterprises/acme/peers/p1", "/api/v1/enterprises/acme/trusted-servers/t1"
	for _, w := range writes() {
		body, field, other := `{"peer":"p1"`, "peer", `{"peer":"p2"`
		switch {
		case strings.HasPrefix(w.path, trusted):
			body, field, other = `{"trusted_server":"t1"`, "trusted_server", `{"trusted_server":"t2"`
		case !strings.HasPrefix(w.path, peer):
			continue
		}
		rest := "}"
		if len(w.body) > 2 {
			rest = "," + w.body[1:]
		}
		if a := ask(h, w.method, w.path, body+rest); a.Code != 200 {
			t.Errorf("%s %s: status %d for the same: %s", w.method, w.path, a.Code, a.Body)
		}
		wantProblem(t, ask(h, w.method, w.path, other+rest), 422, domain.Invalid, field)
	}
}

func TestWrite_registerNeedsAnIDThatIsOne(t *testing.T) {
	for _, id := range []string{"abc", "a.b.c", "acme corp", "acme*", "acme>", strings.Repeat("a", 33), "", "äcme"} {
		body := strings.Replace(writes()[0].body, "Acme", id, 1)
		wantProblem(t, ask(newAPI(t, forbidden(t), &condition{}), "POST", "/api/v1/enterprises", body), 422, domain.Invalid, "id")
	}
}

func TestWrite_unknownQueryParametersAreRefused(t *testing.T) {
	h := newAPI(t, forbidden(t), &condition{})
	for _, w := range writes() {
		wantProblem(t, ask(h, w.method, w.path+"?dry_run=true", w.body), 422, domain.Invalid, "dry_run")
	}
}
