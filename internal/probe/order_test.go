package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/peering/peering/internal/events"
)

func TestAlternate_familiesTakeTurns(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1":                           "10.0.0.1",
		"fd00::1 fd00::2 10.0.0.1":           "fd00::1 10.0.0.1 fd00::2",
		"10.0.0.1 10.0.0.2 fd00::1":          "10.0.0.1 fd00::1 10.0.0.2",
		"fd00::1 10.0.0.1 10.0.0.2 10.0.0.3": "fd00::1 10.0.0.1 10.0.0.2 10.0.0.3",
	} {
		got := texts(alternate(addresses(strings.Fields(in)...)))
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestShare_leavesTimeForTheRest(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for left, want := range map[int]time.Duration{1: 3 * time.Second, 2: 2500 * time.Millisecond, 4: 1250 * time.Millisecond, 8: time.Second} {
		if got := share(ctx, left, 3*time.Second); got > want || got < want-500*time.Millisecond {
			t.Errorf("%d left: got %s, want about %s", left, got, want)
		}
	}
}

func TestConnectCode_comesFromTheSystemsNumber(t *testing.T) {
	for code, errs := range map[string][]error{
		"refused":     {syscall.ECONNREFUSED},
		"reset":       {syscall.ECONNRESET, syscall.ECONNABORTED},
		"timeout":     {syscall.ETIMEDOUT, context.DeadlineExceeded, os.ErrDeadlineExceeded},
		"unreachable": {syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES, syscall.EPERM, syscall.EADDRNOTAVAIL, errors.New("timeout refused reset")},
	} {
		for _, err := range errs {
			wrapped := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
			if got := connectCode(wrapped); got != code {
				t.Errorf("%v: got %s, want %s", err, got, code)
			}
		}
	}
}

func TestUnconnected_mostTellingFailureIsTheCause(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.1")
	for codes, want := range map[string][2]string{
		"unreachable":             {"unreachable", "the server could not be reached from here"},
		"unreachable timeout":     {"timeout", "of 2 addresses, 1 did not answer in time, 1 could not be reached from here"},
		"timeout reset":           {"reset", "of 2 addresses, 1 reset the connection, 1 did not answer in time"},
		"refused unreachable":     {"refused", "of 2 addresses, 1 refused the connection, 1 could not be reached from here"},
		"timeout refused timeout": {"refused", "of 3 addresses, 1 refused the connection, 2 did not answer in time"},
		"timeout timeout":         {"timeout", "each of 2 addresses did not answer in time"},
	} {
		var failures []attempt
		for _, code := range strings.Fields(codes) {
			failures = append(failures, attempt{a, code})
		}
		c := unconnected(443, failures)
		if c.Layer != events.LayerConnect || c.Code != want[0] || c.Message != "No connection to port 443: "+want[1]+"." {
			t.Errorf("%s: got %+v, want %s and %q", codes, c, want[0], want[1])
		}
		if n := strings.Count(told(failures), a.String()); n != len(failures) {
			t.Errorf("%s: got %q, want every failure", codes, told(failures))
		}
	}
}

func TestPlain_isSafeToShow(t *testing.T) {
	for in, want := range map[string]string{
		"pbx.acme.example":      "pbx.acme.example",
		"a\r\nb\x00\x1b[31m":    "a??b??[31m",
		"b\u202Ea":              "b?a",
		"\xff":                  "?",
		"Zürich":                "Zürich",
		strings.Repeat("ü", 30): strings.Repeat("ü", 10) + "…", // not half of a letter
	} {
		if got := plain(in, 21); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestSeveral_countsWhatItDoesNotName(t *testing.T) {
	for n, want := range map[int]string{3: "a, b, c", 2: "a, b and 1 more"} {
		if got := several([]string{"a", "b", "c"}, n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestAbsent_isWhatTheAnswerSays(t *testing.T) {
	for err, want := range map[error]bool{
		&net.DNSError{IsNotFound: true}:                  true,
		&net.AddrError{Err: "no suitable address found"}: true, // the system has another family for the name
		&net.DNSError{IsTimeout: true}:                   false,
		&net.DNSError{Err: "server misbehaving"}:         false,
		context.DeadlineExceeded:                         false,
	} {
		if got := absent(err); got != want {
			t.Errorf("%v: got %t, want %t", err, got, want)
		}
	}
}
