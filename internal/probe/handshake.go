package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/peering/peering/internal/events"
)

// handshake speaks TLS with the server and judges what it shows. Everything is
// accepted until the handshake is over, so that a finding can say what is wrong
// instead of that something is.
func (l *look) handshake(ctx context.Context, conn net.Conn) (*tls.Conn, bool) {
	l.shaken = time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.limits.TLS)
	defer cancel()
	secure := tls.Client(conn, l.config())
	if err := secure.HandshakeContext(ctx); err != nil {
		l.failed(l.shaken, l.unshaken(err))
		return nil, false
	}
	state := secure.ConnectionState()
	l.result.Names = namesOf(state.PeerCertificates[0])
	l.result.Certificate = describe(state.PeerCertificates[0], l.result.Names)
	faults := l.verify(state.PeerCertificates, time.Now())
	if state.Version < tls.VersionTLS12 {
		faults = append([]fault{{codeProtocol, "the server speaks " + tls.VersionName(state.Version) + ", and no TLS 1.2 or newer"}}, faults...)
	}
	if len(faults) > 0 {
		l.failed(l.shaken, events.Cause{Layer: events.LayerTLS, Code: faults[0].code, Message: sentence(faults)})
		return nil, false
	}
	l.passed(l.shaken, events.LayerTLS, tls.VersionName(state.Version)+", with a certificate that is valid until "+
		state.PeerCertificates[0].NotAfter.UTC().Format(time.DateTime)+" UTC.")
	return secure, true
}

// config offers everything back to TLS 1.0: a server that is too old is told by
// the version it chooses. The key shares are small, as old servers know them.
func (l *look) config() *tls.Config {
	return &tls.Config{
		ServerName:             l.host,
		InsecureSkipVerify:     true, // verify does it
		MinVersion:             tls.VersionTLS10,
		CipherSuites:           l.suites,
		CurvePreferences:       []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true, // every look sees the certificate
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			l.wantsClient = true
			return new(tls.Certificate), nil // none
		},
	}
}

func (l *look) unshaken(err error) events.Cause {
	var noTLS tls.RecordHeaderError
	switch {
	case l.turnedAway(err):
		return clientWanted()
	case timedOut(err), errors.Is(err, context.Canceled):
		return cause(events.LayerTLS, codeTimeout, "The server took the connection, but did not finish the TLS handshake in time.")
	case endedEarly(err):
		return cause(events.LayerTLS, codeClosed, "The server ended the connection during the TLS handshake.")
	case errors.As(err, &noTLS):
		return cause(events.LayerTLS, codeHandshake, "What answers does not speak TLS.")
	default:
		return cause(events.LayerTLS, codeHandshake, "The TLS handshake failed: the server refused it, or broke the protocol.")
	}
}

// turnedAway tells whether err, the end of a connection, is for want of a
// certificate of ours. The server's alert says so, but it can be lost: what was
// sent after the handshake resets a connection that the server has closed.
func (l *look) turnedAway(err error) bool {
	var op *net.OpError
	alert := errors.As(err, &op) && op.Op == "remote error"
	return l.wantsClient && (alert || endedEarly(err))
}

func clientWanted() events.Cause {
	return cause(events.LayerTLS, codeHandshake, "The server asks for a client certificate, and ended the connection without one.")
}
