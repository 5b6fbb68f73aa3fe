package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/peering/peering/internal/events"
)

// attempt is a connection that did not come about.
type attempt struct {
	address netip.Addr
	code    string
}

// connect dials the addresses in turn, until one takes the connection. All of
// them share the time: a silent one does not use up that of the next.
func (l *look) connect(ctx context.Context, addresses []netip.Addr) (net.Conn, bool) {
	began := time.Now()
	addresses = addresses[:min(len(addresses), mostDialled)]
	ctx, cancel := context.WithTimeout(ctx, l.limits.ConnectAll)
	defer cancel()
	var failures []attempt
	wanting := false
	for i, a := range addresses {
		conn, err := l.dial(ctx, netip.AddrPortFrom(a, uint16(l.port)), share(ctx, len(addresses)-i, l.limits.Connect))
		if err == nil {
			l.passed(began, events.LayerConnect, connected(a, l.port, failures))
			return conn, true
		}
		if errors.Is(err, errForbidden) {
			l.failed(began, addressRefused(l.host))
			return nil, false
		}
		wanting = wanting || short(err)
		failures = append(failures, attempt{a, connectCode(err)})
		if ctx.Err() != nil {
			break
		}
	}
	l.result.Aborted = wanting
	l.failedTelling(began, unconnected(l.port, failures), fmt.Sprintf("No connection to port %d: %s.", l.port, told(failures)))
	return nil, false
}

// dial connects to one address. The guard is asked again about the address that
// the socket is about to connect to, whatever led there.
func (p *Probe) dial(ctx context.Context, to netip.AddrPort, within time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: within, KeepAlive: -1, Control: p.guard.control}
	return d.DialContext(ctx, "tcp", to.String())
}

// share is how long the next of left addresses may take.
func share(ctx context.Context, left int, most time.Duration) time.Duration {
	deadline, _ := ctx.Deadline()
	return min(most, max(time.Until(deadline)/time.Duration(left), leastConnect))
}

func connectCode(err error) string {
	switch {
	case isAny(err, syscall.ECONNREFUSED):
		return codeRefused
	case isAny(err, syscall.ECONNRESET, syscall.ECONNABORTED):
		return codeReset
	case isAny(err, syscall.ETIMEDOUT), timedOut(err):
		return codeTimeout
	default: // no route, no such family here, forbidden by this machine's firewall
		return codeUnreachable
	}
}

func connected(to netip.Addr, port int, before []attempt) string {
	m := fmt.Sprintf("Connected to %s port %d.", to, port)
	if len(before) > 0 {
		m += fmt.Sprintf(" Before that, %s.", told(before))
	}
	return m
}

// unconnected says why none of the addresses could be reached. The code is the
// most telling of them: a refusal says more than silence, and silence more than
// having no way there. The message counts the addresses and names none.
func unconnected(port int, failures []attempt) events.Cause {
	code := codeUnreachable
	for _, telling := range []string{codeTimeout, codeReset, codeRefused} {
		for _, f := range failures {
			if f.code == telling {
				code = telling
			}
		}
	}
	return cause(events.LayerConnect, code, "No connection to port %d: %s.", port, counted(failures))
}

// counted says what became of the attempts, and told what became of each.
func counted(failures []attempt) string {
	if len(failures) == 1 {
		return "the server " + did(failures[0].code)
	}
	var parts []string
	for _, code := range []string{codeRefused, codeReset, codeTimeout, codeUnreachable} {
		n := 0
		for _, f := range failures {
			if f.code == code {
				n++
			}
		}
		switch n {
		case 0:
		case len(failures):
			return fmt.Sprintf("each of %d addresses %s", n, did(code))
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, did(code)))
		}
	}
	return fmt.Sprintf("of %d addresses, %s", len(failures), strings.Join(parts, ", "))
}

func told(failures []attempt) string {
	parts := make([]string, len(failures))
	for i, f := range failures {
		parts[i] = f.address.String() + " " + did(f.code)
	}
	return strings.Join(parts, "; ")
}

// did is what an address did that led to code.
func did(code string) string {
	switch code {
	case codeRefused:
		return "refused the connection"
	case codeReset:
		return "reset the connection"
	case codeTimeout:
		return "did not answer in time"
	default:
		return "could not be reached from here"
	}
}
