package httpapi

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/peering/peering/internal/access"
	"github.com/peering/peering/internal/readmodel"
)

// limited is a closed stack with these limits, and its tokens.
func limited(t *testing.T, l Limits) (*stack, map[string]string) {
	t.Helper()
	s, tokens := closed(t)
	s.http = newAPI(t, nil, nil, func(o *Options) { o.Backends, o.Limits = s.backends, l })
	return s, tokens
}

// until asks until the answer is another one, and returns how often it was not.
func until(t *testing.T, status int, most int, ask func() answer) (n int) {
	t.Helper()
	for ; n <= most; n++ {
		a := ask()
		switch a.Code {
		case status:
		case 429:
			wantProblem(t, a, 429, codeTooMany, "")
			return n
		default:
			t.Fatalf("status %d: %s", a.Code, a.Body)
		}
	}
	t.Fatalf("there is no end after %d requests", n)
	return n
}

func TestLimit_ofATokenIsItsOwn(t *testing.T) {
	s, tokens := limited(t, Limits{PerToken: 5, PerAddress: 1000})
	get := func(secret string) func() answer {
		return func() answer {
			return askFrom(s.http, remote, "GET", "/openapi.json", "", "Authorization", "Bearer "+secret)
		}
	}
	if n := until(t, 200, 100, get(tokens["viewer"])); n < 10 {
		t.Errorf("%d requests at once, want 10", n)
	}
	if a := get(tokens["operator"])(); a.Code != 200 {
		t.Errorf("another token from the same address: status %d", a.Code)
	}
}

// TestLimit_ofAnAddressIsForThoseWithoutAGoodToken: none, a malformed header and
// a wrong token count alike, and who has a good one is not slowed down.
func TestLimit_ofAnAddressIsForThoseWithoutAGoodToken(t *testing.T) {
	for name, headers := range map[string][]string{
		"none":      nil,
		"malformed": {"Authorization", "Basic x"},
		"wrong":     {"Authorization", "Bearer " + strings.Repeat("x", 40)},
	} {
		t.Run(name, func(t *testing.T) {
			s, tokens := limited(t, Limits{PerToken: 1000, PerAddress: 5})
			guess := func(from string) func() answer {
				return func() answer { return askFrom(s.http, from, "GET", enterprisesURL, "", headers...) }
			}
			good := func() answer {
				return askFrom(s.http, remote, "GET", enterprisesURL, "", "Authorization", "Bearer "+tokens["viewer"])
			}
			if a := good(); a.Code != 200 {
				t.Fatalf("status %d", a.Code)
			}
			if n := until(t, 401, 100, guess(remote)); n < 9 {
				t.Errorf("%d guesses at once, want about 10", n)
			}
			for range 20 {
				guess(remote)()
				if a := good(); a.Code != 200 {
					t.Fatalf("a good token is slowed by guesses from its address: status %d", a.Code)
				}
			}
			if a := guess("192.0.2.8:1")(); a.Code != 401 {
				t.Errorf("another address: status %d", a.Code)
			}
			if a := askFrom(s.http, remote, "GET", "/livez", ""); a.Code != 200 {
				t.Errorf("the probe of an orchestrator: status %d", a.Code)
			}
		})
	}
}

func TestLimit_anAddressOfIPv6IsItsNetwork(t *testing.T) {
	s, _ := limited(t, Limits{PerAddress: 5})
	i := 0
	n := until(t, 401, 100, func() answer {
		i++
		return askFrom(s.http, fmt.Sprintf("[2001:db8:1:2:%x::1]:%d", i, i), "GET", enterprisesURL, "")
	})
	if n < 9 {
		t.Errorf("%d requests at once, want about 10", n)
	}
	if a := askFrom(s.http, "[2001:db8:1:3::1]:1", "GET", enterprisesURL, ""); a.Code != 401 {
		t.Errorf("another network: status %d", a.Code)
	}
}

// TestLimit_doesNotHoldWhileThereIsNoToken: a script on this machine may be fast.
func TestLimit_doesNotHoldWhileThereIsNoToken(t *testing.T) {
	h := newAPI(t, commandsFunc(accept), &condition{}, func(o *Options) { o.Limits = Limits{PerToken: 1, PerAddress: 1} })
	for range 50 {
		if a := ask(h, "GET", enterprisesURL, ""); a.Code != 200 {
			t.Fatalf("status %d", a.Code)
		}
	}
}

func TestNetwork_isTheAddressOrItsPrefix(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[2001:db8::1:2:3:4]:80": "2001:db8::/64",
		"[fe80::1%eth0]:80": "fe80::/64", "[::1]:80": "::/64", "": "", "@": "", "192.0.2.1": "",
	} {
		if got := network(remote); got != want {
			t.Errorf("%q is %q, want %q", remote, got, want)
		}
	}
}

// TestBuckets_areBounded: whoever has many addresses costs no more memory, and
// those who were seen lately are remembered.
func TestBuckets_areBounded(t *testing.T) {
	b := newBuckets(1)
	lately := b.of("lately")
	addr := netip.MustParseAddr("10.0.0.0")
	for range 10 * maxBuckets {
		addr = addr.Next()
		b.of(addr.String())
		b.of("lately")
	}
	if len(b.byKey) > maxBuckets || b.recent.Len() != len(b.byKey) {
		t.Errorf("%d buckets, at most %d may be", len(b.byKey), maxBuckets)
	}
	if b.of("lately") != lately {
		t.Error("one that was seen a moment ago was forgotten")
	}
}

// unsure is a keeper that cannot tell now.
type unsure struct{ Tokens }

func (unsure) Open(context.Context) (bool, error) { return false, readmodel.ErrUnavailable }
func (unsure) Knows(string) bool                  { return false }
func (unsure) Authenticate(context.Context, string) (access.Principal, error) {
	return access.Principal{}, readmodel.ErrUnavailable
}

// TestGuard_whileNobodyCanTell: nothing of the API is answered, and what tells
// why is for callers on this machine.
func TestGuard_whileNobodyCanTell(t *testing.T) {
	for name, tokens := range map[string]Tokens{"not connected": nil, "away": unsure{}} {
		h := newAPI(t, nil, nil, func(o *Options) {
			o.Backends = func() Backends { return Backends{Tokens: tokens, Commands: forbidden(t), Directory: &condition{}} }
		})
		for _, headers := range [][]string{nil, {"Authorization", "Bearer " + strings.Repeat("x", 40)}} {
			for _, from := range []string{remote, "127.0.0.1:1"} {
				if a := askFrom(h, from, "POST", peersURL, `{"type":"external","description":"x"}`, headers...); a.Code != 503 {
					t.Errorf("%s: a write from %s: status %d: %s", name, from, a.Code, a.Body)
				}
			}
			if a := askFrom(h, remote, "GET", "/health", "", headers...); a.Code != 403 && a.Code != 503 {
				t.Errorf("%s: health from elsewhere: status %d", name, a.Code)
			}
		}
		if a := ask(h, "GET", "/health", ""); a.Code != 200 {
			t.Errorf("%s: health on this machine: status %d", name, a.Code)
		}
	}
}
