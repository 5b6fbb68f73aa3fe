package client

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestClient_requests: every method sends the method, path, query and body that
// the API has for it.
func TestClient_requests(t *testing.T) {
	yes := true
	when := time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		call              func(ctx context.Context, c *Client) error
		method, uri, body string
	}{
		{func(ctx context.Context, c *Client) error {
			_, err := c.Enterprises(ctx, ListQuery{Q: "a&b", Sort: "-id", Limit: 5, Cursor: "c+"}, MinSeq(4))
			return err
		}, "GET", "/api/v1/enterprises?cursor=c%2B&limit=5&min_seq=4&q=a%26b&sort=-id", ""},
		{func(ctx context.Context, c *Client) error { _, err := c.Enterprise(ctx, "acme"); return err }, "GET", "/api/v1/enterprises/acme", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.RegisterEnterprise(ctx, NewEnterprise{ID: "acme", Description: "A", Domain: "a.example", Server: Server{Hostname: "h.example"}})
			return err
		}, "POST", "/api/v1/enterprises", `{"id":"acme","description":"A","domain":"a.example","server":{"hostname":"h.example"}}`},
		{func(ctx context.Context, c *Client) error {
			_, err := c.EditEnterprise(ctx, "acme", EnterprisePatch{Server: &ServerPatch{Address: Null[string](), Version: Value("9.8")}})
			return err
		}, "PATCH", "/api/v1/enterprises/acme", `{"server":{"address":null,"version":"9.8"}}`},
		{func(ctx context.Context, c *Client) error { _, err := c.RemoveEnterprise(ctx, "acme"); return err }, "DELETE", "/api/v1/enterprises/acme", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.Peers(ctx, "acme", PeerQuery{Status: "down", Type: "micollab", Enabled: &yes, Deleted: true, Description: "a b"})
			return err
		}, "GET", "/api/v1/enterprises/acme/peers?deleted=true&description=a+b&enabled=true&status=down&type=micollab", ""},
		{func(ctx context.Context, c *Client) error { _, err := c.Peer(ctx, "acme", "a*>\nb"); return err }, "GET", "/api/v1/enterprises/acme/peers/a%2A%3E%0Ab", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.AddPeer(ctx, "acme", NewPeer{Type: "micollab", Description: "B", Hostname: new("h.example"), Address: new("")})
			return err
		}, "POST", "/api/v1/enterprises/acme/peers", `{"type":"micollab","description":"B","hostname":"h.example","address":""}`},
		{func(ctx context.Context, c *Client) error {
			_, err := c.EditPeer(ctx, "acme", "p1", PeerPatch{Address: Null[string](), Port: Value(8443), Enabled: new(false)})
			return err
		}, "PATCH", "/api/v1/enterprises/acme/peers/p1", `{"port":8443,"address":null,"enabled":false}`},
		{func(ctx context.Context, c *Client) error { _, err := c.DeletePeer(ctx, "acme", "p1"); return err }, "DELETE", "/api/v1/enterprises/acme/peers/p1", ""},
		{func(ctx context.Context, c *Client) error { _, err := c.EnablePeer(ctx, "acme", "p1"); return err }, "POST", "/api/v1/enterprises/acme/peers/p1/enable", ""},
		{func(ctx context.Context, c *Client) error { _, err := c.DisablePeer(ctx, "acme", "p1"); return err }, "POST", "/api/v1/enterprises/acme/peers/p1/disable", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.AcknowledgePeerNotice(ctx, "acme", "p1")
			return err
		}, "POST", "/api/v1/enterprises/acme/peers/p1/acknowledge", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.ScheduleMaintenance(ctx, "acme", "p1", Maintenance{Start: when, End: when.Add(time.Hour)})
			return err
		}, "POST", "/api/v1/enterprises/acme/peers/p1/maintenance", `{"start":"2026-03-01T22:00:00Z","end":"2026-03-01T23:00:00Z"}`},
		{func(ctx context.Context, c *Client) error {
			_, err := c.CancelMaintenance(ctx, "acme", "p1")
			return err
		}, "DELETE", "/api/v1/enterprises/acme/peers/p1/maintenance", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.TrustedServers(ctx, "acme", TrustedServerQuery{Type: "im", Origin: "manual", Host: "h", Description: "d"})
			return err
		}, "GET", "/api/v1/enterprises/acme/trusted-servers?description=d&host=h&origin=manual&type=im", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.TrustedServersOfAll(ctx, TrustedServerQuery{})
			return err
		}, "GET", "/api/v1/trusted-servers", ""},
		{func(ctx context.Context, c *Client) error { _, err := c.TrustedServer(ctx, "acme", "t1"); return err }, "GET", "/api/v1/enterprises/acme/trusted-servers/t1", ""},
		{func(ctx context.Context, c *Client) error {
			_, err := c.AddTrustedServer(ctx, "acme", NewTrustedServer{"G", "192.0.2.1", "im"})
			return err
		}, "POST", "/api/v1/enterprises/acme/trusted-servers", `{"description":"G","host":"192.0.2.1","type":"im"}`},
		{func(ctx context.Context, c *Client) error {
			_, err := c.EditTrustedServer(ctx, "acme", "t1", TrustedServerPatch{Host: new("h2")})
			return err
		}, "PATCH", "/api/v1/enterprises/acme/trusted-servers/t1", `{"host":"h2"}`},
		{func(ctx context.Context, c *Client) error {
			_, err := c.RemoveTrustedServer(ctx, "acme", "t1")
			return err
		}, "DELETE", "/api/v1/enterprises/acme/trusted-servers/t1", ""},
	} {
		s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, `{}`) })
		if err := c.call(t.Context(), connect(t, s.URL)); err != nil {
			t.Errorf("%s %s: %v", c.method, c.uri, err)
			continue
		}
		got := s.got()[0]
		if got.method != c.method || got.uri != c.uri || got.body != c.body {
			t.Errorf("got  %s %s %s\nwant %s %s %s", got.method, got.uri, got.body, c.method, c.uri, c.body)
		}
		want := map[string]string{"POST": "application/json", "PATCH": "application/merge-patch+json"}[c.method]
		if ct := got.header.Get("Content-Type"); c.body != "" && ct != want {
			t.Errorf("%s %s is sent as %q, want %q", c.method, c.uri, ct, want)
		}
		if key := got.header.Get("Idempotency-Key"); (key == "") != (c.method == "GET") {
			t.Errorf("%s %s has the key %q", c.method, c.uri, key)
		}
	}
}

