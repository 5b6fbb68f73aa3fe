package probe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"github.com/peering/peering/internal/events"
)

// The stable names of what can be wrong; each belongs to the layers that the
// functions of this package give it.
const (
	codeNotFound       = "not_found"
	codeDNSFailed      = "dns_failed"
	codeTimeout        = "timeout"
	codeRefused        = "refused"
	codeUnreachable    = "unreachable"
	codeReset          = "reset"
	codeExpired        = "expired"
	codeNotYetValid    = "not_yet_valid"
	codeNameMismatch   = "name_mismatch"
	codeUntrusted      = "untrusted"
	codeProtocol       = "protocol_version"
	codeClosed         = "closed"
	codeHandshake      = "handshake"
	codeMalformed      = "malformed"
	codeTooLarge       = "too_large"
	codeServerError    = "server_error"
	codeAddressRefused = "address_refused"
	codePortRefused    = "port_refused"
)

// allowSetting is where an administrator says what may be probed.
const allowSetting = "PEERING_PROBE_ALLOW"

func cause(layer, code, format string, args ...any) events.Cause {
	return events.Cause{Layer: layer, Code: code, Message: fmt.Sprintf(format, args...)}
}

func portRefused(port int) events.Cause {
	return cause(events.LayerPolicy, codePortRefused,
		"Port %d may not be probed; %s lists the ports that may.", port, allowSetting)
}

// addressRefused does not tell the address: who may add a peer could learn from
// it what the names of a foreign network stand for.
func addressRefused(host string) events.Cause {
	return cause(events.LayerPolicy, codeAddressRefused,
		"%s leads to an address that may not be probed; %s says which may.", plain(host, 253), allowSetting)
}

// timedOut tells whether err is a deadline that passed, ours or the kernel's.
func timedOut(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// endedEarly tells whether err is the end of the connection by the other side.
func endedEarly(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		isAny(err, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE)
}

func isAny(err error, errnos ...syscall.Errno) bool {
	return slices.ContainsFunc(errnos, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

// plain is s, which a stranger wrote, as it can be shown: on one line, without
// control characters, and not longer than most bytes.
func plain(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// several names at most n of items: "a, b and 3 more".
func several(items []string, n int) string {
	if len(items) <= n {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:n], ", "), len(items)-n)
}
