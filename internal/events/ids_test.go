package events

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// hostile are texts that no id may be: each would mean something to the bus, to
// a URL or to a person's eye.
var hostile = []string{
	"acme.corp", "acme*", "*", "acme>", ">", "acme corp", " acme", "acme ", "acme\t1", "acme\n1", "acme\x00",
	"acme/1", "acme$1", "acme:1", "acme#", "acme%2e", "äcme", "аcme1", "acme\u200b", "acme\xff", "ａcme", "acme|x", "acme\\", "acme+1",
}

func TestParseEnterpriseID(t *testing.T) {
	good := map[string]EnterpriseID{
		"acme":                  "acme",
		"Demo-ACME":             "demo-acme",
		"0000":                  "0000",
		"----":                  "----",
		strings.Repeat("A", 32): EnterpriseID(strings.Repeat("a", 32)),
	}
	for in, want := range good {
		if got, err := ParseEnterpriseID(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	bad := append([]string{"", "abc", strings.Repeat("a", 33), "acme_1"}, hostile...)
	for _, in := range bad {
		refused(t, in, "enterprise id", func() (string, error) { id, err := ParseEnterpriseID(in); return string(id), err })
	}
}

func TestParseTokens(t *testing.T) {
	kinds := map[string]struct {
		limit int
		parse func(string) (string, error)
	}{
		"peer id":           {64, func(s string) (string, error) { id, err := ParsePeerID(s); return string(id), err }},
		"trusted server id": {80, func(s string) (string, error) { id, err := ParseTrustedServerID(s); return string(id), err }},
		"command id":        {128, func(s string) (string, error) { id, err := ParseCommandID(s); return string(id), err }},
	}
	for kind, k := range kinds {
		t.Run(kind, func(t *testing.T) {
			for _, in := range []string{"a", "A-b_9", strings.Repeat("x", k.limit)} {
				if got, err := k.parse(in); err != nil || got != in {
					t.Errorf("%q: got %q, %v; ids other than an enterprise's keep their case", in, got, err)
				}
			}
			for _, in := range append([]string{"", strings.Repeat("x", k.limit+1)}, hostile...) {
				refused(t, in, kind, func() (string, error) { return k.parse(in) })
			}
		})
	}
}

func refused(t *testing.T, in, kind string, parse func() (string, error)) {
	t.Helper()
	id, err := parse()
	var ie *IDError
	if !errors.As(err, &ie) || ie.Kind != kind || ie.Rule == "" {
		t.Errorf("%q: got %q, %v, want an IDError about the %s", in, id, err, kind)
	}
	if err != nil && strings.Contains(err.Error(), "\x00") {
		t.Errorf("%q: the message repeats what was given: %v", in, err)
	}
}

func TestTrustedServerOfPeer_isDerivedBothWays(t *testing.T) {
	p := PeerID(strings.Repeat("p", 64))
	id := TrustedServerOfPeer(p)
	if _, err := ParseTrustedServerID(string(id)); err != nil {
		t.Errorf("the entry of the longest peer id has no valid id: %v", err)
	}
	if back, ok := PeerOfTrustedServer(id); !ok || back != p {
		t.Errorf("got %q, %v, want %q", back, ok, p)
	}
	for _, manual := range []TrustedServerID{"", "peer-", "ts-1", "xpeer-1"} {
		if got, ok := PeerOfTrustedServer(manual); ok {
			t.Errorf("%q: got peer %q, want none", manual, got)
		}
	}
}

func TestNewEventID_isDerivedAndNeverShared(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[EventID]string{}
	for _, ent := range []EnterpriseID{"acme", "acme-1", "acm"} {
		for _, cmd := range []CommandID{"1", "11", "e1", "1-1"} {
			for i := range 12 {
				id := NewEventID(ent, cmd, i)
				if !form.MatchString(string(id)) {
					t.Fatalf("%q is not a UUID of version 8", id)
				}
				key := string(ent) + " " + string(cmd)
				if other, dup := seen[id]; dup {
					t.Errorf("%s and %s share %s", key, other, id)
				}
				seen[id] = key
				if id != NewEventID(ent, cmd, i) {
					t.Errorf("%s: the same command made another id", key)
				}
			}
		}
	}
}

// The value is frozen: an id that came out differently would make a repeated
// command of an older program write twice.
func TestNewEventID_isFrozen(t *testing.T) {
	const want = EventID("a9c88465-5f66-86a0-b495-d082652918eb")
	if got := NewEventID("demo-acme", "cmd-1", 0); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