func TestWrite_options(t *testing.T) {
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, "{\"id\": \"p1\", \"sequence\": 7,\n\"new\": 1, \"warnings\":[{\"code\":\"c\",\"message\":\"m\"}]}\n")
	})
	var body bytes.Buffer
	r, err := connect(t, s.URL+"/behind/", WithToken("secret"), WithUserAgent("mine/1")).EditPeer(t.Context(), "acme", "p1", PeerPatch{},
		IdempotencyKey("k1"), Reason("Umzug nach Köln"), OnBehalfOf("j.doe"), IfMatch(41), Body(&body))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Warnings) != 1 || r.Warnings[0].Message != "m" {
		t.Errorf("got %+v", r)
	}
	if want := "{\"id\": \"p1\", \"sequence\": 7,\n\"new\": 1, \"warnings\":[{\"code\":\"c\",\"message\":\"m\"}]}\n"; body.String() != want {
		t.Errorf("the body is %q", body.String())
	}
	got := s.got()[0]
	if got.uri != "/behind/api/v1/enterprises/acme/peers/p1" {
		t.Errorf("the path is %s", got.uri)
	}
	for name, want := range map[string]string{
		"Idempotency-Key": "k1", "Reason": "Umzug nach Köln", "Actor": "j.doe", "If-Match": `"41"`,
		"Authorization": "Bearer secret", "User-Agent": "mine/1",
	} {
		if v := got.header.Get(name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
}

// TestRequest_whatCouldBeAnotherPathIsNotSent: a proxy that tidies paths would
// make DELETE …/acme/peers/.. the removal of the enterprise.
func TestRequest_whatCouldBeAnotherPathIsNotSent(t *testing.T) {
	s := serve(t, func(int, http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	c := connect(t, s.URL)
	for _, id := range []string{"", ".", "..", "../x", "a/b", `a\b`} {
		if _, err := c.DeletePeer(t.Context(), "acme", PeerID(id)); Code(err) != CodeNotFound {
			t.Errorf("%q: got %v", id, err)
		}
		if _, err := c.Peers(t.Context(), EnterpriseID(id), PeerQuery{}); Code(err) != CodeNotFound {
			t.Errorf("%q: got %v", id, err)
		}
	}
}

func TestRequest_aHeaderWithControlCharactersIsNotSent(t *testing.T) {
	s := serve(t, func(int, http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for _, o := range []WriteOption{Reason("a\nb"), IdempotencyKey("a\x00"), OnBehalfOf("a\r\nHost: b")} {
		if _, err := connect(t, s.URL).DeletePeer(t.Context(), "acme", "p1", o); Code(err) != CodeMalformed {
			t.Errorf("got %v", err)
		}
	}
}

func TestNew_refusesWhatIsNoServer(t *testing.T) {
	for _, server := range []string{"", "localhost:8080", "ftp://h.example", "http://", "http://u:p@h.example", "http://h.example?x=1", "http://h.example/#x", "http://h.exam ple", "://"} {
		if _, err := New(server); err == nil {
			t.Errorf("%q is taken", server)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
	if _, err := New("http://h.example", WithToken("a\nb")); err == nil {
		t.Error("a token of two lines is taken")
	}
}
