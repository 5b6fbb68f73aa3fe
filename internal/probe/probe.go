// Package probe looks at one server, layer by layer. It owns the order of the
// layers (name, connection, TLS, HTTP), how a failure of each is told apart, and
// the guard that says which addresses and ports may be dialled at all.
//
// It imports events only, for the words in which a finding is told. It has no
// schedule and remembers nothing between two looks: the prober decides when to
// look, and what a finding means for a peer.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/peering/peering/internal/events"
)

// Options of a Probe. What is left out has a default.
type Options struct {
	// Roots are the authorities that a server's certificate may come from; nil
	// is those of the system. See Roots.
	Roots *x509.CertPool
	// Guard says what may be dialled.
	Guard Guard
	// Hosts are names that are not looked up but stand for one address, lower
	// case and without a trailing dot. The guard applies to them as well.
	Hosts map[string]netip.Addr
	// Resolver says how the DNS is reached, by its Dial; nil is as the system's
	// settings say. The rest of it is not used.
	Resolver *net.Resolver
	// Version says where a server tells its version.
	Version VersionRule
	// Limits bound what one look may take.
	Limits Limits
}

// Probe looks at servers. It is safe for concurrent use.
type Probe struct {
	roots    *x509.CertPool
	guard    Guard
	hosts    map[string]netip.Addr
	resolver *net.Resolver
	rule     VersionRule
	limits   Limits
	suites   []uint16
	// shortages counts look-ups that this machine had no socket for. One that
	// fails while it grows is nobody's fault out there.
	shortages atomic.Int64
}

// New returns a probe.
func New(opts Options) *Probe {
	p := &Probe{
		roots: opts.Roots, guard: opts.Guard.orDefault(), hosts: opts.Hosts,
		rule: opts.Version.orDefault(), limits: opts.Limits.orDefault(), suites: suites(),
	}
	p.resolver = newResolver(opts.Resolver, p.limits.DNS/dnsTries, &p.shortages)
	return p
}

// Target is where to look.
type Target struct {
	Hostname string
	Port     int
	// Trusted is another name of the server, which is only resolved, and only when
	// the server answers; empty: there is none.
	Trusted string
}

// Result is what was found.
type Result struct {
	Started time.Time
	// Steps has one entry for each layer that was tried, in order. When one
	// failed, it is the last.
	Steps []events.Step
	// Failure is zero when the server answered on every layer. Its message is for
	// everybody who sees the peer and names no address but one that is the host
	// itself; that of the step may.
	Failure events.Cause
	// Aborted says that the look ended for a reason on this side: the caller
	// gave it up, or the machine had no sockets or memory for it. Such a result
	// says nothing about the server, and its Failure must not be counted.
	Aborted bool
	// Addresses are what the name resolved to, sorted, without those that may
	// not be dialled.
	Addresses []netip.Addr
	// Incomplete says that there may be more addresses, which could not be looked
	// up or are too many: nothing follows from one that is missing.
	Incomplete bool
	// Trusted are the addresses of Target.Trusted, as far as they may be dialled.
	// It is empty when the name was not, or could not be, resolved.
	Trusted []netip.Addr
	// Certificate is what the server showed and proved to have the key of, also
	// when it is not acceptable. Peer and ConfigSeq are left empty. Nil: none.
	// It is made for an event, and its names are cut to a measure.
	Certificate *events.PeerCertificateSeen
	// Names are all the names and addresses that the certificate is for.
	Names []string
	// Version is what the server said; empty: nothing that looks like one.
	Version string
	// Latency is the time from the first connect to the header of the answer; 0:
	// there was none.
	Latency time.Duration
}

// Look looks at t. Whatever goes wrong is the finding; nothing that it opened is
// left when it returns.
func (p *Probe) Look(ctx context.Context, t Target) Result {
	host := strings.ToLower(strings.TrimSuffix(t.Hostname, "."))
	l := &look{Probe: p, host: host, port: t.Port, result: Result{Started: time.Now()}}
	bounded, cancel := context.WithTimeout(ctx, p.limits.Total)
	defer cancel()
	l.run(bounded)
	if t.Trusted != "" && l.result.Failure == (events.Cause{}) {
		l.result.Trusted = p.resolved(bounded, t.Trusted)
	}
	if l.result.Failure != (events.Cause{}) && (l.result.Aborted || ctx.Err() != nil) {
		l.abort()
	}
	return l.result
}

// look is one look in progress.
type look struct {
	*Probe
	host    string
	port    int
	dialled time.Time // when the first connect began
	shaken  time.Time // when the handshake began
	// wantsClient says that the server asked for a certificate of ours.
	wantsClient bool
	result      Result
}

func (l *look) run(ctx context.Context) {
	if !l.guard.AllowsPort(l.port) {
		l.failed(time.Now(), portRefused(l.port))
		return
	}
	addresses, ok := l.resolve(ctx)
	if !ok {
		return
	}
	l.dialled = time.Now()
	conn, ok := l.connect(ctx, addresses)
	if !ok {
		return
	}
	defer func() { _ = conn.Close() }()
	secure, ok := l.handshake(ctx, conn)
	if !ok {
		return
	}
	defer func() { _ = secure.Close() }() // says goodbye, so that the server logs no error
	l.ask(ctx, secure)
}

// passed notes that a layer is in order.
func (l *look) passed(began time.Time, layer, message string) {
	l.result.Steps = append(l.result.Steps, events.Step{
		Layer: layer, OK: true, Message: message, TookMS: milliseconds(time.Since(began)),
	})
}

// failed notes what ended the look.
func (l *look) failed(began time.Time, c events.Cause) { l.failedTelling(began, c, c.Message) }

// failedTelling is failed with a message of the step that tells more than that
// of the cause.
func (l *look) failedTelling(began time.Time, c events.Cause, message string) {
	l.result.Steps = append(l.result.Steps, events.Step{
		Layer: c.Layer, Code: c.Code, Message: message, TookMS: milliseconds(time.Since(began)),
	})
	c.Message = withoutAddresses(c.Message, l.host)
	l.result.Failure = c
}

// abort turns a failure into one that nobody can hold against the server.
func (l *look) abort() {
	const message = "The probe was given up here before it had a result."
	l.result.Aborted = true
	l.result.Failure.Message = message
	l.result.Steps[len(l.result.Steps)-1].Message = message
}

// short tells whether err is for want of something on this machine.
func short(err error) bool {
	return isAny(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS)
}

// suites are all cipher suites but those with RC4. Servers that have no better
// one are no reason to call them down: nothing secret is said to them, and
// whether TLS is recent enough is judged afterwards.
func suites() []uint16 {
	var ids []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !strings.Contains(s.Name, "RC4") {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
